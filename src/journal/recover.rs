//! Opening a journal after any kind of end: keep whole batches, cut a torn tail, stop on damage.
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::{Damage, Flaw, JournalError};
use super::format::{Chain, HEADER_LEN, Header, Identity, segment_first, segment_name};
use super::scan::{Found, Scanner, Sort, Tail};
use super::segment::Segment;
use super::storage::{Storage, StorageFile, read_full, write_all};

const IDENTITY: &str = "id";

/// What recovery found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments in the directory.
    pub segments: usize,
    /// The oldest position that is kept; 0 in an empty journal.
    pub first: u64,
    /// The last position; 0 in an empty journal.
    pub last: u64,
    /// Records read and checked in the newest segment. Older ones are checked by `verify`.
    pub checked: u64,
    /// Bytes of an unfinished, never acknowledged batch that were cut off.
    pub cut: u64,
    /// The writer before stopped in good order.
    pub clean: bool,
    /// How long it took.
    pub took: Duration,
}

/// The journal as recovered.
pub(super) struct Recovered {
    /// Where to go on; `None` where there is no segment yet.
    pub(super) newest: Option<(Segment, Chain, u64)>,
    pub(super) report: Recovery,
}

/// Reads the journal's identity; makes one where there is none.
pub(super) fn identity(storage: &dyn Storage) -> Result<Identity, JournalError> {
    if let Some(identity) = read_identity(storage)? {
        return Ok(identity);
    }
    let identity = known_identity(storage)?.unwrap_or_else(fresh_identity);
    write_identity(storage, &identity)?;
    Ok(identity)
}

/// The journal's identity, from the oldest segment where its file is lost.
pub(super) fn known_identity(storage: &dyn Storage) -> Result<Option<Identity>, JournalError> {
    if let Some(identity) = read_identity(storage)? {
        return Ok(Some(identity));
    }
    let Some(first) = segments(storage)?.first().copied() else {
        return Ok(None);
    };
    let page = read_page(&*open(storage, first)?, &segment_name(first))?;
    Ok(Header::salvage(&page).ok().map(|header| header.identity))
}

/// The identity of the journal in `storage`; `None` where there is no journal yet.
pub fn identity_of(storage: &dyn Storage) -> Result<Option<[u8; 16]>, JournalError> {
    known_identity(storage)
}

fn read_identity(storage: &dyn Storage) -> Result<Option<Identity>, JournalError> {
    let io = |error| JournalError::io("read", IDENTITY)(error);
    let names = storage.list().map_err(io)?;
    if !names.iter().any(|name| name == IDENTITY) {
        return Ok(None);
    }
    let file = storage.open(IDENTITY, false).map_err(io)?;
    let mut identity = [0; 16];
    let len = read_full(&*file, &mut identity, 0).map_err(io)?;
    Ok((len == identity.len()).then_some(identity))
}

/// Opens a segment to read.
pub(super) fn open(
    storage: &dyn Storage,
    first: u64,
) -> Result<Arc<dyn StorageFile>, JournalError> {
    let name = segment_name(first);
    storage
        .open(&name, false)
        .map_err(JournalError::io("open", &name))
}

/// The first page of a segment, as far as there is one.
pub(super) fn read_page(file: &dyn StorageFile, name: &str) -> Result<Vec<u8>, JournalError> {
    let mut page = vec![0; usize::try_from(HEADER_LEN).unwrap_or(4096)];
    let len = read_full(file, &mut page, 0).map_err(JournalError::io("read", name))?;
    page.truncate(len);
    Ok(page)
}

fn write_identity(storage: &dyn Storage, identity: &Identity) -> Result<(), JournalError> {
    const NEW: &str = "id.new";
    let io = |error| JournalError::io("write", IDENTITY)(error);
    // One left by a start that was cut short.
    let _ = storage.remove(NEW);
    let file = storage.create(NEW).map_err(io)?;
    write_all(&*file, identity, 0).map_err(io)?;
    file.sync_all().map_err(io)?;
    storage.rename(NEW, IDENTITY).map_err(io)?;
    storage.sync_dir("").map_err(io)
}

/// 16 bytes that no other journal has: the standard library's random hash seeds and the time.
fn fresh_identity() -> Identity {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut identity = [0; 16];
    for half in identity.chunks_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u128(now.as_nanos());
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    identity
}

/// Reads and checks the header of the segment named by `first`.
pub(super) fn read_header(file: &dyn StorageFile, first: u64) -> Result<Header, JournalError> {
    let name = segment_name(first);
    let page = read_page(file, &name)?;
    let damaged = |flaw| {
        JournalError::Damaged(Damage {
            segment: name.clone(),
            offset: 0,
            position: 0,
            flaw,
        })
    };
    let header = Header::decode(&page).map_err(damaged)?;
    if header.first == first {
        Ok(header)
    } else {
        Err(damaged(Flaw::Name {
            found: header.first,
        }))
    }
}

/// Checks that the segments follow one another and recovers the newest.
pub(super) fn recover(
    storage: &dyn Storage,
    identity: &Identity,
) -> Result<Recovered, JournalError> {
    let start = Instant::now();
    let firsts = segments(storage)?;
    let Some(newest) = firsts.last().copied() else {
        return Ok(Recovered {
            newest: None,
            report: Recovery {
                clean: true,
                took: start.elapsed(),
                ..Recovery::default()
            },
        });
    };
    check_headers(storage, &firsts, identity)?;
    let name = segment_name(newest);
    let file = storage
        .open(&name, true)
        .map_err(JournalError::io("open", &name))?;
    read_past_cache(&*file, &name)?;
    let header = read_header(&*file, newest)?;
    let mut scanner = Scanner::new(Arc::clone(&file), &header);
    let (tail, counted) = run(&mut scanner)?;
    let cut = match tail {
        Tail::Blank => 0,
        Tail::Torn { end } => cut(&*file, &name, scanner.offset, end)?,
        Tail::Damaged(damage) => return Err(JournalError::Damaged(damage)),
    };
    let last = scanner.next - 1;
    let oldest = firsts.first().copied().unwrap_or(newest);
    let report = Recovery {
        segments: firsts.len(),
        first: if last < oldest { 0 } else { oldest },
        last,
        checked: counted.records,
        cut,
        clean: counted.clean && cut == 0,
        took: start.elapsed(),
    };
    let segment = Segment {
        salt: header.salt(),
        first: newest,
        before: header.before,
        len: file.len().map_err(JournalError::io("read", &name))?,
        offset: scanner.offset,
        file,
    };
    Ok(Recovered {
        newest: Some((segment, scanner.chain, scanner.next)),
        report,
    })
}

/// First positions of the segments there are, rising.
pub(super) fn segments(storage: &dyn Storage) -> Result<Vec<u64>, JournalError> {
    let names = storage.list().map_err(JournalError::io("list", ""))?;
    let mut firsts: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_first(name))
        .collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// Every header reads well, belongs to this journal, and names the segment before it.
fn check_headers(
    storage: &dyn Storage,
    firsts: &[u64],
    identity: &Identity,
) -> Result<(), JournalError> {
    let mut before = None;
    for first in firsts.iter().copied() {
        let name = segment_name(first);
        let file = open(storage, first)?;
        let header = read_header(&*file, first)?;
        let damaged = |flaw| {
            JournalError::Damaged(Damage {
                segment: name.clone(),
                offset: 0,
                position: first,
                flaw,
            })
        };
        if header.identity != *identity {
            return Err(damaged(Flaw::Foreign));
        }
        // The oldest one may name a segment that was removed in its time.
        if before.is_some_and(|before| before != header.before) {
            return Err(damaged(Flaw::Gap {
                before: header.before,
            }));
        }
        before = Some(first);
    }
    Ok(())
}

/// Makes what an earlier process wrote durable, so that it may be acknowledged as a repeat, and
/// then forgets the cache: after a failed sync it shows data that is not on the disk.
pub(super) fn read_past_cache(file: &dyn StorageFile, name: &str) -> Result<(), JournalError> {
    file.sync_all().map_err(JournalError::io("sync", name))?;
    file.drop_cache()
        .map_err(JournalError::io("drop the cache of", name))
}

/// What the whole batches of one segment come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) batches: u64,
    pub(super) records: u64,
    /// Positions that repair set aside.
    pub(super) lost: u64,
    /// The last batch says that the writer stopped in good order.
    pub(super) clean: bool,
}

/// Reads to the last whole batch and judges what follows.
pub(super) fn run(scanner: &mut Scanner) -> Result<(Tail, Counted), JournalError> {
    loop {
        // Only who is asked can stop it.
        if let Some(done) = run_paced(scanner, &mut |_| true)? {
            return Ok(done);
        }
    }
}

/// As [`run`]; `pace` is told the bytes of each batch and may take its time. Where it gives false,
/// nothing more is read, and nothing is told.
pub(super) fn run_paced(
    scanner: &mut Scanner,
    pace: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<(Tail, Counted)>, JournalError> {
    let mut counted = Counted::default();
    // What a writer is just writing may look like damage; that passes, damage does not.
    let mut looks = 0;
    loop {
        let from = scanner.offset;
        match scanner.next()? {
            Found::Batch(sort) => {
                looks = 0;
                counted.batches += 1;
                counted.records += scanner.records().len() as u64;
                counted.clean = sort == Sort::Stop;
                if let Sort::Repaired { lost } = sort {
                    counted.lost += lost;
                }
                if !pace(scanner.offset - from) {
                    return Ok(None);
                }
            }
            Found::Broken { at, position, flaw } => {
                let tail = scanner.judge(at, position, flaw)?;
                looks += 1;
                if looks == 3 || !matches!(tail, Tail::Damaged(_)) {
                    return Ok(Some((tail, counted)));
                }
                scanner.refresh();
            }
        }
    }
}

/// Zeroes the torn tail and makes that durable.
fn cut(file: &dyn StorageFile, name: &str, from: u64, to: u64) -> Result<u64, JournalError> {
    let torn = to.saturating_sub(from);
    let zeros = vec![0; usize::try_from(torn).unwrap_or(0)];
    write_all(file, &zeros, from).map_err(JournalError::io("write", name))?;
    file.sync_all().map_err(JournalError::io("sync", name))?;
    Ok(torn)
}
