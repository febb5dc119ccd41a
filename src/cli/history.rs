//! `larm history`: makes the history anew from the journal.
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::history::{self, Rebuilt};
use crate::journal::{DiskStorage, Reader, Storage as _};

/// Arguments of `larm history`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the history anew from the journal, while `larm serve` stands.
    #[command(
        after_help = "The new history is built beside the old one and takes its place at the end; a failure leaves the old one as it was. Only what the journal still holds comes back."
    )]
    Rebuild {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "larm-data")]
        data: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Rebuild { data } => rebuild(data),
    }
}

fn rebuild(data: &Path) -> anyhow::Result<ExitCode> {
    let journal = data.join("journal");
    if !journal.is_dir() {
        anyhow::bail!(
            "there is no journal in {}: point --data at a data directory of `larm serve`",
            data.display()
        );
    }
    // Held to the end, so that no gateway starts and fills the history that is being replaced.
    let _lock = DiskStorage::new(&journal)
        .lock()
        .map_err(|error| anyhow::anyhow!("{}: {error}", journal.join("lock").display()))?
        .map_err(|owner| {
            anyhow::anyhow!(
                "the journal in {} is in use by {owner}: stop `larm serve` first",
                data.display()
            )
        })?;
    let mut reader = Reader::open(&journal, 1)?;
    let live = io::stderr().is_terminal();
    let Rebuilt {
        rows,
        unreadable,
        last,
    } = history::rebuild(&history::directory(data), &mut reader, |rows| {
        if live {
            // The progress line is a courtesy.
            let _ = write!(io::stderr(), "\r{rows} events");
        }
    })?;
    if live {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{rows} events in the history, up to position {last}")?;
    if unreadable > 0 {
        writeln!(
            out,
            "{unreadable} of them are journal records that cannot be read, kept as unknown events"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
