//! Removes old segments that everybody is past, and finds what was written since a time.
use std::path::Path;
use std::time::Duration;

use super::error::JournalError;
use super::reader::Reader;
use super::recover::{open, read_header, segments};
use super::scan::{Found, Scanner};
use super::storage::{DiskStorage, Storage};
use super::writer::Journal;

impl Journal {
    /// Removes whole segments that hold nothing but records before `position` and whose newest
    /// record is older than `keep` at `now_ms` (UTC, milliseconds since 1970). The caller knows
    /// that every consumer is past `position`. The newest segment always stays. Tells how many
    /// went.
    pub fn remove_before(
        &self,
        position: u64,
        keep: Duration,
        now_ms: i64,
    ) -> Result<usize, JournalError> {
        remove_before(self.storage(), position, keep, now_ms)
    }
}

/// As [`Journal::remove_before`], beside the writer: it never touches the segments that go.
pub fn remove_before(
    storage: &dyn Storage,
    position: u64,
    keep: Duration,
    now_ms: i64,
) -> Result<usize, JournalError> {
    let firsts = segments(storage)?;
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let oldest_kept = now_ms.saturating_sub(keep_ms);
    let mut removed = 0;
    // From the oldest on, so that what is left has no hole at any time.
    for pair in firsts.windows(2) {
        let [first, next] = *pair else { break };
        if next > position || began(storage, next)?.is_none_or(|at_ms| at_ms > oldest_kept) {
            break;
        }
        let name = super::format::segment_name(first);
        storage
            .remove(&name)
            .map_err(JournalError::io("remove", &name))?;
        storage.sync_dir("").map_err(JournalError::io("sync", ""))?;
        removed += 1;
    }
    Ok(removed)
}

/// The first position in the journal directory `dir` that was written at `at_ms` (UTC, milliseconds
/// since 1970) or later; `None` where there is none.
pub fn position_since(dir: &Path, at_ms: i64) -> Result<Option<u64>, JournalError> {
    let storage = DiskStorage::new(dir);
    let mut from = 0;
    for first in segments(&storage)?.into_iter().rev() {
        from = first;
        if began(&storage, first)?.is_some_and(|began| began < at_ms) {
            break;
        }
    }
    let mut reader = Reader::open(dir, from)?;
    while let Some(record) = reader.lend_until(u64::MAX)? {
        if record.at_ms >= at_ms {
            return Ok(Some(record.position));
        }
    }
    Ok(None)
}

/// When the first batch of a segment was written: everything in the one before is no younger.
fn began(storage: &dyn Storage, first: u64) -> Result<Option<i64>, JournalError> {
    let file = open(storage, first)?;
    let header = read_header(&*file, first)?;
    let mut scanner = Scanner::new(file, &header);
    Ok(match scanner.next()? {
        Found::Batch(_) => scanner.records().first().map(|record| record.at_ms),
        Found::Broken { .. } => None,
    })
}
