//! `larm bench compare`: larm, the echo and other receivers in turn, and their ratios.
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use larm_carrier::Key;
use serde_json::{Map, Value, json};

use super::show;
use crate::bench::compare::{
    self, Case, Disk, Judged, Peer, Reading, Round, Setup, judge, median, readings,
};

/// The key of the encrypted case: known to everybody, and for nothing else.
const KEY: &str = "3B9E27D1C4805F6A12E7A3984D0C56BF";

/// Arguments of `larm bench compare`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "In each round of a case every receiver has its turn: started anew with an empty directory, warmed \
up, measured, ended. The order turns from round to round. Figures are medians over the rounds with the lowest and \
the highest; ratios are taken within each round. larm runs with its defaults: every ACK after an fdatasync, history on.\n\n\
Another receiver: --name, --start, --tcp-port and --udp-port belong together in their order and may be given several \
times. The command runs in a shell, in the foreground; LARM_BENCH_DATA is an empty directory. For the encrypted case \
it needs the accounts 20000000 to 20000063 with the key of --key.\n\n\
Nothing is left behind: receivers are ended and their data is removed, also when this command is interrupted.\n\n\
Exit codes: 0 every target was met, 1 not every one.\n\n\
Examples:\n  larm bench compare --dir /var/tmp\n  larm bench compare --case tcp-64 --case udp-64 --rounds 9 --json\n  \
larm bench compare --name other --start 'other-receiver --port 4100' --tcp-port 4100"
)]
pub(super) struct Args {
    /// The cases; all of them where none is named.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// List the cases.
    #[arg(long)]
    list: bool,
    /// Rounds; fewer than five are a try.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Time of each load.
    #[arg(long, default_value = "4", value_name = "SECONDS", value_parser = show::seconds)]
    seconds: Duration,
    /// Time before anything is counted.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = show::seconds)]
    warm_up: Duration,
    /// Where data directories are made: on the disk in question.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// The command that starts another receiver.
    #[arg(long, value_name = "COMMAND", requires = "tcp_port")]
    start: Vec<String>,
    /// Where it listens over TCP, on 127.0.0.1.
    #[arg(long, value_name = "PORT", requires = "start")]
    tcp_port: Vec<u16>,
    /// Where it listens over UDP; the TCP port where not given.
    #[arg(long, value_name = "PORT", requires = "start")]
    udp_port: Vec<u16>,
    /// Its name in results.
    #[arg(long, value_name = "NAME", requires = "start")]
    name: Vec<String>,
    /// The key of the encrypted case: 32, 48 or 64 hex digits.
    #[arg(long, default_value = KEY, value_name = "HEX", value_parser = checked_key)]
    key: String,
    /// How the echo is built: see `larm bench echo --help`.
    #[arg(long, default_value = "tasks", value_name = "SHAPE", value_parser = ["tasks", "threads"])]
    echo_shape: String,
    /// Print one JSON object; times in nanoseconds.
    #[arg(long)]
    json: bool,
}

fn checked_key(text: &str) -> Result<String, String> {
    Key::from_hex(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let peers = peers(args)?;
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    let cases = chosen(args, Case::all(&names))?;
    let mut out = std::io::stdout().lock();
    if args.list {
        for case in cases {
            writeln!(out, "{:<18}{}", case.name, case.about).context("standard output")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    compare::clean_up_on_signals().context("cannot watch for signals")?;
    let setup = Setup {
        program: std::env::current_exe().context("cannot tell where this program is")?,
        directory: args.dir.clone(),
        peers,
        key: Arc::new(Key::from_hex(&args.key)?),
        key_hex: args.key.clone(),
        lasts: args.seconds,
        warm_up: args.warm_up,
        threads: args.threads as usize,
        echo_args: vec!["--shape".to_owned(), args.echo_shape.clone()],
    };
    let (mut met, mut all) = (true, Map::new());
    for case in &cases {
        let rounds: Vec<Round> = (0..args.rounds as usize)
            .map(|number| round(&setup, case, number, args.rounds))
            .collect();
        let judged = judge(case, &rounds);
        met &= judged.iter().all(|judged| judged.met);
        if args.json {
            all.insert(case.name.to_owned(), to_json(case, &rounds, &judged));
        } else {
            print(&mut out, case, &rounds, &judged).context("standard output")?;
        }
    }
    if args.json {
        let result = json!({
            "rounds": args.rounds, "seconds": args.seconds.as_secs_f64(), "cases": all,
        });
        writeln!(out, "{result}").context("standard output")?;
    }
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn peers(args: &Args) -> anyhow::Result<Vec<Peer>> {
    ensure!(
        args.start.len() == args.tcp_port.len(),
        "{} receivers with --start and {} ports with --tcp-port: give one of each",
        args.start.len(),
        args.tcp_port.len()
    );
    let one = |(place, (command, tcp_port)): (usize, (&String, &u16))| Peer {
        name: args
            .name
            .get(place)
            .cloned()
            .unwrap_or_else(|| format!("receiver {}", place + 1)),
        command: command.clone(),
        tcp_port: *tcp_port,
        udp_port: args.udp_port.get(place).copied().unwrap_or(*tcp_port),
    };
    Ok(args
        .start
        .iter()
        .zip(&args.tcp_port)
        .enumerate()
        .map(one)
        .collect())
}

fn chosen(args: &Args, cases: Vec<Case>) -> anyhow::Result<Vec<Case>> {
    if args.cases.is_empty() {
        return Ok(cases);
    }
    let known: Vec<&str> = cases.iter().map(|case| case.name).collect();
    if let Some(strange) = args
        .cases
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        bail!(
            "there is no case `{strange}`; there are {}",
            known.join(", ")
        );
    }
    let wanted = |case: &Case| args.cases.iter().any(|name| name == case.name);
    Ok(cases.into_iter().filter(wanted).collect())
}

#[expect(clippy::print_stderr, reason = "tells who watches how far it is")]
fn round(setup: &Setup, case: &Case, number: usize, of: u32) -> Round {
    let live = std::io::stderr().is_terminal();
    let mut say = |who: &str| {
        if live {
            let text = format!("{}, round {} of {of}: {who}", case.name, number + 1);
            eprint!("\r{text:<78}");
        }
    };
    let found = compare::round(setup, case, number, &mut say);
    if live {
        eprint!("\r{:<78}\r", "");
    }
    for (contestant, sample) in case.contestants.iter().zip(&found.samples) {
        if let Err(error) = sample {
            eprintln!("{}, {}: {error}", case.name, contestant.label);
        }
    }
    found
}

fn disk(rounds: &[Round], figure: fn(&Disk) -> u64) -> u64 {
    let mut values: Vec<u64> = rounds.iter().map(|round| figure(&round.disk)).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn to_json(case: &Case, rounds: &[Round], judged: &[Judged]) -> Value {
    let mut receivers = Map::new();
    for (place, contestant) in case.contestants.iter().enumerate() {
        let figures = readings(rounds, place)
            .into_iter()
            .map(|(name, reading)| (name.to_owned(), reading_json(&reading)));
        let failed: Vec<String> = rounds
            .iter()
            .filter_map(|round| round.samples.get(place)?.as_ref().err())
            .map(ToString::to_string)
            .collect();
        let mut object: Map<String, Value> = figures.collect();
        object.insert("failed".to_owned(), json!(failed));
        receivers.insert(contestant.label.clone(), object.into());
    }
    let targets: Vec<Value> = judged
        .iter()
        .map(|judged| {
            json!({
                "what": judged.what, "found": reading_json(&judged.found),
                "bound": judged.bound, "at_most": judged.at_most, "met": judged.met,
            })
        })
        .collect();
    json!({
        "about": case.about,
        "fdatasync": {"p50": disk(rounds, |disk| disk.p50), "p99": disk(rounds, |disk| disk.p99)},
        "receivers": receivers,
        "targets": targets,
    })
}

fn reading_json(reading: &Reading) -> Value {
    json!({
        "median": number(reading.median), "least": number(reading.least),
        "most": number(reading.most), "rounds": reading.rounds,
    })
}

/// JSON has no word for what is no number.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn print(
    out: &mut impl Write,
    case: &Case,
    rounds: &[Round],
    judged: &[Judged],
) -> std::io::Result<()> {
    writeln!(
        out,
        "{}: {}; {} rounds, fdatasync p50 {}",
        case.name,
        case.about,
        rounds.len(),
        show::time(disk(rounds, |disk| disk.p50))
    )?;
    let heads = [
        "",
        "ACK/s",
        "(least",
        "most)",
        "p50",
        "p99",
        "(least",
        "most)",
        "bytes each",
    ];
    let [name, rest @ ..] = heads;
    write!(out, "  {name:<20}")?;
    for head in rest {
        write!(out, "{head:>12}")?;
    }
    writeln!(out)?;
    for (place, contestant) in case.contestants.iter().enumerate() {
        print_contestant(out, &contestant.label, &readings(rounds, place))?;
    }
    for judged in judged {
        let word = if judged.at_most {
            "at most"
        } else {
            "at least"
        };
        let verdict = if judged.met { "met" } else { "NOT MET" };
        let ratios = &judged.found;
        writeln!(
            out,
            "  {}: {:.3} ({:.3} to {:.3}), wanted {word} {}: {verdict}",
            judged.what, ratios.median, ratios.least, ratios.most, judged.bound
        )?;
    }
    writeln!(out)
}

fn print_contestant(
    out: &mut impl Write,
    label: &str,
    readings: &[(&str, Reading)],
) -> std::io::Result<()> {
    let of = |name: &str| {
        readings
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, reading)| reading.clone())
            .unwrap_or_default()
    };
    let (rate, p50, p99) = (of("per_second"), of("p50"), of("p99"));
    if rate.rounds.is_empty() {
        return writeln!(out, "  {label:<20}{:>12}", "failed");
    }
    write!(out, "  {label:<20}")?;
    for value in [rate.median, rate.least, rate.most] {
        write!(out, "{:>12}", show::per_second(value))?;
    }
    for value in [p50.median, p99.median, p99.least, p99.most] {
        write!(out, "{:>12}", show::time_of(value))?;
    }
    let each = of("bytes_each").median;
    if each > 0.0 {
        write!(out, "{:>12}", show::per_second(each))?;
    }
    let lost = median(&of("unacknowledged").rounds);
    if lost > 0.0 {
        write!(out, "  {} without ACK", show::per_second(lost))?;
    }
    writeln!(out)
}
