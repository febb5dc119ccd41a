//! The thread that copies from the journal to the history.
//!
//! It stands apart from the way of an acknowledgement: an own thread at low priority that holds at
//! most one batch, falls behind under load and catches up afterwards. Errors are counted, logged
//! and tried again after a pause that doubles; none of them reaches the receiving side.
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use larm_event::Timestamp;

use super::progress::Progress;
use super::repeats::{self, Repeated, Repeats};
use super::{HistoryError, Source, SourceError, Writer, aside, keep_months};
use crate::background::lower_priority;
use crate::journal::Entry;

/// Most entries in one transaction where hardly anything is received: the more, the fewer times a page
/// of an index is written.
const BATCH_ROWS_MAX: usize = 1_024;
/// Most of them while alarms come in: a transaction goes to the disk in one piece, and a commit of the
/// journal that comes meanwhile waits for it.
const BATCH_ROWS_BESIDE: usize = 256;
/// Most payload bytes in one batch; one entry may go beyond.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Pause where nothing new is published.
const IDLE: Duration = Duration::from_millis(20);
/// Time between two syncs, which move what the journal may forget.
const SYNC_EVERY: Duration = Duration::from_secs(10);
/// Time between two looks for months that may go.
const KEEP_EVERY: Duration = Duration::from_mins(10);
/// Records published in a second from which on somebody would notice that the disk is taken.
const SOME_PER_SECOND: u128 = 100;
/// The same from which on receiving is at work in earnest.
const MUCH_PER_SECOND: u128 = 4_000;
/// How many times as long as storing a batch took is waited before the next one, where some or much is
/// received. The disk and the processors are left to who waits for an answer. With the first the
/// history keeps up; with the second it falls behind and catches up, and whoever reads events gets
/// the newest ones from the journal.
const REST_SOME: u32 = 3;
const REST_MUCH: u32 = 19;
/// The longest such wait.
const REST_MAX: Duration = Duration::from_secs(2);
/// First and longest pause after an error.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// A running filler. Dropping it asks the thread to end and does not wait; [`Filler::stop`] waits.
pub struct Filler {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    keep: Arc<AtomicU32>,
    progress: Arc<Progress>,
    repeats: Repeats,
}

impl Filler {
    /// Starts the thread.
    ///
    /// `open` gives a source that begins at the position it is passed, or at the oldest entry left;
    /// it is called at the start and after each error. `published` is the last position that is
    /// durable in the journal, 0 for none; nothing behind it is stored.
    ///
    /// # Errors
    /// Only where the system gives no thread.
    pub fn spawn<S: Source>(
        directory: PathBuf,
        open: impl FnMut(u64) -> Result<S, SourceError> + Send + 'static,
        published: impl Fn() -> u64 + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let keep = Arc::new(AtomicU32::new(0));
        let progress = Arc::new(Progress::default());
        let (repeats, told) = Repeats::channel(&progress);
        let mut work = Work {
            directory,
            open,
            published,
            stop: Arc::clone(&stop),
            keep: Arc::clone(&keep),
            kept_at: None,
            pace: Pace::default(),
            told,
            repeats_fail: false,
            progress: Arc::clone(&progress),
        };
        let thread = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || work.run())?;
        Ok(Self {
            thread: Some(thread),
            stop,
            keep,
            progress,
            repeats,
        })
    }

    /// Keeps `months` whole calendar months besides the current one and removes older ones, now
    /// and from time to time; 0, as at the start, keeps all. Can be changed at any time.
    pub fn keep_months(&self, months: u32) {
        self.keep.store(months, Ordering::Release);
    }

    /// Where repeats of stored events, and of events that are still to be stored, are told.
    #[must_use]
    pub fn repeats(&self) -> Repeats {
        self.repeats.clone()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// False after the thread ended, which before [`Filler::stop`] means that it panicked.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the thread after its current batch, syncs, and waits for it. What was published and
    /// not copied yet is copied after the next start. Returns false where the thread panicked.
    pub fn stop(mut self) -> bool {
        self.ask_to_end();
        self.thread
            .take()
            .is_none_or(|thread| thread.join().is_ok())
    }

    fn ask_to_end(&self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.ask_to_end();
    }
}

/// What made an attempt end before it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// How much is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Receiving {
    #[default]
    Little,
    Some,
    Much,
}

impl Receiving {
    /// Most entries in one transaction.
    fn rows_max(self) -> usize {
        match self {
            Self::Little => BATCH_ROWS_MAX,
            Self::Some | Self::Much => BATCH_ROWS_BESIDE,
        }
    }

    /// How long the thread rests after a batch that took `spent`.
    fn rest(self, spent: Duration) -> Duration {
        let times = match self {
            Self::Little => 0,
            Self::Some => REST_SOME,
            Self::Much => REST_MUCH,
        };
        (spent * times).min(REST_MAX)
    }
}

/// How much is received while the history is filled.
#[derive(Default)]
struct Pace {
    /// When it was looked last, and what was published then.
    looked: Option<(Instant, u64)>,
    receiving: Receiving,
}

impl Pace {
    fn note(&mut self, now: Instant, published: u64) {
        if let Some((at, before)) = self.looked.replace((now, published)) {
            let millis = now.saturating_duration_since(at).as_millis().max(1);
            let came = u128::from(published.saturating_sub(before)) * 1_000;
            self.receiving = if came > MUCH_PER_SECOND * millis {
                Receiving::Much
            } else if came > SOME_PER_SECOND * millis {
                Receiving::Some
            } else {
                Receiving::Little
            };
        }
    }
}

/// What the thread works with.
struct Work<O, P> {
    directory: PathBuf,
    open: O,
    published: P,
    stop: Arc<AtomicBool>,
    keep: Arc<AtomicU32>,
    /// When old months were removed last, and how many were to be kept.
    kept_at: Option<(Instant, u32)>,
    pace: Pace,
    told: Receiver<Repeated>,
    /// The last attempt to store repeats failed, which was said.
    repeats_fail: bool,
    progress: Arc<Progress>,
}

impl<S, O, P> Work<O, P>
where
    S: Source,
    O: FnMut(u64) -> Result<S, SourceError>,
    P: Fn() -> u64,
{
    /// Copies until asked to end, beginning anew after each error.
    fn run(&mut self) {
        lower_priority();
        let mut pause = BACKOFF.0;
        while !self.stopped() {
            let before = self.progress.last();
            let Err(error) = self.copy() else {
                return;
            };
            self.progress.errors.fetch_add(1, Ordering::Relaxed);
            if let Failed::History(error) = &error
                && let Some(path) = error.damaged()
            {
                aside::file(path);
            }
            // Something was stored since the last error, so this is a new trouble.
            if self.progress.last() > before {
                pause = BACKOFF.0;
            }
            tracing::error!(
                error = %error,
                last = self.progress.last(),
                lag = self.progress.lag(),
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "history: cannot store, alarms are received all the same; trying again"
            );
            self.wait(pause);
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// Copies until asked to end. The writer and the source are given up with an error, since
    /// neither's state is known after one.
    fn copy(&mut self) -> Result<(), Failed> {
        let mut writer = Writer::open(&self.directory)?;
        let published = (self.published)();
        if writer.last() > published {
            drop(writer);
            aside::directory(&self.directory, published)?;
            writer = Writer::open(&self.directory)?;
        }
        self.note(&writer);
        let mut source = (self.open)(writer.last() + 1)?;
        let mut batch = Vec::new();
        let mut synced_at = Instant::now();
        while !self.stopped() {
            self.forget()?;
            self.read(&mut source, writer.last(), &mut batch)?;
            if batch.is_empty() {
                self.wait(IDLE);
            } else {
                let began = Instant::now();
                let appended = writer.append(&batch);
                self.note(&writer);
                let appended = appended?;
                self.pace.note(Instant::now(), (self.published)());
                self.wait(self.pace.receiving.rest(began.elapsed()));
                self.progress
                    .rows
                    .fetch_add(appended.rows, Ordering::Relaxed);
                if appended.unreadable > 0 {
                    self.progress
                        .unreadable
                        .fetch_add(appended.unreadable, Ordering::Relaxed);
                    tracing::warn!(
                        count = appended.unreadable,
                        up_to = writer.last(),
                        "history: journal records that cannot be read are kept as unknown events"
                    );
                }
            }
            self.count_repeats(&mut writer);
            if synced_at.elapsed() >= SYNC_EVERY {
                writer.sync()?;
                self.note(&writer);
                synced_at = Instant::now();
            }
        }
        self.count_repeats(&mut writer);
        writer.sync()?;
        self.note(&writer);
        Ok(())
    }

    /// Stores the repeats that wait. They are no reason to begin anew: what cannot be stored is
    /// dropped, counted, and said once until it works again.
    fn count_repeats(&mut self, writer: &mut Writer) {
        for (month, repeated) in repeats::waiting(&self.told) {
            let stored = writer.add_repeats(month, &repeated);
            let failed_before = std::mem::replace(&mut self.repeats_fail, stored.is_err());
            if let Err(error) = stored {
                let count = u64::try_from(repeated.len()).unwrap_or(u64::MAX);
                self.progress
                    .repeats_dropped
                    .fetch_add(count, Ordering::Relaxed);
                if !failed_before {
                    tracing::warn!(error = %error, "history: repeats cannot be counted");
                }
            }
        }
    }

    /// Removes months that are older than what is kept, where it is time to look.
    fn forget(&mut self) -> Result<(), HistoryError> {
        let keep = self.keep.load(Ordering::Acquire);
        let looked = |(at, months): (Instant, u32)| at.elapsed() < KEEP_EVERY && months == keep;
        if self.kept_at.is_some_and(looked) {
            return Ok(());
        }
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        for month in keep_months(&self.directory, keep, now)?.removed {
            tracing::info!(month = %month, keep, "history: an old month was removed");
        }
        self.kept_at = Some((Instant::now(), keep));
        Ok(())
    }

    /// Fills `batch` with what is published behind `last`, up to its limits.
    fn read(&self, source: &mut S, last: u64, batch: &mut Vec<Entry>) -> Result<(), SourceError> {
        batch.clear();
        let published = (self.published)();
        self.progress.published.store(published, Ordering::Release);
        let mut reached = last;
        let mut bytes = 0;
        let rows_max = self.pace.receiving.rows_max();
        while reached < published && batch.len() < rows_max && bytes < BATCH_BYTES_MAX {
            let Some(entry) = source.next()? else {
                break;
            };
            reached = entry.position;
            bytes += entry.payload.len();
            batch.push(entry);
        }
        Ok(())
    }

    fn note(&self, writer: &Writer) {
        self.progress.last.store(writer.last(), Ordering::Release);
        self.progress
            .durable
            .store(writer.durable(), Ordering::Release);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Sleeps, but not beyond the request to end.
    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_received_the_longer_the_history_rests() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let (mut published, spent) = (0, Duration::from_millis(10));
        let mut rest_at = |per_second: u64| {
            for _ in 0..2 {
                now += Duration::from_millis(500);
                published += per_second / 2;
                pace.note(now, published);
            }
            (pace.receiving.rows_max(), pace.receiving.rest(spent))
        };
        assert_eq!(rest_at(0), (1_024, Duration::ZERO));
        assert_eq!(rest_at(100), (1_024, Duration::ZERO));
        assert_eq!(rest_at(2_000), (256, 3 * spent));
        assert_eq!(rest_at(4_000), (256, 3 * spent));
        assert_eq!(rest_at(50_000), (256, 19 * spent));
        assert_eq!(rest_at(0), (1_024, Duration::ZERO));
    }

    #[test]
    fn a_rest_has_an_end() {
        let rest = Receiving::Much.rest(Duration::from_mins(1));
        assert_eq!(rest, REST_MAX);
    }
}
