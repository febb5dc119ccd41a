//! TCP put together again: the bytes of each direction in their order, once.
//!
//! Constraints
//! - What comes early waits for what is missing, up to [`EARLY_BYTES_MAX`] and [`EARLY_PIECES_MAX`]
//!   of a direction; beyond that the hole is skipped, and said.
//! - A connection that was there before the capture begins with its first piece.
//! - At most `most` connections; the one that was silent longest goes when there are more.
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::packet::Segment;
use crate::shadow::tap::Direction;

/// Bytes of one direction that wait for those before them.
const EARLY_BYTES_MAX: usize = 256 * 1024;

/// Pieces of one direction that wait.
const EARLY_PIECES_MAX: usize = 256;

/// What became of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The next bytes of a direction. `gap`: some before them are missing.
    Bytes {
        flow: u64,
        direction: Direction,
        bytes: Vec<u8>,
        gap: bool,
    },
    /// The connection has ended.
    End { flow: u64 },
}

/// Every connection of a capture.
#[derive(Debug)]
pub(super) struct Streams {
    open: HashMap<(SocketAddr, SocketAddr), Connection>,
    most: usize,
    flows: u64,
    turn: u64,
}

#[derive(Debug)]
struct Connection {
    flow: u64,
    requests: Half,
    answers: Half,
    /// The last time it was heard of, in pieces of all connections.
    last: u64,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// Number of the next byte; `None` before the first piece.
    next: Option<u32>,
    /// What came early, by its distance from `base`.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    /// Bytes taken since the direction began; `next` stands here.
    taken: u64,
    finished: bool,
}

impl Streams {
    pub(super) fn new(most: usize) -> Self {
        Self {
            open: HashMap::new(),
            most: most.max(1),
            flows: 0,
            turn: 0,
        }
    }

    /// One piece between `transmitter` and `receiver`.
    pub(super) fn piece(
        &mut self,
        transmitter: SocketAddr,
        receiver: SocketAddr,
        direction: Direction,
        segment: &Segment<'_>,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        self.turn += 1;
        let ends = (transmitter, receiver);
        // The transmitter dials anew from the same port.
        let anew = segment.syn && direction == Direction::ToReceiver;
        if anew && self.open.get(&ends).is_some_and(|old| !old.fits(segment)) {
            self.end(ends, &mut told);
        }
        if !self.open.contains_key(&ends) {
            if segment.rst || (segment.payload.is_empty() && !segment.syn) {
                return told;
            }
            self.make_room(&mut told);
            let connection = Connection {
                flow: self.flows,
                requests: Half::default(),
                answers: Half::default(),
                last: self.turn,
            };
            self.flows += 1;
            self.open.insert(ends, connection);
        }
        let Some(connection) = self.open.get_mut(&ends) else {
            return told;
        };
        connection.last = self.turn;
        let flow = connection.flow;
        let half = match direction {
            Direction::ToReceiver => &mut connection.requests,
            Direction::ToTransmitter => &mut connection.answers,
        };
        for (bytes, gap) in half.take(segment) {
            told.push(Told::Bytes {
                flow,
                direction,
                bytes,
                gap,
            });
        }
        let finished = connection.requests.finished && connection.answers.finished;
        if segment.rst || finished {
            self.end(ends, &mut told);
        }
        told
    }

    fn end(&mut self, ends: (SocketAddr, SocketAddr), told: &mut Vec<Told>) {
        if let Some(connection) = self.open.remove(&ends) {
            told.push(Told::End {
                flow: connection.flow,
            });
        }
    }

    fn make_room(&mut self, told: &mut Vec<Told>) {
        if self.open.len() >= self.most {
            let silent = self.open.iter().min_by_key(|(_, found)| found.last);
            if let Some(ends) = silent.map(|(ends, _)| *ends) {
                self.end(ends, told);
            }
        }
    }
}

impl Connection {
    /// A repeated SYN of this connection, not one of a new one.
    fn fits(&self, segment: &Segment<'_>) -> bool {
        self.requests.taken == 0
            && self
                .requests
                .next
                .is_none_or(|next| next == segment.sequence.wrapping_add(1))
    }
}

impl Half {
    /// What can be handed on now, with whether something before it is missing.
    fn take(&mut self, segment: &Segment<'_>) -> Vec<(Vec<u8>, bool)> {
        let first = segment.sequence.wrapping_add(u32::from(segment.syn));
        let next = *self.next.get_or_insert(first);
        // Numbers go round: what is less than half the circle ahead is early, the rest was there.
        let ahead = first.wrapping_sub(next).cast_signed();
        let mut handed = Vec::new();
        if ahead > 0 {
            self.keep(u64::from(ahead.unsigned_abs()), segment.payload);
        } else {
            let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            if let Some(fresh) = segment.payload.get(known..).filter(|rest| !rest.is_empty()) {
                self.advance(fresh.len());
                handed.push((fresh.to_vec(), false));
            }
        }
        self.join(&mut handed);
        let held = self.early.len();
        if self.early_bytes > EARLY_BYTES_MAX || held > EARLY_PIECES_MAX {
            self.skip(&mut handed);
        }
        if segment.fin || segment.rst {
            while !self.early.is_empty() {
                self.skip(&mut handed);
            }
            self.finished = true;
        }
        handed
    }

    fn keep(&mut self, ahead: u64, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let at = self.taken + ahead;
        let longer = self
            .early
            .get(&at)
            .is_none_or(|there| there.len() < payload.len());
        if longer {
            self.early_bytes += payload.len();
            let before = self.early.insert(at, payload.to_vec());
            self.early_bytes -= before.map_or(0, |before| before.len());
        }
    }

    fn advance(&mut self, len: usize) {
        self.taken += len as u64;
        let step = u32::try_from(len).unwrap_or(u32::MAX);
        self.next = self.next.map(|next| next.wrapping_add(step));
    }

    /// Hands on what came early and is next by now.
    fn join(&mut self, handed: &mut Vec<(Vec<u8>, bool)>) {
        while let Some(entry) = self.early.first_entry() {
            if *entry.key() > self.taken {
                return;
            }
            let (at, bytes) = entry.remove_entry();
            self.early_bytes -= bytes.len();
            let known = usize::try_from(self.taken - at).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(known..).filter(|rest| !rest.is_empty()) {
                self.advance(fresh.len());
                handed.push((fresh.to_vec(), false));
            }
        }
    }

    /// Gives up what is missing.
    fn skip(&mut self, handed: &mut Vec<(Vec<u8>, bool)>) {
        let Some((at, bytes)) = self.early.pop_first() else {
            return;
        };
        self.early_bytes -= bytes.len();
        let hole = usize::try_from(at.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        self.advance(hole);
        self.advance(bytes.len());
        handed.push((bytes, true));
        self.join(handed);
    }
}
