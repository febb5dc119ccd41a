//! The floor: what the disk takes for one sync, and what group commit makes of it.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::load::histogram;

/// Bytes of the file that is written over, filled with zeros before.
const FILE_LEN: u64 = 64 << 20;

/// Bytes of one record.
pub const RECORD_LEN: usize = 200;

/// Bytes of the large write.
pub const LARGE_LEN: usize = 64 * 1024;

/// Writers that wait for their own record, each with the next one when it is durable.
#[derive(Debug)]
pub struct Group {
    /// Nanoseconds from handing in a record to knowing it durable.
    pub times: Histogram<u64>,
    /// How long it went on.
    pub lasted: Duration,
    /// Syncs in that time.
    pub syncs: u64,
}

/// The zero-filled file of one measurement; removed when dropped.
#[derive(Debug)]
pub struct Floor {
    file: File,
    _directory: tempfile::TempDir,
}

impl Floor {
    /// Makes the file in a new directory below `directory`.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let own = tempfile::Builder::new()
            .prefix("larm-bench-disk-")
            .tempdir_in(directory)?;
        let file = File::options()
            .create_new(true)
            .write(true)
            .open(own.path().join("floor"))?;
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_LEN).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            _directory: own,
        })
    }

    /// Nanoseconds of `fdatasync` after a write of `len` bytes, each behind the last one.
    pub fn sync(&self, len: usize, lasts: Duration) -> io::Result<Histogram<u64>> {
        let bytes = vec![0x5A; len];
        let mut times = histogram();
        let mut place = Place::new(len);
        let begin = Instant::now();
        while begin.elapsed() < lasts {
            self.file.write_all_at(&bytes, place.next(len))?;
            let written = Instant::now();
            self.file.sync_data()?;
            record(&mut times, written.elapsed());
        }
        Ok(times)
    }

    /// Group commit: what was handed in while one sync ran goes into the next.
    ///
    /// The waiters are counted, not run: a thread for each would measure the scheduler. Each hands
    /// in its next record when its last one is durable, so every write has one of each waiter,
    /// as in a gateway whose transmitters send when they have their answer.
    pub fn group(&self, waiters: usize, lasts: Duration) -> io::Result<Group> {
        let bytes = vec![0x5A; RECORD_LEN * waiters.max(1)];
        let mut times = histogram();
        let mut place = Place::new(bytes.len());
        let mut syncs = 0;
        let begin = Instant::now();
        while begin.elapsed() < lasts {
            let handed_in = Instant::now();
            self.file.write_all_at(&bytes, place.next(bytes.len()))?;
            self.file.sync_data()?;
            let took = handed_in.elapsed();
            syncs += 1;
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            // The histogram saturates above a minute, and `waiters` of them are no overflow.
            times.saturating_record_n(nanos, waiters.max(1) as u64);
        }
        Ok(Group {
            times,
            lasted: begin.elapsed(),
            syncs,
        })
    }
}

/// Goes through the file, and from the start again at its end.
struct Place {
    at: u64,
    end: u64,
}

impl Place {
    fn new(len: usize) -> Self {
        Self {
            at: 0,
            end: FILE_LEN.saturating_sub(len as u64),
        }
    }

    fn next(&mut self, len: usize) -> u64 {
        let at = self.at;
        self.at += len as u64;
        if self.at > self.end {
            self.at = 0;
        }
        at
    }
}

fn record(times: &mut Histogram<u64>, took: Duration) {
    times.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}
