//! The journal: opaque bytes, appended in batches, durable before anybody is told.
//!
//! This room is written as if it were its own crate: it knows neither events nor protocols.
//!
//! # Constraints
//! - A position is handed out once, rises without gaps from 1, and is published only after the
//!   `fdatasync` of its batch returned without an error.
//! - The first failed write or sync is final: nothing is retried, nothing is published any more.
//! - What recovery keeps was read from the disk, not from a page cache that may lie after a
//!   failed sync.
//! - An unfinished last batch is a crash remnant and is cut; anything else that does not fit its
//!   checksum is damage and stops the start. Nothing is ever deleted because it is damaged.
//!
//! # Layout
//! A directory holds segments, `NNNNNNNNNNNNNNNNNNNN.seg`, named by the first position that they
//! may hold; `id` with the journal's 128-bit identity; `lock`; and at times one `*.spare`, the
//! next segment, zero-filled ahead of use. A segment is
//!
//! ```text
//! 0      the header, twice in 2048 bytes each: magic, format version, identity, first position,
//!        first position of the segment before, chain value so far; zeros; CRC-32C
//! 4096   batch, batch, … ; zeros up to the end of the file
//! batch  record, record, … , trailer
//! record checksum u32, payload length u32, position u64, time i64 (ms since 1970), kind u8,
//!        three zero bytes, payload
//! ```
//!
//! All numbers are little-endian. The CRC-32C of a record covers everything behind the checksum
//! field and starts from the checksum of the segment's header, so that a record of another segment
//! never fits. A trailer is a record of kind 2 that bears the position of the last record of its
//! batch; its payload is the number of records (u32), the bytes of the whole batch (u32), the chain
//! value (32 bytes) and an end mark (u32) that ends in a byte which is not zero. The chain value
//! is BLAKE3 over the value before it and all bytes of the batch's records. A batch without records marks a
//! stop in good order. Repair writes batches with one mark, a record of kind 3: the position in its
//! head comes next, whatever the last one was, and its payload is the chain value to go on with.
//!
//! # Operation
//! [`Journal`] appends: one write at a known offset, one `fdatasync`, then [`Published`] moves.
//! A [`Commit`] can be had from [`Published`] alone. [`Reader`] follows from any position, in this
//! process or another; [`Lookup`] reads single records again.
//!
//! A batch is written only after the one before it is durable, into a file that was zero there.
//! So after a crash at most the last batch is incomplete, and where it is, it lacks its end or
//! shows whole sectors of zeros. That is how a torn tail is told from damage; see `scan`.
//!
//! Opening reads the newest segment, and of the others their headers; what lies in between is
//! checked later by a [`Verifier`], and by whoever reads it.

mod atomics;
mod bell;
mod error;
mod format;
mod lookup;
mod published;
mod reader;
mod recover;
mod repair;
mod retain;
mod scan;
mod segment;
mod slow;
mod storage;
#[cfg(test)]
pub(crate) mod tests;
mod verify;
mod writer;

pub use error::{Damage, Flaw, JournalError};
pub use format::RECORD_LEN_MAX;
pub use lookup::Lookup;
pub use published::{Commit, Published, Waker, Watch};
pub use reader::{Entry, Place, Reader, Record};
pub use recover::{Recovery, identity_of};
pub use repair::{Repaired, repair, repair_in};
pub use retain::{position_since, remove_before};
pub use slow::SlowStorage;
pub use storage::{DiskStorage, Storage, StorageFile};
pub use verify::{Checked, Verified, Verifier, verify, verify_in};
pub use writer::{Appended, Journal, Options};
