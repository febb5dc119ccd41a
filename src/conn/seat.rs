//! Where one connection's task is reached from outside: told to go, and woken when its time is over.
//!
//! A connection that waits registers one waker here and one at its socket, and nothing else: no
//! timer of its own, no place in a list of cancelled ones. The doorkeeper looks through all seats
//! from time to time and wakes those whose time is over; that is as exact as its rounds are, and a
//! connection costs no work between two frames.
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;

/// The order to make room for another connection.
const EVICTED: u8 = 1;
/// The order to read nothing more.
const DRAINING: u8 = 2;
/// The time that was set is over, or was when it was looked at.
const DUE: u8 = 4;

/// What the outside wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing.
    Stay,
    /// Make room for another connection.
    Leave,
    /// The gateway drains.
    Drain,
}

/// Shared by a connection's task and the doorkeeper.
#[derive(Debug)]
pub(super) struct Seat {
    told: AtomicU8,
    /// Monotonic milliseconds at which the task wants to be woken.
    due_ms: AtomicU64,
    task: AtomicWaker,
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            told: AtomicU8::new(0),
            due_ms: AtomicU64::new(u64::MAX),
            task: AtomicWaker::new(),
        }
    }
}

impl Seat {
    /// Names the task that is woken; to be called before each look at what was told.
    pub(super) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// What the outside wants.
    pub(super) fn order(&self) -> Order {
        match self.told.load(Ordering::Acquire) {
            told if told & DRAINING != 0 => Order::Drain,
            told if told & EVICTED != 0 => Order::Leave,
            _ => Order::Stay,
        }
    }

    /// Sets the moment at which the task is to be woken, in monotonic time.
    pub(super) fn wake_at(&self, at: Duration) {
        self.due_ms.store(millis(at), Ordering::Release);
        self.told.fetch_and(!DUE, Ordering::AcqRel);
    }

    /// Whether the moment set last has come. The clock is asked only where somebody said so.
    pub(super) fn is_due(&self, now: impl FnOnce() -> Duration) -> bool {
        if self.told.load(Ordering::Acquire) & DUE == 0 {
            return false;
        }
        let due = self.due_ms.load(Ordering::Acquire) <= millis(now());
        if !due {
            self.told.fetch_and(!DUE, Ordering::AcqRel);
        }
        due
    }

    /// Tells the connection to make room.
    pub(super) fn evict(&self) {
        self.tell(EVICTED);
    }

    /// Tells the connection to read nothing more.
    pub(super) fn drain(&self) {
        self.tell(DRAINING);
    }

    /// Wakes the task where its moment has come.
    pub(super) fn look(&self, now: Duration) {
        if self.due_ms.load(Ordering::Acquire) <= millis(now) {
            self.tell(DUE);
        }
    }

    fn tell(&self, what: u8) {
        self.told.fetch_or(what, Ordering::AcqRel);
        self.task.wake();
    }
}

fn millis(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(value: u64) -> Duration {
        Duration::from_secs(value)
    }

    #[test]
    fn a_moment_comes_once_it_was_looked_at() {
        let seat = Seat::default();
        seat.wake_at(second(5));
        seat.look(second(4));
        assert!(!seat.is_due(|| second(9)), "nobody looked since");
        seat.look(second(5));
        assert!(seat.is_due(|| second(5)));
        seat.wake_at(second(8));
        assert!(!seat.is_due(|| second(8)));
    }

    #[test]
    fn a_look_at_the_moment_before_does_not_end_the_next_one() {
        let seat = Seat::default();
        seat.wake_at(second(5));
        seat.look(second(6));
        // Moved between the doorkeeper's reading and its word.
        seat.due_ms.store(10_000, Ordering::Release);
        assert!(!seat.is_due(|| second(6)));
        seat.look(second(10));
        assert!(seat.is_due(|| second(10)));
    }

    #[test]
    fn draining_goes_before_leaving() {
        let seat = Seat::default();
        assert_eq!(seat.order(), Order::Stay);
        seat.evict();
        assert_eq!(seat.order(), Order::Leave);
        seat.drain();
        assert_eq!(seat.order(), Order::Drain);
    }
}
