//! Recognises repeats: a bounded window over the latest frames, by account, content, sequence and
//! the transmitter's own time.
//!
//! Constraints: an entry leaves the window when it is older than the window's length, or as the
//! oldest one when the window is full (counted; a repeat of it is then a new event, never a lost
//! one). Rule (`Identity` holds the evidence):
//!
//! ```text
//! other content                                     -> New
//! same content, same time of sending                -> Repeat
//! same content, same number, number is evidence     -> Repeat
//! same content, quirk: retries are renumbered       -> Repeat
//! same content, own time that differs               -> New
//! same content, nothing that tells                  -> New, possible repeat of the latest one
//! ```
//!
//! A number is no evidence where the account is known to use one number for all, or was seen in
//! this window to use it for other content.
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use larm_carrier::Identity;
use larm_event::Timestamp;
use uuid::Uuid;

/// What a frame is, measured against the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding<T> {
    /// Never seen.
    New,
    /// Same content as an earlier one; whether it is the same event cannot be told.
    MayRepeat {
        /// The latest event with that content.
        earlier: Uuid,
    },
    /// A repeat of the entry that `of` stands for.
    Repeat {
        /// What was remembered with the first one.
        of: T,
        /// The first one's event.
        earlier: Uuid,
    },
}

#[derive(Clone, Debug)]
struct Seen<T> {
    sequence: Option<u32>,
    sent_at: Option<Timestamp>,
    at: Duration,
    id: Uuid,
    memo: T,
}

/// Which numbers an account used lately, for which content.
type Trail = VecDeque<(u32, [u8; 16], Duration)>;

/// As many numbers of one account as are remembered to find out that it uses one for all.
const TRAIL_LEN_MAX: usize = 8;

/// The window. `T` is what a repeat has to wait for.
#[derive(Debug)]
pub struct Repeats<T> {
    length: Duration,
    entries_max: usize,
    by_content: HashMap<[u8; 16], VecDeque<Seen<T>>>,
    trails: HashMap<[u8; 16], Trail>,
    /// Every entry in order of arrival; `order.len() <= entries_max`.
    order: VecDeque<(Duration, [u8; 16], [u8; 16])>,
    pushed_out: u64,
}

impl<T: Clone> Repeats<T> {
    /// An empty window of this length that holds at most `entries_max` frames.
    #[must_use]
    pub fn new(length: Duration, entries_max: usize) -> Self {
        Self {
            length,
            entries_max: entries_max.max(1),
            by_content: HashMap::new(),
            trails: HashMap::new(),
            order: VecDeque::new(),
            pushed_out: 0,
        }
    }

    /// Changes the window's length; entries that are now too old leave at the next look-up.
    pub fn resize(&mut self, length: Duration) {
        self.length = length;
    }

    /// What a frame with this identity is at monotonic time `at`.
    pub fn find(&mut self, identity: &Identity, at: Duration) -> Finding<T> {
        self.expire(at);
        let Some(same_content) = self.by_content.get(&identity.content) else {
            return Finding::New;
        };
        let number_tells = !identity.constant_sequence && !self.number_is_shared(identity);
        let repeats = same_content.iter().rev().find(|seen| {
            let same_time = identity.sent_at.is_some() && seen.sent_at == identity.sent_at;
            let same_number =
                number_tells && identity.sequence.is_some() && seen.sequence == identity.sequence;
            same_time || same_number || identity.renumbers
        });
        if let Some(seen) = repeats {
            return Finding::Repeat {
                of: seen.memo.clone(),
                earlier: seen.id,
            };
        }
        match same_content.back() {
            Some(seen) if identity.sent_at.is_none() || seen.sent_at.is_none() => {
                Finding::MayRepeat { earlier: seen.id }
            }
            _ => Finding::New,
        }
    }

    /// Remembers a frame that was found to be new.
    pub fn remember(&mut self, identity: &Identity, at: Duration, id: Uuid, memo: T) {
        self.expire(at);
        while self.order.len() >= self.entries_max {
            self.pushed_out += 1;
            self.drop_oldest();
        }
        let seen = Seen {
            sequence: identity.sequence,
            sent_at: identity.sent_at,
            at,
            id,
            memo,
        };
        self.by_content
            .entry(identity.content)
            .or_default()
            .push_back(seen);
        self.order
            .push_back((at, identity.content, identity.account));
        if let Some(number) = identity.sequence {
            let trail = self.trails.entry(identity.account).or_default();
            if trail.len() == TRAIL_LEN_MAX {
                trail.pop_front();
            }
            trail.push_back((number, identity.content, at));
        }
    }

    /// Takes back the frame remembered last for this identity, because it could not be queued.
    pub fn forget(&mut self, identity: &Identity, id: Uuid) {
        if let Some(seen) = self.by_content.get_mut(&identity.content) {
            seen.retain(|entry| entry.id != id);
            if seen.is_empty() {
                self.by_content.remove(&identity.content);
            }
        }
        if let Some(trail) = self.trails.get_mut(&identity.account)
            && trail
                .back()
                .is_some_and(|(_, content, _)| *content == identity.content)
        {
            trail.pop_back();
        }
        let last = self
            .order
            .iter()
            .rposition(|(_, content, _)| *content == identity.content);
        if let Some(index) = last {
            self.order.remove(index);
        }
    }

    /// Entries in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the window is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Entries that had to leave before their time because the window was full.
    #[must_use]
    pub fn pushed_out(&self) -> u64 {
        self.pushed_out
    }

    fn number_is_shared(&self, identity: &Identity) -> bool {
        let Some(number) = identity.sequence else {
            return false;
        };
        self.trails.get(&identity.account).is_some_and(|trail| {
            trail
                .iter()
                .any(|(used, content, _)| *used == number && *content != identity.content)
        })
    }

    fn expire(&mut self, at: Duration) {
        while self
            .order
            .front()
            .is_some_and(|(seen_at, ..)| *seen_at + self.length < at)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((at, content, account)) = self.order.pop_front() else {
            return;
        };
        if let Some(seen) = self.by_content.get_mut(&content) {
            if seen.front().is_some_and(|entry| entry.at <= at) {
                seen.pop_front();
            }
            if seen.is_empty() {
                self.by_content.remove(&content);
            }
        }
        if let Some(trail) = self.trails.get_mut(&account) {
            while trail.front().is_some_and(|(_, _, used_at)| *used_at <= at) {
                trail.pop_front();
            }
            if trail.is_empty() {
                self.trails.remove(&account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(90);

    fn identity(content: u8, sequence: u32, sent_at: Option<i64>) -> Identity {
        Identity {
            content: [content; 16],
            account: [1; 16],
            sequence: Some(sequence),
            sent_at: sent_at.map(Timestamp::from_millis),
            renumbers: false,
            constant_sequence: false,
        }
    }

    fn seconds(value: u64) -> Duration {
        Duration::from_secs(value)
    }

    /// Looks up and, when new, remembers, as the intake does; the memo is the event's number.
    fn feed(window: &mut Repeats<u128>, identity: &Identity, at: u64, id: u128) -> Finding<u128> {
        let found = window.find(identity, seconds(at));
        if !matches!(found, Finding::Repeat { .. }) {
            window.remember(identity, seconds(at), Uuid::from_u128(id), id);
        }
        found
    }

    fn repeat_of(id: u128) -> Finding<u128> {
        Finding::Repeat {
            of: id,
            earlier: Uuid::from_u128(id),
        }
    }

    #[test]
    fn same_number_with_a_new_time_is_a_repeat() {
        let mut window = Repeats::new(WINDOW, 100);
        assert_eq!(
            feed(&mut window, &identity(7, 12, Some(1_000)), 0, 1),
            Finding::New
        );
        assert_eq!(
            feed(&mut window, &identity(7, 12, Some(12_000)), 11, 2),
            repeat_of(1)
        );
        assert_eq!(
            feed(&mut window, &identity(7, 12, Some(23_000)), 22, 3),
            repeat_of(1)
        );
    }

    #[test]
    fn same_time_with_a_new_number_is_a_repeat() {
        let mut window = Repeats::new(WINDOW, 100);
        feed(&mut window, &identity(7, 12, Some(1_000)), 0, 1);
        assert_eq!(
            feed(&mut window, &identity(7, 13, Some(1_000)), 5, 2),
            repeat_of(1)
        );
    }

    #[test]
    fn new_number_and_new_time_is_new() {
        let mut window = Repeats::new(WINDOW, 100);
        feed(&mut window, &identity(7, 12, Some(1_000)), 0, 1);
        assert_eq!(
            feed(&mut window, &identity(7, 13, Some(6_000)), 5, 2),
            Finding::New
        );
    }

    #[test]
    fn new_number_without_time_may_repeat() {
        let mut window = Repeats::new(WINDOW, 100);
        feed(&mut window, &identity(7, 12, None), 0, 1);
        let found = feed(&mut window, &identity(7, 13, None), 12, 2);
        assert_eq!(
            found,
            Finding::MayRepeat {
                earlier: Uuid::from_u128(1)
            }
        );
    }

    #[test]
    fn renumbered_retries_are_repeats_under_their_quirk() {
        let mut window = Repeats::new(WINDOW, 100);
        let retry = |number| Identity {
            renumbers: true,
            ..identity(7, number, None)
        };
        assert_eq!(feed(&mut window, &retry(228), 0, 1), Finding::New);
        assert_eq!(feed(&mut window, &retry(229), 12, 2), repeat_of(1));
        assert_eq!(feed(&mut window, &retry(230), 24, 3), repeat_of(1));
    }

    #[test]
    fn other_content_under_the_same_number_is_new() {
        let mut window = Repeats::new(WINDOW, 100);
        feed(&mut window, &identity(7, 12, Some(1_000)), 0, 1);
        assert_eq!(
            feed(&mut window, &identity(8, 12, Some(1_000)), 1, 2),
            Finding::New
        );
    }

    #[test]
    fn a_number_used_for_other_content_is_no_evidence() {
        let mut window = Repeats::new(WINDOW, 100);
        feed(&mut window, &identity(7, 1, None), 0, 1);
        feed(&mut window, &identity(8, 1, None), 10, 2);
        let again = feed(&mut window, &identity(7, 1, None), 20, 3);
        assert_eq!(
            again,
            Finding::MayRepeat {
                earlier: Uuid::from_u128(1)
            }
        );
        let with_time = feed(&mut window, &identity(7, 1, Some(5)), 21, 4);
        assert_eq!(
            with_time,
            Finding::MayRepeat {
                earlier: Uuid::from_u128(3)
            }
        );
    }

    #[test]
    fn a_constant_number_is_no_evidence_under_its_quirk() {
        let mut window = Repeats::new(WINDOW, 100);
        let constant = |sent_at| Identity {
            constant_sequence: true,
            ..identity(7, 1, Some(sent_at))
        };
        feed(&mut window, &constant(1_000), 0, 1);
        assert_eq!(feed(&mut window, &constant(9_000), 8, 2), Finding::New);
        assert_eq!(feed(&mut window, &constant(9_000), 9, 3), repeat_of(2));
    }

    #[test]
    fn the_window_ends() {
        let mut window = Repeats::new(WINDOW, 100);
        feed(&mut window, &identity(7, 12, None), 0, 1);
        assert_eq!(
            feed(&mut window, &identity(7, 12, None), 90, 2),
            repeat_of(1)
        );
        assert_eq!(
            feed(&mut window, &identity(7, 12, None), 91, 3),
            Finding::New
        );
        assert_eq!(window.len(), 1);
    }

    #[test]
    fn a_full_window_pushes_out_the_oldest_and_counts_it() {
        let mut window = Repeats::new(WINDOW, 2);
        for content in 1..=3 {
            feed(&mut window, &identity(content, 1, None), 0, content.into());
        }
        assert_eq!((window.len(), window.pushed_out()), (2, 1));
        assert_eq!(window.find(&identity(1, 1, None), seconds(1)), Finding::New);
    }

    #[test]
    fn what_could_not_be_queued_is_forgotten() {
        let mut window = Repeats::new(WINDOW, 100);
        let frame = identity(7, 12, None);
        feed(&mut window, &frame, 0, 1);
        window.forget(&frame, Uuid::from_u128(1));
        assert_eq!(feed(&mut window, &frame, 1, 2), Finding::New);
        assert_eq!(window.len(), 1);
        assert!(window.by_content.len() == 1 && window.trails.len() == 1);
    }

    #[test]
    fn nothing_is_left_behind_when_all_has_expired() {
        let mut window = Repeats::new(WINDOW, 1_000);
        for index in 0..500u32 {
            feed(
                &mut window,
                &identity((index % 50) as u8, index, None),
                u64::from(index / 10),
                index.into(),
            );
        }
        window.find(&identity(0, 0, None), seconds(10_000));
        assert!(window.is_empty() && window.by_content.is_empty() && window.trails.is_empty());
    }
}
