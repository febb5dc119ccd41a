//! The two bounded lanes to the sink, and how it is woken.
use super::slot::{Slot, State};
use super::sync::{Arc, AtomicBool, Mutex, Ordering, Queue, Thread, fence};

/// Records that become durable together, and where their outcome is waited for.
#[derive(Debug)]
pub struct Entry {
    records: Vec<Vec<u8>>,
    slot: Arc<Slot>,
}

impl Entry {
    /// `records` get consecutive positions in one batch; at least one record.
    pub fn new(records: Vec<Vec<u8>>, slot: Arc<Slot>) -> Self {
        Self { records, slot }
    }

    /// The payloads.
    pub fn records(&self) -> &[Vec<u8>] {
        &self.records
    }

    /// Where the outcome shows.
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Sets the outcome.
    pub(super) fn complete(self, state: State) {
        self.slot.complete(state);
    }
}

impl Drop for Entry {
    /// An entry that is dropped on its way will never be durable.
    fn drop(&mut self) {
        self.slot.complete(State::Failed);
    }
}

/// Which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Emptied first.
    Alarms,
    /// Everything else.
    Rest,
}

/// How many entries wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// In the lane for alarms.
    pub alarms: usize,
    /// In the other.
    pub rest: usize,
}

/// The way to the sink. Cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    alarms: Queue<Entry>,
    rest: Queue<Entry>,
    /// The sink found nothing and is about to park, or parks.
    sleeping: AtomicBool,
    /// Nothing more is taken in.
    closed: AtomicBool,
    /// Nothing more is taken out; what is still pushed is dropped by who pushes it.
    ended: AtomicBool,
    /// The sink's thread, once it runs.
    sink: Mutex<Option<Thread>>,
}

impl Lanes {
    /// Lanes for this many entries each; at least one.
    pub(super) fn new(alarms: usize, rest: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                alarms: Queue::new(alarms.max(1)),
                rest: Queue::new(rest.max(1)),
                sleeping: AtomicBool::new(false),
                closed: AtomicBool::new(false),
                ended: AtomicBool::new(false),
                sink: Mutex::new(None),
            }),
        }
    }

    /// Hands `entry` over and wakes the sink. `Err` gives it back: the lane is full, or the sink has
    /// stopped; who drops it then fails its slot.
    pub fn push(&self, entry: Entry, lane: Lane) -> Result<(), Entry> {
        self.put(entry, lane)?;
        self.ring();
        Ok(())
    }

    /// As [`Lanes::push`], but leaves the sink asleep: [`Lanes::ring`] is to be called once
    /// everything that comes together was put here.
    pub fn put(&self, entry: Entry, lane: Lane) -> Result<(), Entry> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::SeqCst) {
            return Err(entry);
        }
        match lane {
            Lane::Alarms => shared.alarms.push(entry)?,
            Lane::Rest => shared.rest.push(entry)?,
        }
        fence(Ordering::SeqCst);
        if shared.ended.load(Ordering::SeqCst) {
            // The sink ended between the look at `closed` and the push.
            while self.pop().is_some() {}
        }
        Ok(())
    }

    /// Wakes the sink where it sleeps.
    pub fn ring(&self) {
        // Either this sees `sleeping`, or the sink sees the entry: both sides write, fence, read.
        fence(Ordering::SeqCst);
        if self.shared.sleeping.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// How many entries wait now.
    pub fn lengths(&self) -> Lengths {
        Lengths {
            alarms: self.shared.alarms.len(),
            rest: self.shared.rest.len(),
        }
    }

    /// How many entries fit.
    pub fn capacities(&self) -> Lengths {
        Lengths {
            alarms: self.shared.alarms.capacity(),
            rest: self.shared.rest.capacity(),
        }
    }

    /// Refuses everything from now on and wakes the sink.
    pub(super) fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Fails everything that is still in the lanes or comes later.
    pub(super) fn end(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.ended.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while self.pop().is_some() {}
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// The oldest entry, alarms before the rest.
    pub(super) fn pop(&self) -> Option<(Entry, Lane)> {
        let shared = &*self.shared;
        (shared.alarms.pop().map(|entry| (entry, Lane::Alarms)))
            .or_else(|| shared.rest.pop().map(|entry| (entry, Lane::Rest)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shared.alarms.is_empty() && self.shared.rest.is_empty()
    }

    /// Names the calling thread as the one that is woken.
    pub(super) fn attach(&self) {
        *self.sink() = Some(super::sync::current());
    }

    /// Parks the calling thread until something is pushed, the lanes are closed, or `at_most` is
    /// over. May return early.
    pub(super) fn sleep(&self, at_most: std::time::Duration) {
        let shared = &*self.shared;
        shared.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.is_empty() && !self.is_closed() {
            super::sync::park_timeout(at_most);
        }
        shared.sleeping.store(false, Ordering::SeqCst);
    }

    pub(super) fn wake(&self) {
        // Only the first one to see the flag pays for the wake-up.
        self.shared.sleeping.store(false, Ordering::SeqCst);
        if let Some(sink) = &*self.sink() {
            sink.unpark();
        }
    }

    fn sink(&self) -> super::sync::MutexGuard<'_, Option<Thread>> {
        self.shared
            .sink
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
