//! How long to wait after a failure, and who waits until when.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Exponential, with full jitter: between nothing and a bound that doubles up to the longest one.
pub(super) struct Jitter {
    first: Duration,
    max: Duration,
    seed: u64,
}

impl Jitter {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        let seed = RandomState::new().hash_one(0) | 1;
        Self { first, max, seed }
    }

    /// The pause after this many failures one after another, at least 1, and not before `after`.
    pub(super) fn pause(&mut self, failures: u32, after: Option<Duration>) -> Duration {
        let doubled = 1u32 << failures.saturating_sub(1).min(30);
        let bound = self.first.saturating_mul(doubled).min(self.max);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let drawn = Duration::from_micros(self.draw() % micros.saturating_add(1).max(1));
        drawn.max(after.unwrap_or_default())
    }

    /// xorshift64: spreads retries, protects nothing.
    fn draw(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}

/// Accounts that rest, by the time when that is over.
#[derive(Default)]
pub(super) struct Resting {
    until: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Resting {
    pub(super) fn push(&mut self, account: u32, until: Instant) {
        self.until.push(Reverse((until, account)));
    }

    /// When the next one is over.
    pub(super) fn next(&self) -> Option<Instant> {
        self.until.peek().map(|Reverse((until, _))| *until)
    }

    /// One whose time is over at `now`; any one without `now`.
    pub(super) fn pop(&mut self, now: Option<Instant>) -> Option<u32> {
        let due = self
            .next()
            .is_some_and(|until| now.is_none_or(|now| until <= now));
        due.then(|| self.until.pop().map(|Reverse((_, account))| account))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_honour_what_is_asked() {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(30));
        let mut jitter = Jitter::new(first, max);
        for failures in 1..100 {
            let bound = max.min(first * (1 << (failures - 1).min(10)));
            let longest = (0..200)
                .map(|_| jitter.pause(failures, None))
                .max()
                .unwrap();
            assert!(
                longest <= bound && longest > bound / 2,
                "{longest:?} of {bound:?}"
            );
        }
        let asked = Duration::from_secs(77);
        assert_eq!(jitter.pause(1, Some(asked)), asked);
        assert_eq!(
            Jitter::new(Duration::ZERO, max).pause(9, None),
            Duration::ZERO
        );
    }
}
