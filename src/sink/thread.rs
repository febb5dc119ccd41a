//! The thread that owns the journal: gather, append, publish, complete.
//!
//! A frame that comes alone need not wait for two changes of threads: where the disk is quick, its
//! own thread does the sink's work once, by [`Here::commit`]. Whoever works holds the worker's lock,
//! so there is one writer at any time; the sink's thread takes over as soon as more comes.
//!
//! A slow disk is shared by as many as possible: where the last batch was larger than what waits
//! now, the next sync is put off for the rest, by half a sync at most. Those who were answered
//! together send again together, and would otherwise wait for two syncs each.
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lanes::{Entry, Lane, Lanes};
use super::slot::State;
use crate::journal::{Appended, Journal, JournalError, Published, RECORD_LEN_MAX};

/// How long an idle sink sleeps at most before it looks after the journal.
const IDLE: Duration = Duration::from_secs(1);

/// A sync that usually takes less is not worth a change of threads, nor a wait for company.
const QUICK: Duration = Duration::from_micros(400);

/// The longest wait for company.
const COMPANY_MAX: Duration = Duration::from_millis(10);

/// Bounds of the lanes and of a batch.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries that fit in the lane for alarms.
    pub alarms: usize,
    /// Entries that fit in the other lane.
    pub rest: usize,
    /// Records of a batch; the last entry of a batch may go beyond.
    pub batch_records: usize,
    /// Payload bytes of a batch; the last entry of a batch may go beyond.
    pub batch_bytes: usize,
}

impl Default for Limits {
    /// 4096 entries a lane; 4096 records and 4 MiB a batch.
    fn default() -> Self {
        Self {
            alarms: 4096,
            rest: 4096,
            batch_records: 4096,
            batch_bytes: 4 << 20,
        }
    }
}

/// What one batch was like.
#[derive(Clone, Copy, Debug)]
pub struct BatchStats {
    /// Entries, of both lanes.
    pub entries: usize,
    /// Entries that came by the lane for alarms.
    pub alarms: usize,
    /// Place and size.
    pub appended: Appended,
    /// From the start of the write until the sync had returned.
    pub commit: Duration,
}

type OnBatch = Box<dyn FnMut(&BatchStats) + Send>;
type OnFatal = Box<dyn FnMut(&SinkError) + Send>;
type Clock = Box<dyn FnMut() -> i64 + Send>;

/// What the sink asks and tells while it runs. All three are called on the sink's thread and
/// must not block.
pub struct Hooks {
    clock: Clock,
    on_batch: OnBatch,
    on_fatal: OnFatal,
}

impl Default for Hooks {
    /// The system's clock; nobody is told anything.
    fn default() -> Self {
        Self {
            clock: Box::new(system_ms),
            on_batch: Box::new(|_| {}),
            on_fatal: Box::new(|_| {}),
        }
    }
}

impl Hooks {
    /// Stamps batches with `clock`: UTC in milliseconds since 1970.
    #[must_use]
    pub fn clock(mut self, clock: impl FnMut() -> i64 + Send + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Calls `on_batch` after each batch, before its slots are completed.
    #[must_use]
    pub fn on_batch(mut self, on_batch: impl FnMut(&BatchStats) + Send + 'static) -> Self {
        self.on_batch = Box::new(on_batch);
        self
    }

    /// Calls `on_fatal` once when the journal has failed for good; the process must end then.
    #[must_use]
    pub fn on_fatal(mut self, on_fatal: impl FnMut(&SinkError) + Send + 'static) -> Self {
        self.on_fatal = Box::new(on_fatal);
        self
    }
}

/// Why a sink ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The journal failed for good.
    #[error("no alarm can be acknowledged any more: {0}")]
    Journal(#[from] JournalError),
    /// The sink's thread panicked.
    #[error("no alarm can be acknowledged any more: the sink thread panicked")]
    Panicked,
}

/// The sink's thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the sink thread: {0}")]
pub struct StartError(#[from] io::Error);

/// The running sink.
pub struct Sink {
    lanes: Lanes,
    published: Published,
    here: Here,
    thread: JoinHandle<Result<(), SinkError>>,
}

impl Sink {
    /// Starts the thread; from now on it owns `journal`.
    pub fn start(journal: Journal, limits: &Limits, hooks: Hooks) -> Result<Self, StartError> {
        let lanes = Lanes::new(limits.alarms, limits.rest);
        let published = journal.published();
        let here = Here {
            worker: Arc::new(Mutex::new(Worker {
                lanes: lanes.clone(),
                published: published.clone(),
                journal: Some(journal),
                hooks,
                limits: limits.clone(),
                batch: Batch::default(),
                sync: Duration::ZERO,
                company: 0,
                failed: None,
            })),
            lanes: lanes.clone(),
            quick: Arc::new(AtomicBool::new(false)),
        };
        let sink = here.clone();
        let thread = std::thread::Builder::new()
            .name("larm-sink".to_owned())
            .spawn(move || sink.run())?;
        Ok(Self {
            lanes,
            published,
            here,
            thread,
        })
    }

    /// The way in.
    pub fn lanes(&self) -> Lanes {
        self.lanes.clone()
    }

    /// The way to have a frame that comes alone committed by its own thread.
    pub fn here(&self) -> Here {
        self.here.clone()
    }

    /// What is durable.
    pub fn published(&self) -> Published {
        self.published.clone()
    }

    /// Refuses new entries, commits what waits, marks the journal as stopped in good order and
    /// ends the thread. Blocks for as long as that takes.
    pub fn stop(self) -> Result<(), SinkError> {
        self.lanes.close();
        self.thread.join().unwrap_or(Err(SinkError::Panicked))
    }
}

/// The sink's work, to be done by whichever thread has reason to.
#[derive(Clone)]
pub struct Here {
    worker: Arc<Mutex<Worker>>,
    lanes: Lanes,
    /// The last syncs were.
    quick: Arc<AtomicBool>,
}

impl Here {
    /// Commits what waits in the lanes on the calling thread, which blocks for one sync. False
    /// where that is not the time for it: the disk is slow, or somebody else is at work. Then
    /// [`Lanes::ring`] is to be called.
    pub fn commit(&self) -> bool {
        if !self.quick.load(Ordering::Relaxed) {
            return false;
        }
        // A panic of whoever worked before is the sink's to see.
        let Ok(mut worker) = self.worker.try_lock() else {
            return false;
        };
        if worker.journal.is_none() || worker.failed.is_some() {
            return false;
        }
        let woken = Woken(&self.lanes);
        worker.gather();
        if let Err(error) = worker.commit() {
            worker.failed = Some(error);
        }
        self.tell_speed(&worker);
        if worker.failed.is_none() && self.lanes.is_empty() {
            std::mem::forget(woken);
        }
        true
    }

    /// The sink thread's life.
    fn run(&self) -> Result<(), SinkError> {
        let ending = Ending(self);
        self.lanes.attach();
        let ended = self.work();
        if let Err(error) = &ended {
            (self.lock().hooks.on_fatal)(error);
        }
        drop(ending);
        ended
    }

    fn work(&self) -> Result<(), SinkError> {
        loop {
            let mut worker = self.worker.lock().map_err(|_| SinkError::Panicked)?;
            if let Some(error) = worker.failed.take() {
                return Err(error);
            }
            worker.journal().look_for_room()?;
            worker.gather();
            worker.wait_for_company();
            if !worker.batch.entries.is_empty() {
                worker.commit()?;
                self.tell_speed(&worker);
            } else if self.lanes.is_closed() {
                return worker.close();
            } else {
                drop(worker);
                self.lanes.sleep(IDLE);
            }
        }
    }

    fn tell_speed(&self, worker: &Worker) {
        self.quick.store(worker.sync < QUICK, Ordering::Relaxed);
    }

    /// Also where somebody panicked with it: the journal is poisoned then before anything else.
    fn lock(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the sink when it is dropped, also by a panic.
struct Woken<'a>(&'a Lanes);

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// However the sink ends, by a panic too: nothing is acknowledged any more, and nobody is left
/// waiting.
struct Ending<'a>(&'a Here);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let here = self.0;
        let panicked = std::thread::panicking() || here.worker.is_poisoned();
        let mut worker = here.lock();
        if panicked && let Some(journal) = &mut worker.journal {
            journal.poison();
        }
        if std::thread::panicking() {
            (worker.hooks.on_fatal)(&SinkError::Panicked);
        }
        worker.batch.clear();
        // Gives the directory back.
        worker.journal = None;
        drop(worker);
        here.lanes.end();
    }
}

/// UTC in milliseconds since 1970, by the system's clock.
fn system_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Entries that are written together. Its memory is kept from batch to batch.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    alarms: usize,
    records: usize,
    bytes: usize,
}

impl Batch {
    fn take(&mut self, entry: Entry, lane: Lane) {
        self.records += entry.records().len();
        self.bytes += entry.records().iter().map(Vec::len).sum::<usize>();
        self.alarms += usize::from(lane == Lane::Alarms);
        self.entries.push(entry);
    }

    fn clear(&mut self) {
        // Whatever has no outcome yet fails here.
        self.entries.clear();
        (self.alarms, self.records, self.bytes) = (0, 0, 0);
    }

    /// Gives every entry its positions.
    fn complete(&mut self, appended: Appended) {
        let mut first = appended.first;
        for entry in self.entries.drain(..) {
            let last = first + entry.records().len() as u64 - 1;
            entry.complete(State::Committed { first, last });
            first = last + 1;
        }
    }
}

struct Worker {
    lanes: Lanes,
    published: Published,
    /// `None` once it was closed.
    journal: Option<Journal>,
    hooks: Hooks,
    limits: Limits,
    batch: Batch,
    /// How long a commit takes, as a running mean.
    sync: Duration,
    /// Entries of the last batch.
    company: usize,
    /// What ended the work of another thread than the sink's.
    failed: Option<SinkError>,
}

impl Worker {
    fn close(&mut self) -> Result<(), SinkError> {
        let at_ms = (self.hooks.clock)();
        match self.journal.take() {
            Some(journal) => Ok(journal.close(at_ms)?),
            None => Ok(()),
        }
    }

    /// On a slow disk: waits for as many as came last time, but not long.
    fn wait_for_company(&mut self) {
        let waiting = self.batch.entries.len();
        if self.sync < QUICK || waiting == 0 || waiting >= self.company {
            return;
        }
        let until = Instant::now() + (self.sync / 2).min(COMPANY_MAX);
        while self.batch.entries.len() < self.company && !self.lanes.is_closed() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.lanes.sleep(left);
            self.gather();
        }
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal
            .as_mut()
            .expect("the journal is taken at the very end of the work alone")
    }

    /// Takes what waits, up to the limits of a batch.
    fn gather(&mut self) {
        while self.batch.records < self.limits.batch_records
            && self.batch.bytes < self.limits.batch_bytes
        {
            let Some((entry, lane)) = self.lanes.pop() else {
                return;
            };
            // What the journal would refuse must not take its neighbours along. It fails by
            // being dropped.
            let fits = |record: &Vec<u8>| record.len() <= RECORD_LEN_MAX;
            if !entry.records().is_empty() && entry.records().iter().all(fits) {
                self.batch.take(entry, lane);
            }
        }
    }

    /// Makes the batch durable. A full disk fails the batch and is no reason to end.
    fn commit(&mut self) -> Result<(), SinkError> {
        let at_ms = (self.hooks.clock)();
        let start = Instant::now();
        let journal = self
            .journal
            .as_mut()
            .expect("the journal is taken at the very end of the work alone");
        let records = self.batch.entries.iter().flat_map(Entry::records);
        match journal.append(records.map(Vec::as_slice), at_ms) {
            Ok(Some(appended)) => {
                let commit = start.elapsed();
                self.company = self.batch.entries.len();
                self.sync = (self.sync * 7 + commit) / 8;
                (self.hooks.on_batch)(&BatchStats {
                    entries: self.batch.entries.len(),
                    alarms: self.batch.alarms,
                    appended,
                    commit,
                });
                self.batch.complete(appended);
                // Those who follow the journal come after those who wait for a reply.
                self.published.ring();
            }
            Ok(None) | Err(JournalError::Full { .. }) => {}
            Err(error) => {
                self.batch.clear();
                return Err(error.into());
            }
        }
        self.batch.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
