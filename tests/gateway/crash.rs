//! SIGKILL at random moments under load: is every acknowledged event there, exactly once, and does
//! the chain verify?
//!
//! One data directory lives through all cycles. `LARM_CRASH_CYCLES` sets their number (50 unless
//! set), `LARM_SEED` repeats a run, `LARM_CRASH_DATA` keeps the data directory.
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::frame::{read_reply, sia};
use crate::harness::{
    Gateway, Random, SMALL_JOURNAL, Starting, config, events, exported, larm_ok, name, tally,
    verify,
};

const TRANSMITTERS: u32 = 16;

/// One transmitter: sends event after event, each until it is acknowledged, as a panel does.
struct Transmitter {
    account: String,
    /// Number of the next event; also its zone.
    next: u32,
    random: Random,
}

impl Transmitter {
    fn frame(&self, number: u32) -> Vec<u8> {
        sia(number % 9999 + 1, &self.account, &format!("ri1/BA{number}"))
    }

    /// Sends until the gateway is gone. What was not answered is sent again, unchanged, to the
    /// next life of the gateway.
    fn run(&mut self, gateway: SocketAddr, acked: &Mutex<Acked>, ending: &AtomicBool) {
        let Ok(mut stream) = std::net::TcpStream::connect(gateway) else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(crate::harness::PATIENCE));
        while !ending.load(Ordering::Relaxed) {
            // Now and then what was acknowledged long ago: a reply that the panel did not get.
            let repeat = self.next > 1 && self.random.below(8) == 0;
            let number = if repeat { self.next - 1 } else { self.next };
            if stream.write_all(&self.frame(number)).is_err() {
                return;
            }
            let Some(reply) = read_reply(&mut stream) else {
                return;
            };
            assert_eq!(reply.id, "ACK");
            assert_eq!(reply.sequence, format!("{:04}", number % 9999 + 1));
            assert_eq!(reply.account.as_deref(), Some(self.account.as_str()));
            if repeat {
                acked.lock().unwrap().repeats += 1;
            } else {
                self.next += 1;
                acked.lock().unwrap().events += 1;
            }
        }
    }
}

#[derive(Default)]
struct Acked {
    events: u64,
    repeats: u64,
}

/// What a check of the journal found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    lost: usize,
    doubled: usize,
    /// Committed, the acknowledgement did not get out: right, and repaired by the retry.
    unacknowledged: usize,
    strangers: usize,
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled() {
    let cycles: u32 = std::env::var("LARM_CRASH_CYCLES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50);
    let room = tempfile::tempdir().unwrap();
    let data =
        std::env::var_os("LARM_CRASH_DATA").map_or_else(|| room.path().join("data"), PathBuf::from);
    assert!(!data.exists(), "{} exists already", data.display());
    // Small segments: some lives end in the change from one to the next.
    let config = room.path().join("small.toml");
    std::fs::write(&config, config_text()).unwrap();
    let config = ["--config", config.to_str().expect("UTF-8")];
    let mut random = Random::seeded("crash");
    let mut transmitters: Vec<Transmitter> = (0..TRANSMITTERS)
        .map(|at| Transmitter {
            account: format!("{:04X}", 0xC000 + at),
            next: 1,
            random: Random::new(random.next()),
        })
        .collect();
    let acked = Mutex::new(Acked::default());
    let mut starts_killed = 0;
    let check_each = (cycles / 10).max(1);
    for cycle in 1..=cycles {
        if random.below(5) == 0 {
            kill_while_starting(&data, &config, &mut random);
            starts_killed += 1;
        }
        one_life(&data, &config, &mut random, &mut transmitters, &acked);
        if cycle % check_each == 0 {
            let found = check(&data, &transmitters);
            assert_eq!(
                (found.lost, found.doubled, found.strangers),
                (0, 0, 0),
                "cycle {cycle}"
            );
            let acked = acked.lock().unwrap();
            println!(
                "cycle {cycle}: {} acknowledged, {} repeats acknowledged, {found:?}",
                acked.events, acked.repeats
            );
        }
    }
    let acked = acked.into_inner().unwrap();
    assert!(acked.events > u64::from(cycles), "too little was sent");
    assert!(acked.repeats > 0, "no repeat was sent");
    println!(
        "{cycles} cycles and {starts_killed} killed starts: {} acknowledged",
        acked.events
    );
    history_is_the_journal(&data, &config);
}

/// The gateway runs, is loaded by every transmitter, and dies at a random moment.
fn one_life(
    data: &Path,
    config: &[&str],
    random: &mut Random,
    transmitters: &mut [Transmitter],
    acked: &Mutex<Acked>,
) {
    let gateway = Gateway::start_with(data, config);
    let ending = AtomicBool::new(false);
    let life = Duration::from_micros(2_000 + random.below(120_000));
    std::thread::scope(|scope| {
        for transmitter in transmitters {
            let (gateway, ending) = (gateway.tcp, &ending);
            scope.spawn(move || transmitter.run(gateway, acked, ending));
        }
        std::thread::sleep(life);
        gateway.signal(rustix::process::Signal::KILL);
        ending.store(true, Ordering::Relaxed);
    });
    gateway.kill();
}

/// Recovery itself is interrupted.
fn kill_while_starting(data: &Path, config: &[&str], random: &mut Random) {
    let mut starting = Starting::new(data, config);
    std::thread::sleep(Duration::from_micros(random.below(60_000)));
    let _ = starting.child.kill();
    let _ = starting.child.wait();
}

/// Reads the whole journal offline. Every event below a transmitter's `next` was acknowledged.
fn check(data: &Path, transmitters: &[Transmitter]) -> Found {
    verify(data);
    let mut counts: HashMap<String, usize> = tally(&exported(data)).into_iter().collect();
    let mut found = Found::default();
    for transmitter in transmitters {
        for number in 1..=transmitter.next {
            let key = format!("{}/BA/{number}", transmitter.account);
            let times = counts.remove(&key).unwrap_or(0);
            let acknowledged = number < transmitter.next;
            found.lost += usize::from(acknowledged && times == 0);
            found.doubled += usize::from(times > 1);
            found.unacknowledged += usize::from(!acknowledged && times == 1);
        }
    }
    found.strangers = counts.len();
    found
}

/// The history, as filled while the gateway ran and died, and built anew from the journal, holds
/// the events of the journal.
fn history_is_the_journal(data: &Path, config: &[&str]) {
    let journal = identities(&exported(data));
    let gateway = Gateway::start_with(data, config);
    let deadline = Instant::now() + Duration::from_mins(2);
    let mut kept = gateway.events(journal.len());
    while kept.len() < journal.len() && Instant::now() < deadline {
        kept = gateway.events(journal.len());
    }
    assert!(gateway.terminate().success());
    let kept = identities(&kept);
    assert!(
        kept == journal,
        "{} in the history, {} in the journal",
        kept.len(),
        journal.len()
    );

    std::fs::remove_dir_all(data.join("history")).unwrap();
    larm_ok(&[
        "history".as_ref(),
        "rebuild".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
    ]);
    let rebuilt = identities(&events(data));
    assert!(
        rebuilt == journal,
        "{} rebuilt, {} in the journal",
        rebuilt.len(),
        journal.len()
    );
}

/// Position, id and content of each, by position.
fn identities(events: &[serde_json::Value]) -> BTreeMap<u64, String> {
    let all: BTreeMap<u64, String> = events
        .iter()
        .map(|event| {
            let position = event["position"].as_u64().expect("a position");
            (position, format!("{} {}", event["id"], name(event)))
        })
        .collect();
    assert_eq!(all.len(), events.len(), "a position twice");
    all
}

fn config_text() -> String {
    config("") + SMALL_JOURNAL
}
