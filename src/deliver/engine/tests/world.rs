//! A journal, a connector that does what the test says, and an engine between them.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larm_event::{Category, Event, Kind, Priority, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;

use super::super::{Decision, Engine, EngineError, Notice, Settings, Setup, Status};
use crate::deliver::{Connector, Delivery, Limits, Link, Pending, Verdict};
use crate::journal::{Journal, Options};
use crate::record;

/// Long enough for any machine, since nothing is expected to take that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A journal and a place for an engine's files.
pub(super) struct World {
    pub(super) directory: TempDir,
    pub(super) journal: Journal,
    pub(super) ids: BTreeMap<u64, Uuid>,
    pub(super) accounts: BTreeMap<u64, String>,
    /// Positions that the route does not pass.
    pub(super) skipped: BTreeSet<u64>,
}

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            segment_len: 64 << 10,
            reserve: 0,
            ahead: false,
        };
        let (journal, _) = Journal::open(&directory.path().join("journal"), &options).unwrap();
        Self {
            directory,
            journal,
            ids: BTreeMap::new(),
            accounts: BTreeMap::new(),
            skipped: BTreeSet::new(),
        }
    }

    /// Appends one batch of events: account and category. Fire, medical and hold-up are alarms of
    /// priority 1, as the tables have it.
    pub(super) fn append(&mut self, events: &[(&str, Category)]) -> u64 {
        let mut payloads = Vec::new();
        for (number, (account, category)) in events.iter().enumerate() {
            let position = self.journal.next_position() + number as u64;
            let event = event(position, account, *category);
            self.ids.insert(position, event.id);
            self.accounts.insert(position, (*account).to_owned());
            if *category == Category::Test {
                self.skipped.insert(position);
            }
            payloads.push(record::encode(&event, None));
        }
        let now = jiff::Timestamp::now().as_millisecond();
        let records = payloads.iter().map(Vec::as_slice);
        let appended = self.journal.append(records, now).unwrap().unwrap();
        self.journal.published().ring();
        appended.last
    }

    pub(super) fn setup(&self, fake: &Arc<Fake>, settings: Settings) -> Setup {
        let notices = Arc::clone(&fake.notices);
        Setup {
            name: "fake".into(),
            directory: self.directory.path().join("deliver"),
            journal: self.directory.path().join("journal"),
            published: self.journal.published(),
            route: Arc::new(|event: &Event| match event.category {
                Category::Test => Decision::Skip,
                Category::Other => Decision::Hold,
                _ => Decision::Pass,
            }),
            connector: Arc::clone(fake) as Arc<dyn Connector>,
            link: fake.link.clone(),
            notices: Box::new(move |notice| notices.lock().unwrap().push(notice)),
            settings,
        }
    }

    /// Starts an engine, when the one before has let go of its files.
    pub(super) async fn start(&self, fake: &Arc<Fake>, settings: &Settings) -> Engine {
        tokio::time::timeout(PATIENCE, async {
            loop {
                match Engine::start(self.setup(fake, settings.clone())) {
                    Ok(engine) => return engine,
                    Err(EngineError::Locked { .. }) => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await
        .expect("an engine that was dropped lets go of its files")
    }
}

fn event(position: u64, account: &str, category: Category) -> Event {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    event.id = Uuid::from_u128(u128::from(position) << 64 | 7);
    event.account = (!account.is_empty()).then(|| account.to_owned());
    event.received_at = Timestamp::from_millis(1_764_000_000_000);
    event.kind = Kind::Alarm;
    event.category = category;
    event.priority = match category {
        Category::Fire | Category::Medical => Priority::LIFE,
        Category::Intrusion => Priority::PROPERTY,
        _ => Priority::NOTICE,
    };
    event
}

type Script = dyn Fn(&Delivery) -> Verdict + Send + Sync;

/// A connector that answers as the test says, and keeps what it got.
pub(super) struct Fake {
    limits: Limits,
    script: Box<Script>,
    /// How long a delivery takes, at most.
    delay: Duration,
    pub(super) link: Link,
    pub(super) notices: Arc<Mutex<Vec<Notice>>>,
    /// Every answer, in order.
    pub(super) answers: Mutex<Vec<(Delivery, Verdict)>>,
    in_flight: Mutex<BTreeSet<Option<String>>>,
    pub(super) calls: AtomicU64,
}

impl Fake {
    pub(super) fn new(
        limits: Limits,
        script: impl Fn(&Delivery) -> Verdict + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::slow(limits, Duration::ZERO, script)
    }

    pub(super) fn slow(
        limits: Limits,
        delay: Duration,
        script: impl Fn(&Delivery) -> Verdict + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            limits,
            script: Box::new(script),
            delay,
            link: Link::default(),
            notices: Arc::default(),
            answers: Mutex::default(),
            in_flight: Mutex::default(),
            calls: AtomicU64::new(0),
        })
    }

    /// Positions that were confirmed, in order.
    pub(super) fn delivered(&self) -> Vec<u64> {
        let answers = self.answers.lock().unwrap();
        let delivered = answers.iter().filter(|(_, v)| *v == Verdict::Delivered);
        delivered.map(|(delivery, _)| delivery.position).collect()
    }

    async fn answer(&self, batch: &[Delivery]) -> Vec<Verdict> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(!batch.is_empty() && batch.len() <= self.limits.batch_events);
        let accounts: BTreeSet<_> = batch.iter().map(|d| d.event.account.clone()).collect();
        let _guard = InFlight::new(&self.in_flight, accounts);
        if !self.delay.is_zero() {
            let most = u64::try_from(self.delay.as_micros()).unwrap();
            let micros = call.wrapping_mul(0x9E37_79B9_7F4A_7C15) % most;
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        let mut blocked = BTreeSet::new();
        let mut verdicts = Vec::new();
        for delivery in batch {
            let parsed: Event = serde_json::from_str(&delivery.json).unwrap();
            assert_eq!(parsed, *delivery.event);
            assert_eq!(parsed.position, Some(delivery.position));
            let mut verdict = (self.script)(delivery);
            if blocked.contains(&delivery.event.account) {
                verdict = retry();
            }
            if matches!(verdict, Verdict::Retry { .. }) {
                blocked.insert(delivery.event.account.clone());
            }
            let mut answers = self.answers.lock().unwrap();
            answers.push((delivery.clone(), verdict.clone()));
            verdicts.push(verdict);
        }
        verdicts
    }
}

impl Connector for Fake {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(self.answer(batch))
    }
}

/// Fails the test where two batches with the same account are under way.
struct InFlight<'a> {
    all: &'a Mutex<BTreeSet<Option<String>>>,
    own: BTreeSet<Option<String>>,
}

impl<'a> InFlight<'a> {
    fn new(all: &'a Mutex<BTreeSet<Option<String>>>, own: BTreeSet<Option<String>>) -> Self {
        let fresh = own
            .iter()
            .all(|account| all.lock().unwrap().insert(account.clone()));
        assert!(fresh, "two batches with one account");
        Self { all, own }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Ok(mut all) = self.all.lock() {
            all.retain(|account| !self.own.contains(account));
        }
    }
}

pub(super) fn retry() -> Verdict {
    Verdict::Retry {
        after: None,
        why: "not now".to_owned(),
    }
}

pub(super) fn limits(batch_events: usize, in_flight: usize) -> Limits {
    Limits {
        batch_events,
        batch_bytes: 1 << 20,
        in_flight,
    }
}

/// Short pauses, so that tests are quick.
pub(super) fn quick() -> Settings {
    Settings {
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(5),
        cursor_every: Duration::from_millis(2),
        ..Settings::default()
    }
}

/// Waits until the engine's status is as wanted.
pub(super) async fn until(engine: &Engine, wanted: impl Fn(&Status) -> bool) -> Status {
    let handle = engine.handle();
    let reached = tokio::time::timeout(PATIENCE, async {
        loop {
            let status = handle.status();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let reached = reached.await;
    reached.unwrap_or_else(|_| panic!("never: {:?}", handle.status()))
}
