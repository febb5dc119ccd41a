//! Since when the oldest event waits, in little memory.
use std::collections::VecDeque;

use super::done::Done;

/// Commit times nearer than this share a bucket.
const STEP_MS: i64 = 100;
/// Most buckets; beyond, the newest one grows.
const BUCKETS_MAX: usize = 65_536;

/// Ranges of positions with the time since when they wait.
#[derive(Default)]
pub(super) struct Ages {
    buckets: VecDeque<Bucket>,
}

struct Bucket {
    first: u64,
    last: u64,
    since_ms: i64,
}

impl Ages {
    /// `first..=last` waits since `since_ms` (UTC, milliseconds since 1970).
    pub(super) fn note(&mut self, first: u64, last: u64, since_ms: i64) {
        let full = self.buckets.len() >= BUCKETS_MAX;
        if let Some(newest) = self.buckets.back_mut()
            && newest.last < first
            && (full || (since_ms - newest.since_ms).abs() < STEP_MS)
        {
            newest.last = last;
            return;
        }
        self.buckets.push_back(Bucket {
            first,
            last,
            since_ms,
        });
    }

    /// The oldest position that is not done, and since when it waits.
    pub(super) fn oldest(&mut self, done: &Done) -> Option<(u64, i64)> {
        loop {
            let bucket = self.buckets.front_mut()?;
            if let Some(position) = done.gap(bucket.first, bucket.last) {
                bucket.first = position;
                return Some((position, bucket.since_ms));
            }
            self.buckets.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_found_through_gaps() {
        let (mut ages, mut done) = (Ages::default(), Done::default());
        assert_eq!(ages.oldest(&done), None);
        ages.note(1, 5, 1_000);
        ages.note(6, 6, 1_050);
        ages.note(7, 9, 2_000);
        assert_eq!(ages.oldest(&done), Some((1, 1_000)));
        done.add_range(2, 8);
        assert_eq!(ages.oldest(&done), Some((1, 1_000)));
        done.add(1);
        assert_eq!(ages.oldest(&done), Some((9, 2_000)));
        done.add(9);
        assert_eq!(ages.oldest(&done), None);
        done.remove_range(3, 4);
        ages.note(3, 4, 9_000);
        assert_eq!(ages.oldest(&done), Some((3, 9_000)));
    }
}
