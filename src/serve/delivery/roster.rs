//! Which connectors there are and how each one stands, for whoever looks at them.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::deliver::engine::{self, Handle};

/// The connectors of the configuration by name. Cheap to clone.
#[derive(Clone)]
pub(in crate::serve) struct Roster {
    directory: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    ways: BTreeMap<String, Way>,
    /// How long a stop may take.
    leave_within: Duration,
}

/// One connector.
#[derive(Clone)]
pub(super) struct Way {
    /// What it speaks.
    pub(super) kind: &'static str,
    /// How it stands.
    pub(super) standing: Standing,
    /// An event that waits for longer is told; `None`: none is.
    pub(super) annunciate_after: Option<Duration>,
}

/// How a connector stands.
#[derive(Clone)]
pub(super) enum Standing {
    /// Its engine runs.
    Running(Handle),
    /// It could not be started, for this reason.
    Failed(String),
    /// The configuration says that it does not run.
    Disabled,
}

impl Roster {
    pub(super) fn new(data: &Path) -> Self {
        Self {
            directory: super::directory(data),
            shared: Arc::default(),
        }
    }

    /// Every connector as it is.
    pub(super) fn ways(&self) -> BTreeMap<String, Way> {
        self.lock().ways.clone()
    }

    /// The engine of a connector; `None`: it does not run, or there is none of this name.
    pub(in crate::serve) fn engine(&self, name: &str) -> Option<Handle> {
        self.lock().ways.get(name)?.handle().cloned()
    }

    /// Every connector is past this position, on disk; `durable` is how far the journal is.
    ///
    /// One that does not run holds the journal at its cursor, and one that could not be started yet
    /// holds all of it: what it would begin with is not known.
    pub(in crate::serve) fn passed(&self, durable: u64) -> u64 {
        let ways = self.ways();
        let each = ways.iter().map(|(name, way)| match &way.standing {
            Standing::Running(handle) => handle.durable(),
            Standing::Failed(_) => self.cursor(name).unwrap_or(0),
            // New, it would begin with what is received from then on.
            Standing::Disabled => self.cursor(name).unwrap_or(durable),
        });
        each.min().unwrap_or(durable).min(durable)
    }

    /// Where the cursor of a connector stands whose engine does not run.
    fn cursor(&self, name: &str) -> Option<u64> {
        let peek = engine::peek(&self.directory.join(name)).ok().flatten()?;
        Some(peek.cursor)
    }

    pub(super) fn set(&self, name: &str, way: Way) {
        self.lock().ways.insert(name.to_owned(), way);
    }

    pub(super) fn keep_only(&self, names: &[&str]) {
        let keep = |name: &String, _: &mut Way| names.contains(&name.as_str());
        self.lock().ways.retain(keep);
    }

    pub(super) fn leave_within(&self, limit: Duration) {
        self.lock().leave_within = limit;
    }

    pub(super) fn leaving(&self) -> Duration {
        self.lock().leave_within
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Each entry is set whole: a panic leaves none half set.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    pub(super) fn handle(&self) -> Option<&Handle> {
        match &self.standing {
            Standing::Running(handle) => Some(handle),
            Standing::Failed(_) | Standing::Disabled => None,
        }
    }
}
