//! How an engine is, for people and for metrics.
use std::sync::Arc;
use std::time::Duration;

use super::route::RANKS;
use crate::deliver::LinkState;

/// What an engine does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It delivers.
    #[default]
    Running,
    /// A person paused it. Survives a restart.
    Paused,
    /// The other side wants nothing any more. Survives a restart.
    Halted(Arc<str>),
    /// It takes nothing new any more and ends.
    Draining,
}

/// A snapshot.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What it does.
    pub state: State,
    /// How the link is.
    pub link: LinkState,
    /// Which of several endpoints is in use.
    pub endpoint: Option<Arc<str>>,
    /// The last durable position of the journal.
    pub published: u64,
    /// Every record up to here was looked at.
    pub reached: u64,
    /// Every record up to here is done.
    pub cursor: u64,
    /// As `cursor`, on disk.
    pub durable: u64,
    /// The oldest event that is not delivered.
    pub oldest: Option<Oldest>,
    /// It waits for longer than it should, and that was told.
    pub late: bool,
    /// Events that wait, by rank; those on their way are not among them.
    pub waiting: [u64; RANKS],
    /// Accounts with events that wait or are on their way.
    pub accounts: u64,
    /// Reading ahead pauses, since as many events wait as may.
    pub full: bool,
    /// Events on their way.
    pub in_flight: u64,
    /// Events that were confirmed, since the start, as the following ones.
    pub delivered: u64,
    /// Deliveries that are to be tried again.
    pub retried: u64,
    /// Events that were refused for good.
    pub refused: u64,
    /// Events that a person skipped.
    pub skipped: u64,
    /// Events that were held back by the route.
    pub held: u64,
    /// Events that the route does not pass.
    pub unrouted: u64,
    /// Delivered events that went on as they came, since the form that is set has nothing for them.
    pub unconverted: u64,
    /// Events that are no longer in the journal and could not be delivered.
    pub lost: u64,
    /// Entries of the dead-letter list.
    pub dead_letters: u64,
    /// Why something failed last.
    pub last_error: Option<Arc<str>>,
    /// How long the connector as a whole still pauses after failures.
    pub pause: Option<Duration>,
    /// From the commit in the journal to the confirmation.
    pub latency: Latency,
}

/// The oldest event that is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// Its place in the journal.
    pub position: u64,
    /// Since when it waits: UTC, milliseconds since 1970, exact to about 100 ms.
    pub since_ms: i64,
}

impl Oldest {
    /// How long it has waited at `now_ms`.
    #[must_use]
    pub fn age(&self, now_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(now_ms.saturating_sub(self.since_ms)).unwrap_or(0))
    }
}

/// Upper bounds of [`Latency`]'s buckets in milliseconds; one more bucket holds the rest.
pub const LATENCY_BOUNDS_MS: [u64; 15] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
];

/// A histogram of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many fell into each bucket, not summed up.
    pub buckets: [u64; LATENCY_BOUNDS_MS.len() + 1],
    /// All times together, in milliseconds.
    pub sum_ms: u64,
}

impl Latency {
    /// Counts one time.
    pub(super) fn note(&mut self, ms: u64) {
        let at = LATENCY_BOUNDS_MS.partition_point(|bound| *bound < ms);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Status {
    /// Events that wait, of all ranks.
    #[must_use]
    pub fn waiting_all(&self) -> u64 {
        self.waiting.iter().sum()
    }
}
