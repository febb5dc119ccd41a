//! The delivery engine without a far side: how fast a backlog goes through, and how soon one event
//! is handed over after it was published.
//!
//! `cargo bench --bench deliver [EVENTS]`; with `taskset -c 0` in front, on one core.
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use larm::deliver::engine::{Decision, Engine, Settings, Setup};
use larm::deliver::{Connector, Delivery, Limits, Link, Pending, Verdict};
use larm::journal::{Journal, Options};
use larm::record;
use larm_event::{
    Category, Code, Event, Kind, Path as Way, Priority, Raw, Scheme, Timestamp, Transport,
};

/// Accounts that the events come from.
const ACCOUNTS: u64 = 1_000;

/// Confirms everything at once, and notes when it got what.
struct Null {
    limits: Limits,
    delivered: AtomicU64,
    /// Microseconds from publishing to the call, by the order of the events.
    published: Mutex<Vec<Instant>>,
    took: Mutex<Vec<Duration>>,
}

impl Null {
    fn new(batch_events: usize) -> Arc<Self> {
        Arc::new(Self {
            limits: Limits {
                batch_events,
                batch_bytes: 4 << 20,
                in_flight: 4,
            },
            delivered: AtomicU64::new(0),
            published: Mutex::default(),
            took: Mutex::default(),
        })
    }
}

impl Connector for Null {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        let now = Instant::now();
        let published = self.published.lock().expect("nobody panics");
        let mut took = self.took.lock().expect("nobody panics");
        for delivery in batch {
            let index = usize::try_from(delivery.position - 1).unwrap_or(usize::MAX);
            took.extend(
                published
                    .get(index)
                    .map(|at| now.saturating_duration_since(*at)),
            );
        }
        self.delivered
            .fetch_add(batch.len() as u64, Ordering::Release);
        Box::pin(std::future::ready(vec![Verdict::Delivered; batch.len()]))
    }
}

/// An event as a panel's burglary alarm looks, about 900 bytes of JSON.
fn event(number: u64) -> Event {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    event.id = uuid(number);
    "bench".clone_into(&mut event.node);
    event.received_at = Timestamp::from_millis(1_764_000_000_000);
    event.account = Some(format!("{:06}", number * 7 % ACCOUNTS));
    event.receiver = Some("1".to_owned());
    event.line = Some("1".to_owned());
    event.sequence = Some(format!("{:04}", number % 10_000));
    event.path = Some(Way {
        listener: "dc09".to_owned(),
        transport: Transport::Tcp,
        peer: "192.0.2.7:40000".to_owned(),
        role: None,
        number: None,
    });
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: "BA".to_owned(),
        qualifier: Some("N".to_owned()),
        address: Some("12".to_owned()),
        name: "Burglary alarm".to_owned(),
        name_sv: "Inbrottslarm".to_owned(),
    });
    event.kind = Kind::Alarm;
    (event.category, event.priority) = match number % 100 {
        0 => (Category::Medical, Priority::LIFE),
        1..4 => (Category::Fire, Priority::LIFE),
        4..60 => (Category::Intrusion, Priority::PROPERTY),
        _ => (Category::Access, Priority::NOTICE),
    };
    event.zone = Some("12".to_owned());
    event.text = Some("Kitchen window".to_owned());
    event.raw = Raw(vec![0x41; 90]);
    event
}

fn uuid(number: u64) -> uuid::Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_764_000_000_000 + number / 1_000, &{
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&number.to_be_bytes());
        rest
    })
    .into_uuid()
}

fn setup(directory: &Path, journal: &Journal, null: &Arc<Null>, own: &str) -> Setup {
    Setup {
        name: own.into(),
        directory: directory.join(own),
        journal: directory.join("journal"),
        published: journal.published(),
        route: Arc::new(|_: &Event| Decision::Pass),
        connector: Arc::clone(null) as Arc<dyn Connector>,
        link: Link::default(),
        notices: Box::new(|_| {}),
        settings: Settings::default(),
    }
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
async fn through(directory: &Path, journal: &Journal, batch_events: usize) {
    let null = Null::new(batch_events);
    let count = journal.published().position();
    let own = format!("batch-{batch_events}");
    let start = Instant::now();
    let engine = Engine::start(setup(directory, journal, &null, &own)).expect("a fresh directory");
    while null.delivered.load(Ordering::Acquire) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = start.elapsed();
    let status = engine.handle().status();
    engine.drain(Duration::from_secs(10)).await;
    println!(
        "backlog of {count}, batches of up to {batch_events}: {:.0} events/s ({:.2} s), {} batches at most in flight, cursor {}",
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64(),
        took.as_secs_f64(),
        null.limits.in_flight,
        status.cursor,
    );
}

/// One event at a time, at a steady rate, from the return of the append to the call of `deliver`.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
async fn latency(directory: &Path, rate: u64, seconds: u64) {
    let journal_dir = directory.join("journal");
    let (mut journal, _) = Journal::open(&journal_dir, &Options::default()).expect("a journal");
    let null = Null::new(100);
    let engine = Engine::start(setup(directory, &journal, &null, "latency")).expect("a directory");
    let count = rate * seconds;
    let filled = Arc::clone(&null);
    let appending = std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0..count {
            let due = start + Duration::from_micros(1_000_000 / rate * number);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let payload = record::encode(&event(number), None);
            let ring = journal.published();
            // Noted before it can be seen: the lock is held until it is published.
            journal.append([payload.as_slice()], 1).expect("durable");
            filled
                .published
                .lock()
                .expect("nobody panics")
                .push(Instant::now());
            ring.ring();
        }
        journal
    });
    while null.delivered.load(Ordering::Acquire) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _journal = appending.join().expect("the appending thread");
    engine.drain(Duration::from_secs(10)).await;
    let mut took = null.took.lock().expect("nobody panics").clone();
    took.sort_unstable();
    let at = |percent: usize| {
        let index = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(index).copied().unwrap_or_default()
    };
    println!(
        "{rate} events/s for {seconds} s, publish to deliver: p50 {:?}, p99 {:?}, most {:?}",
        at(50),
        at(99),
        at(100)
    );
}

fn main() {
    // `cargo test` runs benches as well, without a number: then a short round is enough.
    let asked = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let bench = std::env::args().any(|text| text == "--bench");
    let count: u64 = asked.unwrap_or(if bench { 300_000 } else { 2_000 });
    let directory =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory");
    let journal_dir = directory.path().join("journal");
    let (mut journal, _) = Journal::open(&journal_dir, &Options::default()).expect("a new journal");
    for start in (0..count).step_by(1_000) {
        let payloads: Vec<Vec<u8>> = (start..count.min(start + 1_000))
            .map(|number| record::encode(&event(number), None))
            .collect();
        let now = 1_764_000_000_000;
        journal
            .append(payloads.iter().map(Vec::as_slice), now)
            .expect("durable");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for batch_events in [1, 100, 1_000] {
            through(directory.path(), &journal, batch_events).await;
        }
        let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        latency(other.path(), 1_000, if bench { 5 } else { 1 }).await;
    });
}
