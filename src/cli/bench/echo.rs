//! `larm bench echo`: the ceiling.
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use larm_carrier::Key;

use crate::bench::echo::{self, Setup, Shape};

/// Arguments of `larm bench echo`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "It listens over TCP and UDP until it is stopped, cuts frames by their length, and answers each with \
an acknowledgement. It checks nothing and keeps nothing: not for alarms. With --keep it answers once the \
bytes are durable in a journal, and still understands nothing: what the way to the disk costs alone.\n\n\
Standard output: `listening on ADDRESS:PORT`, then `ready`."
)]
pub(super) struct Args {
    /// Where to listen, over TCP and UDP; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4061")]
    listen: SocketAddr,
    /// How it is built.
    #[arg(long, value_enum, default_value_t = ShapeArg::Tasks)]
    shape: ShapeArg,
    /// Threads; without it one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Seals the answers to encrypted messages: 32, 48 or 64 hex digits.
    #[arg(long, value_name = "HEX", value_parser = super::load::key)]
    key: Option<Arc<Key>>,
    /// Keep what is answered in a journal in this directory, and answer it once it is durable.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ShapeArg {
    /// As larm: tokio, a task for each connection.
    Tasks,
    /// No runtime: a thread for each processor around epoll.
    Threads,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let setup = Setup {
        listen: args.listen,
        shape: match args.shape {
            ShapeArg::Tasks => Shape::Tasks,
            ShapeArg::Threads => Shape::Threads,
        },
        threads: args.threads.map_or(processors, usize::from),
        key: args.key.clone(),
        keep: args.keep.clone(),
    };
    echo::run(&setup, |address| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "listening on {address}\nready")?;
        out.flush()
    })
    .with_context(|| format!("the echo on {}", args.listen))?;
    Ok(ExitCode::SUCCESS)
}
