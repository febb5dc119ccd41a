//! `larm deliver`: looks after the connectors of a gateway.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::clock;
use crate::serve::delivery::{Answer, ConnectorStatus, Request, ask};

mod files;
mod show;

/// Arguments of `larm deliver`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "These commands ask the gateway that runs on the data directory. `status` and `list-dead` read the\nfiles of the connectors where none runs; the others then change nothing and end with code 3.\n\nExit codes: 0 done, 1 not done (the reason is on standard error), 2 wrong usage, 3 no gateway runs.\n\nExamples:\n  larm deliver status                              how every connector is\n  larm deliver status --check                      for monitoring: code 1 if one needs a person\n  larm deliver list-dead case                      what the case system refused, and why\n  larm deliver retry case --dead 4711              deliver one of them again\n  larm deliver skip case 4712 --reason \"see 17\"    take an event out of the way that never gets through\n  larm deliver replay case --since 2h              deliver the last two hours again, with the same ids\n  larm deliver pause case                          hold everything back while the other side is serviced"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The data directory of the gateway.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "LARM_DATA",
        default_value = "larm-data"
    )]
    data: PathBuf,
    /// JSON on standard output in place of text for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how connectors are: what waits, since when, and what went wrong last.
    Status {
        /// Only this one.
        connector: Option<String>,
        /// End with code 1 if a connector is late, halted, failed, or its link is down.
        #[arg(long)]
        check: bool,
    },
    /// Show the dead letters: events that the other side refused for good, or that were skipped.
    ListDead {
        /// The connector.
        connector: String,
        /// Show no more than this many, the oldest first.
        #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
        most: usize,
    },
    /// Try at once what waits after failures, or deliver dead letters again.
    Retry {
        /// The connector.
        connector: String,
        /// Deliver the dead letter of this position again.
        #[arg(long, value_name = "POSITION", conflicts_with = "all_dead")]
        dead: Option<u64>,
        /// Deliver all dead letters again.
        #[arg(long)]
        all_dead: bool,
    },
    /// Take an event that waits out of the way; it becomes a dead letter.
    Skip {
        /// The connector.
        connector: String,
        /// The event's position in the journal.
        position: u64,
        /// Why; stands with the dead letter.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take dead letters off the list for good. The journal still has their events.
    DropDead {
        /// The connector.
        connector: String,
        /// The dead letter of this position.
        #[arg(required_unless_present = "all")]
        position: Option<u64>,
        /// All of them.
        #[arg(long, conflicts_with = "position")]
        all: bool,
    },
    /// Deliver again what was delivered already, with the same ids and in order.
    #[command(
        after_help = "Dead letters are left alone; `retry` is for them. What the journal has forgotten cannot come again."
    )]
    Replay {
        /// The connector.
        connector: String,
        /// What was received from this time on: 2026-11-25T12:00:00Z, 2026-11-25 12:00 (UTC), or back
        /// from now: 10m, 2h, 1d.
        #[arg(long, value_name = "TIME", required_unless_present = "from")]
        since: Option<String>,
        /// From this position of the journal on.
        #[arg(long, value_name = "POSITION", conflicts_with = "since")]
        from: Option<u64>,
        /// Up to this position, which is the last one. Without it: up to what there is.
        #[arg(long, value_name = "POSITION")]
        until: Option<u64>,
        /// Also events in test mode that the route held back.
        #[arg(long)]
        held: bool,
    },
    /// Deliver nothing new until `resume`, also after a restart of the gateway.
    Pause {
        /// The connector.
        connector: String,
    },
    /// Go on after `pause`.
    Resume {
        /// The connector.
        connector: String,
    },
    /// Go on after the other side said that it wants nothing any more, or after `pause`.
    Start {
        /// The connector.
        connector: String,
    },
}

/// Exit code where the command needs a gateway and none runs.
const NO_GATEWAY: u8 = 3;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let request = request(&args.command)?;
    let asked = ask(&args.data, &request).map_err(|error| {
        let data = args.data.display();
        anyhow::anyhow!("the gateway on {data} cannot be asked: {error}")
    })?;
    let offline = asked.is_none();
    let answer = match asked {
        Some(answer) => answer,
        None => match files::answer(&args.data, &request)? {
            Some(answer) => answer,
            None => return Ok(no_gateway(args)),
        },
    };
    match answer {
        Answer::Done(value) => show(args, &value, offline),
        Answer::Failed(why) => anyhow::bail!(why),
    }
}

#[expect(clippy::print_stderr, reason = "what a person has to know goes there")]
fn no_gateway(args: &Args) -> ExitCode {
    eprintln!(
        "error: no gateway runs on {}; start `larm serve`, or name its data directory with --data",
        args.data.display()
    );
    ExitCode::from(NO_GATEWAY)
}

fn request(command: &Command) -> anyhow::Result<Request> {
    Ok(match command {
        Command::Status { connector, .. } => Request::Status {
            connector: connector.clone(),
        },
        Command::ListDead { connector, most } => Request::ListDead {
            connector: connector.clone(),
            most: *most,
        },
        Command::Retry {
            connector,
            dead,
            all_dead,
        } => {
            let connector = connector.clone();
            let position = *dead;
            if position.is_some() || *all_dead {
                Request::RetryDead {
                    connector,
                    position,
                }
            } else {
                Request::Retry { connector }
            }
        }
        Command::Skip {
            connector,
            position,
            reason,
        } => Request::Skip {
            connector: connector.clone(),
            position: *position,
            reason: reason.clone(),
        },
        Command::DropDead {
            connector,
            position,
            ..
        } => Request::DropDead {
            connector: connector.clone(),
            position: *position,
        },
        Command::Replay {
            connector,
            since,
            from,
            until,
            held,
        } => Request::Replay {
            connector: connector.clone(),
            from: *from,
            since_ms: since.as_deref().map(time).transpose()?,
            until: *until,
            held: *held,
        },
        Command::Pause { connector } => Request::Pause {
            connector: connector.clone(),
        },
        Command::Resume { connector } | Command::Start { connector } => Request::Start {
            connector: connector.clone(),
        },
    })
}

fn time(text: &str) -> anyhow::Result<i64> {
    let at = super::events::when::since(text, clock::utc_now()).map_err(anyhow::Error::msg)?;
    Ok(at.as_millis())
}

fn show(args: &Args, value: &Value, offline: bool) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if let Command::Status { check, .. } = &args.command {
        let all: Vec<ConnectorStatus> = serde_json::from_value(value.clone())?;
        if args.json {
            writeln!(
                out,
                "{}",
                json!({ "running": !offline, "connectors": value })
            )?;
        } else {
            show::statuses(&mut out, &all, offline)?;
        }
        let bad = *check && all.iter().any(show::needs_a_person);
        return Ok(if bad {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    }
    if args.json {
        writeln!(out, "{value}")?;
    } else {
        out.write_all(done(&args.command, value).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done, for people.
fn done(command: &Command, value: &Value) -> String {
    let number = |key: &str| value[key].as_u64().unwrap_or(0);
    match command {
        Command::ListDead { .. } => show::letters(value),
        Command::Retry {
            dead: None,
            all_dead: false,
            ..
        } => "everything that waits is tried now\n".to_owned(),
        Command::Retry { .. } => format!("delivered again: {}\n", events(number("events"))),
        Command::DropDead { .. } => format!("taken off the list: {}\n", events(number("events"))),
        Command::Skip { position, .. } => {
            format!("position {position} is a dead letter now\n")
        }
        Command::Replay { .. } => {
            format!("delivered again from position {} on\n", number("from"))
        }
        Command::Pause { .. } => "paused; `larm deliver resume` goes on\n".to_owned(),
        Command::Resume { .. } | Command::Start { .. } => "running\n".to_owned(),
        Command::Status { .. } => String::new(),
    }
}

fn events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        many => format!("{many} events"),
    }
}
