//! Where the outcome of one entry is waited for, by one or by several.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::sync::{Arc, Mutex, MutexGuard};

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not known yet.
    Pending,
    /// Durable, and published before this could be seen.
    Committed {
        /// Position of the entry's first record.
        first: u64,
        /// Position of its last record. `first <= last`.
        last: u64,
    },
    /// It did not become durable and never will.
    Failed,
}

/// The outcome of one entry: set once, seen by everybody who holds the slot.
#[derive(Debug)]
pub struct Slot {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Who is to be woken. A free place is `None`; a future keeps its place until it is dropped.
    /// Nearly always there is one, who has place 0 and needs no allocation.
    first: Option<Waker>,
    first_taken: bool,
    /// Places from 1 on.
    more: Vec<Option<Waker>>,
}

impl Inner {
    fn take_place(&mut self) -> usize {
        if !std::mem::replace(&mut self.first_taken, true) {
            return 0;
        }
        let free = self.more.iter().position(Option::is_none);
        1 + free.unwrap_or_else(|| {
            self.more.push(None);
            self.more.len() - 1
        })
    }

    fn place(&mut self, place: usize) -> Option<&mut Option<Waker>> {
        match place.checked_sub(1) {
            None => Some(&mut self.first),
            Some(index) => self.more.get_mut(index),
        }
    }

    fn give_back(&mut self, place: usize) {
        if let Some(waiting) = self.place(place) {
            *waiting = None;
        }
        if place == 0 {
            self.first_taken = false;
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                state: State::Pending,
                first: None,
                first_taken: false,
                more: Vec::new(),
            }),
        }
    }
}

impl Slot {
    /// A slot without an outcome.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The outcome so far.
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// Waits for the outcome; never yields [`State::Pending`]. Any number may wait at one slot,
    /// and each may give up by dropping its future.
    pub fn committed(self: &Arc<Self>) -> Committed {
        Committed {
            slot: Arc::clone(self),
            place: None,
        }
    }

    /// Sets the outcome and wakes everybody; the first one stays.
    pub(crate) fn complete(&self, state: State) {
        let (first, more) = {
            let mut inner = self.lock();
            if inner.state != State::Pending || state == State::Pending {
                return;
            }
            inner.state = state;
            (inner.first.take(), std::mem::take(&mut inner.more))
        };
        for waker in first.into_iter().chain(more.into_iter().flatten()) {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held, and the state is one value: it is never half set.
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The future behind [`Slot::committed`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Committed {
    slot: Arc<Slot>,
    place: Option<usize>,
}

impl Future for Committed {
    type Output = State;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<State> {
        let this = &mut *self;
        let mut inner = this.slot.lock();
        if inner.state != State::Pending {
            return Poll::Ready(inner.state);
        }
        let place = *this.place.get_or_insert_with(|| inner.take_place());
        if let Some(waiting) = inner.place(place) {
            match waiting {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waiting = Some(context.waker().clone()),
            }
        }
        Poll::Pending
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.slot.lock().give_back(place);
        }
    }
}
