//! How far the history is, for metrics and for whoever removes old journal segments.
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the filler is. Positions are those of the last entry done, 0 for none.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) last: AtomicU64,
    pub(super) durable: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) repeats_dropped: AtomicU64,
}

impl Progress {
    /// Every entry up to this position can be queried.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Every entry up to this position survives a power cut; as far as the history is concerned the
    /// journal may forget them.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// How many published entries are not in the history yet.
    pub fn lag(&self) -> u64 {
        let published = self.published.load(Ordering::Acquire);
        published.saturating_sub(self.last())
    }

    /// Rows stored since the start.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Rows among them whose payload was no record.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Attempts that failed since the start.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Repeats that are not counted on their event, because there was no room or no way to store
    /// them.
    pub fn repeats_dropped(&self) -> u64 {
        self.repeats_dropped.load(Ordering::Relaxed)
    }
}
