//! The thread that reads the journal for one connector.
//!
//! It follows the journal, asks the route, and passes on what waits; it loads the payloads of what
//! waits already when they are asked for; and it reads parts again for a replay. Loading goes first,
//! since a delivery waits for it. Like the history's, it runs at low priority and shares no lock
//! with the way of an acknowledgement.
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larm_event::Event;
use tokio::sync::mpsc::Sender;

use super::done::Done;
use super::handle::Since;
use super::letters::Letters;
use super::payload::{AMONG_LETTERS, Payload, pack, unpack};
use super::route::{Decision, Route, rank};
use crate::journal::{
    JournalError, Lookup, Place, Published, Reader, Record, Watch, position_since,
};
use crate::record;

/// Most records that are passed on together.
const CHUNK_RECORDS: usize = 256;
/// Most payload bytes that are read for one chunk; one record may go beyond.
const CHUNK_BYTES: usize = 1 << 20;
/// Longest sleep, for whoever appends without ringing the bell.
const IDLE: Duration = Duration::from_millis(20);
/// First and longest pause after an error.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Records nearer to each other than this are loaded with one read.
const NEAR: u64 = 32 << 10;
/// Most bytes that one read of a load covers.
const LOAD_AHEAD: u64 = 1 << 20;
/// Added to the thread's niceness.
const NICENESS: i32 = 5;

/// What the thread says.
pub(super) enum Said {
    /// What stands at `first..=last`; positions that are in none of the lists are not routed.
    Read {
        first: u64,
        last: u64,
        found: Vec<Seen>,
        /// Ranges that are not in the journal any more.
        missing: Vec<(u64, u64)>,
    },
    /// The payloads of a load, in its order.
    Loaded {
        batch: u64,
        payloads: Result<Vec<Payload>, String>,
    },
    /// Where a replay starts; `None` where nothing stands there.
    Found(Option<u64>),
    /// Part of a replay, as for `Read`; `end` with the last one.
    Again {
        first: u64,
        last: u64,
        found: Vec<Seen>,
        end: bool,
    },
    /// The journal cannot be read, or can be again.
    Trouble(Option<String>),
}

/// One event that the route passes or holds.
pub(super) struct Seen {
    pub(super) position: u64,
    pub(super) key: u64,
    pub(super) rank: u8,
    pub(super) held: bool,
    pub(super) at: u64,
    pub(super) at_ms: i64,
    /// Where there was room.
    pub(super) payload: Option<Payload>,
}

/// What the thread is asked.
pub(super) enum Ask {
    /// Payloads by position and packed place.
    Load { batch: u64, wanted: Vec<(u64, u64)> },
    /// Where records of this kind start.
    Find(Since),
    /// To read these positions again.
    Replay { first: u64, last: u64 },
}

/// What thread and task both count.
#[derive(Default)]
pub(super) struct Room {
    /// Events that were passed on and are not done.
    pub(super) events: AtomicUsize,
    /// Bytes of payloads that are kept ready.
    pub(super) bytes: AtomicUsize,
    /// Events that wait without payload.
    pub(super) bare: AtomicU64,
    /// Reading waits for room.
    pub(super) full: AtomicBool,
    pub(super) stop: AtomicBool,
}

/// What the thread works with.
pub(super) struct Reading {
    pub(super) journal: PathBuf,
    pub(super) published: Published,
    pub(super) watch: Watch,
    pub(super) route: Arc<dyn Route>,
    /// What account keys are made with.
    pub(super) keys: RandomState,
    /// What was done at the start.
    pub(super) done: Done,
    pub(super) letters: Arc<Mutex<Letters>>,
    pub(super) room: Arc<Room>,
    pub(super) backlog_max: usize,
    pub(super) bytes_max: usize,
    pub(super) asks: Receiver<Ask>,
    pub(super) say: Sender<Said>,
}

/// The engine is gone.
struct Gone;

struct Work {
    given: Reading,
    reader: Option<Reader>,
    /// The last position that was looked at.
    reached: u64,
    lookup: Lookup,
    /// First positions of the segments that were read.
    segments: BTreeSet<u64>,
    replay: Option<Replay>,
    pause: Duration,
    /// Nothing is read before, after an error.
    not_before: Option<Instant>,
}

struct Replay {
    reader: Option<Reader>,
    next: u64,
    last: u64,
}

/// Runs until the engine is gone or asks to stop.
pub(super) fn run(given: Reading) {
    lower_priority();
    let mut work = Work {
        reader: None,
        reached: given.done.low(),
        lookup: Lookup::open(&given.journal),
        segments: BTreeSet::new(),
        replay: None,
        pause: BACKOFF.0,
        not_before: None,
        given,
    };
    // Whatever it ends by, nobody is there any more to be told.
    while work.turn().is_ok() {}
}

impl Work {
    /// Does one thing, the most urgent one; sleeps where there is none.
    fn turn(&mut self) -> Result<(), Gone> {
        if self.given.room.stop.load(Ordering::Acquire) {
            return Err(Gone);
        }
        match self.given.asks.try_recv() {
            Ok(ask) => return self.answer(ask),
            Err(TryRecvError::Disconnected) => return Err(Gone),
            Err(TryRecvError::Empty) => {}
        }
        if let Some(until) = self.not_before {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                std::thread::park_timeout(left);
                return Ok(());
            }
            self.not_before = None;
        }
        let full = self.is_full();
        if !full && self.replay.is_some() {
            return self.replay();
        }
        let published = self.given.published.position();
        if !full && published > self.reached {
            return self.follow(published);
        }
        let seen = if full { u64::MAX } else { self.reached };
        self.given.watch.wait(seen, IDLE);
        Ok(())
    }

    /// Whether as many events wait as may.
    fn is_full(&self) -> bool {
        let room = &*self.given.room;
        let full = room.events.load(Ordering::Acquire) >= self.given.backlog_max;
        room.full.store(full, Ordering::Release);
        full
    }

    fn answer(&mut self, ask: Ask) -> Result<(), Gone> {
        match ask {
            Ask::Load { batch, wanted } => {
                let payloads = self.load(&wanted);
                self.say(Said::Loaded { batch, payloads })
            }
            Ask::Find(since) => {
                let found = self.find(since);
                match found {
                    Ok(found) => self.say(Said::Found(found)),
                    Err(error) => {
                        self.say(Said::Trouble(Some(error.to_string())))?;
                        self.say(Said::Found(None))
                    }
                }
            }
            Ask::Replay { first, last } => {
                self.replay = Some(Replay {
                    reader: None,
                    next: first,
                    last,
                });
                Ok(())
            }
        }
    }

    /// Reads on behind `reached`.
    fn follow(&mut self, published: u64) -> Result<(), Gone> {
        let first = self.reached + 1;
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        match self.read_on(published, &mut found, &mut missing) {
            Ok(()) => {
                if self.reached < first {
                    // The published records are not to be seen yet, which passes.
                    std::thread::park_timeout(Duration::from_millis(1));
                    return Ok(());
                }
                if self.pause > BACKOFF.0 {
                    self.pause = BACKOFF.0;
                    self.say(Said::Trouble(None))?;
                }
                let last = self.reached;
                self.given
                    .room
                    .events
                    .fetch_add(found.len(), Ordering::AcqRel);
                self.say(Said::Read {
                    first,
                    last,
                    found,
                    missing,
                })
            }
            Err(error) => {
                // What was found before the error is read again.
                self.reached = first - 1;
                self.drop_found(&found);
                self.reader = None;
                self.trouble(&error)
            }
        }
    }

    fn read_on(
        &mut self,
        published: u64,
        found: &mut Vec<Seen>,
        missing: &mut Vec<(u64, u64)>,
    ) -> Result<(), JournalError> {
        if self.reader.is_none() {
            self.reader = Some(Reader::open(&self.given.journal, self.reached + 1)?);
        }
        let Some(reader) = self.reader.as_mut() else {
            return Ok(());
        };
        let (mut records, mut bytes) = (0, 0);
        while records < CHUNK_RECORDS && bytes < CHUNK_BYTES {
            let Some(record) = reader.lend_until(published)? else {
                break;
            };
            records += 1;
            bytes += record.payload.len();
            if record.position > self.reached + 1 {
                missing.push((self.reached + 1, record.position - 1));
            }
            self.reached = record.position;
            self.segments.insert(record.place.segment);
            if !self.given.done.contains(record.position) {
                found.extend(look(&self.given, &record, true));
            }
        }
        Ok(())
    }

    /// One chunk of a replay.
    fn replay(&mut self) -> Result<(), Gone> {
        let Some(mut replay) = self.replay.take() else {
            return Ok(());
        };
        let first = replay.next;
        let mut found = Vec::new();
        match self.read_again(&mut replay, &mut found) {
            Ok(end) => {
                let last = if end { replay.last } else { replay.next - 1 };
                self.given
                    .room
                    .events
                    .fetch_add(found.len(), Ordering::AcqRel);
                if !end {
                    self.replay = Some(replay);
                }
                self.say(Said::Again {
                    first,
                    last,
                    found,
                    end,
                })
            }
            Err(error) => {
                self.drop_found(&found);
                replay.next = first;
                replay.reader = None;
                self.replay = Some(replay);
                self.trouble(&error)
            }
        }
    }

    /// True at the end.
    fn read_again(
        &mut self,
        replay: &mut Replay,
        found: &mut Vec<Seen>,
    ) -> Result<bool, JournalError> {
        let mut reader = match replay.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.given.journal, replay.next)?,
        };
        let (mut records, mut bytes) = (0, 0);
        while records < CHUNK_RECORDS && bytes < CHUNK_BYTES {
            let Some(record) = reader.lend_until(replay.last)? else {
                return Ok(true);
            };
            records += 1;
            bytes += record.payload.len();
            replay.next = record.position + 1;
            self.segments.insert(record.place.segment);
            found.extend(look(&self.given, &record, false));
        }
        replay.reader = Some(reader);
        Ok(replay.next > replay.last)
    }

    /// Gives back the room of payloads that are not passed on.
    fn drop_found(&self, found: &[Seen]) {
        let payloads = found.iter().filter_map(|seen| seen.payload.as_ref());
        let bytes: usize = payloads.map(Payload::bytes).sum();
        self.given.room.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn load(&mut self, wanted: &[(u64, u64)]) -> Result<Vec<Payload>, String> {
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_unstable_by_key(|at| wanted.get(*at).map(|(position, _)| *position));
        let places: Vec<(u64, Option<Place>)> = (order.iter())
            .filter_map(|at| wanted.get(*at))
            .map(|(position, at)| (*position, self.place(*position, *at)))
            .collect();
        let mut loaded: Vec<Option<Payload>> = vec![None; wanted.len()];
        for (index, to) in order.iter().enumerate() {
            let Some((position, place)) = places.get(index).copied() else {
                continue;
            };
            let payload = match place {
                None => self.load_letter(position)?,
                Some(place) => {
                    let span = span(places.get(index..).unwrap_or_default());
                    let record = (self.lookup.read(position, place, span))
                        .map_err(|error| error.to_string())?;
                    let event = record::event_of(position, record.at_ms, record.payload);
                    Payload::new(event, record.at_ms)
                }
            };
            if let Some(slot) = loaded.get_mut(*to) {
                *slot = Some(payload);
            }
        }
        Ok(loaded.into_iter().flatten().collect())
    }

    /// `None`: among the dead letters.
    fn place(&self, position: u64, at: u64) -> Option<Place> {
        if at == AMONG_LETTERS {
            return None;
        }
        let (offset, len) = unpack(at);
        let segment = self.segments.range(..=position).next_back().copied();
        Some(Place {
            segment: segment.unwrap_or(0),
            offset,
            len,
        })
    }

    fn load_letter(&self, position: u64) -> Result<Payload, String> {
        let letters = self
            .given
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let json = letters.json(position).map_err(|error| error.to_string())?;
        let at_ms = letters.at_ms(position).unwrap_or_default();
        json.and_then(|json| Payload::of_letter(json, at_ms))
            .ok_or_else(|| format!("dead letter {position} cannot be read"))
    }

    fn find(&self, since: Since) -> Result<Option<u64>, JournalError> {
        match since {
            Since::TimeMs(at_ms) => position_since(&self.given.journal, at_ms),
            Since::Position(position) => {
                let mut reader = Reader::open(&self.given.journal, position)?;
                let record = reader.lend_until(self.given.published.position())?;
                Ok(record.map(|record| record.position))
            }
        }
    }

    fn trouble(&mut self, error: &JournalError) -> Result<(), Gone> {
        self.not_before = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(BACKOFF.1);
        self.say(Said::Trouble(Some(error.to_string())))
    }

    fn say(&self, said: Said) -> Result<(), Gone> {
        self.given.say.blocking_send(said).map_err(|_| Gone)
    }
}

/// What a record comes to; `None` where the route does not pass it.
fn look(given: &Reading, record: &Record<'_>, keep: bool) -> Option<Seen> {
    let event = record::event_of(record.position, record.at_ms, record.payload);
    let decision = given.route.decide(&event);
    if decision == Decision::Skip {
        return None;
    }
    let mut seen = Seen {
        position: record.position,
        key: account_key(&given.keys, &event),
        rank: rank(&event),
        held: decision == Decision::Hold,
        at: pack(record.place),
        at_ms: record.at_ms,
        payload: None,
    };
    let room = &*given.room;
    // While something waits without its payload, room is left for that.
    let has_room = room.bare.load(Ordering::Acquire) == 0
        && room.bytes.load(Ordering::Acquire) < given.bytes_max;
    if keep && has_room && !seen.held {
        let payload = Payload::new(event, record.at_ms);
        room.bytes.fetch_add(payload.bytes(), Ordering::AcqRel);
        seen.payload = Some(payload);
    }
    Some(seen)
}

/// What stands for an account as sent. Two accounts with the same key would only wait for each
/// other. Events without account share one.
pub(super) fn account_key(keys: &RandomState, event: &Event) -> u64 {
    match &event.account {
        None => 0,
        Some(account) => keys.hash_one((&event.receiver, &event.line, account)),
    }
}

/// From the payload of the first place to the end of the last one that is read with it.
fn span(places: &[(u64, Option<Place>)]) -> u64 {
    let mut places = places.iter().map_while(|(_, place)| *place);
    let Some(first) = places.next() else {
        return 0;
    };
    let mut end = first.offset + first.len as u64;
    for place in places {
        let next = place.offset + place.len as u64;
        let near = place.segment == first.segment && place.offset.saturating_sub(end) < NEAR;
        if !near || next - first.offset > LOAD_AHEAD {
            break;
        }
        end = next;
    }
    end - first.offset
}

/// Lets receiving go first. On Linux niceness belongs to the thread; failing is harmless.
fn lower_priority() {
    if let Ok(now) = rustix::process::getpriority_process(None) {
        // Refused only where the system forbids it; then the thread runs as others do.
        let _ = rustix::process::setpriority_process(None, now + NICENESS);
    }
}
