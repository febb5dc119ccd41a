//! Everything that waits: by account in journal order, and the accounts by urgency.
//!
//! An entry is 24 bytes; payloads are not here. An account's key is the best rank among its
//! entries, then the position of its first one, so that accounts go by rank and, within a rank, by
//! age. The heap of ready accounts may hold keys that are no longer true; they are dropped when
//! they come up.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::route::RANKS;

const NONE: u32 = u32::MAX;
/// Bits of an entry's tag below the rank.
const POSITION_BITS: u32 = 56;
/// Memory is given back above this many entries.
const SHRINK_FROM: usize = 65_536;

/// One event that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) position: u64,
    pub(super) rank: u8,
    /// How often it was tried.
    pub(super) tries: u32,
    /// Where its payload stands, in words of whoever loads it.
    pub(super) at: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    /// `rank << POSITION_BITS | position`
    tag: u64,
    at: u64,
    next: u32,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the heap of ready accounts.
    Ready,
    /// Some of its events are in a batch.
    Taken,
    /// Nothing of it goes before it is woken.
    Resting,
    /// Not in use.
    Free,
}

struct Account {
    key: u64,
    head: u32,
    tail: u32,
    /// Where the last entry was put in between others.
    hint: u32,
    state: State,
    /// Deliveries that failed one after another.
    failures: u32,
    /// Entries by rank.
    ranks: [u32; RANKS],
}

/// The index. Accounts are named by numbers that hold for as long as something of them waits or is
/// taken.
#[derive(Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    free: Option<u32>,
    accounts: Vec<Account>,
    free_accounts: Vec<u32>,
    by_key: HashMap<u64, u32>,
    ready: BinaryHeap<Reverse<(u64, u32)>>,
    len: usize,
    waiting: [u64; RANKS],
}

impl Index {
    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The same by rank.
    pub(super) fn waiting(&self) -> [u64; RANKS] {
        self.waiting
    }

    /// Accounts with something that waits or is taken.
    pub(super) fn accounts(&self) -> usize {
        self.by_key.len()
    }

    /// Adds an event of the account `key`, in its place.
    pub(super) fn push(&mut self, key: u64, event: Waiting) {
        let account = match self.by_key.get(&key) {
            Some(account) => *account,
            None => self.new_account(key),
        };
        self.insert(account, event);
    }

    /// Puts an event of a taken account back in its place.
    pub(super) fn put_back(&mut self, account: u32, event: Waiting) {
        self.insert(account, event);
    }

    /// Takes events for one batch in the order in which they should go: at most `events`, and as
    /// many as `fits` allows. Their accounts are taken until [`Index::release`] or [`Index::rest`].
    pub(super) fn take(
        &mut self,
        events: usize,
        mut fits: impl FnMut(&Waiting) -> bool,
    ) -> Vec<(u32, Waiting)> {
        let mut taken = Vec::new();
        // Accounts of this batch that have more.
        let mut more: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        while taken.len() < events {
            let fresh = self.first_ready();
            let account = match (fresh, more.peek()) {
                (Some((key, account)), Some(Reverse((other, _)))) if key < *other => account,
                (_, Some(Reverse((_, account)))) => *account,
                (Some((_, account)), None) => account,
                (None, None) => break,
            };
            let Some(first) = self.first(account) else {
                break;
            };
            if !taken.is_empty() && !fits(&first) {
                break;
            }
            if taken.is_empty() {
                fits(&first);
            }
            if self.state(account) == State::Ready {
                self.ready.pop();
                self.set_state(account, State::Taken);
            } else {
                more.pop();
            }
            self.pop(account);
            taken.push((account, first));
            if let Some(key) = self.key(account) {
                more.push(Reverse((key, account)));
            }
        }
        taken
    }

    /// The batch with this account is over: what waits of it may go.
    pub(super) fn release(&mut self, account: u32) {
        self.set_state(account, State::Ready);
        self.offer(account);
    }

    /// As [`Index::release`], but nothing of it goes before [`Index::wake`].
    pub(super) fn rest(&mut self, account: u32) {
        self.set_state(account, State::Resting);
        self.offer(account);
    }

    /// Ends the rest of an account; false where it does not rest.
    pub(super) fn wake(&mut self, account: u32) -> bool {
        let rests = self.state(account) == State::Resting;
        if rests {
            self.release(account);
        }
        rests
    }

    /// How many deliveries of the account failed one after another.
    pub(super) fn failures(&mut self, account: u32) -> &mut u32 {
        &mut self.account(account).failures
    }

    /// Takes one event out, wherever it waits; gives its account's key and what it was. Looks
    /// through everything.
    pub(super) fn remove(&mut self, position: u64) -> Option<(u64, Waiting)> {
        for account in 0..self.accounts.len() {
            let account = u32::try_from(account).unwrap_or(NONE);
            if self.state(account) == State::Free {
                continue;
            }
            let mut before = NONE;
            let mut at = self.account(account).head;
            while at != NONE {
                let entry = *self.entry(at);
                if position_of(entry.tag) == position {
                    self.unlink(account, before, at);
                    let key = self.account(account).key;
                    self.offer(account);
                    return Some((key, waiting(&entry)));
                }
                (before, at) = (at, entry.next);
            }
        }
        None
    }

    fn new_account(&mut self, key: u64) -> u32 {
        let account = Account {
            key,
            head: NONE,
            tail: NONE,
            hint: NONE,
            state: State::Ready,
            failures: 0,
            ranks: [0; RANKS],
        };
        let number = if let Some(free) = self.free_accounts.pop() {
            *self.account(free) = account;
            free
        } else {
            self.accounts.push(account);
            u32::try_from(self.accounts.len() - 1).unwrap_or(NONE)
        };
        self.by_key.insert(key, number);
        number
    }

    /// After a change: a ready account with entries is in the heap under its present key, and one
    /// without entries that is not taken is forgotten.
    fn offer(&mut self, account: u32) {
        match (self.key(account), self.state(account)) {
            (Some(key), State::Ready) => self.ready.push(Reverse((key, account))),
            (Some(_), _) | (None, State::Taken | State::Free) => {}
            (None, State::Ready | State::Resting) => {
                let key = self.account(account).key;
                self.by_key.remove(&key);
                self.set_state(account, State::Free);
                self.free_accounts.push(account);
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.by_key.is_empty() && self.entries.capacity() > SHRINK_FROM {
            *self = Self::default();
        }
    }

    /// The most urgent ready account, with its key. It stays.
    fn first_ready(&mut self) -> Option<(u64, u32)> {
        while let Some(Reverse((key, account))) = self.ready.peek().copied() {
            if self.state(account) == State::Ready && self.key(account) == Some(key) {
                return Some((key, account));
            }
            self.ready.pop();
        }
        None
    }

    /// Best rank and first position.
    fn key(&mut self, account: u32) -> Option<u64> {
        let Account { head, ranks, .. } = *self.account(account);
        if head == NONE {
            return None;
        }
        let best = ranks.iter().position(|count| *count > 0).unwrap_or(0);
        Some(tag(best as u64, position_of(self.entry(head).tag)))
    }

    fn first(&mut self, account: u32) -> Option<Waiting> {
        let head = self.account(account).head;
        (head != NONE).then(|| waiting(self.entry(head)))
    }

    fn pop(&mut self, account: u32) {
        let head = self.account(account).head;
        self.unlink(account, NONE, head);
    }

    fn insert(&mut self, account: u32, event: Waiting) {
        let before_key = self.key(account);
        let at = self.new_entry(&event);
        let Account { tail, .. } = *self.account(account);
        let behind_tail = tail != NONE && position_of(self.entry(tail).tag) < event.position;
        let before = if behind_tail {
            tail
        } else {
            self.place(account, event.position)
        };
        self.link(account, before, at);
        if !behind_tail && tail != NONE {
            self.account(account).hint = at;
        }
        if let Some(count) = (self.account(account).ranks).get_mut(usize::from(event.rank)) {
            *count += 1;
        }
        self.count(event.rank, 1);
        if before_key != self.key(account) && self.state(account) == State::Ready {
            self.offer(account);
        }
    }

    /// The entry behind which `position` belongs; [`NONE`] for the front. Starts at the hint, since
    /// what is delivered again comes in rising order.
    fn place(&mut self, account: u32, position: u64) -> u32 {
        let Account { head, hint, .. } = *self.account(account);
        let from_hint = hint != NONE && position_of(self.entry(hint).tag) < position;
        let (mut before, mut at) = if from_hint {
            (hint, self.entry(hint).next)
        } else {
            (NONE, head)
        };
        while at != NONE && position_of(self.entry(at).tag) < position {
            (before, at) = (at, self.entry(at).next);
        }
        before
    }

    fn link(&mut self, account: u32, before: u32, at: u32) {
        let next = if before == NONE {
            std::mem::replace(&mut self.account(account).head, at)
        } else {
            std::mem::replace(&mut self.entry(before).next, at)
        };
        self.entry(at).next = next;
        if next == NONE {
            self.account(account).tail = at;
        }
    }

    fn unlink(&mut self, account: u32, before: u32, at: u32) {
        let entry = *self.entry(at);
        if before == NONE {
            self.account(account).head = entry.next;
        } else {
            self.entry(before).next = entry.next;
        }
        let this = self.account(account);
        if entry.next == NONE {
            this.tail = before;
        }
        if this.hint == at {
            this.hint = NONE;
        }
        let rank = rank_of(entry.tag);
        if let Some(count) = this.ranks.get_mut(usize::from(rank)) {
            *count -= 1;
        }
        self.count(rank, -1);
        self.entry(at).next = self.free.unwrap_or(NONE);
        self.free = Some(at);
    }

    fn new_entry(&mut self, event: &Waiting) -> u32 {
        let entry = Entry {
            tag: tag(u64::from(event.rank), event.position),
            at: event.at,
            next: NONE,
            tries: event.tries,
        };
        match self.free {
            Some(at) if at != NONE => {
                let next = self.entry(at).next;
                self.free = (next != NONE).then_some(next);
                *self.entry(at) = entry;
                at
            }
            _ => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).unwrap_or(NONE)
            }
        }
    }

    fn count(&mut self, rank: u8, by: i8) {
        self.len = self.len.wrapping_add_signed(isize::from(by));
        if let Some(count) = self.waiting.get_mut(usize::from(rank)) {
            *count = count.wrapping_add_signed(i64::from(by));
        }
    }

    fn state(&mut self, account: u32) -> State {
        self.account(account).state
    }

    fn set_state(&mut self, account: u32, state: State) {
        self.account(account).state = state;
    }

    fn entry(&mut self, at: u32) -> &mut Entry {
        self.entries
            .get_mut(at as usize)
            .expect("links lead to entries that were made, and none is ever taken away")
    }

    fn account(&mut self, number: u32) -> &mut Account {
        self.accounts
            .get_mut(number as usize)
            .expect("numbers of accounts are handed out here, and none is ever taken away")
    }
}

fn tag(rank: u64, position: u64) -> u64 {
    rank << POSITION_BITS | position
}

fn position_of(tag: u64) -> u64 {
    tag & ((1 << POSITION_BITS) - 1)
}

fn rank_of(tag: u64) -> u8 {
    u8::try_from(tag >> POSITION_BITS).unwrap_or(u8::MAX)
}

fn waiting(entry: &Entry) -> Waiting {
    Waiting {
        position: position_of(entry.tag),
        rank: rank_of(entry.tag),
        tries: entry.tries,
        at: entry.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn event(position: u64, rank: u8) -> Waiting {
        Waiting {
            position,
            rank,
            tries: 0,
            at: position * 3,
        }
    }

    fn positions(taken: &[(u32, Waiting)]) -> Vec<u64> {
        taken.iter().map(|(_, event)| event.position).collect()
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 24);
        assert!(size_of::<Account>() <= 56);
    }

    #[test]
    fn urgent_accounts_go_first_and_each_in_order() {
        let mut index = Index::default();
        for (position, key, rank) in [
            (1, 10, 4),
            (2, 20, 4),
            (3, 10, 3),
            (4, 30, 0),
            (5, 20, 0),
            (6, 10, 4),
            (7, 40, 1),
        ] {
            index.push(key, event(position, rank));
        }
        assert_eq!(index.waiting(), [2, 1, 0, 1, 3]);
        // Account 20 is as urgent as its life event, and its first event is the oldest; when that is
        // taken, account 30 has the older one.
        let all = index.take(100, |_| true);
        assert_eq!(positions(&all), [2, 4, 5, 7, 1, 3, 6]);
    }

    #[test]
    fn what_is_delivered_again_goes_to_its_place() {
        let mut index = Index::default();
        for position in [50, 60] {
            index.push(1, event(position, 4));
        }
        for position in [10, 20, 55, 70, 30] {
            index.push(1, event(position, 4));
        }
        assert_eq!(index.remove(20), Some((1, event(20, 4))));
        assert_eq!(index.remove(21), None);
        let all = index.take(100, |_| true);
        assert_eq!(positions(&all), [10, 30, 50, 55, 60, 70]);
    }

    proptest! {
        /// Against a slow model: order per account, taken accounts stay away, ranks first.
        #[test]
        fn it_keeps_order_and_urgency(
            steps in prop::collection::vec((0u8..6, 1u64..6, 0u8..5, 1usize..6), 1..200)
        ) {
            let mut index = Index::default();
            // Key to position to rank; and what is out, by batch.
            let mut model: BTreeMap<u64, BTreeMap<u64, u8>> = BTreeMap::new();
            let mut resting: Vec<(u32, u64)> = Vec::new();
            let mut out: Vec<Vec<(u32, u64, Waiting)>> = Vec::new();
            for (next, (step, key, rank, count)) in steps.into_iter().enumerate() {
                let position = next as u64 + 1;
                match step {
                    0..=2 => {
                        index.push(key, event(position, rank));
                        model.entry(key).or_default().insert(position, rank);
                    }
                    3 | 4 => {
                        let taken = index.take(count, |_| true);
                        let away: Vec<u64> = (out.iter().flatten().map(|(_, key, _)| *key))
                            .chain(resting.iter().map(|(_, key)| *key))
                            .collect();
                        let mut batch = Vec::new();
                        for (account, found) in taken {
                            let best = model.iter()
                                .filter(|(key, events)| !away.contains(key) && !events.is_empty())
                                .map(|(key, events)| {
                                    let rank = events.values().min().unwrap();
                                    let (first, own) = events.first_key_value().unwrap();
                                    (*rank, *first, *own, *key)
                                })
                                .min()
                                .unwrap();
                            prop_assert_eq!(found.position, best.1);
                            prop_assert_eq!(found.rank, best.2);
                            model.get_mut(&best.3).unwrap().remove(&best.1);
                            batch.push((account, best.3, found));
                        }
                        let left = model.iter()
                            .any(|(key, events)| !away.contains(key) && !events.is_empty());
                        prop_assert!(batch.len() == count || !left);
                        if !batch.is_empty() {
                            out.push(batch);
                        }
                    }
                    _ if !out.is_empty() => {
                        let batch = out.remove(usize::from(rank) % out.len());
                        let mut accounts: BTreeMap<u32, u64> = BTreeMap::new();
                        for (account, key, found) in batch {
                            accounts.insert(account, key);
                            if found.position % 3 == 0 {
                                index.put_back(account, found);
                                model.get_mut(&key).unwrap().insert(found.position, found.rank);
                            }
                        }
                        for (account, key) in accounts {
                            if count == 1 && !model[&key].is_empty() {
                                index.rest(account);
                                resting.push((account, key));
                            } else {
                                index.release(account);
                            }
                        }
                    }
                    _ => {
                        if let Some((account, _)) = resting.pop() {
                            prop_assert!(index.wake(account));
                        }
                    }
                }
                let expected: usize = model.values().map(BTreeMap::len).sum();
                prop_assert_eq!(index.len(), expected);
                prop_assert_eq!(index.waiting().iter().sum::<u64>(), expected as u64);
            }
        }
    }
}
