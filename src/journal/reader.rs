//! Reads the records in order, from any position, also while they are written.
use std::path::Path;
use std::sync::Arc;

use super::error::{Damage, Flaw, JournalError};
use super::format::segment_name;
use super::recover::{open, read_header, segments};
use super::scan::{Found, Scanner, Tail};
use super::storage::{DiskStorage, Storage};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal.
    pub position: u64,
    /// When its batch was written: UTC, milliseconds since 1970.
    pub at_ms: i64,
    /// The bytes as they were appended.
    pub payload: Vec<u8>,
}

/// Where a record stands, for [`super::Lookup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First position of its segment.
    pub segment: u64,
    /// Byte in the segment's file at which its payload starts.
    pub offset: u64,
    /// Bytes of its payload, at most [`super::RECORD_LEN_MAX`].
    pub len: usize,
}

/// One record, lent by a [`Reader`] until it is asked again.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Its place in the journal.
    pub position: u64,
    /// When its batch was written: UTC, milliseconds since 1970.
    pub at_ms: i64,
    /// The bytes as they were appended.
    pub payload: &'r [u8],
    /// Where it stands.
    pub place: Place,
}

/// Follows a journal. Reads whole batches only; asked again at the end, it looks for new ones.
///
/// A reader in another process than the writer's sees a batch when it is written, which may be a
/// moment before it is durable; a reader in the same process limits itself with
/// [`Reader::next_until`] and the published position.
pub struct Reader {
    storage: Arc<dyn Storage>,
    /// The first position that is still wanted.
    from: u64,
    scanner: Option<Scanner>,
    /// Index of the next record in the scanner's batch.
    index: usize,
    /// The zeros at the end of this segment were looked through once.
    looked: bool,
}

impl Reader {
    /// Reads the journal in `dir` from position `from` on (0 and 1 mean: from the start). Where older
    /// segments were removed, reading starts at the oldest record that is left.
    pub fn open(dir: &Path, from: u64) -> Result<Self, JournalError> {
        Self::open_in(Arc::new(DiskStorage::new(dir)), from)
    }

    /// As [`Reader::open`], in any storage.
    pub fn open_in(storage: Arc<dyn Storage>, from: u64) -> Result<Self, JournalError> {
        let mut reader = Self {
            storage,
            from,
            scanner: None,
            index: 0,
            looked: false,
        };
        reader.find_segment()?;
        Ok(reader)
    }

    /// The next record; `None` at the end, for now.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends and goes on later would mislead"
    )]
    pub fn next(&mut self) -> Result<Option<Entry>, JournalError> {
        self.next_until(u64::MAX)
    }

    /// The next record that is not behind `last`.
    pub fn next_until(&mut self, last: u64) -> Result<Option<Entry>, JournalError> {
        Ok(self.lend_until(last)?.map(|record| Entry {
            position: record.position,
            at_ms: record.at_ms,
            payload: record.payload.to_vec(),
        }))
    }

    /// As [`Reader::next_until`], without a copy.
    pub fn lend_until(&mut self, last: u64) -> Result<Option<Record<'_>>, JournalError> {
        if self.from > last {
            return Ok(None);
        }
        let position = loop {
            if let Some(position) = self.buffered() {
                break position;
            }
            if !self.read_batch()? {
                return Ok(None);
            }
        };
        if position > last {
            return Ok(None);
        }
        let at = self.index;
        self.index += 1;
        self.from = position + 1;
        let record = self.scanner.as_ref().and_then(|scanner| {
            let record = scanner.records().get(at)?;
            let (segment, offset, len) = scanner.place(record);
            Some(Record {
                position,
                at_ms: record.at_ms,
                payload: scanner.body(record),
                place: Place {
                    segment,
                    offset,
                    len,
                },
            })
        });
        Ok(record)
    }

    /// The position of the next wanted record of the batch at hand.
    fn buffered(&mut self) -> Option<u64> {
        let records = self.scanner.as_ref()?.records();
        while records.get(self.index)?.position < self.from {
            self.index += 1;
        }
        records.get(self.index).map(|record| record.position)
    }

    /// Reads one more batch, in the next segment where this one has ended; false at the end.
    fn read_batch(&mut self) -> Result<bool, JournalError> {
        if self.scanner.is_none() {
            self.find_segment()?;
        }
        let Some(scanner) = self.scanner.as_mut() else {
            return Ok(false);
        };
        self.index = 0;
        // What looks broken may be half written; it is read anew before it is judged.
        for _ in 0..2 {
            if let Found::Batch(_) = scanner.next()? {
                return Ok(true);
            }
            scanner.refresh();
        }
        let reached = scanner.next;
        let newer = !scanner.starts_at(reached);
        if newer && segments(&*self.storage)?.contains(&reached) {
            // The writer went on elsewhere, so nothing more comes here; but a batch may have
            // come between the two looks.
            if let Found::Batch(_) = scanner.next()? {
                return Ok(true);
            }
            self.scanner = Some(self.scan(reached)?);
            self.looked = false;
            return Ok(true);
        }
        self.judge()
    }

    /// At a place where no whole batch stands: the end, or damage.
    fn judge(&mut self) -> Result<bool, JournalError> {
        let Some(scanner) = self.scanner.as_mut() else {
            return Ok(false);
        };
        for last_look in [false, true] {
            scanner.refresh();
            match scanner.next()? {
                Found::Batch(_) => return Ok(true),
                Found::Broken { at, position, flaw } => match scanner.judge(at, position, flaw)? {
                    Tail::Damaged(damage) if last_look => {
                        return Err(JournalError::Damaged(damage));
                    }
                    Tail::Damaged(_) => {}
                    Tail::Blank | Tail::Torn { .. } => break,
                },
            }
        }
        self.check_newer()
    }

    /// The end of a segment that has newer ones behind it, none of which follows, is damage.
    fn check_newer(&self) -> Result<bool, JournalError> {
        let Some(scanner) = self.scanner.as_ref() else {
            return Ok(false);
        };
        let newer = segments(&*self.storage)?
            .into_iter()
            .find(|first| *first > scanner.next);
        match newer {
            Some(first) => Err(JournalError::Damaged(Damage {
                segment: segment_name(first),
                offset: scanner.offset,
                position: scanner.next,
                flaw: Flaw::Missing,
            })),
            None => Ok(false),
        }
    }

    /// Goes to the segment that holds `from`, or to the oldest one where that is gone.
    fn find_segment(&mut self) -> Result<(), JournalError> {
        let firsts = segments(&*self.storage)?;
        let holding = firsts
            .iter()
            .rev()
            .find(|first| **first <= self.from.max(1))
            .or(firsts.first());
        if let Some(first) = holding {
            self.scanner = Some(self.scan(*first)?);
        }
        Ok(())
    }

    fn scan(&self, first: u64) -> Result<Scanner, JournalError> {
        let file = open(&*self.storage, first)?;
        let header = read_header(&*file, first)?;
        Ok(Scanner::new(file, &header))
    }
}
