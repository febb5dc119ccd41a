//! The thread that owns the journal: gather, append, publish, complete.
use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lanes::{Entry, Lane, Lanes};
use super::slot::State;
use crate::journal::{Appended, Journal, JournalError, Published, RECORD_LEN_MAX};

/// How long an idle sink sleeps at most before it looks after the journal.
const IDLE: Duration = Duration::from_secs(1);

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
    thread: JoinHandle<Result<(), SinkError>>,
}

impl Sink {
    /// Starts the thread; from now on it owns `journal`.
    pub fn start(journal: Journal, limits: &Limits, hooks: Hooks) -> Result<Self, StartError> {
        let lanes = Lanes::new(limits.alarms, limits.rest);
        let published = journal.published();
        let worker = Worker {
            lanes: lanes.clone(),
            published: published.clone(),
            journal: Some(journal),
            hooks,
            limits: limits.clone(),
            batch: Batch::default(),
        };
        let thread = std::thread::Builder::new()
            .name("larm-sink".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            lanes,
            published,
            thread,
        })
    }

    /// The way in.
    pub fn lanes(&self) -> Lanes {
        self.lanes.clone()
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
}

impl Worker {
    fn run(mut self) -> Result<(), SinkError> {
        self.lanes.attach();
        let ended = self.work();
        if let Err(error) = &ended {
            (self.hooks.on_fatal)(error);
        }
        ended
    }

    fn work(&mut self) -> Result<(), SinkError> {
        loop {
            self.gather();
            if !self.batch.entries.is_empty() {
                self.commit()?;
            } else if self.lanes.is_closed() {
                break;
            } else {
                self.lanes.sleep(IDLE);
                self.journal().look_for_room()?;
            }
        }
        let at_ms = (self.hooks.clock)();
        match self.journal.take() {
            Some(journal) => Ok(journal.close(at_ms)?),
            None => Ok(()),
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
                (self.hooks.on_batch)(&BatchStats {
                    entries: self.batch.entries.len(),
                    alarms: self.batch.alarms,
                    appended,
                    commit: start.elapsed(),
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

impl Drop for Worker {
    /// However the thread ends, by a panic too: nothing is acknowledged any more, and nobody is
    /// left waiting.
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(journal) = &mut self.journal {
                journal.poison();
            }
            (self.hooks.on_fatal)(&SinkError::Panicked);
        }
        self.batch.clear();
        self.lanes.end();
    }
}

#[cfg(test)]
mod tests;
