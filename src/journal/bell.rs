//! Wakes the threads that wait for the next published position.
//!
//! Whoever publishes pays one fence and one load while nobody waits.
use std::time::Duration;

use super::atomics::{
    Arc, AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, Thread, Weak, fence,
};

/// What is rung.
#[derive(Default)]
pub(super) struct Bell {
    /// How many are about to park, or park.
    waiting: AtomicU64,
    ears: Mutex<Vec<Weak<Ear>>>,
}

/// One thread that may wait.
pub(super) struct Ear {
    waits: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Bell {
    /// Wakes everybody who waits.
    pub(super) fn ring(&self) {
        // Either this sees who waits, or who waits sees the position: both write, fence, read.
        // Nothing is reset here: that could hide somebody who came meanwhile.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        for ear in lock(&self.ears).iter().filter_map(Weak::upgrade) {
            if ear.waits.swap(false, Ordering::SeqCst) {
                ear.wake();
            }
        }
    }

    /// One more who may wait.
    pub(super) fn ear(&self) -> Arc<Ear> {
        let ear = Arc::new(Ear {
            waits: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let mut ears = lock(&self.ears);
        ears.retain(|ear| ear.strong_count() > 0);
        ears.push(Arc::downgrade(&ear));
        ear
    }

    /// Parks the calling thread until the bell rings, [`Ear::wake`] is called or `at_most` is over,
    /// unless `ready` is so already. May return early.
    pub(super) fn wait(&self, ear: &Ear, at_most: Duration, ready: impl Fn() -> bool) {
        lock(&ear.thread).get_or_insert_with(super::atomics::current);
        ear.waits.store(true, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !ready() {
            super::atomics::park_timeout(at_most);
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        ear.waits.store(false, Ordering::SeqCst);
    }
}

impl Ear {
    /// Wakes this one.
    pub(super) fn wake(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held, and each is one value.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
