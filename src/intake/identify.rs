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
//! Layout: one ring in order of arrival. Each entry points back to the one before with the same
//! content, and to the one before of the same account; two tables know the latest of each, by four
//! bytes that name a place in the ring. So an entry costs one place in the ring, nothing is allocated
//! for it, and what is looked at for a frame is small enough to stay near the processor.
//!
//! A number is no evidence where the account is known to use one number for all, or was seen in
//! this window to use it for other content.
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
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

/// Number of an entry since the start; rising, so that a link to one that has left is told by it.
pub type Serial = u64;

#[derive(Clone, Debug)]
struct Seen<T> {
    marks: Marks,
    sequence: Option<u32>,
    sent_at: Option<Timestamp>,
    at: Duration,
    id: Uuid,
    /// The one before with the same content.
    same_content: Option<Serial>,
    /// The one before of the same account.
    same_account: Option<Serial>,
    /// `None`: taken back, since it could not be queued. It stays in its place.
    memo: Option<T>,
}

/// As many entries of one account as are looked at to find out that it uses one number for all.
const TRAIL_LEN_MAX: usize = 8;

/// As many entries of one content as are compared: whoever sends the same without end cannot make
/// each look-up longer. A repeat of one further back is then a new event, never a lost one.
const SAME_CONTENT_MAX: usize = 256;

/// What two frames are compared by.
type Mark = [u8; 16];

/// The latest entry with each mark that is in the ring. It holds the lower half of serials alone; the
/// marks stand in the ring.
#[derive(Debug)]
struct Latest {
    table: HashTable<u32>,
    /// Marks are spread by a seed that nobody outside knows.
    seed: RandomState,
    /// Which mark of an entry.
    mark: fn(&Marks) -> &Mark,
}

/// The marks of one entry.
#[derive(Clone, Copy, Debug)]
struct Marks {
    content: Mark,
    account: Mark,
}

impl Latest {
    fn of(mark: fn(&Marks) -> &Mark) -> Self {
        Self {
            table: HashTable::new(),
            seed: RandomState::default(),
            mark,
        }
    }

    /// The latest entry with this mark.
    fn get<T>(&self, mark: &Mark, ring: &Ring<T>) -> Option<Serial> {
        let same = |serial: &u32| {
            ring.get_low(*serial)
                .is_some_and(|seen| (self.mark)(&seen.marks) == mark)
        };
        self.table
            .find(self.seed.hash_one(mark), same)
            .map(|low| ring.serial(*low))
    }

    /// Makes the entry that is about to be pushed the latest one with its mark; tells which was.
    fn insert<T>(&mut self, marks: &Marks, ring: &Ring<T>) -> Option<Serial> {
        let Self { table, seed, mark } = self;
        let of = |low: u32| ring.get_low(low).map(|seen| mark(&seen.marks));
        let (new, serial) = (mark(marks), low(ring.next()));
        let rehash = |low: &u32| of(*low).map_or(0, |mark| seed.hash_one(mark));
        match table.entry(seed.hash_one(new), |low| of(*low) == Some(new), rehash) {
            Entry::Occupied(mut latest) => {
                Some(ring.serial(std::mem::replace(latest.get_mut(), serial)))
            }
            Entry::Vacant(place) => {
                place.insert(serial);
                None
            }
        }
    }

    /// Forgets the entry that has just left the ring, unless a later one has the same mark.
    fn remove(&mut self, marks: &Marks, serial: Serial) {
        let hash = self.seed.hash_one((self.mark)(marks));
        let serial = low(serial);
        if let Ok(latest) = self.table.find_entry(hash, |latest| *latest == serial) {
            latest.remove();
        }
    }
}

/// The lower half, which tells entries of one ring apart: it is far shorter than 2^32.
fn low(serial: Serial) -> u32 {
    let [a, b, c, d, ..] = serial.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Entries in order of arrival. Entry `i` has the serial `first + i`.
#[derive(Debug)]
struct Ring<T> {
    entries: VecDeque<Seen<T>>,
    first: Serial,
}

impl<T> Ring<T> {
    /// The serial that the next entry gets.
    fn next(&self) -> Serial {
        self.first + self.entries.len() as Serial
    }

    /// The whole serial of an entry in the ring.
    fn serial(&self, serial: u32) -> Serial {
        self.first + Serial::from(serial.wrapping_sub(low(self.first)))
    }

    fn get_low(&self, serial: u32) -> Option<&Seen<T>> {
        self.get(self.serial(serial))
    }

    fn get(&self, serial: Serial) -> Option<&Seen<T>> {
        let index = serial.checked_sub(self.first)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    fn get_mut(&mut self, serial: Serial) -> Option<&mut Seen<T>> {
        let index = serial.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }
}

/// The window. `T` is what a repeat has to wait for.
#[derive(Debug)]
pub struct Repeats<T> {
    length: Duration,
    entries_max: usize,
    /// At most `entries_max`, which is below 2^32.
    ring: Ring<T>,
    by_content: Latest,
    by_account: Latest,
    /// Entries that were taken back and are still in the ring.
    taken_back: usize,
    pushed_out: u64,
}

impl<T: Clone> Repeats<T> {
    /// An empty window of this length that holds at most `entries_max` frames.
    #[must_use]
    pub fn new(length: Duration, entries_max: usize) -> Self {
        Self {
            length,
            entries_max: entries_max.clamp(1, 1 << 30),
            ring: Ring {
                entries: VecDeque::new(),
                first: 0,
            },
            by_content: Latest::of(|marks| &marks.content),
            by_account: Latest::of(|marks| &marks.account),
            taken_back: 0,
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
        let Some(latest) = self.same_content(&identity.content).next() else {
            return Finding::New;
        };
        let number_tells = !identity.constant_sequence && !self.number_is_shared(identity);
        let repeats = self.same_content(&identity.content).find(|(seen, _)| {
            let same_time = identity.sent_at.is_some() && seen.sent_at == identity.sent_at;
            let same_number =
                number_tells && identity.sequence.is_some() && seen.sequence == identity.sequence;
            same_time || same_number || identity.renumbers
        });
        if let Some((seen, memo)) = repeats {
            return Finding::Repeat {
                of: memo.clone(),
                earlier: seen.id,
            };
        }
        let (latest, _) = latest;
        if identity.sent_at.is_none() || latest.sent_at.is_none() {
            Finding::MayRepeat { earlier: latest.id }
        } else {
            Finding::New
        }
    }

    /// Remembers a frame that was found to be new, and tells where.
    pub fn remember(&mut self, identity: &Identity, at: Duration, id: Uuid, memo: T) -> Serial {
        self.expire(at);
        while self.ring.entries.len() >= self.entries_max {
            self.pushed_out += 1;
            self.drop_oldest();
        }
        let serial = self.ring.next();
        let marks = Marks {
            content: identity.content,
            account: identity.account,
        };
        let same_content = self.by_content.insert(&marks, &self.ring);
        let same_account = self.by_account.insert(&marks, &self.ring);
        self.ring.entries.push_back(Seen {
            marks,
            sequence: identity.sequence,
            sent_at: identity.sent_at,
            at,
            id,
            same_content,
            same_account,
            memo: Some(memo),
        });
        serial
    }

    /// Puts what is known by now in the place of what was remembered at `serial`, where that is still
    /// there and was not taken back.
    pub fn settle(&mut self, serial: Serial, memo: T) {
        if let Some(remembered) = self
            .ring
            .get_mut(serial)
            .and_then(|seen| seen.memo.as_mut())
        {
            *remembered = memo;
        }
    }

    /// Takes back the frame remembered for this identity under `id`, because it could not be
    /// queued. Nothing is found by it any more.
    pub fn forget(&mut self, identity: &Identity, id: Uuid) {
        let mut next = self.by_content.get(&identity.content, &self.ring);
        while let Some(serial) = next {
            let Some(seen) = self.ring.get_mut(serial) else {
                return;
            };
            next = seen.same_content;
            if seen.id == id && seen.memo.take().is_some() {
                self.taken_back += 1;
                return;
            }
        }
    }

    /// Entries in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.entries.len() - self.taken_back
    }

    /// Whether the window is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries that had to leave before their time because the window was full.
    #[must_use]
    pub fn pushed_out(&self) -> u64 {
        self.pushed_out
    }

    /// The latest entries with this content, the latest first.
    fn same_content(&self, content: &[u8; 16]) -> impl Iterator<Item = (&Seen<T>, &T)> {
        let mut next = self.by_content.get(content, &self.ring);
        std::iter::from_fn(move || {
            let seen = self.ring.get(next?)?;
            next = seen.same_content;
            Some(seen)
        })
        .take(SAME_CONTENT_MAX)
        .filter_map(|seen| Some((seen, seen.memo.as_ref()?)))
    }

    fn number_is_shared(&self, identity: &Identity) -> bool {
        let Some(number) = identity.sequence else {
            return false;
        };
        let mut next = self.by_account.get(&identity.account, &self.ring);
        let trail = std::iter::from_fn(|| {
            let seen = self.ring.get(next?)?;
            next = seen.same_account;
            Some(seen)
        });
        (trail.filter(|seen| seen.memo.is_some() && seen.sequence.is_some()))
            .take(TRAIL_LEN_MAX)
            .any(|seen| seen.sequence == Some(number) && seen.marks.content != identity.content)
    }

    fn expire(&mut self, at: Duration) {
        while (self.ring.entries.front()).is_some_and(|seen| seen.at + self.length < at) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(seen) = self.ring.entries.pop_front() else {
            return;
        };
        self.taken_back -= usize::from(seen.memo.is_none());
        let serial = self.ring.first;
        self.ring.first += 1;
        self.by_content.remove(&seen.marks, serial);
        self.by_account.remove(&seen.marks, serial);
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
        assert!(window.by_content.table.len() == 1 && window.by_account.table.len() == 1);
        window.find(&frame, seconds(1_000));
        assert_eq!((window.ring.entries.len(), window.taken_back), (0, 0));
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
        assert!(window.is_empty());
        assert!(window.by_content.table.is_empty() && window.by_account.table.is_empty());
    }

    #[test]
    fn what_is_known_later_takes_the_place_of_what_was_remembered() {
        let mut window = Repeats::new(WINDOW, 100);
        let frame = identity(7, 12, None);
        let serial = window.remember(&frame, seconds(0), Uuid::from_u128(1), 1);
        window.settle(serial, 100);
        let repeat = Finding::Repeat {
            of: 100,
            earlier: Uuid::from_u128(1),
        };
        assert_eq!(window.find(&frame, seconds(1)), repeat);
        window.forget(&frame, Uuid::from_u128(1));
        window.settle(serial, 200);
        window.settle(serial + 1, 200);
        assert_eq!(window.find(&frame, seconds(1)), Finding::New);
    }

    #[test]
    fn serials_beyond_four_bytes_are_told_apart() {
        let mut window = Repeats::new(WINDOW, 3);
        window.ring.first = u64::from(u32::MAX) - 5;
        for index in 0..20u8 {
            let frame = identity(index, u32::from(index), None);
            assert_eq!(feed(&mut window, &frame, 0, index.into()), Finding::New);
            assert_eq!(feed(&mut window, &frame, 0, 99), repeat_of(index.into()));
        }
        assert_eq!(window.by_content.table.len(), 3);
        assert_eq!(window.by_account.table.len(), 1);
    }
}
