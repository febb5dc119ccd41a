//! Checks a whole journal: every checksum, every link, the chain from end to end.
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::error::{Damage, Flaw, JournalError};
use super::format::{Chain, Header, Identity, segment_name};
use super::recover::{Counted, known_identity, open, read_header, run_paced, segments};
use super::scan::{Scanner, Tail};
use super::storage::{DiskStorage, Storage, StorageFile};

/// What a journal holds and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments read.
    pub segments: usize,
    /// Whole batches, marks included.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Position of the oldest record; 0 where there is none.
    pub first: u64,
    /// Position of the last record; 0 where there is none.
    pub last: u64,
    /// Positions that an earlier repair set aside.
    pub lost: u64,
    /// Bytes of an unfinished batch at the end, which the next start cuts.
    pub unfinished: u64,
    /// The writer stopped in good order.
    pub clean: bool,
    /// The chain value at the end, which stands for everything before it.
    pub chain: [u8; 32],
    /// The first bad place of each damaged segment. Empty: the journal is sound.
    pub damage: Vec<Damage>,
}

/// Verifies the journal in `dir`. Changes nothing, and may run while it is written.
pub fn verify(dir: &Path) -> Result<Verified, JournalError> {
    verify_in(&DiskStorage::new(dir))
}

/// As [`verify`], in any storage.
pub fn verify_in(storage: &dyn Storage) -> Result<Verified, JournalError> {
    let firsts = segments(storage)?;
    let mut verified = Verified {
        segments: firsts.len(),
        first: firsts.first().copied().unwrap_or(0),
        ..Verified::default()
    };
    let identity = known_identity(storage)?;
    let mut before: Option<End> = None;
    for (index, first) in firsts.iter().copied().enumerate() {
        let segment = Segment {
            first,
            identity,
            newest: index + 1 == firsts.len(),
        };
        before = match verified.segment(storage, &segment, before.as_ref(), &mut |_| true) {
            Ok(end) => end,
            Err(JournalError::Damaged(damage)) => {
                verified.damage.push(damage);
                None
            }
            Err(error) => return Err(error),
        };
    }
    if verified.records == 0 {
        verified.first = 0;
    }
    Ok(verified)
}

/// Checks, one by one, the segments that a start does not read: all but the newest.
///
/// Made before anything is appended. Beside the writer it sees what the start relied on.
pub struct Verifier {
    storage: Arc<dyn Storage>,
    identity: Option<Identity>,
    /// First positions that are left, the newest segment's last.
    left: VecDeque<u64>,
    /// Where the segment before ended; `None` where that is not known.
    before: Option<End>,
}

/// What became of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is as it was written, and follows the one before.
    Sound {
        /// The last position in it.
        last: u64,
    },
    /// It is not. What stands in front of the damage can be read.
    Damaged(Damage),
    /// It went while it was read or before.
    Gone,
    /// The pace said so.
    Stopped,
}

impl Verifier {
    /// Notes which segments there are.
    pub fn new(storage: Arc<dyn Storage>) -> Result<Self, JournalError> {
        Ok(Self {
            identity: known_identity(&*storage)?,
            left: segments(&*storage)?.into(),
            before: None,
            storage,
        })
    }

    /// Segments that are still to be checked.
    pub fn left(&self) -> usize {
        self.left.len().saturating_sub(1)
    }

    /// Checks the next segment; `None` after the last one. `pace` is told of each batch's bytes and
    /// may take its time; where it gives false, checking ends. After an error the next call goes
    /// on behind that segment.
    pub fn next(
        &mut self,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Checked>, JournalError> {
        let Some(first) = self.left.pop_front() else {
            return Ok(None);
        };
        let before = self.before.take();
        let newest = self.left.is_empty();
        let checked = if newest {
            self.link(first, before.as_ref())
        } else {
            let segment = Segment {
                first,
                identity: self.identity,
                newest,
            };
            Verified::default().segment(&*self.storage, &segment, before.as_ref(), pace)
        };
        match checked {
            // The newest one itself was read at the start.
            Ok(_) if newest => Ok(None),
            Ok(Some(end)) => {
                let last = end.next - 1;
                self.before = Some(end);
                Ok(Some(Checked::Sound { last }))
            }
            Ok(None) => Ok(Some(Checked::Stopped)),
            Err(JournalError::Damaged(damage)) => Ok(Some(Checked::Damaged(damage))),
            Err(_) if !segments(&*self.storage)?.contains(&first) => Ok(Some(Checked::Gone)),
            Err(error) => Err(error),
        }
    }

    /// Whether the segment follows the one before.
    fn link(&self, first: u64, before: Option<&End>) -> Result<Option<End>, JournalError> {
        let header = read_header(&*open(&*self.storage, first)?, first)?;
        match link_flaw(&header, self.identity, before) {
            None => Ok(None),
            Some(flaw) => Err(damaged_link(first, flaw)),
        }
    }
}

/// Which segment, and what is known of it.
struct Segment {
    first: u64,
    identity: Option<Identity>,
    newest: bool,
}

/// Where a segment ends.
struct End {
    first: u64,
    next: u64,
    chain: Chain,
}

impl Verified {
    /// Reads one segment. Its end is given unless `pace` ended it.
    fn segment(
        &mut self,
        storage: &dyn Storage,
        segment: &Segment,
        before: Option<&End>,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<End>, JournalError> {
        let file = open(storage, segment.first)?;
        // Where the cache cannot be dropped, what it shows is still worth checking.
        let _ = file.drop_cache();
        let header = read_header(&*file, segment.first)?;
        let scanned = self.batches_of(file, &header, segment.newest, pace);
        match link_flaw(&header, segment.identity, before) {
            Some(flaw) => Err(damaged_link(segment.first, flaw)),
            None => scanned,
        }
    }

    /// Counts the whole batches of a segment.
    fn batches_of(
        &mut self,
        file: Arc<dyn StorageFile>,
        header: &Header,
        newest: bool,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<End>, JournalError> {
        let mut scanner = Scanner::new(file, header);
        let Some((tail, counted)) = run_paced(&mut scanner, pace)? else {
            return Ok(None);
        };
        self.add(counted);
        if counted.records > 0 {
            self.last = scanner.next - 1;
        }
        self.chain = scanner.chain;
        match tail {
            Tail::Damaged(damage) => return Err(JournalError::Damaged(damage)),
            Tail::Torn { end } if newest => self.unfinished = end - scanner.offset,
            // The next segment was begun after everything here was durable.
            Tail::Torn { .. } => {
                return Err(JournalError::Damaged(Damage {
                    segment: header.file_name(),
                    offset: scanner.offset,
                    position: scanner.next,
                    flaw: Flaw::Missing,
                }));
            }
            Tail::Blank => {}
        }
        Ok(Some(End {
            first: header.first,
            next: scanner.next,
            chain: scanner.chain,
        }))
    }

    fn add(&mut self, counted: Counted) {
        self.batches += counted.batches;
        self.records += counted.records;
        self.lost += counted.lost;
        self.clean = counted.clean;
    }
}

fn damaged_link(first: u64, flaw: Flaw) -> JournalError {
    JournalError::Damaged(Damage {
        segment: segment_name(first),
        offset: 0,
        position: first,
        flaw,
    })
}

/// What is wrong with the way a segment follows the one before, where that one is sound.
pub(super) fn link_flaw_of(header: &Header, before: u64, next: u64, chain: &Chain) -> Option<Flaw> {
    if header.before != before {
        return Some(Flaw::Gap {
            before: header.before,
        });
    }
    if header.first != next {
        return Some(Flaw::Missing);
    }
    (header.chain != *chain).then_some(Flaw::Chain)
}

fn link_flaw(header: &Header, identity: Option<Identity>, before: Option<&End>) -> Option<Flaw> {
    if identity.is_some_and(|identity| identity != header.identity) {
        return Some(Flaw::Foreign);
    }
    let before = before?;
    link_flaw_of(header, before.first, before.next, &before.chain)
}
