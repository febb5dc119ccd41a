//! How far the journal is durable, and the token that shows it for one record.
use std::fmt;
use std::time::Duration;

use super::atomics::{Arc, AtomicU8, AtomicU64, Ordering};
use super::bell::{Bell, Ear};

/// Shows that a record is durable, or that the journal can take records (a pulse).
///
/// Neither `Copy` nor `Clone`, and made by [`Published`] alone.
#[derive(Debug)]
pub struct Commit {
    position: u64,
}

impl Commit {
    /// Place of the record; for a pulse the last durable one.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// The shared view of the durable position. Cheap to clone and to ask, from any thread.
#[derive(Clone, Debug)]
pub struct Published {
    shared: Arc<Shared>,
}

struct Shared {
    /// Every record up to here is durable. Never falls.
    durable: AtomicU64,
    health: AtomicU8,
    bell: Bell,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("durable", &self.durable)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// Waits for records, in one thread. See [`Published::watch`].
pub struct Watch {
    published: Published,
    ear: Arc<Ear>,
}

/// Ends the waiting of one [`Watch`] from another thread.
#[derive(Clone)]
pub struct Waker {
    ear: Arc<Ear>,
}

const WELL: u8 = 0;
const FULL: u8 = 1;
const FAILED: u8 = 2;

impl Published {
    pub(super) fn new(durable: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                durable: AtomicU64::new(durable),
                health: AtomicU8::new(WELL),
                bell: Bell::default(),
            }),
        }
    }

    /// The last durable position; 0 while the journal is empty.
    pub fn position(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Whether the journal can take records: no write or sync failed, and there is room.
    pub fn healthy(&self) -> bool {
        self.shared.health.load(Ordering::Acquire) == WELL
    }

    /// The token for a record; `None` while it is not durable, and after a failed write or sync.
    /// A full disk makes nothing less durable, so what fitted before may still be acknowledged.
    pub fn token(&self, position: u64) -> Option<Commit> {
        (!self.failed() && position > 0 && position <= self.position())
            .then_some(Commit { position })
    }

    /// Whether a write or sync failed; for good.
    pub fn failed(&self) -> bool {
        self.shared.health.load(Ordering::Acquire) == FAILED
    }

    /// A token that says no more than that the journal can take records, for link tests.
    pub fn pulse(&self) -> Option<Commit> {
        self.healthy().then(|| Commit {
            position: self.position(),
        })
    }

    /// A way to wait for the next position, for a thread that follows the journal.
    pub fn watch(&self) -> Watch {
        Watch {
            published: self.clone(),
            ear: self.shared.bell.ear(),
        }
    }

    /// Wakes who waits in a [`Watch`]. To be called by who appends, once it has told those who wait
    /// for their own record; where nobody does, a watch sees new records when its time is over.
    pub fn ring(&self) {
        self.shared.bell.ring();
    }

    /// Called by the journal alone, after the sync.
    pub(super) fn advance(&self, position: u64) {
        self.shared.durable.store(position, Ordering::Release);
    }

    /// For good.
    pub(super) fn fail(&self) {
        self.shared.health.store(FAILED, Ordering::Release);
    }

    /// Until there is room again; never hides a failure.
    pub(super) fn full(&self, full: bool) {
        let (from, to) = if full { (WELL, FULL) } else { (FULL, WELL) };
        // A failure stays: the exchange does nothing then.
        let _ =
            (self.shared.health).compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }
}

impl Watch {
    /// Parks the calling thread, always the same one, until a position behind `seen` is published,
    /// a [`Waker`] is used or `at_most` is over. May return early.
    pub fn wait(&self, seen: u64, at_most: Duration) {
        let published = &self.published;
        let ready = || published.position() > seen;
        (published.shared.bell).wait(&self.ear, at_most, ready);
    }

    /// What ends the waiting.
    pub fn waker(&self) -> Waker {
        Waker {
            ear: Arc::clone(&self.ear),
        }
    }
}

impl Waker {
    /// Ends the waiting, or the next one where there is none now.
    pub fn wake(&self) {
        self.ear.wake();
    }
}
