//! The queryable store: one SQLite file per calendar month, filled from the journal.
//!
//! Constraints
//! - The journal is the durable copy. Whatever is lost here is read again from there, so a commit
//!   need not reach the disk at once (`synchronous=NORMAL`), and an error here never stops an
//!   acknowledgement.
//! - Replay is exact: a file keeps its rows and its cursor in one transaction, and `position` is
//!   the primary key. The cursor of the whole history is the greatest of all files. That holds
//!   through a power cut because a file is synced before another one takes the cursor on.
//! - Readers never wait for the writer, nor it for them (`journal_mode=WAL`).
//!
//! Layout: `DATA/history/YYYY-MM.sqlite`, months of `received_at` in UTC. Tables: `event` (a row
//! per event: the searched fields and the whole record as JSON), `cursor` (one row) and `repeat`
//! (how often events came again; best effort, nowhere else).
//!
//! Operation: [`Filler`] copies from a [`Source`]; [`Query`] reads; [`rebuild`] makes it anew.
mod aside;
mod error;
mod feed;
mod fill;
mod filter;
mod keep;
mod month;
mod progress;
mod query;
mod rebuild;
mod repeats;
mod row;
mod source;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use error::HistoryError;
pub use feed::Feed;
pub use fill::Filler;
pub use filter::Filter;
pub use keep::{Removed, keep_months, remove_months_before};
pub use month::Month;
pub use progress::Progress;
pub use query::{Key, Order, Query, Select};
pub use rebuild::{Rebuilt, rebuild};
pub use repeats::{Repeated, Repeats};
pub use row::event_of;
pub use source::{Source, SourceError, Tail};
pub use writer::{Appended, Writer};

/// The history's place under a data directory.
pub fn directory(data: &std::path::Path) -> std::path::PathBuf {
    data.join("history")
}
