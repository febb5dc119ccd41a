//! What an engine tells by itself.
use std::sync::Arc;
use std::time::Duration;

/// Something that somebody should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The oldest event has waited for longer than `annunciate_after`. Told once, until it is over.
    Late {
        /// Its place in the journal.
        position: u64,
        /// How long it has waited.
        age: Duration,
        /// How many events wait.
        waiting: u64,
    },
    /// No event has waited that long any more.
    LateOver,
    /// The other side wants nothing any more; a person must start the connector again.
    Halted {
        /// Why.
        why: Arc<str>,
    },
    /// An event went to the dead letters.
    DeadLetter {
        /// Its place in the journal.
        position: u64,
        /// Why.
        why: Arc<str>,
    },
}
