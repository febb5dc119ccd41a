//! Checks the older segments of the journal after the start, beside the traffic.
//!
//! A start reads the newest segment whole and of the others the headers, so that it is quick however
//! long the journal is. Everything else is read here once per start, by a thread that steps back
//! for everybody. Damage stops nothing: what is received goes to the newest segment, and a reader
//! refuses the damaged place when it comes there. It is said as an error and stays in the metrics.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::background::lower_priority;
use crate::journal::{Checked, Storage, Verifier};

/// Bytes that are read in one go.
const PIECE: u64 = 1 << 20;
/// After each piece, so many times the time that it took is left to others, but not less than
/// [`PAUSE_MIN`] nor more than [`PAUSE_MAX`].
const PAUSES: u32 = 3;
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How far checking is, and what it found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Segments that are still to be checked.
    pub(super) left: AtomicU64,
    /// Segments that are damaged or cannot be read.
    pub(super) damaged: AtomicU64,
}

/// The thread. Dropped, it ends and is waited for, which takes no longer than one piece.
pub(super) struct Check {
    stop: Arc<AtomicBool>,
    findings: Arc<Findings>,
    thread: Option<JoinHandle<()>>,
}

impl Check {
    /// Starts on the segments that are there now; to be called before anything is appended.
    pub(super) fn spawn(storage: Arc<dyn Storage>) -> std::io::Result<Self> {
        let (stop, findings) = (Arc::<AtomicBool>::default(), Arc::<Findings>::default());
        let work = Work {
            stop: Arc::clone(&stop),
            findings: Arc::clone(&findings),
            verifier: Verifier::new(storage),
        };
        let thread = std::thread::Builder::new()
            .name("journal-check".to_owned())
            .spawn(move || work.run())?;
        Ok(Self {
            stop,
            findings,
            thread: Some(thread),
        })
    }

    /// How far it is.
    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("checking the journal panicked; run: larm journal verify");
            }
        }
    }
}

struct Work {
    stop: Arc<AtomicBool>,
    findings: Arc<Findings>,
    verifier: Result<Verifier, crate::journal::JournalError>,
}

impl Work {
    fn run(self) {
        lower_priority();
        let Self {
            stop,
            findings,
            verifier,
        } = self;
        let begun = Instant::now();
        let mut verifier = match verifier {
            Ok(verifier) => verifier,
            Err(error) => return tracing::error!(%error, "older segments cannot be checked"),
        };
        let mut pace = Pace::new(&stop);
        loop {
            let left = u64::try_from(verifier.left()).unwrap_or(u64::MAX);
            findings.left.store(left, Ordering::Relaxed);
            match verifier.next(&mut |bytes| pace.read(bytes)) {
                Ok(None | Some(Checked::Stopped)) => break,
                Ok(Some(Checked::Sound { .. } | Checked::Gone)) => {}
                Ok(Some(Checked::Damaged(damage))) => found(&findings, &damage),
                Err(error) => found(&findings, &error),
            }
        }
        if !stop.load(Ordering::Acquire) {
            let damaged = findings.damaged.load(Ordering::Relaxed);
            let took_s = begun.elapsed().as_secs();
            tracing::info!(damaged, took_s, "older segments of the journal checked");
        }
    }
}

fn found(findings: &Findings, what: &dyn std::fmt::Display) {
    findings.damaged.fetch_add(1, Ordering::Relaxed);
    tracing::error!(
        damage = %what,
        "the journal is damaged in an older segment; alarms are received all the same. Copy the \
         data directory, run `larm journal verify`, and at a quiet time `larm journal repair`"
    );
}

/// Takes its time.
struct Pace<'s> {
    stop: &'s AtomicBool,
    /// Bytes read since the last pause.
    read: u64,
    since: Instant,
}

impl<'s> Pace<'s> {
    fn new(stop: &'s AtomicBool) -> Self {
        Self {
            stop,
            read: 0,
            since: Instant::now(),
        }
    }

    /// Rests where a piece is read; false where it is time to end.
    fn read(&mut self, bytes: u64) -> bool {
        self.read += bytes;
        if self.read >= PIECE {
            let pause = (self.since.elapsed() * PAUSES).clamp(PAUSE_MIN, PAUSE_MAX);
            if !self.stop.load(Ordering::Acquire) {
                std::thread::park_timeout(pause);
            }
            self.read = 0;
            self.since = Instant::now();
        }
        !self.stop.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{DiskStorage, Journal, Options};

    const SMALL: Options = Options {
        segment_len: 64 << 10,
        reserve: 0,
        ahead: false,
    };

    /// Checks everything, and gives how many segments are damaged.
    fn damaged(directory: &std::path::Path) -> u64 {
        let check = Check::spawn(Arc::new(DiskStorage::new(directory))).unwrap();
        while !check.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(check.findings().left.load(Ordering::Relaxed), 0);
        check.findings().damaged.load(Ordering::Relaxed)
    }

    #[test]
    fn damage_in_an_old_segment_is_found_after_a_start_that_takes_alarms() {
        let directory = tempfile::TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(directory.path(), &SMALL).unwrap();
        for _ in 0..12 {
            journal.append([vec![7; 30_000].as_slice()], 1).unwrap();
        }
        drop(journal);
        assert_eq!(damaged(directory.path()), 0);
        let old = directory.path().join("00000000000000000001.seg");
        let mut bytes = std::fs::read(&old).unwrap();
        bytes[20_000] ^= 1;
        std::fs::write(&old, bytes).unwrap();
        let (mut journal, recovery) = Journal::open(directory.path(), &SMALL).unwrap();
        assert_eq!(recovery.last, 12);
        journal.append([[7; 30].as_slice()], 1).unwrap();
        assert_eq!(damaged(directory.path()), 1);
    }
}
