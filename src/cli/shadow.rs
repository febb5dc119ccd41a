//! `larm shadow`: what a shadow, or a capture, tells about the receiver that larm is to replace.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::shadow::{self, Group, Line, Summary};

/// Arguments of `larm shadow`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A shadow passes the traffic of an existing receiver through, answers nothing, and notes where\nlarm would have answered otherwise: see `[[shadow]]` in the configuration.\n\nExamples:\n  larm shadow report                 sums, and the differences by kind\n  larm shadow report --json          the same for programs\n  larm shadow report --all           every difference, one JSON object per line\n  larm shadow compare --capture old.pcap --receiver 3061 --data DIR\n                                     the same from a capture of its traffic"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print where larm would have answered otherwise than the existing receiver.
    #[command(
        after_help = "Exit code 0: nothing differs. 3: something does. 1: there is no report."
    )]
    Report {
        /// The data directory; the reports are in its directory `shadow`.
        #[arg(
            long,
            value_name = "DIR",
            default_value = "larm-data",
            env = "LARM_DATA"
        )]
        data: PathBuf,
        #[command(flatten)]
        show: Show,
    },
    /// Compare the answers of an existing receiver in a capture with those that larm would give.
    #[command(
        after_help = "Nothing is journaled. The report is printed as by `larm shadow report`, what was left out on\nstandard error. Times are judged by the clock of the capture.\n\nExit code 0: nothing differs. 3: something does. 1: the capture cannot be read, or not to its end."
    )]
    Compare(super::shadow_compare::Args),
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Show {
    /// Print one JSON object per shadow.
    #[arg(long)]
    json: bool,
    /// Print every difference as one JSON object per line.
    #[arg(long, conflicts_with = "json")]
    all: bool,
}

/// Exit code where something differs.
const EXIT_DIFFERENT: u8 = 3;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (data, show) = match &args.command {
        Command::Report { data, show } => (data, show),
        Command::Compare(args) => return super::shadow_compare::run(args),
    };
    if !shadow::directory(data).is_dir() {
        anyhow::bail!(
            "there is no report in {}: point --data at a data directory of a `larm serve` with a [[shadow]]",
            data.display()
        );
    }
    print(data, *show)
}

/// Prints the reports in a data directory; the exit code tells whether something differs.
pub(super) fn print(data: &Path, show: Show) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let different = if show.all {
        print_all(data, &mut out)?
    } else {
        let summaries = shadow::summarise(data)?;
        for summary in &summaries {
            if show.json {
                writeln!(out, "{}", serde_json::to_string(summary)?)?;
            } else {
                out.write_all(in_words(summary).as_bytes())?;
            }
        }
        summaries.iter().any(|summary| !summary.kinds.is_empty())
    };
    Ok(if different {
        ExitCode::from(EXIT_DIFFERENT)
    } else {
        ExitCode::SUCCESS
    })
}

fn print_all(data: &Path, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut any = false;
    let mut written = Ok(());
    shadow::read_reports(data, |_, line| {
        if let Line::Difference(found) = line {
            any = true;
            let text = serde_json::to_string(&found).unwrap_or_default();
            if written.is_ok() {
                written = writeln!(out, "{text}");
            }
        }
    })?;
    written?;
    Ok(any)
}

fn in_words(summary: &Summary) -> String {
    let Summary {
        shadow,
        compared,
        same,
        ..
    } = summary;
    let different: u64 = summary.kinds.iter().map(|kind| kind.count).sum();
    let mut lines = vec![format!(
        "{shadow}: {compared} answers compared, {same} the same, {different} different"
    )];
    for (count, what) in [
        (summary.unasked, "answers that nobody asked for"),
        (summary.missed, "pieces passed on without a look at them"),
        (
            summary.faults,
            "connections given up after a fault of larm's own",
        ),
    ] {
        if count > 0 {
            lines.push(format!("  {count} {what}"));
        }
    }
    lines.extend(summary.kinds.iter().map(group));
    lines.join("\n") + "\n"
}

fn group(group: &Group) -> String {
    let why = group
        .why
        .as_ref()
        .map_or_else(String::new, |why| format!(" ({why})"));
    format!(
        "  {:>7} × larm {}, receiver {}{why}; last {}; accounts {}",
        group.count,
        group.larm,
        group.receiver,
        group.last,
        group.accounts.join(" ")
    )
}
