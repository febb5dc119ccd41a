//! What an engine is started with.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Route;
use super::notice::Notice;
use crate::deliver::{Connector, Link};
use crate::journal::Published;

/// Everything that one connector's engine needs.
pub struct Setup {
    /// The connector's name in the configuration.
    pub name: Arc<str>,
    /// A directory of this engine alone, for cursor and dead letters; made where it is missing.
    pub directory: PathBuf,
    /// The journal's directory.
    pub journal: PathBuf,
    /// How far the journal is durable. The engine runs in the journal's process.
    pub published: Published,
    /// Which events go to the connector.
    pub route: Arc<dyn Route>,
    /// The way out.
    pub connector: Arc<dyn Connector>,
    /// The same link that the connector was built with.
    pub link: Link,
    /// Called for everything that somebody should hear of; must not block.
    pub notices: Box<dyn FnMut(Notice) + Send>,
    /// Limits and times.
    pub settings: Settings,
}

/// Limits and times of an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a connector without a cursor starts.
    pub start: StartAt,
    /// The bound of the first pause after a failure; it doubles with each further one.
    pub retry_first: Duration,
    /// The bound of the longest pause.
    pub retry_max: Duration,
    /// An event that waits longer is told.
    pub annunciate_after: Duration,
    /// Most events that wait in the index (24 bytes each, and 100 for each account that waits).
    /// Reading ahead pauses beyond.
    pub backlog_max: usize,
    /// Most bytes of events that are kept ready; the others are read again when their turn comes.
    pub ready_bytes_max: usize,
    /// Least time between two writes of the cursor.
    pub cursor_every: Duration,
    /// Most dead letters. The connector halts beyond, so that none is ever dropped.
    pub dead_letters_max: usize,
    /// Most positions whose delivery is awaited at a time.
    pub confirmations_max: usize,
}

/// Where a connector without a cursor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record of the journal.
    Oldest,
    /// With what is published from now on. Only for a connector that is new: an unreadable cursor
    /// starts with the oldest.
    Now,
    /// With this position.
    Position(u64),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: StartAt::Oldest,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
            annunciate_after: Duration::from_secs(10),
            backlog_max: 1_000_000,
            ready_bytes_max: 32 << 20,
            cursor_every: Duration::from_millis(200),
            dead_letters_max: 100_000,
            confirmations_max: 65_536,
        }
    }
}
