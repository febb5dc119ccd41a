//! From the last byte of an alarm to the last byte of its acknowledgement, beside what the disk
//! and the network of this machine take alone; memory and size of the gateway.
//!
//! The gateway is the real binary with its defaults, its data on the disk that holds the build.
//! Load runs in closed loops. Yardstick and load take turns in every round, so that a disk that is
//! slow at the moment is slow for both.
#![expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]
mod gateway;
mod load;
mod report;
mod silent;
mod yardstick;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser as _;

use gateway::{BINARY, Gateway};
use load::{Frames, Plan, Serial};
use report::{Binary, Line, Round};

/// Measures acknowledgements, memory and size.
#[derive(Clone, Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Args {
    /// Rounds; the figures are medians over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each number of connections in each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    connections: Vec<usize>,
    /// Silent connections for the memory; 0 leaves it out.
    #[arg(long, default_value_t = 10_000)]
    silent: usize,
    /// Given by `cargo bench`; without it everything is tried once and briefly.
    #[arg(long, hide = true)]
    bench: bool,
    /// Try everything once and briefly.
    #[arg(long)]
    test: bool,
    /// Name what can be run, as test runners ask for.
    #[arg(long, hide = true)]
    list: bool,
    /// Asked for together with `--list`.
    #[arg(long, hide = true)]
    ignored: bool,
    #[command(flatten)]
    _runner: Runner,
}

/// What test runners add; it changes nothing.
#[derive(Clone, Debug, clap::Args)]
struct Runner {
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, alias = "no-capture", hide = true)]
    nocapture: bool,
    #[arg(hide = true)]
    names: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let mut args = Args::parse();
    if args.list {
        if !args.ignored {
            println!("ack: test");
        }
        return Ok(());
    }
    if args.test || !args.bench {
        args.rounds = 1;
        args.seconds = 0.1;
        args.connections = vec![1, 4];
        args.silent = args.silent.min(50);
    }
    measure(&args)
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let lasts = Duration::from_secs_f64(args.seconds);
    // On the same disk as the build, since the system's temporary directory may be memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    println!(
        "data in {}; load before: {}",
        directory.path().display(),
        load_average()
    );
    let gateway = Gateway::start(&directory.path().join("data"))?;
    let serial = Serial::default();
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let round = round(args, lasts, directory.path(), &gateway, &serial)?;
        println!(
            "round {number} of {} done; load: {}",
            args.rounds,
            load_average()
        );
        rounds.push(round);
    }
    let kept = gateway.finish()?;
    ensure!(
        kept == serial.sent(),
        "{} alarms were acknowledged, but {kept} are in the journal",
        serial.sent()
    );
    let silent = match silent::allow(args.silent) {
        Ok(()) if args.silent > 0 => Some(silent::measure(directory.path(), args.silent, lasts)?),
        Ok(()) => None,
        Err(why) => {
            println!(
                "\nSKIPPED: memory with {} connections: {why:#}\n",
                args.silent
            );
            None
        }
    };
    report::print(&rounds, silent.as_ref(), binary(directory.path())?);
    println!("{kept} alarms acknowledged, {kept} in the journal, which verifies");
    Ok(())
}

fn round(
    args: &Args,
    lasts: Duration,
    directory: &Path,
    gateway: &Gateway,
    serial: &Serial,
) -> anyhow::Result<Round> {
    let exchange = yardstick::exchange(lasts / 3)?;
    let mut round = vec![(
        "exchange over loopback".to_owned(),
        Line::in_turn(&exchange),
    )];
    for connections in &args.connections {
        let sync = yardstick::sync(directory, lasts / 2)?;
        round.push((
            format!("fdatasync before {connections}"),
            Line::in_turn(&sync),
        ));
        let plan = Plan {
            address: gateway.address,
            connections: *connections,
            frames: Frames::Alarms,
            lasts,
        };
        let seen = load::run(plan, serial)?;
        round.push((format!("ACK, {connections} connections"), Line::seen(&seen)));
    }
    Ok(round)
}

fn binary(directory: &Path) -> anyhow::Result<Binary> {
    let copy = directory.join("stripped");
    let stripped = Command::new("strip")
        .arg("-o")
        .arg(&copy)
        .arg(BINARY)
        .status();
    let stripped = stripped.is_ok_and(|status| status.success());
    Ok(Binary {
        len: std::fs::metadata(BINARY)?.len(),
        stripped: stripped
            .then(|| std::fs::metadata(&copy).map(|data| data.len()))
            .transpose()?,
    })
}

/// Work that waits for this machine's processors: much more than they are spoils the figures.
fn load_average() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or("unknown");
    format!("{first} on {cores} processors")
}
