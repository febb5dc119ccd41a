//! The command line: one file per command, and the dispatch between them.
use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Config, ConfigError, Format};
use crate::logging;

mod accounts;
mod bench;
mod check;
mod completions;
mod decode;
mod deliver;
mod demo;
mod events;
mod history;
mod journal;
mod man;
mod send;
mod serve;
mod shadow;
mod shadow_compare;

/// Exit code for a configuration that cannot be used (`EX_CONFIG` of sysexits).
pub const EXIT_BAD_CONFIG: u8 = 78;

/// An open alarm receiving gateway: acknowledges an alarm only when it is on disk.
#[derive(Debug, Parser)]
#[command(
    name = "larm",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "First steps:\n  larm demo                     watch alarms of several kinds arrive\n  larm serve                    receive on 127.0.0.1:3061 (DC-09 over TCP and UDP)\n  larm send --to 127.0.0.1:3061 --account 1234 --code BA --zone 1\n  larm events --follow          see what arrives\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration; `larm send --help` has more.\nResults go to standard output, logs and errors to standard error."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway in the foreground.
    Serve(serve::Args),
    /// See alarms of several kinds arrive, in a few seconds.
    Demo(demo::Args),
    /// Send a message as a transmitter would.
    Send(send::Args),
    /// Explain frames, one per line.
    Decode(decode::Args),
    /// Care for the register of transmitters and their keys.
    Accounts(accounts::Args),
    /// Validate a configuration, with line and column and what to write instead.
    Check(check::Args),
    /// Print what was received, and follow what comes.
    Events(events::Args),
    /// Care for the history.
    History(history::Args),
    /// Look after the connectors of a running gateway.
    Deliver(deliver::Args),
    /// Verify, export or repair the journal.
    Journal(journal::Args),
    /// Measure this machine, and receivers on it.
    Bench(bench::Args),
    /// Report on an existing receiver that larm stands before.
    Shadow(shadow::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man(man::Args),
}

/// Parses the arguments of the process and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Accounts(args) => accounts::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Events(args) => events::run(&args),
        Command::History(args) => history::run(&args),
        Command::Deliver(args) => deliver::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Shadow(args) => shadow::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// The command tree, for completions and the manual page.
fn command_tree() -> clap::Command {
    Cli::command()
}

/// A runtime for the commands that serve; without `threads` one for each processor.
fn runtime(threads: Option<usize>) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder
        .enable_all()
        .thread_name("larm")
        .build()
        .context("cannot start threads")
}

fn start_logging(config: &Config) {
    let form = match config.log.format {
        Format::Auto => logging::Form::Auto,
        Format::Human => logging::Form::Human,
        Format::Json => logging::Form::Json,
    };
    logging::start(form, config.log.level.as_str());
}

/// Prints every problem of a configuration.
#[expect(
    clippy::print_stderr,
    reason = "the configuration's problems are this command's answer"
)]
fn refuse_config(error: &ConfigError) -> ExitCode {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = match error {
        ConfigError::Invalid(report) => report.render(colour),
        other => format!("larm: {other}"),
    };
    eprintln!("{text}");
    ExitCode::from(EXIT_BAD_CONFIG)
}

/// Whoever read our output has gone (`larm events | head`): that is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a command's error is printed"
)]
fn report(error: &anyhow::Error) {
    eprintln!("larm: {error:#}");
}
