//! The contract between the delivery engine and one connector.
//!
//! Constraints
//! - The engine never has two batches in flight that share an account, so the order of an account
//!   is the order of its events inside batches and from batch to batch.
//! - A connector answers for every event of a batch, in the batch's order. What it does not answer
//!   for (a short answer, a dropped future) counts as [`Verdict::Retry`]: the engine delivers it
//!   again, with the same id.
//! - Inside a batch a connector keeps the order of each account: when one event gets
//!   [`Verdict::Retry`], it does not go on to later events of that account, and answers `Retry`
//!   for them as well.
//! - [`Verdict::Delivered`] means that the other side confirmed it in the way that its protocol
//!   has (a receipt byte, a 2xx, a `PubAck`, a COMMIT, a `PUBACK`), never that bytes were written.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larm_event::Event;
use tokio_util::sync::CancellationToken;

/// A boxed future, since connectors are chosen at run time.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One event on its way to one connector.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Place in the journal.
    pub position: u64,
    /// The record, with its position.
    pub event: Arc<Event>,
    /// The record as JSON text on one line, with its position, as the published schema says.
    pub json: Arc<str>,
    /// How often this was tried before, 0 for the first time. Counted since the engine started.
    pub tries: u32,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The other side confirmed it.
    Delivered,
    /// It is to be delivered again.
    Retry {
        /// Not before this time has passed, where the other side asked for it.
        after: Option<Duration>,
        /// Why, without personal data, keys or the event's content.
        why: String,
    },
    /// The other side refuses this event for good: it goes to the dead letters.
    Refused {
        /// Why, as for `Retry`.
        why: String,
    },
    /// The other side wants nothing any more: the connector stops until a person starts it again.
    /// The event stays to be delivered.
    Halt {
        /// Why, as for `Retry`.
        why: String,
    },
}

/// How a connector wants its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most events of a batch, at least 1. With 1 no batch holds two events of an account.
    pub batch_events: usize,
    /// Most bytes of JSON of a batch; one event may go beyond.
    pub batch_bytes: usize,
    /// Batches in flight at a time, at least 1.
    pub in_flight: usize,
}

/// One way out.
pub trait Connector: Send + Sync + 'static {
    /// How it wants its batches. Asked once, after it was built.
    fn limits(&self) -> Limits;

    /// Delivers a batch and answers for each event, in the batch's order.
    ///
    /// Connects where it is not connected. Has time-outs of its own, so that it always ends.
    /// Dropping the future must leave the connector usable.
    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>>;

    /// Runs beside the deliveries for as long as the engine does: heartbeats, accepting the other
    /// side, watching the connection. Ends when `stop` is cancelled.
    fn attend(&self, stop: CancellationToken) -> Pending<'_, ()> {
        Box::pin(async move { stop.cancelled().await })
    }

    /// Ends in good order what is open; called once, after the last delivery.
    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

/// What a connector is built with, besides its own settings.
#[derive(Clone, Debug)]
pub struct Context {
    /// The connector's name in the configuration.
    pub name: Arc<str>,
    /// This gateway's name.
    pub node: Arc<str>,
    /// Where the connector says how its link is.
    pub link: Link,
    /// A directory of its own below the data directory, made when it is first needed.
    pub directory: std::path::PathBuf,
}

/// Why a connector cannot be built from its settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct BuildError {
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// How a link is, for status, metrics and log. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// The connector's name, for the log.
    name: Arc<str>,
    state: Arc<Mutex<LinkState>>,
    unconverted: Arc<AtomicU64>,
    /// Which of several endpoints is in use.
    endpoint: Arc<Mutex<Option<Arc<str>>>>,
}

/// The last thing that was found out about a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Nothing was tried yet.
    #[default]
    Unknown,
    /// Connected, or the last exchange went well.
    Up,
    /// Not to be reached, with the reason.
    Down(String),
}

impl Link {
    /// The link of the connector of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The link works. Cheap enough for every exchange.
    pub fn up(&self) {
        self.set(LinkState::Up);
    }

    /// The link does not work.
    pub fn down(&self, why: impl Into<String>) {
        self.set(LinkState::Down(why.into()));
    }

    /// An event was delivered as it came, since the form that is set has nothing for it. Said when
    /// their number has one more digit, so that it never floods the log.
    pub fn unconverted(&self) {
        let events = self.unconverted.fetch_add(1, Ordering::Relaxed) + 1;
        let digits = events.checked_ilog10().unwrap_or(0);
        if events == 10_u64.pow(digits) {
            tracing::warn!(
                connector = &*self.name,
                events,
                "events without a counterpart in the other scheme went on as they came"
            );
        }
    }

    /// How many events were delivered as they came, though another form is set.
    #[must_use]
    pub fn unconverted_count(&self) -> u64 {
        self.unconverted.load(Ordering::Relaxed)
    }

    /// Deliveries go to this endpoint, where there are several. Cheap enough for every exchange;
    /// another one than before is told by a receiver event.
    pub fn at(&self, endpoint: &str) {
        let mut known = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(endpoint) {
            *known = Some(endpoint.into());
        }
    }

    /// The endpoint in use; `None`: there is only one, or none was used yet.
    #[must_use]
    pub fn endpoint(&self) -> Option<Arc<str>> {
        let known = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.lock().clone()
    }

    /// Logs a change only: a link that stays down is said once.
    fn set(&self, now: LinkState) {
        let mut state = self.lock();
        if std::mem::discriminant(&*state) != std::mem::discriminant(&now) {
            match &now {
                LinkState::Up => tracing::info!(connector = &*self.name, "link is up"),
                LinkState::Down(why) => {
                    tracing::warn!(connector = &*self.name, why, "link is down");
                }
                LinkState::Unknown => {}
            }
        }
        *state = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LinkState> {
        // One value, set whole: a panic cannot leave it half set.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
