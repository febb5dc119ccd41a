//! The delivery engine: takes journaled events to one connector.
//!
//! # Promises
//! - Every event that the route passes is delivered at least once, with the same id each time, or
//!   becomes a dead letter with the reason.
//! - What was confirmed and is in the durable cursor is not delivered again by itself.
//! - Events of one account go in journal order, one batch at a time; accounts go in parallel.
//! - When more waits than goes out, life goes before fire before intrusion before the rest. An
//!   account is as urgent as the most urgent event that it has waiting.
//! - Nothing here holds up an acknowledgement: the journal is read, never locked.
//!
//! # Operation
//! A thread (`reader`) follows the journal, asks the route and passes on what waits. One task
//! (`core`) keeps the `index` of it, forms batches, starts deliveries and keeps what is done:
//! the set `done`, written to `slots`, and the dead `letters`. Payloads are kept ready while
//! there is room, and read again when their turn comes.
mod ages;
mod batches;
mod commands;
mod confirm;
mod core;
mod done;
mod handle;
mod index;
mod keeping;
mod letters;
mod notice;
mod offline;
mod pauses;
mod payload;
mod reader;
mod route;
mod settings;
mod slots;
mod start;
mod status;
#[cfg(test)]
mod tests;

pub use handle::{CommandError, Handle, Outcome, Since, Which};
pub use letters::{Cause, DeadLetter};
pub use notice::Notice;
pub use offline::{Peek, peek};
pub use route::{Decision, RANK_NAMES, RANKS, Route, rank};
pub use settings::{Settings, Setup, StartAt};
pub use start::{Drained, Engine, EngineError};
pub use status::{LATENCY_BOUNDS_MS, Latency, Oldest, State, Status};

/// The longest front of `text` that is no longer than `max` bytes.
fn bounded(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}
