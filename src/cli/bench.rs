//! `larm bench`: the yardstick.
mod accounts;
mod compare;
mod disk;
mod echo;
mod idle;
mod load;
mod plot;
mod show;
mod slow_disk;
mod verify;

use std::process::ExitCode;

/// Arguments of `larm bench`.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Generator and receiver share this machine's processors, so a figure says something beside \
another one of the same minute alone: `larm bench echo` is the ceiling, `larm bench disk` the floor.\n\n\
Examples:\n  larm bench load --to 127.0.0.1:3061 --connections 64\n  \
larm bench load --to 127.0.0.1:3061 --connections 1000 --rate 2000 --seconds 60\n  \
larm bench echo --listen 127.0.0.1:4061\n  larm bench disk --dir /var/lib/larm"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send to a receiver as fast as it answers, or at a fixed rate, and time every answer.
    Load(load::Args),
    /// Open thousands of silent connections and see what each costs the receiver.
    Idle(idle::Args),
    /// Run the least that a receiver can do: the ceiling of this machine.
    Echo(echo::Args),
    /// Measure what the disk takes for a sync, and for group commit: the floor.
    Disk(disk::Args),
    /// Run larm on a disk whose syncs are delayed, and see how well it hides that.
    SlowDisk(slow_disk::Args),
    /// See what a large register costs larm: memory, start, and load.
    Accounts(accounts::Args),
    /// Let larm, the echo and other receivers take turns, and print ratios.
    Compare(compare::Args),
    /// Draw latency against load from results.
    Plot(plot::Args),
    /// Compare what a load saw acknowledged with what stands in the journal.
    Verify(verify::Args),
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Load(args) => load::run(args),
        Command::Idle(args) => idle::run(args),
        Command::Echo(args) => echo::run(args),
        Command::Disk(args) => disk::run(args),
        Command::SlowDisk(args) => slow_disk::run(args),
        Command::Accounts(args) => accounts::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Plot(args) => plot::run(args),
        Command::Verify(args) => verify::run(args),
    }
}
