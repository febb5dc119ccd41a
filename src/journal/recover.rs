//! Opening a journal after any kind of end: keep whole batches, cut a torn tail, stop on damage.
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::{Damage, Flaw, JournalError};
use super::format::{Chain, HEADER_LEN, Header, Identity, segment_first, segment_name};
use super::scan::{Found, Scanner, Tail};
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
    let names = storage.list().map_err(JournalError::io("list", ""))?;
    if names.iter().any(|name| name == IDENTITY) {
        let io = |error| JournalError::io("read", IDENTITY)(error);
        let file = storage.open(IDENTITY, false).map_err(io)?;
        let mut identity = [0; 16];
        if read_full(&*file, &mut identity, 0).map_err(io)? == identity.len() {
            return Ok(identity);
        }
    }
    // Lost or never written: the oldest segment knows it.
    let oldest = names.iter().filter_map(|name| segment_first(name)).min();
    let identity = match oldest {
        Some(first) => {
            let name = segment_name(first);
            let file = storage
                .open(&name, false)
                .map_err(JournalError::io("open", &name))?;
            read_header(&*file, first)?.identity
        }
        None => fresh_identity(),
    };
    write_identity(storage, &identity)?;
    Ok(identity)
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
    let mut page = vec![0; usize::try_from(HEADER_LEN).unwrap_or(4096)];
    let len = read_full(file, &mut page, 0).map_err(JournalError::io("read", &name))?;
    page.truncate(len);
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
    let (tail, clean) = run(&mut scanner)?;
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
        checked: scanner.next - newest,
        cut,
        clean: clean && cut == 0,
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
        let file = storage
            .open(&name, false)
            .map_err(JournalError::io("open", &name))?;
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

/// Reads to the last whole batch and judges what follows; tells whether the last batch is a
/// mark of a stop in good order.
pub(super) fn run(scanner: &mut Scanner) -> Result<(Tail, bool), JournalError> {
    let mut clean = false;
    loop {
        match scanner.next()? {
            Found::Batch { stop } => clean = stop,
            Found::Broken { at, position, flaw } => {
                return Ok((scanner.judge(at, position, flaw)?, clean));
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
