//! Events go on to another receiver, in that receiver's own protocol: larm as a transmitter.
//!
//! Constraints
//! - An event counts as delivered when the other receiver has acknowledged it: with its sequence
//!   number, its account, and encrypted where it was sent so.
//! - A retry of an event has the sequence number of its first attempt, on whichever connection or
//!   address, so that the other side can tell it from a new event. After a restart of larm it may
//!   get another one; the transmitter's own time, where it goes along, still tells it.
//! - The events of an account go one after the other. Different accounts go in parallel, over
//!   several connections and, where set, with several messages waiting on each.
//!
//! A refused time corrects the clock of the link, once for each event; then it is sent again with
//! the time of sending.
mod accounts;
mod compose;
mod connection;
mod lane;
mod lanes;
mod numbers;
mod settings;
mod targets;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use larm_event::{Event, Timestamp};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use accounts::AccountMap;
pub use compose::{Answer, Compose, Envelope, Head, Look, Protocol, Says, Sent, Unfit};
pub use settings::{Settings, Way};

use super::super::connector::{BuildError, Connector, Context, Delivery, Limits, Pending, Verdict};
use crate::clock::utc_now;
use crate::config::connector::{Dc09Relay, WhenDeclined};
use lane::Failure;
use lanes::Lanes;
use numbers::Numbers;
use targets::Targets;

/// One relay.
pub struct Relay {
    settings: Arc<Settings>,
    context: Context,
    compose: Arc<dyn Compose>,
    accounts: AccountMap,
    numbers: Numbers,
    targets: Arc<Targets>,
    lanes: Lanes,
    /// The other receiver's clock minus larm's, in milliseconds, as it last told.
    clock_offset_ms: AtomicI64,
    started: Instant,
    /// When the last exchange went well, in milliseconds since `started`.
    heard_ms: AtomicU64,
}

/// How one attempt ended.
enum Attempt {
    Settled(Verdict),
    /// The clock was corrected: once more, now.
    Corrected,
    Failed(Failure),
}

impl Relay {
    /// A relay that connects when there is something to send.
    pub fn build(
        own: &Dc09Relay,
        context: Context,
        protocol: &dyn Protocol,
    ) -> Result<Self, BuildError> {
        let accounts = AccountMap::read(&own.account_map).map_err(|problem| BuildError {
            key: "account_map",
            problem,
        })?;
        let compose = protocol.link(own)?;
        let settings = Arc::new(Settings::of(own));
        let targets = Arc::new(Targets::new(settings.addresses.clone()));
        let relay = Self {
            lanes: Lanes::new(&settings, &targets, &compose),
            settings,
            context,
            compose,
            accounts,
            numbers: Numbers::default(),
            targets,
            clock_offset_ms: AtomicI64::new(0),
            started: Instant::now(),
            heard_ms: AtomicU64::new(0),
        };
        // Whatever does not fit into a frame is found out before the first alarm.
        relay.link_test(1).map_err(|unfit| BuildError {
            key: "link_account",
            problem: format!("no link test can be written: {unfit}"),
        })?;
        Ok(relay)
    }

    /// The events of one account, in order, up to the first that has to wait.
    async fn in_order(&self, events: Vec<(usize, &Delivery)>) -> Vec<(usize, Verdict)> {
        let mut verdicts = Vec::with_capacity(events.len());
        let mut waits = None;
        for (at, delivery) in events {
            let verdict = match &waits {
                Some(waits) => Verdict::clone(waits),
                None => self.one(delivery).await,
            };
            if matches!(verdict, Verdict::Retry { .. }) {
                waits = Some(verdict.clone());
            }
            verdicts.push((at, verdict));
        }
        verdicts
    }

    /// One event: over each address once, unless it is settled before.
    async fn one(&self, delivery: &Delivery) -> Verdict {
        let sequence = self.numbers.of_event(delivery.position);
        let (mut corrected, mut reconnected) = (false, false);
        let mut addresses = self.targets.len();
        loop {
            let target = self.targets.current();
            let failure = match self.attempt(delivery, sequence, corrected).await {
                Attempt::Settled(verdict) => {
                    if !matches!(verdict, Verdict::Retry { .. }) {
                        self.numbers.settle(delivery.position);
                    }
                    return verdict;
                }
                Attempt::Corrected => {
                    corrected = true;
                    continue;
                }
                Attempt::Failed(failure) => failure,
            };
            // A connection that was good before may have been closed while nothing was said.
            if matches!(failure, Failure::Broken { used: true, .. }) && !reconnected {
                reconnected = true;
                continue;
            }
            let why = self.failed(&failure, target);
            addresses = addresses.saturating_sub(1);
            if addresses == 0 || self.targets.current() == target {
                return Verdict::Retry { after: None, why };
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery, sequence: u16, corrected: bool) -> Attempt {
        let event = delivery.event.as_ref();
        let account = event
            .account
            .as_deref()
            .unwrap_or(&self.settings.link_account);
        let account = self.accounts.map(account);
        let data_account = event
            .data_account
            .as_deref()
            .map(|inner| self.accounts.map(inner));
        let now = self.now();
        let original = sent_at(event).filter(|at| !corrected && self.in_time(*at, now));
        let envelope = Envelope {
            account: &account,
            data_account: data_account.as_deref(),
            sequence,
            sent_at: original.unwrap_or(now),
            occurred_at: self.own_time(event, now).filter(|_| original.is_none()),
            extended: self.settings.extended,
        };
        let sent = match self.compose.event(event, &envelope) {
            Ok(sent) => sent,
            Err(unfit) => return Attempt::Settled(Verdict::Refused { why: unfit.0 }),
        };
        let (encrypted, unconverted) = (sent.encrypted, sent.unconverted);
        match self.lanes.exchange(sent).await {
            Ok(answer) => {
                let attempt = self.judged(&answer, encrypted, corrected);
                if unconverted && matches!(attempt, Attempt::Settled(Verdict::Delivered)) {
                    self.context.link.unconverted();
                }
                attempt
            }
            Err(failure) => Attempt::Failed(failure),
        }
    }

    fn judged(&self, answer: &Answer, encrypted: bool, corrected: bool) -> Attempt {
        self.heard();
        let retry = |why: &str| {
            let why = why.to_owned();
            Attempt::Settled(Verdict::Retry { after: None, why })
        };
        match answer.says {
            Says::Received if answer.encrypted == encrypted => Attempt::Settled(Verdict::Delivered),
            Says::Received => retry("message and acknowledgement are not both encrypted"),
            Says::WrongTime(Some(theirs)) if !corrected => {
                self.correct_clock(theirs);
                Attempt::Corrected
            }
            Says::WrongTime(Some(_)) => retry("the receiver refuses the time that it told itself"),
            Says::WrongTime(None) => retry("the receiver refuses the time and tells none"),
            Says::Unable => {
                let why = "the receiver cannot handle it".to_owned();
                Attempt::Settled(match self.settings.when_declined {
                    WhenDeclined::Refuse => Verdict::Refused { why },
                    WhenDeclined::Retry => Verdict::Retry { after: None, why },
                })
            }
            Says::Other => retry("the receiver answers with what nobody asked for"),
        }
    }

    /// Takes note of a failure, and says why in words.
    fn failed(&self, failure: &Failure, target: usize) -> String {
        let (why, theirs) = match failure {
            Failure::Unreachable(why) => (format!("no connection: {why}"), true),
            Failure::Broken { why, .. } => (format!("the connection broke: {why}"), true),
            Failure::Silent { others, instead } => {
                let why = match instead {
                    Some(instead) => format!("no answer, but {instead}"),
                    None => "no answer".to_owned(),
                };
                (why, !others)
            }
        };
        // One message that finds no answer says nothing about the link.
        if theirs {
            self.targets.failed(target);
            self.context.link.down(why.as_str());
        }
        why
    }

    /// larm's time as the other receiver's clock tells it.
    fn now(&self) -> Timestamp {
        let offset = self.clock_offset_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(utc_now().as_millis().saturating_add(offset))
    }

    /// When it happened, where the time of sending would tell another one: by the transmitter, or
    /// after a while by larm's own receipt.
    fn own_time(&self, event: &Event, now: Timestamp) -> Option<Timestamp> {
        let waited = now
            .as_millis()
            .saturating_sub(event.received_at.as_millis());
        let long = i64::try_from(self.settings.time_past.as_millis()).unwrap_or(i64::MAX);
        let received = (waited > long).then_some(event.received_at);
        event.occurred_at.or(received)
    }

    fn in_time(&self, at: Timestamp, now: Timestamp) -> bool {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let age = now.as_millis().saturating_sub(at.as_millis());
        let (past, future) = (self.settings.time_past, self.settings.time_ahead);
        !past.is_zero() && age <= millis(past) && age.saturating_neg() <= millis(future)
    }

    fn correct_clock(&self, theirs: Timestamp) {
        let offset = theirs.as_millis().saturating_sub(utc_now().as_millis());
        let before = self.clock_offset_ms.swap(offset, Ordering::Relaxed);
        // Whole seconds come over the link: less than two is no news.
        if before.abs_diff(offset) >= 2_000 {
            tracing::warn!(
                connector = %self.context.name,
                offset_ms = offset,
                "the other receiver's clock differs; its time is used on this link"
            );
        }
    }

    fn heard(&self) {
        let since = self.started.elapsed().as_millis();
        self.heard_ms
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.context.link.up();
        if self.targets.len() > 1 {
            let target = self.targets.current();
            self.context.link.at(self.targets.address(target));
        }
    }

    fn idle(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(heard)
    }

    fn link_test(&self, sequence: u16) -> Result<Sent, Unfit> {
        self.compose.link_test(&Envelope {
            account: &self.settings.link_account,
            data_account: None,
            sequence,
            sent_at: self.now(),
            occurred_at: None,
            extended: false,
        })
    }

    /// One link test over the address in use.
    async fn test_link(&self) {
        let target = self.targets.current();
        let sent = match self.link_test(self.numbers.once()) {
            Ok(sent) => sent,
            Err(unfit) => return self.context.link.down(unfit.0),
        };
        match self.lanes.exchange(sent).await {
            Ok(answer) => match answer.says {
                Says::WrongTime(Some(theirs)) => {
                    self.correct_clock(theirs);
                    self.heard();
                }
                Says::Received | Says::Unable => self.heard(),
                Says::WrongTime(None) | Says::Other => {
                    self.context.link.down("the receiver refuses link tests");
                }
            },
            Err(failure) => drop(self.failed(&failure, target)),
        }
    }

    /// Whether the first address answers again.
    async fn try_first(&self) {
        let Ok(sent) = self.link_test(self.numbers.once()) else {
            return;
        };
        let address = self.targets.address(0);
        let asked = lane::probe(self.compose.as_ref(), address, &self.settings, &sent);
        if asked.await.is_ok() {
            self.targets.first_is_back();
        }
    }
}

impl Connector for Relay {
    fn limits(&self) -> Limits {
        Limits {
            // Nothing is won by batches: each event has its own answer.
            batch_events: 1,
            batch_bytes: 64 * 1024,
            in_flight: self.settings.connections * self.settings.outstanding,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(async move {
            let mut accounts: HashMap<_, Vec<(usize, &Delivery)>> = HashMap::new();
            for (at, delivery) in batch.iter().enumerate() {
                let account = delivery.event.account.as_deref();
                let account = account.map(|account| self.accounts.map(account));
                accounts.entry(account).or_default().push((at, delivery));
            }
            let all = accounts.into_values().map(|events| self.in_order(events));
            let mut verdicts: Vec<_> = join_all(all).await.into_iter().flatten().collect();
            verdicts.sort_by_key(|(at, _)| *at);
            verdicts.into_iter().map(|(_, verdict)| verdict).collect()
        })
    }

    fn attend(&self, stop: CancellationToken) -> Pending<'_, ()> {
        Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.test_when_idle() => {}
                () = self.return_to_first() => {}
            }
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async { self.lanes.close() })
    }
}

impl Relay {
    /// A link test whenever nothing was heard for as long as it is set; never ends.
    async fn test_when_idle(&self) {
        let every = self.settings.link_test;
        if every.is_zero() {
            return std::future::pending().await;
        }
        let mut tested = Instant::now();
        self.test_link().await;
        loop {
            let rest = every.saturating_sub(self.idle().min(tested.elapsed()));
            if rest.is_zero() {
                tested = Instant::now();
                self.test_link().await;
            } else {
                sleep(rest).await;
            }
        }
    }

    /// Looks after the first address while another one is in use; never ends.
    async fn return_to_first(&self) {
        loop {
            sleep(self.settings.return_after).await;
            if self.targets.current() != 0 {
                self.try_first().await;
            }
        }
    }
}

/// The transmitter's own time of sending.
fn sent_at(event: &Event) -> Option<Timestamp> {
    let offset = event.clock_offset_ms?;
    Some(Timestamp::from_millis(
        event.received_at.as_millis().saturating_add(offset),
    ))
}
