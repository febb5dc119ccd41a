//! How often each record was declined, and whether others were taken meanwhile.
//!
//! A case system that declines everything has a fault of its own; one that declines a single record
//! and takes others has a fault with that record. Only the second may cost a record its way there.
use std::collections::VecDeque;

use uuid::Uuid;

/// Most records that are counted; the oldest count goes first, and begins anew.
const RECORDS_MAX: usize = 1_024;

#[derive(Debug)]
struct Declined {
    id: Uuid,
    times: u32,
    others_taken: bool,
}

/// The counts of one link.
#[derive(Debug, Default)]
pub(super) struct Naks {
    declined: VecDeque<Declined>,
}

impl Naks {
    /// A record was declined; true where it may be refused for good. `limit` 0: never.
    pub(super) fn declined(&mut self, id: Uuid, limit: u32) -> bool {
        if !self.declined.iter().any(|one| one.id == id) {
            if self.declined.len() >= RECORDS_MAX {
                self.declined.pop_front();
            }
            self.declined.push_back(Declined {
                id,
                times: 0,
                others_taken: false,
            });
        }
        let Some(one) = self.declined.iter_mut().find(|one| one.id == id) else {
            return false;
        };
        one.times = one.times.saturating_add(1);
        limit > 0 && one.times >= limit && one.others_taken
    }

    /// A record was taken.
    pub(super) fn taken(&mut self, id: Uuid) {
        self.forget(id);
        for one in &mut self.declined {
            one.others_taken = true;
        }
    }

    /// A record needs no count any more.
    pub(super) fn forget(&mut self, id: Uuid) {
        self.declined.retain(|one| one.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_record_is_told_from_a_bad_day() {
        let (bad, good) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut naks = Naks::default();
        // Everything is declined.
        for _ in 0..100 {
            assert!(!naks.declined(bad, 3));
            assert!(!naks.declined(good, 3));
        }
        naks.taken(good);
        assert!(naks.declined(bad, 3));
        assert!(!naks.declined(bad, 0));
        // A record that was taken begins anew.
        assert!(!naks.declined(good, 1));
        assert!(!naks.declined(good, 3));
    }

    #[test]
    fn the_oldest_count_goes() {
        let mut naks = Naks::default();
        for id in 0..3_000 {
            naks.declined(Uuid::from_u128(id), 1);
        }
        assert_eq!(naks.declined.len(), RECORDS_MAX);
    }
}
