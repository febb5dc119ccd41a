//! `larm bench disk`: the floor.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::show;
use crate::bench::disk::{Floor, LARGE_LEN, RECORD_LEN};
use crate::bench::load::{rate, to_json};

/// Arguments of `larm bench disk`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "A new file is filled with zeros and written over, as larm's journal is. `fdatasync` alone is timed \
after a write of 200 bytes and of 64 KiB. Group commit: so many waiters hand in a record of 200 bytes each, all \
are written in one go and synced, and each hands in the next one; no waiter costs a thread, so this is the most \
that any gateway can reach on this disk."
)]
pub(super) struct Args {
    /// A directory on the disk in question; nothing stays behind.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Time for each line.
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = show::seconds)]
    seconds: Duration,
    /// Numbers of waiters for group commit.
    #[arg(long, value_delimiter = ',', default_value = "1,64,1000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    waiters: Vec<u32>,
    /// Print one JSON object; times in nanoseconds.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let place = || format!("cannot measure the disk of {}", args.dir.display());
    let floor = Floor::new(&args.dir).with_context(place)?;
    let mut out = std::io::stdout().lock();
    if !args.json {
        show::times_head(&mut out)?;
    }
    let mut syncs = serde_json::Map::new();
    for len in [RECORD_LEN, LARGE_LEN] {
        let times = floor.sync(len, args.seconds).with_context(place)?;
        if args.json {
            syncs.insert(len.to_string(), to_json(&times));
        } else {
            show::times(&mut out, &format!("fdatasync, {len} bytes"), &times)?;
        }
    }
    let mut groups = serde_json::Map::new();
    for waiters in &args.waiters {
        let group = floor
            .group(*waiters as usize, args.seconds)
            .with_context(place)?;
        let per_second = rate(group.times.len(), group.lasted);
        if args.json {
            let found = json!({
                "per_second": per_second.round(), "syncs": group.syncs,
                "latency": to_json(&group.times),
            });
            groups.insert(waiters.to_string(), found);
        } else {
            let name = format!("group commit, {}", show::count(u64::from(*waiters)));
            show::times(&mut out, &name, &group.times)?;
            writeln!(
                out,
                "{:<26}{:>12} records/s",
                "",
                show::per_second(per_second)
            )?;
        }
    }
    if args.json {
        writeln!(
            out,
            "{}",
            json!({"fdatasync": syncs, "group_commit": groups})
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
