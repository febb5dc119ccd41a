//! The checker's locks, atomics and threads for lanes and slots.
use std::collections::VecDeque;

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use std::sync::Arc;

use loom::sync::Condvar;

loom::thread_local! {
    static OWN: Thread = Thread::default();
}

/// What `std::thread::Thread` promises of parking. The checker's own would also wake a thread that
/// waits for a lock, which it then takes for an error.
#[derive(Clone, Default)]
pub(crate) struct Thread {
    token: Arc<(Mutex<bool>, Condvar)>,
}

impl Thread {
    pub(crate) fn unpark(&self) {
        let (token, changed) = &*self.token;
        *token.lock().expect("no thread of the model panics") = true;
        changed.notify_one();
    }
}

pub(crate) fn current() -> Thread {
    OWN.with(Thread::clone)
}

/// The model has no time: who is never woken sleeps for ever, and the checker reports that.
pub(crate) fn park_timeout(_: std::time::Duration) {
    let own = current();
    let (token, changed) = &*own.token;
    let mut there = token.lock().expect("no thread of the model panics");
    while !*there {
        there = changed.wait(there).expect("no thread of the model panics");
    }
    *there = false;
}

/// What `crossbeam::queue::ArrayQueue` promises, in parts that the checker knows.
pub(crate) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    capacity: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let items = Mutex::new(VecDeque::new());
        Self { items, capacity }
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().expect("no thread of the model panics")
    }

    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.items();
        if items.len() == self.capacity {
            return Err(item);
        }
        items.push_back(item);
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.items().pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.items().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}
