//! What a load has come to so far, readable from outside while it runs.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one thread, which alone writes them.
#[derive(Debug, Default)]
pub struct Progress {
    acknowledged: AtomicU64,
    missing: AtomicU64,
}

impl Progress {
    /// One for each of `threads`.
    #[must_use]
    pub fn for_threads(threads: usize) -> Arc<[Self]> {
        (0..threads.max(1)).map(|_| Self::default()).collect()
    }

    /// Messages acknowledged, warm-up included.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Messages without an acknowledgement.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, acknowledged: u64, missing: u64) {
        self.acknowledged.store(acknowledged, Ordering::Relaxed);
        self.missing.store(missing, Ordering::Relaxed);
    }
}
