//! `larm bench idle`: what a silent connection costs the receiver.
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::show;
use crate::bench::idle::{Setup, measure};
use crate::bench::load::to_json;
use crate::bench::process::listening_on;

/// Arguments of `larm bench idle`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Connections come from 250 loopback addresses. Each sends one link test and waits for its \
acknowledgement, then all are silent. Resident memory is VmRSS; buffers of the kernel are not in it. The limit of \
open files is raised where that is allowed, and the receiver needs as high a one.\n\n\
Example:\n  larm bench idle --to 127.0.0.1:3061 --connections 10000"
)]
pub(super) struct Args {
    /// The receiver, on this machine.
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// How many connections.
    #[arg(long, short, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    connections: u32,
    /// The receiver's process; without it, whoever listens on the port.
    #[arg(long, value_name = "NUMBER")]
    pid: Option<u32>,
    /// How long memory gets to settle before each look.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = show::seconds)]
    settle: Duration,
    /// How long an answer may take.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = show::seconds)]
    timeout: Duration,
    /// The lowest account; each connection has its own.
    #[arg(long, default_value_t = 30_000_000, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=99_999_999))]
    first_account: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pid = match args.pid {
        Some(pid) => pid,
        None => listening_on(args.to.port())?,
    };
    let found = measure(&Setup {
        to: args.to,
        pid,
        connections: args.connections as usize,
        first_account: args.first_account,
        settle: args.settle,
        timeout: args.timeout,
    })?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let object = json!({
            "to": args.to.to_string(),
            "pid": pid,
            "connections": found.connections,
            "before_bytes": found.before,
            "half_bytes": found.half,
            "held_bytes": found.held,
            "bytes_each": found.each(),
            "bytes_each_further": found.each_further(),
            "link_tests": to_json(&found.link_tests),
        });
        writeln!(out, "{object}").context("standard output")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{} connections to process {pid}: {} bytes each ({} for each of the second half)\n\
         resident {} KiB before, {} KiB with half, {} KiB with all\n",
        show::count(found.connections as u64),
        show::count(found.each()),
        show::count(found.each_further()),
        show::count(found.before / 1024),
        show::count(found.half / 1024),
        show::count(found.held / 1024),
    )
    .context("standard output")?;
    show::times_head(&mut out).context("standard output")?;
    show::times(&mut out, "link tests", &found.link_tests).context("standard output")?;
    Ok(ExitCode::SUCCESS)
}
