//! Reads the batches of one segment in order, and judges what stands where a batch should.
//!
//! The judgement rests on three facts: a segment is zero where nothing was written; a batch is
//! written after the one before it is durable; a disk writes whole sectors. So a crash leaves at
//! most one incomplete batch, the last one, and that one lacks its end or whole sectors. Whatever
//! else does not fit its checksum was whole once, may have been acknowledged, and is damage.
use std::ops::Range;
use std::sync::Arc;

use super::error::{Damage, Flaw, JournalError};
use super::format::{
    Chain, HEADER_LEN, Head, Header, RECORD_HEAD, SECTOR, TRAILER_LEN, Trailer, chained, mark_chain,
};
use super::storage::{StorageFile, read_full};

/// Most bytes that are read at once.
const WINDOW: usize = 256 << 10;
/// Bytes that are read at once after [`Scanner::refresh`], doubled from read to read: whoever
/// follows a writer reads little beyond what was written.
const WINDOW_FIRST: usize = 16 << 10;

/// Walks over the whole batches of one segment.
pub(super) struct Scanner {
    file: Arc<dyn StorageFile>,
    name: String,
    first: u64,
    salt: u32,
    /// Where the next batch starts in the file.
    pub(super) offset: u64,
    /// The position that the next record must bear.
    pub(super) next: u64,
    pub(super) chain: Chain,
    /// Bytes of the file from `window_at`. `window_at <= offset`.
    window: Vec<u8>,
    window_at: u64,
    /// Bytes that the next read asks for.
    step: usize,
    records: Vec<RecordAt>,
    /// The mark of the current batch: the next position, and the chain to go on with.
    mark: Option<(u64, Chain)>,
}

/// Where a record of the current batch stands in the scanner's window.
#[derive(Clone, Debug)]
pub(super) struct RecordAt {
    pub(super) position: u64,
    pub(super) at_ms: i64,
    body: Range<usize>,
}

/// What stands at the scanner's place.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole batch; the scanner stands behind it now.
    Batch(Sort),
    /// No whole batch. `at` is the first byte that does not fit.
    Broken { at: u64, position: u64, flaw: Flaw },
}

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// It has records.
    Records,
    /// It has none: the writer stopped in good order here.
    Stop,
    /// Repair put it there; this many positions before the next one are set aside.
    Repaired { lost: u64 },
}

/// What follows the last whole batch of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing but zeros.
    Blank,
    /// The remains of a batch that was never acknowledged, up to `end`.
    Torn { end: u64 },
    /// Something that was whole once.
    Damaged(Damage),
}

impl Scanner {
    /// At the first batch of the segment with this header.
    pub(super) fn new(file: Arc<dyn StorageFile>, header: &Header) -> Self {
        Self {
            file,
            name: header.file_name(),
            first: header.first,
            salt: header.salt(),
            offset: HEADER_LEN,
            next: header.first,
            chain: header.chain,
            window: Vec::new(),
            window_at: HEADER_LEN,
            step: WINDOW,
            records: Vec::new(),
            mark: None,
        }
    }

    /// The records of the batch found last.
    pub(super) fn records(&self) -> &[RecordAt] {
        &self.records
    }

    /// The payload of one of [`Scanner::records`].
    pub(super) fn body(&self, record: &RecordAt) -> &[u8] {
        self.window.get(record.body.clone()).unwrap_or_default()
    }

    /// Where the payload of one of [`Scanner::records`] stands: first position of the segment, byte
    /// in its file, length.
    pub(super) fn place(&self, record: &RecordAt) -> (u64, u64, usize) {
        let at = self.window_at + record.body.start as u64;
        (self.first, at, record.body.len())
    }

    /// Whether this is the segment that starts at `first`.
    pub(super) fn starts_at(&self, first: u64) -> bool {
        self.first == first
    }

    /// Forgets what was read, so that bytes that were written meanwhile are seen.
    pub(super) fn refresh(&mut self) {
        self.window.clear();
        self.window_at = self.offset;
        self.step = WINDOW_FIRST;
        self.records.clear();
    }

    /// Reads the next batch.
    pub(super) fn next(&mut self) -> Result<Found, JournalError> {
        self.records.clear();
        self.mark = None;
        let start = self.drop_read();
        let mut at = start;
        loop {
            let position = self.next + self.records.len() as u64;
            let place = self.window_at + at as u64;
            let broken = |flaw| Found::Broken {
                at: place,
                position,
                flaw,
            };
            if self.fill(at + RECORD_HEAD)? < at + RECORD_HEAD {
                return Ok(broken(Flaw::Missing));
            }
            let Some(head) = self.window.get(at..).and_then(Head::decode) else {
                return Ok(broken(Flaw::Missing));
            };
            if head.is_blank() {
                return Ok(broken(Flaw::Missing));
            }
            let len = match head.plausible() {
                Ok(len) => len,
                Err(flaw) => return Ok(broken(flaw)),
            };
            if self.fill(at + len)? < at + len {
                return Ok(broken(Flaw::Length { found: head.len }));
            }
            let record = self.window.get(at..at + len).unwrap_or_default();
            if let Err(flaw) = head.check(self.salt, record) {
                return Ok(broken(flaw));
            }
            if head.is_trailer() {
                let closed = self.close(&head, start, at);
                return Ok(closed.map_or_else(broken, Found::Batch));
            }
            if head.is_mark() && head.position >= position {
                self.mark = mark_chain(record).map(|chain| (head.position, chain));
                at += len;
                continue;
            }
            if head.position != position || self.mark.is_some() {
                return Ok(broken(Flaw::Position {
                    found: head.position,
                }));
            }
            self.records.push(RecordAt {
                position,
                at_ms: head.at_ms,
                body: at + RECORD_HEAD..at + len,
            });
            at += len;
        }
    }

    /// Checks the trailer at `at` of the batch that starts at `start`, and moves behind it.
    fn close(&mut self, head: &Head, start: usize, at: usize) -> Result<Sort, Flaw> {
        let count = self.records.len();
        let next = self.next + count as u64;
        let last = self.mark.map_or(next, |(next, _)| next) - 1;
        let batch = self.window.get(start..at).unwrap_or_default();
        let record = self.window.get(at..at + TRAILER_LEN).unwrap_or_default();
        let trailer = Trailer::decode(record).ok_or(Flaw::Count)?;
        if head.position != last {
            return Err(Flaw::Position {
                found: head.position,
            });
        }
        if trailer.count as usize != count || trailer.batch_len as usize != at - start + TRAILER_LEN
        {
            return Err(Flaw::Count);
        }
        let chain = chained(&self.chain, batch);
        if chain != trailer.chain {
            return Err(Flaw::Chain);
        }
        self.chain = self.mark.map_or(chain, |(_, chain)| chain);
        self.next = last + 1;
        self.offset += (at - start + TRAILER_LEN) as u64;
        Ok(match self.mark {
            Some((after, _)) => Sort::Repaired { lost: after - next },
            None if count == 0 => Sort::Stop,
            None => Sort::Records,
        })
    }

    /// Every whole record behind the scanner's place, wherever it stands: position, time, payload.
    /// Positions rise.
    pub(super) fn salvage(&self) -> Result<Vec<(u64, i64, Vec<u8>)>, JournalError> {
        let rest = self.rest()?;
        let mut found = Vec::new();
        let (mut at, mut next) = (0, self.next);
        while let Some(head) = rest.get(at..).and_then(Head::decode) {
            let whole = (head.is_record() && head.position >= next)
                .then(|| head.plausible().ok())
                .flatten()
                .and_then(|len| rest.get(at..at + len))
                .filter(|record| head.check(self.salt, record).is_ok());
            let Some(record) = whole else {
                at += 1;
                continue;
            };
            let body = record.get(RECORD_HEAD..).unwrap_or_default().to_vec();
            found.push((head.position, head.at_ms, body));
            next = head.position + 1;
            at += record.len();
        }
        Ok(found)
    }

    /// The last position that a whole trailer behind the scanner's place tells; 0 without one.
    pub(super) fn last_claimed(&self) -> Result<u64, JournalError> {
        let rest = self.rest()?;
        let last = self.trailers(&rest).last();
        let head = last.and_then(|(end, _)| Head::decode(rest.get(end - TRAILER_LEN..)?));
        Ok(head.map_or(0, |head| head.position))
    }

    /// Where `offset` stands in the window. The bytes before it are dropped once they are many, so
    /// that a batch does not move all that was read behind it.
    fn drop_read(&mut self) -> usize {
        let read = usize::try_from(self.offset - self.window_at).unwrap_or(usize::MAX);
        if read < WINDOW && read <= self.window.len() {
            return read;
        }
        self.window.drain(..read.min(self.window.len()));
        self.window_at = self.offset;
        0
    }

    /// Has at least `need` bytes in the window, unless the file ends; tells how many there are.
    fn fill(&mut self, need: usize) -> Result<usize, JournalError> {
        if self.window.len() < need {
            let have = self.window.len();
            self.window.resize(need.max(have + self.step), 0);
            self.step = WINDOW.min(self.step * 2);
            let at = self.window_at + have as u64;
            let new = self.window.get_mut(have..).unwrap_or_default();
            let read =
                read_full(&*self.file, new, at).map_err(JournalError::io("read", &self.name))?;
            self.window.truncate(have + read);
        }
        Ok(self.window.len())
    }

    /// Judges what stands from the scanner's place to the end of the file, after
    /// [`Found::Broken`] with these values.
    pub(super) fn judge(
        &mut self,
        at: u64,
        position: u64,
        flaw: Flaw,
    ) -> Result<Tail, JournalError> {
        let rest = self.rest()?;
        let Some(end) = rest.iter().rposition(|byte| *byte != 0).map(|i| i + 1) else {
            return Ok(Tail::Blank);
        };
        let rest = rest.get(..end).unwrap_or_default();
        let bad = usize::try_from(at - self.offset).unwrap_or(usize::MAX);
        if self.was_whole(rest, bad, flaw) {
            return Ok(Tail::Damaged(Damage {
                segment: self.name.clone(),
                offset: at,
                position,
                flaw,
            }));
        }
        Ok(Tail::Torn {
            end: self.offset + end as u64,
        })
    }

    /// Everything from the scanner's place to the end of the file.
    fn rest(&self) -> Result<Vec<u8>, JournalError> {
        let io = |error| JournalError::io("read", &self.name)(error);
        let len = self.file.len().map_err(io)?.saturating_sub(self.offset);
        let mut rest = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let read = read_full(&*self.file, &mut rest, self.offset).map_err(io)?;
        rest.truncate(read);
        Ok(rest)
    }

    /// Whether `rest`, which starts at the scanner's place, ends in a byte that is not zero and
    /// does not fit from `bad` on, was a whole batch once (or has one behind it).
    fn was_whole(&self, rest: &[u8], bad: usize, flaw: Flaw) -> bool {
        match flaw {
            // Checksums hold, so every sector is there: somebody changed or moved records.
            Flaw::Chain | Flaw::Count | Flaw::Position { .. } => return true,
            _ => {}
        }
        let mut trailers = self.trailers(rest);
        if let Some((end, batch_len)) = trailers.next() {
            let another = trailers.next().is_some();
            return another || batch_len != end || !self.lacks_sector(rest, bad, end);
        }
        // No trailer fits; but one that was written to its last byte may end the rest.
        Trailer::was_meant(rest.get(bad..).unwrap_or_default())
            && !self.lacks_sector(rest, bad, rest.len())
    }

    /// The trailers in `rest` whose checksums fit: where each ends, and the length of its batch.
    fn trailers<'r>(&self, rest: &'r [u8]) -> impl Iterator<Item = (usize, usize)> + use<'r> {
        let salt = self.salt;
        rest.windows(TRAILER_LEN)
            .enumerate()
            .filter_map(move |(at, record)| {
                let head = Head::decode(record)?;
                if !head.is_trailer() || head.plausible() != Ok(TRAILER_LEN) {
                    return None;
                }
                let trailer = Trailer::decode(record)?;
                head.check(salt, record).ok()?;
                Some((at + TRAILER_LEN, trailer.batch_len as usize))
            })
    }

    /// Whether the part of some sector that lies in `rest[..end]` is all zero and reaches behind
    /// `bad`, so that a crash may have kept it from the disk.
    fn lacks_sector(&self, rest: &[u8], bad: usize, end: usize) -> bool {
        let into = usize::try_from(self.offset % SECTOR as u64).unwrap_or(0);
        let mut start = 0;
        let mut stop = SECTOR - into;
        while start < end {
            let piece = rest.get(start..stop.min(end)).unwrap_or_default();
            if stop > bad && piece.iter().all(|byte| *byte == 0) {
                return true;
            }
            start = stop;
            stop += SECTOR;
        }
        false
    }
}
