//! larm, the echo and other receivers in turn, round after round, on the same machine.
//!
//! A machine is not the same from one minute to the next, so nothing but ratios within a round is
//! worth anything: each receiver of a case has its turn in each round, started anew, and alone on
//! the machine but for the generator. The order turns from round to round.
mod case;
mod children;
mod judge;
mod receiver;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::Key;

use super::disk::Floor;
use super::idle::{self, IdleError};
use super::load::{self, Accounts, Class, Length, LoadError, Plan, Progress, Tally, figures};

pub use case::{Case, Contestant, LoadSpec, Rate, Who, Work};
pub(super) use children::Scratch;
pub use children::clean_up_on_signals;
pub use judge::{Judged, Reading, judge, median, readings};
pub use receiver::{Peer, Receiver, ReceiverError};

/// The accounts of the encrypted case, in larm's register; a peer needs them as well.
pub const ENCRYPTED_ACCOUNTS: Accounts = Accounts {
    first: 20_000_000,
    count: 64,
};

/// What is compared, and how long.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program that is larm and the echo: this one.
    pub program: PathBuf,
    /// Data directories are made below it.
    pub directory: PathBuf,
    /// Other receivers.
    pub peers: Vec<Peer>,
    /// The key of the encrypted case.
    pub key: Arc<Key>,
    /// The same in hex digits, for the register and the echo.
    pub key_hex: String,
    /// Each load's time, without the warm-up.
    pub lasts: Duration,
    /// Time before anything counts.
    pub warm_up: Duration,
    /// Threads of the generator.
    pub threads: usize,
    /// Arguments for the echo, such as `--shape threads`.
    pub echo_args: Vec<String>,
}

/// Why a contestant has no figures in a round.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The receiver did not start.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    /// The load could not be run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Idle connections could not be held.
    #[error(transparent)]
    Idle(#[from] IdleError),
    /// The rate depends on a contestant that failed.
    #[error("{0} has no figures")]
    NoBest(&'static str),
    /// A directory or a disk.
    #[error("cannot use {path}: {source}")]
    Disk {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

/// One contestant's figures in one round; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Acknowledgements in a second.
    pub per_second: f64,
    /// Median of all messages.
    pub p50: u64,
    /// The slowest hundredth of all messages.
    pub p99: u64,
    /// The slowest hundredth of alarms, from their sending.
    pub alarms_p99: u64,
    /// Messages without acknowledgement.
    pub unacknowledged: u64,
    /// Answers that are none.
    pub wrong: u64,
    /// Resident bytes for each idle connection.
    pub bytes_each: u64,
    /// Resident bytes of the receiver at the end.
    pub resident: u64,
}

impl Sample {
    fn of(tally: &Tally, open_loop: bool) -> Self {
        let all = figures(&tally.all());
        let alarms = if open_loop {
            &tally.service
        } else {
            &tally.latency
        };
        Self {
            per_second: tally.per_second(),
            p50: all.p50,
            p99: all.p99,
            alarms_p99: figures(&alarms[Class::Alarm as usize]).p99,
            unacknowledged: tally.unacknowledged(),
            wrong: tally.wrong,
            ..Self::default()
        }
    }
}

/// What the disk did in one round: nanoseconds of `fdatasync` after 200 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Median.
    pub p50: u64,
    /// The slowest hundredth.
    pub p99: u64,
}

/// One round of a case: the disk, and each contestant in the case's order.
#[derive(Debug)]
pub struct Round {
    /// The disk just before.
    pub disk: Disk,
    /// A sample, or why there is none.
    pub samples: Vec<Result<Sample, TurnError>>,
}

/// Runs round `number` of `case`; `say` is told who is on.
pub fn round(setup: &Setup, case: &Case, number: usize, say: &mut dyn FnMut(&str)) -> Round {
    let contestants = &case.contestants;
    let count = contestants.len().max(1);
    say("disk");
    let disk = disk(setup).unwrap_or_default();
    let mut samples: Vec<Option<Result<Sample, TurnError>>> =
        contestants.iter().map(|_| None).collect();
    // A rate that depends on another's figures needs them first, so such a case never turns.
    let turn = if case.in_order { 0 } else { number };
    for place in (0..count).map(|place| (place + turn) % count) {
        let Some(contestant) = contestants.get(place) else {
            continue;
        };
        say(&contestant.label);
        let best = |label: &str| {
            let place = contestants.iter().position(|other| other.label == label)?;
            let sample = samples.get(place)?.as_ref()?.as_ref().ok()?;
            Some(sample.per_second)
        };
        let sample = turn_of(setup, contestant, best);
        if let Some(slot) = samples.get_mut(place) {
            *slot = Some(sample);
        }
    }
    Round {
        disk,
        samples: samples.into_iter().flatten().collect(),
    }
}

fn disk(setup: &Setup) -> std::io::Result<Disk> {
    let floor = Floor::new(&setup.directory)?;
    let times = floor.sync(super::disk::RECORD_LEN, Duration::from_millis(500))?;
    let found = figures(&times);
    Ok(Disk {
        p50: found.p50,
        p99: found.p99,
    })
}

fn turn_of(
    setup: &Setup,
    contestant: &Contestant,
    best: impl Fn(&str) -> Option<f64>,
) -> Result<Sample, TurnError> {
    let receiver = Receiver::start(setup, contestant.who)?;
    match contestant.work {
        Work::Idle { connections } => {
            let found = idle::measure(&idle::Setup {
                to: receiver.tcp,
                pid: receiver.pid(),
                connections,
                first_account: 30_000_000,
                settle: Duration::from_secs(1),
                timeout: Duration::from_secs(10),
            })?;
            Ok(Sample {
                p50: figures(&found.link_tests).p50,
                p99: figures(&found.link_tests).p99,
                bytes_each: found.each(),
                resident: found.held,
                ..Sample::default()
            })
        }
        Work::Load(spec) => {
            let rate = match spec.rate {
                Rate::Closed => None,
                Rate::PerSecond(rate) => Some(rate),
                Rate::OfBest(factor, label) => {
                    Some(best(label).ok_or(TurnError::NoBest(label))? * factor)
                }
            };
            let plan = plan(setup, &receiver, &spec, rate);
            let tally = load::run(&plan, &Progress::for_threads(plan.threads()))?;
            let mut sample = Sample::of(&tally, rate.is_some());
            sample.resident = super::process::resident(receiver.pid()).unwrap_or_default();
            Ok(sample)
        }
    }
}

fn plan(setup: &Setup, receiver: &Receiver, spec: &LoadSpec, rate: Option<f64>) -> Plan {
    let plain = Accounts {
        first: 10_000_000,
        count: u32::try_from(spec.connections).unwrap_or(u32::MAX),
    };
    let to = match spec.way {
        load::Way::Udp => receiver.udp,
        load::Way::Tcp | load::Way::Reconnect => receiver.tcp,
    };
    Plan {
        way: spec.way,
        connections: spec.connections,
        depth: spec.depth,
        threads: setup.threads,
        mix: load::Mix {
            link_tests: spec.link_tests,
            encrypted: if spec.encrypted { 1.0 } else { 0.0 },
            ..load::Mix::default()
        },
        accounts: if spec.encrypted {
            ENCRYPTED_ACCOUNTS
        } else {
            plain
        },
        key: Some(Arc::clone(&setup.key)),
        length: Length::Time(spec.lasts.unwrap_or(setup.lasts)),
        warm_up: setup.warm_up,
        rate,
        held_max: spec.held_max,
        ..Plan::new(to)
    }
}
