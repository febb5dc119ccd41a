//! `larm bench accounts`: what a large register costs.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::show;
use crate::bench::accounts::{Prepared, Setup, Turn};
use crate::bench::compare::{clean_up_on_signals, median};

/// Arguments of `larm bench accounts`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "A register is filled once: each account has a key of its own and is supervised on both paths. Then \
larm starts without accounts and with them in turn; each time its start, its resident memory and a load of alarms \
in clear over 64 connections, from as many accounts, are measured. Figures are medians over the rounds.\n\n\
Exit codes: 0 every message was acknowledged, 1 some were not."
)]
pub(super) struct Args {
    /// Accounts in the register.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=80_000_000))]
    count: u32,
    /// Rounds.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Time of each load.
    #[arg(long, default_value = "4", value_name = "SECONDS", value_parser = show::seconds)]
    seconds: Duration,
    /// Where data directories are made: on the disk in question.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON object; times in nanoseconds.
    #[arg(long)]
    json: bool,
}

/// Medians of some turns.
struct Medians {
    started_in: f64,
    resident: f64,
    per_second: f64,
    p99: f64,
}

impl Medians {
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes and nanoseconds below 2^53"
    )]
    fn of(turns: &[Turn]) -> Self {
        let of = |figure: fn(&Turn) -> f64| median(&turns.iter().map(figure).collect::<Vec<_>>());
        Self {
            started_in: of(|turn| turn.started_in.as_secs_f64()),
            resident: of(|turn| turn.resident as f64),
            per_second: of(|turn| turn.per_second),
            p99: of(|turn| turn.p99 as f64),
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    clean_up_on_signals().context("cannot watch for signals")?;
    let prepared = Prepared::new(Setup {
        program: std::env::current_exe().context("cannot tell where this program is")?,
        directory: args.dir.clone(),
        count: args.count,
        lasts: args.seconds,
    })?;
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        empty.push(prepared.empty()?);
        full.push(prepared.full()?);
    }
    let lost: u64 = empty
        .iter()
        .chain(&full)
        .map(|turn| turn.unacknowledged)
        .sum();
    let ratios: Vec<f64> = empty
        .iter()
        .zip(&full)
        .map(|(without, with)| with.per_second / without.per_second)
        .collect();
    let (without, with) = (Medians::of(&empty), Medians::of(&full));
    let each = (with.resident - without.resident) / f64::from(args.count);
    let mut out = std::io::stdout().lock();
    if args.json {
        let side = |of: &Medians| {
            json!({
                "started_in_seconds": of.started_in, "resident_bytes": of.resident,
                "per_second": of.per_second.round(), "p99": of.p99,
            })
        };
        let all = json!({
            "accounts": args.count, "rounds": args.rounds,
            "filled_in_seconds": prepared.filled_in.as_secs_f64(),
            "without": side(&without), "with": side(&with), "bytes_each": each.round(),
            "load_ratio": median(&ratios), "load_ratios": ratios, "unacknowledged": lost,
        });
        writeln!(out, "{all}").context("standard output")?;
    } else {
        writeln!(
            out,
            "{} accounts, filled in {:.1} s: {each:.0} resident bytes each, {:.2} s longer to start, \
             {:.3} of the ACK/s without\n\n{:<10}{:>12}{:>16}{:>12}{:>12}",
            show::count(u64::from(args.count)),
            prepared.filled_in.as_secs_f64(),
            with.started_in - without.started_in,
            median(&ratios),
            "accounts",
            "ready in",
            "resident KiB",
            "ACK/s",
            "p99"
        )
        .context("standard output")?;
        for (name, side) in [("none", &without), ("all", &with)] {
            writeln!(
                out,
                "{name:<10}{:>10.2} s{:>16}{:>12}{:>12}",
                side.started_in,
                show::per_second(side.resident / 1024.0),
                show::per_second(side.per_second),
                show::time_of(side.p99)
            )
            .context("standard output")?;
        }
    }
    Ok(if lost == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
