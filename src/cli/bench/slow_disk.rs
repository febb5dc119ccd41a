//! `larm bench slow-disk`: how well larm hides a disk that is slow.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::show;
use crate::bench::load::figures;
use crate::bench::slow_disk::measure;

/// Arguments of `larm bench slow-disk`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "A gateway with its defaults runs in this process; its journal stands below --dir, and each sync of \
it takes --delay longer than the disk does. First one connection without delay, for the time that everything else \
takes; then every delay with every number of connections.\n\n\
`of most`: with N waiting connections a gateway that commits in groups can reach N / (delay + time of one \
connection without delay); the share of that which was reached. `p99 / most`: p99 over 2.5 delays + that time."
)]
pub(super) struct Args {
    /// A directory on the disk in question; nothing stays behind.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Delays of a sync in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "1,5,20", value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(0..=10_000))]
    delay: Vec<u64>,
    /// Numbers of connections.
    #[arg(long, short, value_delimiter = ',', default_value = "1,64,1000", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: Vec<u32>,
    /// Time for each line.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = show::seconds)]
    seconds: Duration,
    /// Print one JSON object; times in nanoseconds.
    #[arg(long)]
    json: bool,
}

/// Figures are compared in floating point; nanoseconds of a minute fit exactly.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn float(nanos: u64) -> f64 {
    nanos as f64
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let alone = measure(&args.dir, Duration::ZERO, 1, args.seconds)?;
    let alone_ns = figures(&alone.all()).p50;
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(
            out,
            "one connection without delay: {} (p50)\n\n{:>8}{:>12}{:>12}{:>10}{:>12}{:>12}{:>12}",
            show::time(alone_ns),
            "delay",
            "connections",
            "per second",
            "of most",
            "p50",
            "p99",
            "p99 / most"
        )
        .context("standard output")?;
    }
    let mut lines = Vec::new();
    let mut sound = alone.unacknowledged() == 0;
    for millis in &args.delay {
        for connections in &args.connections {
            let delay = Duration::from_millis(*millis);
            let tally = measure(&args.dir, delay, *connections as usize, args.seconds)?;
            sound &= tally.unacknowledged() == 0 && tally.wrong == 0;
            let found = figures(&tally.all());
            let delay_ns = float(millis * 1_000_000);
            let most = f64::from(*connections) / (delay_ns + float(alone_ns)) * 1e9;
            let share = tally.per_second() / most;
            let of_p99 = float(found.p99) / (2.5 * delay_ns + float(alone_ns));
            if args.json {
                lines.push(json!({
                    "delay_ms": millis, "connections": connections,
                    "per_second": tally.per_second().round(), "most": most.round(),
                    "share_of_most": share, "p50": found.p50, "p99": found.p99,
                    "p99_over_most": of_p99, "unacknowledged": tally.unacknowledged(),
                }));
                continue;
            }
            writeln!(
                out,
                "{:>8}{:>12}{:>12}{share:>10.2}{:>12}{:>12}{of_p99:>12.2}",
                format!("{millis} ms"),
                show::count(u64::from(*connections)),
                show::per_second(tally.per_second()),
                show::time(found.p50),
                show::time(found.p99),
            )
            .context("standard output")?;
        }
    }
    if args.json {
        let all = json!({"one_connection_p50": alone_ns, "lines": lines});
        writeln!(out, "{all}").context("standard output")?;
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
