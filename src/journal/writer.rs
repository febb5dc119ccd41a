//! The writer: one batch, one write, one sync, then the watermark.
use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use super::error::JournalError;
use super::format::{
    Chain, HEADER_LEN, Head, Header, Identity, RECORD_HEAD, RECORD_LEN_MAX, TRAILER_LEN,
    encode_record, encode_trailer, seal,
};
use super::published::Published;
use super::recover::{self, Recovery};
use super::segment::{Segment, Spares};
use super::storage::{DiskStorage, Storage, write_all};

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a segment, its header page included. A batch that does not fit gets a longer one.
    pub segment_len: u64,
    /// Bytes that must stay free on the file system; without them no new segment is begun.
    pub reserve: u64,
    /// Make the next segment ahead of need, in a helper thread.
    pub ahead: bool,
}

impl Default for Options {
    /// 64 MiB segments, 64 MiB in reserve, made ahead.
    fn default() -> Self {
        Self {
            segment_len: 64 << 20,
            reserve: 64 << 20,
            ahead: true,
        }
    }
}

/// The one writer of a journal.
pub struct Journal {
    spares: Spares,
    segment: Segment,
    identity: Identity,
    chain: Chain,
    /// The position of the next record.
    next: u64,
    /// The bytes of the batch that is being built; kept for the next one.
    batch: Vec<u8>,
    published: Published,
    failed: bool,
    /// Held for as long as this writer lives.
    _lock: Box<dyn Any + Send>,
}

/// A batch that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position of its first record.
    pub first: u64,
    /// Position of its last record. `first <= last`.
    pub last: u64,
    /// Bytes on disk, heads and trailer included.
    pub bytes: usize,
}

impl Journal {
    /// Opens the journal in `dir`, which is made where it is missing, and recovers it.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, Recovery), JournalError> {
        let disk = DiskStorage::new(dir);
        disk.prepare().map_err(JournalError::io("create", ""))?;
        Self::open_in(Arc::new(disk), options)
    }

    /// As [`Journal::open`], in any storage.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the journal keeps the storage for as long as it lives"
    )]
    pub fn open_in(
        storage: Arc<dyn Storage>,
        options: &Options,
    ) -> Result<(Self, Recovery), JournalError> {
        let lock = storage
            .lock()
            .map_err(JournalError::io("lock", "lock"))?
            .map_err(|owner| JournalError::Locked { owner })?;
        let identity = recover::identity(&*storage)?;
        let mut spares = Spares::new(
            Arc::clone(&storage),
            options.segment_len.max(HEADER_LEN + TRAILER_LEN as u64),
            options.reserve,
            options.ahead,
        )?;
        let recovered = recover::recover(&*storage, &identity)?;
        let (segment, chain, next) = if let Some(newest) = recovered.newest {
            newest
        } else {
            let header = Header {
                identity,
                first: 1,
                before: 0,
                chain: [0; 32],
            };
            (spares.activate(&header, 0)?, header.chain, 1)
        };
        spares.prepare();
        let journal = Self {
            spares,
            segment,
            identity,
            chain,
            next,
            batch: Vec::new(),
            published: Published::new(next - 1),
            failed: false,
            _lock: lock,
        };
        Ok((journal, recovered.report))
    }

    /// The shared view of what is durable.
    pub fn published(&self) -> Published {
        self.published.clone()
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        self.spares.storage()
    }

    /// The position that the next record gets.
    pub fn next_position(&self) -> u64 {
        self.next
    }

    /// Appends `records` as one batch with consecutive positions, all stamped `at_ms` (UTC,
    /// milliseconds since 1970), and returns when they are durable and published.
    ///
    /// [`JournalError::Full`] and [`JournalError::RecordTooLong`] leave the journal as it was; after
    /// any other error it takes nothing more. Without records nothing happens.
    pub fn append<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r [u8]>,
        at_ms: i64,
    ) -> Result<Option<Appended>, JournalError> {
        if self.failed {
            return Err(JournalError::Poisoned);
        }
        let first = self.next;
        let count = self.encode(records, at_ms)?;
        if count == 0 {
            return Ok(None);
        }
        let last = first + u64::from(count) - 1;
        self.commit(last, count, at_ms)?;
        Ok(Some(Appended {
            first,
            last,
            bytes: self.batch.len(),
        }))
    }

    /// Tries to go on where there was no room. The journal is healthy again when that worked.
    pub fn look_for_room(&mut self) -> Result<(), JournalError> {
        if self.failed || self.published.healthy() {
            return Ok(());
        }
        self.batch.clear();
        match self.rotate(0) {
            Err(JournalError::Full { .. }) => Ok(()),
            other => other,
        }
    }

    /// Takes nothing more and publishes nothing more, for good.
    pub fn poison(&mut self) {
        self.failed = true;
        self.published.fail();
    }

    /// Marks a stop in good order, so that the next start knows that nothing was under way.
    pub fn close(mut self, at_ms: i64) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Poisoned);
        }
        self.batch.clear();
        match self.commit(self.next - 1, 0, at_ms) {
            // Room for the mark is not worth a new segment.
            Err(JournalError::Full { .. }) => Ok(()),
            other => other,
        }
    }

    /// Builds the records in `batch` and tells how many.
    fn encode<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r [u8]>,
        at_ms: i64,
    ) -> Result<u32, JournalError> {
        self.batch.clear();
        let mut count = 0u32;
        for record in records {
            if record.len() > RECORD_LEN_MAX {
                return Err(JournalError::RecordTooLong { len: record.len() });
            }
            let position = self.next + u64::from(count);
            encode_record(&mut self.batch, self.segment.salt, position, at_ms, record);
            count += 1;
        }
        Ok(count)
    }

    /// Ends the batch, writes it, syncs, and publishes `last`.
    fn commit(&mut self, last: u64, count: u32, at_ms: i64) -> Result<(), JournalError> {
        let need = (self.batch.len() + TRAILER_LEN) as u64;
        if self.segment.offset + need > self.segment.len {
            self.rotate(need)?;
        }
        let salt = self.segment.salt;
        let chain = encode_trailer(&mut self.batch, salt, last, at_ms, count, &self.chain);
        if let Err(error) = self.write() {
            self.failed = true;
            self.published.fail();
            return Err(error);
        }
        self.chain = chain;
        self.next = last + 1;
        self.segment.offset += need;
        self.published.advance(last);
        Ok(())
    }

    fn write(&mut self) -> Result<(), JournalError> {
        let segment = &self.segment;
        let name = || super::format::segment_name(segment.first);
        write_all(&*segment.file, &self.batch, segment.offset)
            .map_err(|error| JournalError::io("write", &name())(error))?;
        segment
            .file
            .sync_data()
            .map_err(|error| JournalError::io("sync", &name())(error))
    }

    /// Goes on in a new segment that has room for `need` bytes of batch, and gives the records of
    /// the batch under construction the checksums that fit there.
    fn rotate(&mut self, need: u64) -> Result<(), JournalError> {
        // A segment without records is replaced by one of the same name.
        let empty = self.segment.first == self.next;
        let header = Header {
            identity: self.identity,
            first: self.next,
            before: if empty {
                self.segment.before
            } else {
                self.segment.first
            },
            chain: self.chain,
        };
        match self.spares.activate(&header, HEADER_LEN + need) {
            Ok(segment) => {
                self.segment = segment;
                self.published.full(false);
            }
            Err(error @ JournalError::Full { .. }) => {
                self.published.full(true);
                return Err(error);
            }
            Err(error) => {
                self.failed = true;
                self.published.fail();
                return Err(error);
            }
        }
        self.spares.prepare();
        self.reseal();
        Ok(())
    }

    /// Computes the checksums of the batch's records anew for the present segment.
    fn reseal(&mut self) {
        let mut rest = self.batch.as_mut_slice();
        while let Some(head) = Head::decode(rest) {
            let len = RECORD_HEAD + head.len as usize;
            let Some((record, behind)) = rest.split_at_mut_checked(len) else {
                break;
            };
            seal(record, self.segment.salt);
            rest = behind;
        }
    }
}
