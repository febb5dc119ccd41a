//! Checks a whole journal: every checksum, every link, the chain from end to end.
use std::path::Path;
use std::sync::Arc;

use super::error::{Damage, Flaw, JournalError};
use super::format::{Chain, Header, Identity, segment_name};
use super::recover::{Counted, known_identity, open, read_header, run, segments};
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
        let newest = index + 1 == firsts.len();
        before = match verified.segment(storage, first, identity, before.as_ref(), newest) {
            Ok(end) => Some(end),
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

/// Where a segment ends.
struct End {
    first: u64,
    next: u64,
    chain: Chain,
}

impl Verified {
    /// Reads one segment. An end is given only where it is known.
    fn segment(
        &mut self,
        storage: &dyn Storage,
        first: u64,
        identity: Option<Identity>,
        before: Option<&End>,
        newest: bool,
    ) -> Result<End, JournalError> {
        let name = segment_name(first);
        let file = open(storage, first)?;
        // Where the cache cannot be dropped, what it shows is still worth checking.
        let _ = file.drop_cache();
        let header = read_header(&*file, first)?;
        let scanned = self.batches_of(file, &header, newest);
        if let Some(flaw) = link_flaw(&header, identity, before) {
            return Err(JournalError::Damaged(Damage {
                segment: name,
                offset: 0,
                position: first,
                flaw,
            }));
        }
        scanned
    }

    /// Counts the whole batches of a segment.
    fn batches_of(
        &mut self,
        file: Arc<dyn StorageFile>,
        header: &Header,
        newest: bool,
    ) -> Result<End, JournalError> {
        let mut scanner = Scanner::new(file, header);
        let (tail, counted) = run(&mut scanner)?;
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
        Ok(End {
            first: header.first,
            next: scanner.next,
            chain: scanner.chain,
        })
    }

    fn add(&mut self, counted: Counted) {
        self.batches += counted.batches;
        self.records += counted.records;
        self.lost += counted.lost;
        self.clean = counted.clean;
    }
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
