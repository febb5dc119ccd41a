//! `larm bench load`: transmitters in great number.
use std::io::{IsTerminal as _, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use larm_carrier::Key;
use serde_json::json;

use super::show;
use crate::bench::load::{
    self, Accounts, Class, Length, LoadError, Mix, Plan, Progress, Tally, Way,
};

/// How often the progress line is written anew.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Arguments of `larm bench load`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Closed loop: each transmitter sends its next message when it has the answer to the last one (or to \
one of the last --depth). Open loop (--rate): messages are due at fixed times whatever the receiver does, and \
times count from then, so that a stall is seen by everybody who would have been kept waiting. A transmitter \
that waits for an answer holds what comes due meanwhile, alarms first, and sheds what is above --held.\n\n\
Every answer is checked: length, checksum, sequence number, account, and that it is encrypted where the \
message was. What is not acknowledged within --timeout is missing.\n\n\
Exit codes: 0 every message was acknowledged, 1 some were not.\n\nExamples:\n  \
larm bench load --to 127.0.0.1:3061 --connections 64 --depth 16\n  \
larm bench load --to 127.0.0.1:3061 --way udp --connections 64\n  \
larm bench load --to 127.0.0.1:3061 --connections 2000 --rate 50000 --link-tests 0.9"
)]
#[derive(Clone)]
pub(super) struct Args {
    /// The receiver.
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Print one JSON object; times in nanoseconds.
    #[arg(long)]
    json: bool,
}

/// What is sent, how, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ShapeArgs {
    /// How messages travel.
    #[arg(long, value_enum, default_value_t = WayArg::Tcp)]
    way: WayArg,
    /// Transmitters, each with a socket of its own.
    #[arg(long, short, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    connections: u32,
    /// Messages of one transmitter that may wait for their answers.
    #[arg(long, short, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000))]
    depth: u32,
    /// Messages in a second in all, whatever the receiver does; without it, as fast as it answers.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long messages are sent and counted.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = show::seconds)]
    seconds: Duration,
    /// Ends after so many messages instead.
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Time before anything is counted.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = show::seconds)]
    warm_up: Duration,
    /// How long an answer may take.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = show::seconds)]
    timeout: Duration,
    /// Share of link tests among the messages.
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = show::share)]
    link_tests: f64,
    /// Share of openings: events that are no alarms.
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = show::share)]
    rest: f64,
    /// Share of events that are sent once more after their acknowledgement.
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = show::share)]
    repeats: f64,
    /// Share of accounts that encrypt; needs --key.
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = show::share, requires = "key")]
    encrypted: f64,
    /// The key of accounts that encrypt: 32, 48 or 64 hex digits. For tests alone: others on this
    /// machine can read it.
    #[arg(long, value_name = "HEX", value_parser = key)]
    key: Option<Arc<Key>>,
    /// Messages in clear carry their time of sending too.
    #[arg(long)]
    stamp: bool,
    /// Accounts that send, eight digits each; without it one for each connection.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=90_000_000))]
    accounts: Option<u32>,
    /// The lowest account.
    #[arg(long, default_value_t = 10_000_000, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=99_999_999))]
    first_account: u32,
    /// Messages that a busy transmitter holds for later (with --rate).
    #[arg(long, default_value_t = 64, value_name = "N")]
    held: usize,
    /// Threads that generate.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Append every acknowledged event to this file, for `larm bench verify`.
    #[arg(long, value_name = "FILE")]
    acknowledged: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WayArg {
    /// Connections that stay.
    Tcp,
    /// A new connection for each message.
    Reconnect,
    /// Datagrams.
    Udp,
}

pub(super) fn key(text: &str) -> Result<Arc<Key>, String> {
    Key::from_hex(text)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

impl ShapeArgs {
    fn plan(&self, to: SocketAddr) -> Plan {
        Plan {
            way: match self.way {
                WayArg::Tcp => Way::Tcp,
                WayArg::Reconnect => Way::Reconnect,
                WayArg::Udp => Way::Udp,
            },
            connections: self.connections as usize,
            depth: match self.way {
                WayArg::Reconnect => 1,
                WayArg::Tcp | WayArg::Udp => self.depth as usize,
            },
            threads: self.threads as usize,
            mix: Mix {
                link_tests: self.link_tests,
                rest: self.rest,
                repeats: self.repeats,
                encrypted: self.encrypted,
            },
            accounts: Accounts {
                first: self.first_account,
                count: self.accounts.unwrap_or(self.connections),
            },
            key: self.key.clone(),
            stamp: self.stamp,
            length: self
                .messages
                .map_or(Length::Time(self.seconds), Length::Messages),
            warm_up: self.warm_up,
            rate: self.rate.map(f64::from),
            held_max: self.held,
            timeout: self.timeout,
            acknowledged: self.acknowledged.clone(),
            ..Plan::new(to)
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let plan = args.shape.plan(args.to);
    let tally = with_progress_line(&plan)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut result = describe(&plan);
        if let (Some(all), serde_json::Value::Object(found)) =
            (result.as_object_mut(), tally.to_json())
        {
            all.extend(found);
        }
        writeln!(out, "{result}")
    } else {
        print(&mut out, &plan, &tally)
    }
    .context("standard output")?;
    let sound = tally.unacknowledged() == 0 && tally.wrong == 0;
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the load; on a terminal, a line tells how far it is.
fn with_progress_line(plan: &Plan) -> Result<Tally, LoadError> {
    let progress = Progress::for_threads(plan.threads());
    if !std::io::stderr().is_terminal() {
        return load::run(plan, &progress);
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| show_progress(&progress, &over));
        let tally = load::run(plan, &progress);
        over.store(true, Ordering::Relaxed);
        tally
    })
}

#[expect(
    clippy::print_stderr,
    reason = "the progress line is for whoever watches"
)]
fn show_progress(progress: &[Progress], over: &AtomicBool) {
    let (begin, mut before) = (Instant::now(), 0);
    let mut shown_at = begin;
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        if shown_at.elapsed() < PROGRESS_EVERY {
            continue;
        }
        let acknowledged: u64 = progress.iter().map(Progress::acknowledged).sum();
        let missing: u64 = progress.iter().map(Progress::missing).sum();
        let rate = load::rate(acknowledged.saturating_sub(before), shown_at.elapsed());
        eprint!(
            "\r{:>5.1} s  {:>12} acknowledged  {:>10}/s  {} missing   ",
            begin.elapsed().as_secs_f64(),
            show::count(acknowledged),
            show::per_second(rate),
            show::count(missing)
        );
        (shown_at, before) = (Instant::now(), acknowledged);
    }
    eprint!("\r{:<72}\r", "");
}

/// What was asked for.
fn describe(plan: &Plan) -> serde_json::Value {
    json!({
        "to": plan.to.to_string(),
        "way": plan.way.as_str(),
        "connections": plan.connections,
        "depth": plan.depth,
        "threads": plan.threads(),
        "rate": plan.rate,
        "accounts": plan.accounts.count,
        "shares": {
            "link_tests": plan.mix.link_tests, "rest": plan.mix.rest,
            "repeats": plan.mix.repeats, "encrypted": plan.mix.encrypted,
        },
    })
}

fn print(out: &mut impl Write, plan: &Plan, tally: &Tally) -> std::io::Result<()> {
    let loop_kind = plan.rate.map_or("closed loop".to_owned(), |rate| {
        format!("{}/s intended", show::per_second(rate))
    });
    writeln!(
        out,
        "{} to {}: {} connections, depth {}, {loop_kind}",
        plan.way.as_str(),
        plan.to,
        show::count(plan.connections as u64),
        plan.depth
    )?;
    writeln!(
        out,
        "{} acknowledged in {:.2} s: {}/s",
        show::count(tally.counted),
        tally.lasted.as_secs_f64(),
        show::per_second(tally.per_second())
    )?;
    let odd = [
        ("missing", tally.missing),
        ("refused (NAK)", tally.refused),
        ("declined (DUH)", tally.declined),
        ("wrong answers", tally.wrong),
        ("lost connections", tally.lost),
        ("shed", tally.shed),
    ];
    for (name, count) in odd.into_iter().filter(|(_, count)| *count > 0) {
        writeln!(out, "{name}: {}", show::count(count))?;
    }
    for example in &tally.examples {
        writeln!(out, "  {example}")?;
    }
    writeln!(out)?;
    show::times_head(out)?;
    show::times(out, "all", &tally.all())?;
    let named = |class: Class| class.as_str().replace('_', " ");
    let several = |of: &[hdrhistogram::Histogram<u64>; 4]| {
        of.iter().filter(|times| !times.is_empty()).count() > 1
    };
    if several(&tally.latency) {
        for (class, times) in Class::ALL.into_iter().zip(&tally.latency) {
            if !times.is_empty() {
                show::times(out, &named(class), times)?;
            }
        }
    }
    if plan.rate.is_some() {
        for (class, times) in Class::ALL.into_iter().zip(&tally.service) {
            if !times.is_empty() {
                show::times(out, &format!("{}, from sending", named(class)), times)?;
            }
        }
        show::times(out, "sent behind time", &tally.late)?;
    }
    Ok(())
}
