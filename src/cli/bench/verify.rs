//! `larm bench verify`: what was acknowledged, held against the journal.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::show::count;
use crate::bench::verify::{Found, verify};

/// Arguments of `larm bench verify`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Every event in the file must stand in the journal exactly once: also those that were sent and \
acknowledged again as repeats. A gateway may run meanwhile.\n\n\
Exit codes: 0 so it is, 1 something is missing, doubled or under another account."
)]
pub(super) struct Args {
    /// What `larm bench load --acknowledged FILE` wrote.
    #[arg(long, value_name = "FILE")]
    acknowledged: PathBuf,
    /// The gateway's data directory.
    #[arg(long, value_name = "DIR", env = "LARM_DATA")]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let found = verify(&args.acknowledged, &args.data.join("journal"))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", to_json(&found)).context("standard output")?;
    } else {
        for line in &found.named {
            writeln!(out, "{line}").context("standard output")?;
        }
        writeln!(
            out,
            "{} acknowledged ({} of them repeated), {} records in the journal\n\
             {} missing, {} doubled, {} under another account; {} sent and not acknowledged",
            count(found.acknowledged),
            count(found.repeated),
            count(found.records),
            count(found.missing),
            count(found.doubled),
            count(found.misplaced),
            count(found.unacknowledged),
        )
        .context("standard output")?;
    }
    Ok(if found.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn to_json(found: &Found) -> serde_json::Value {
    json!({
        "acknowledged": found.acknowledged,
        "repeated": found.repeated,
        "records": found.records,
        "unacknowledged": found.unacknowledged,
        "missing": found.missing,
        "doubled": found.doubled,
        "misplaced": found.misplaced,
        "named": found.named,
        "holds": found.holds(),
    })
}
