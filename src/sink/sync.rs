//! Locks, atomics, parking and the lanes' queue: the real ones, or those of the model checker.
#[cfg(not(loom))]
mod real {
    pub(crate) use crossbeam::queue::ArrayQueue as Queue;
    pub(crate) use std::sync::atomic::{AtomicBool, Ordering, fence};
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use std::thread::{Thread, current, park_timeout};
}
#[cfg(not(loom))]
pub(crate) use real::*;

#[cfg(loom)]
mod model {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use loom::thread::{Thread, current};
    use std::collections::VecDeque;

    /// The model has no time: whoever is never woken sleeps for ever, and the model reports it.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        loom::thread::park();
    }

    /// What `crossbeam::queue::ArrayQueue` promises, in parts that the model knows.
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
}
#[cfg(loom)]
pub(crate) use model::*;
