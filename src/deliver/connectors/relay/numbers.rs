//! Sequence numbers of the link: 1 to 9999, and the same one for every retry of an event.
//!
//! Constraints: no number stands for two events that are not settled; at most [`HELD_MAX`] events
//! hold one, and beyond that the oldest gives its number up and gets a new one if it comes back.
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The last number; the next one is 1 again.
const LAST: u16 = 9_999;

/// Events that keep their number until they are settled. `HELD_MAX < LAST`.
const HELD_MAX: usize = 4_096;

/// The counter of one link.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number given out last; 0 before the first.
    last: u16,
    /// By place in the journal.
    held: BTreeMap<u64, u16>,
    /// In the order in which they were given out.
    order: VecDeque<u64>,
    taken: HashSet<u16>,
}

impl Numbers {
    /// The number of the event at `position`: the one it had, or a new one.
    pub(super) fn of_event(&self, position: u64) -> u16 {
        let mut state = self.lock();
        if let Some(number) = state.held.get(&position) {
            return *number;
        }
        while state.held.len() >= HELD_MAX {
            match state.order.front().copied() {
                Some(oldest) => state.give_up(oldest),
                None => break,
            }
        }
        let number = state.fresh();
        state.held.insert(position, number);
        state.taken.insert(number);
        state.order.push_back(position);
        number
    }

    /// The event is settled: its number is free.
    pub(super) fn settle(&self, position: u64) {
        self.lock().give_up(position);
    }

    /// A number for something that is never sent again.
    pub(super) fn once(&self) -> u16 {
        self.lock().fresh()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain numbers: a panic leaves at worst one too many held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh(&mut self) -> u16 {
        loop {
            self.last = if self.last >= LAST { 1 } else { self.last + 1 };
            // Ends, since fewer numbers are taken than there are.
            if !self.taken.contains(&self.last) {
                return self.last;
            }
        }
    }

    fn give_up(&mut self, position: u64) {
        if let Some(number) = self.held.remove(&position) {
            self.taken.remove(&number);
            self.order.retain(|held| *held != position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_keeps_its_number_over_the_turn() {
        let numbers = Numbers::default();
        assert_eq!(numbers.of_event(77), 1);
        for expected in 2..=9_999 {
            assert_eq!(numbers.once(), expected);
        }
        assert_eq!(numbers.of_event(77), 1);
        // 1 is taken.
        assert_eq!(numbers.once(), 2);
        numbers.settle(77);
        assert_eq!(numbers.of_event(77), 3);
    }

    #[test]
    fn a_crowd_never_shares_a_number() {
        let numbers = Numbers::default();
        for position in 0..20_000 {
            numbers.of_event(position);
            let state = numbers.lock();
            assert!(state.held.len() <= HELD_MAX);
            assert_eq!(state.held.len(), state.taken.len());
            assert_eq!(state.held.len(), state.order.len());
        }
        let last = numbers.of_event(19_999);
        assert_eq!(numbers.of_event(19_999), last);
    }
}
