//! The sink: two lanes, the thread that owns the journal, and the hand-over to those who wait.
//!
//! Whoever has records to make durable pushes an [`Entry`] to a lane and waits at its [`Slot`].
//! The sink thread takes what is waiting, alarms first, writes it as one batch with one sync, and
//! completes the slots; while the disk works, the next batch gathers. A full lane gives the entry
//! back at once. An entry that is dropped on the way fails its slot, so nobody waits for ever.

mod lanes;
mod proof;
mod slot;
mod sync;
mod thread;

pub use lanes::{Entry, Lane, Lanes, Lengths};
pub use slot::{Committed, Slot, State};
pub use thread::{BatchStats, Here, Hooks, Limits, Sink, SinkError, StartError};
