//! Reads single records from where a [`super::Reader`] found them.
use std::path::Path;
use std::sync::Arc;

use super::error::{Damage, Flaw, JournalError};
use super::format::{Head, RECORD_HEAD, segment_name};
use super::reader::{Place, Record};
use super::recover::{open, read_header};
use super::storage::{DiskStorage, Storage, StorageFile, read_full};

/// Segments that are kept open.
const OPEN_MAX: usize = 4;
/// Most bytes that are read ahead at once.
const AHEAD_MAX: usize = 1 << 20;

/// Random access. Every record is checked against its checksum; the chain of its batch is not,
/// since a reader did that when it found the place.
pub struct Lookup {
    storage: Arc<dyn Storage>,
    /// The one used last stands last.
    opened: Vec<Opened>,
    /// Bytes of `segment` from `at`.
    window: Vec<u8>,
    segment: u64,
    at: u64,
}

struct Opened {
    first: u64,
    salt: u32,
    file: Arc<dyn StorageFile>,
}

impl Lookup {
    /// In the journal directory `dir`.
    pub fn open(dir: &Path) -> Self {
        Self::open_in(Arc::new(DiskStorage::new(dir)))
    }

    /// As [`Lookup::open`], in any storage.
    pub fn open_in(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            opened: Vec::new(),
            window: Vec::new(),
            segment: 0,
            at: 0,
        }
    }

    /// The record at `place`, which must bear `position`.
    ///
    /// `wanted` is the number of bytes from the start of its payload up to the end of the last
    /// record that will be asked for next, in rising order: they are read together as far as that is
    /// bounded. With `wanted` 0 this record alone is read.
    pub fn read(
        &mut self,
        position: u64,
        place: Place,
        wanted: u64,
    ) -> Result<Record<'_>, JournalError> {
        let start = place.offset.saturating_sub(RECORD_HEAD as u64);
        let len = RECORD_HEAD + place.len;
        let salt = self.file(place.segment)?.salt;
        let at = match self.windowed(place.segment, start, len) {
            Some(at) => at,
            None => self.fill(place.segment, start, len, wanted)?,
        };
        let record = self.window.get(at..at + len).unwrap_or_default();
        let damaged = |flaw| {
            JournalError::Damaged(Damage {
                segment: segment_name(place.segment),
                offset: start,
                position,
                flaw,
            })
        };
        let head = Head::decode(record).ok_or_else(|| damaged(Flaw::Missing))?;
        if !head.is_record() || head.len as usize != place.len {
            return Err(damaged(Flaw::Length { found: head.len }));
        }
        head.check(salt, record).map_err(damaged)?;
        if head.position != position {
            return Err(damaged(Flaw::Position {
                found: head.position,
            }));
        }
        Ok(Record {
            position,
            at_ms: head.at_ms,
            payload: record.get(RECORD_HEAD..).unwrap_or_default(),
            place,
        })
    }

    /// Where in the window these bytes stand.
    fn windowed(&self, segment: u64, start: u64, len: usize) -> Option<usize> {
        let at = usize::try_from(start.checked_sub(self.at)?).ok()?;
        (segment == self.segment && at.checked_add(len)? <= self.window.len()).then_some(at)
    }

    fn fill(
        &mut self,
        segment: u64,
        start: u64,
        len: usize,
        wanted: u64,
    ) -> Result<usize, JournalError> {
        let wanted = usize::try_from(wanted).unwrap_or(AHEAD_MAX).min(AHEAD_MAX);
        let file = Arc::clone(&self.file(segment)?.file);
        self.window.clear();
        self.window.resize(len.max(RECORD_HEAD + wanted), 0);
        (self.segment, self.at) = (segment, start);
        let read = read_full(&*file, &mut self.window, start)
            .map_err(|error| JournalError::io("read", &segment_name(segment))(error))?;
        self.window.truncate(read);
        Ok(0)
    }

    fn file(&mut self, first: u64) -> Result<&Opened, JournalError> {
        let known = self.opened.iter().position(|opened| opened.first == first);
        if let Some(at) = known {
            let opened = self.opened.remove(at);
            self.opened.push(opened);
        } else {
            let file = open(&*self.storage, first)?;
            let salt = read_header(&*file, first)?.salt();
            if self.opened.len() >= OPEN_MAX {
                self.opened.remove(0);
            }
            self.opened.push(Opened { first, salt, file });
        }
        Ok(self
            .opened
            .last()
            .expect("one was pushed in either branch above"))
    }
}
