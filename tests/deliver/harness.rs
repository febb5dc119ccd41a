//! The real gateway between a crowd of transmitters and a receiving side, and what must hold of
//! both: nothing lost, the order of each account, repeats only with the same id.
//!
//! A test of a connector starts its server, writes the `[[connector]]` sections, and then:
//!
//! ```ignore
//! let mut world = World::new(&sections);
//! world.start();
//! world.send(&Crowd::small());
//! eventually("everything has arrived", || server.got().len() >= world.sent());
//! let journal = world.journal();
//! verify(&journal, &server.got(), |_| true);
//! ```
//!
//! [`World::kill`], [`World::start`] and [`World::tear_cursor`] are the faults of the gateway; those
//! of the server are the test's own. Sizes: [`size`] asks `LARM_BACKLOG`.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "every connector's test uses its own part of this, and says what broke by panicking"
)]
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::frame::{read_reply, sia};
use crate::gateway::{Gateway, PATIENCE, SMALL_JOURNAL, config, exported, larm};

/// Codes that the crowd sends in turn: life, fire, intrusion and the rest.
const CODES: [&str; 8] = ["BA", "FA", "MA", "OP", "CL", "PA", "GA", "TR"];

/// How many events a test sends: the number in `LARM_BACKLOG`, or this small one.
pub(crate) fn size(usual: usize) -> usize {
    let asked = std::env::var("LARM_BACKLOG").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Who sends how much.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// Different accounts, `10000` and up, at least as many as connections; each keeps to one.
    pub(crate) accounts: usize,
    /// Events of all accounts together.
    pub(crate) events: usize,
    /// Connections; each sends the next frame when the last one was acknowledged.
    pub(crate) connections: usize,
}

impl Crowd {
    /// Enough for order and completeness, little enough to be quick: 400 events of 20 accounts, or
    /// as many events as `LARM_BACKLOG` says.
    pub(crate) fn small() -> Self {
        Self::of(size(400))
    }

    /// This many events of 20 accounts.
    pub(crate) fn of(events: usize) -> Self {
        Self {
            accounts: 20,
            events,
            connections: 8,
        }
    }
}

/// What the transmitters saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// Acknowledged events.
    pub(crate) acks: usize,
    /// From the frame to its acknowledgement, sorted.
    pub(crate) times: Vec<Duration>,
    /// From the first frame to the last acknowledgement.
    pub(crate) took: Duration,
}

impl Sent {
    /// The time that this part of all acknowledgements did not exceed.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a few thousand times"
        )]
        let at = (self.times.len() as f64 * part) as usize;
        let at = at.min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }

    /// One line for people; never asserted, since other programs share the machine.
    pub(crate) fn print(&self, what: &str) {
        let per_second = self.acks as u128 * 1_000_000 / self.took.as_micros().max(1);
        println!(
            "{what}: {} ACKs, {per_second}/s, p50 {:?}, p99 {:?}",
            self.acks,
            self.quantile(0.5),
            self.quantile(0.99)
        );
    }
}

/// A gateway with its files; killed when dropped.
pub(crate) struct World {
    folder: tempfile::TempDir,
    gateway: Option<Gateway>,
    sent: usize,
}

impl World {
    /// Writes the configuration: TCP and UDP on free loopback ports, and these `[[connector]]`
    /// sections. Nothing runs yet.
    pub(crate) fn new(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self {
            folder,
            gateway: None,
            sent: 0,
        };
        world.configure(sections);
        world
    }

    /// Writes other sections; [`World::reload`] or the next start takes them.
    pub(crate) fn configure(&self, sections: &str) {
        let text = config("") + SMALL_JOURNAL + sections;
        std::fs::write(self.config(), text).unwrap();
    }

    /// A directory for whatever the test needs, gone at its end.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The gateway's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("larm.toml")
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) fn start(&mut self) -> &Gateway {
        let config = self.config();
        let arguments = ["--config", config.to_str().unwrap()];
        self.gateway
            .insert(Gateway::start_with(&self.data(), &arguments))
    }

    /// The running gateway.
    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("the gateway was started")
    }

    /// SIGHUP.
    pub(crate) fn reload(&self) {
        self.gateway().signal(rustix::process::Signal::HUP);
    }

    /// SIGKILL at once.
    pub(crate) fn kill(&mut self) {
        self.gateway.take().expect("the gateway runs").kill();
    }

    /// SIGTERM, and it must end well.
    pub(crate) fn stop(&mut self) {
        let gateway = self.gateway.take().expect("the gateway runs");
        let log = gateway.stderr();
        let status = gateway.terminate();
        assert!(
            status.success(),
            "ended with {status}:\n{}",
            String::from_utf8_lossy(&log)
        );
    }

    /// What the gateway logged, for the message of a failure.
    pub(crate) fn log(&self) -> String {
        let path = self.data().with_extension("stderr");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Events acknowledged so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Sends the crowd's events over TCP and waits for every acknowledgement.
    ///
    /// Each event is another one: no two of an account agree in sequence number and content, also
    /// from one call to the next.
    pub(crate) fn send(&mut self, crowd: &Crowd) -> Sent {
        let gateway = self.gateway().tcp;
        let before = self.sent;
        let begun = Instant::now();
        let times = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..crowd.connections)
                .map(|lane| scope.spawn(move || send_lane(gateway, crowd, lane, before)))
                .collect();
            let ended = lanes.into_iter().map(|lane| lane.join().unwrap());
            ended.flatten().collect::<Vec<Duration>>()
        });
        let took = begun.elapsed();
        assert_eq!(times.len(), crowd.events, "not everything is acknowledged");
        self.sent += times.len();
        let mut times = times;
        times.sort_unstable();
        Sent {
            acks: times.len(),
            times,
            took,
        }
    }

    /// Stops the gateway where it runs, and reads every event of its journal.
    pub(crate) fn journal(&mut self) -> Vec<Value> {
        if self.gateway.is_some() {
            self.stop();
        }
        exported(&self.data())
    }

    /// Where the engine of a connector keeps its cursor.
    pub(crate) fn engine(&self, connector: &str) -> PathBuf {
        self.data().join("deliver").join(connector)
    }

    /// Damages the newer of the two cursor files, as a power cut in the middle of its write does.
    /// The gateway must stand.
    pub(crate) fn tear_cursor(&self, connector: &str) {
        self.damage_cursor(connector, true, |bytes| {
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
        });
    }

    /// Damages the newer of the two cursor files, or both. The gateway must stand.
    pub(crate) fn damage_cursor(
        &self,
        connector: &str,
        newest_alone: bool,
        damage: impl Fn(&mut Vec<u8>),
    ) {
        assert!(self.gateway.is_none(), "the gateway runs");
        let mut files: Vec<PathBuf> = ["cursor.0", "cursor.1"]
            .map(|name| self.engine(connector).join(name))
            .into_iter()
            .filter(|path| path.exists())
            .collect();
        files.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
        assert!(!files.is_empty(), "a cursor");
        let spared = if newest_alone { files.len() - 1 } else { 0 };
        for file in &files[spared..] {
            let mut bytes = std::fs::read(file).unwrap();
            damage(&mut bytes);
            std::fs::write(file, bytes).unwrap();
        }
    }

    /// `larm deliver …` about this gateway, on standard output; panics when it fails.
    pub(crate) fn deliver(&self, arguments: &[&str]) -> String {
        let (output, good) = self.try_deliver(arguments);
        assert!(good, "larm deliver {arguments:?}: {output}");
        output
    }

    /// The same, with both outputs and whether it went well.
    pub(crate) fn try_deliver(&self, arguments: &[&str]) -> (String, bool) {
        let data = self.data();
        let mut all = vec!["deliver".as_ref()];
        all.extend(arguments.iter().map(std::ffi::OsStr::new));
        all.extend(["--data".as_ref(), data.as_os_str()]);
        let output = larm(&all);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("UTF-8");
        (text, output.status.success())
    }
}

/// One connection: its accounts' events in turn, each after the acknowledgement of the one before.
/// `before` is how many events were sent by earlier calls.
fn send_lane(gateway: SocketAddr, crowd: &Crowd, lane: usize, before: usize) -> Vec<Duration> {
    let accounts: Vec<usize> = (lane..crowd.accounts).step_by(crowd.connections).collect();
    let mine = (lane..crowd.events).step_by(crowd.connections).len();
    if mine == 0 {
        return Vec::new();
    }
    assert!(!accounts.is_empty(), "more connections than accounts");
    let mut stream = TcpStream::connect(gateway).expect("the gateway accepts");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::with_capacity(mine);
    for number in 0..mine {
        let account = 10_000 + accounts[number % accounts.len()];
        let turn = before + number / accounts.len();
        let sequence = u32::try_from(turn % 9_999 + 1).unwrap();
        let code = CODES[number % CODES.len()];
        let event = format!("{code}{:04}", turn / 9_999 % 10_000);
        let frame = sia(sequence, &account.to_string(), &event);
        let begun = Instant::now();
        stream.write_all(&frame).unwrap();
        let reply = read_reply(&mut stream).expect("an answer");
        assert_eq!(reply.id, "ACK", "{reply:?}");
        times.push(begun.elapsed());
    }
    times
}

/// One event as a receiving side got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    /// The event's id, which is the idempotency key.
    pub(crate) id: String,
    /// The account, where the form tells it.
    pub(crate) account: Option<String>,
}

impl Got {
    /// From the JSON form of an event.
    pub(crate) fn from_json(event: &Value) -> Self {
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        Self {
            id: text("id").expect("an event has an id"),
            account: text("account"),
        }
    }
}

/// What [`verify`] found beside what must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Different events that arrived.
    pub(crate) events: usize,
    /// Further arrivals of events that had arrived before.
    pub(crate) repeats: usize,
}

/// Holds what arrived (in the order of its arrival) against the journal: every event that the route
/// passes is there, nothing else is, and of each account the first arrivals are in journal order.
/// The gateway's own events are left out on both sides, unless they arrived.
pub(crate) fn verify(journal: &[Value], got: &[Got], routed: impl Fn(&Value) -> bool) -> Verified {
    let by_id: HashMap<&str, &Value> = journal
        .iter()
        .map(|event| (event["id"].as_str().unwrap(), event))
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut last: BTreeMap<Option<&str>, u64> = BTreeMap::new();
    for one in got {
        let event = by_id
            .get(one.id.as_str())
            .unwrap_or_else(|| panic!("{one:?} is in no journal"));
        assert!(routed(event), "{one:?} is not for this connector");
        if one.account.is_some() {
            assert_eq!(one.account.as_deref(), event["account"].as_str());
        }
        let times = seen.entry(&one.id).or_default();
        *times += 1;
        if *times > 1 {
            continue;
        }
        let position = event["position"].as_u64().unwrap();
        let before = last.insert(event["account"].as_str(), position);
        assert!(
            before.is_none_or(|before| before < position),
            "{one:?} at {position} came after {before:?}"
        );
    }
    let own = |event: &&Value| event["protocol"] != "larm/receiver";
    for event in journal.iter().filter(own).filter(|event| routed(event)) {
        let id = event["id"].as_str().unwrap();
        assert!(seen.contains_key(id), "lost: {event}");
    }
    Verified {
        events: seen.len(),
        repeats: got.len() - seen.len(),
    }
}

/// Different events among what arrived.
pub(crate) fn distinct(got: &[Got]) -> usize {
    let ids: std::collections::HashSet<&str> = got.iter().map(|one| one.id.as_str()).collect();
    ids.len()
}

/// Waits until this holds; panics after [`PATIENCE`], which is a bound for failures alone.
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, holds);
}

/// The same with a bound for larger sizes.
pub(crate) fn eventually_within(bound: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !holds() {
        assert!(Instant::now() < deadline, "not in {bound:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Prints how fast the gateway acknowledges without connectors and with these, side by side; for
/// people to read, never asserted.
pub(crate) fn print_ack_times(what: &str, sections: &str) {
    let crowd = Crowd::of(size(1_000));
    for (name, sections) in [("no connector", ""), (what, sections)] {
        let mut world = World::new(sections);
        world.start();
        world.send(&crowd).print(&format!("ACK with {name}"));
    }
}
