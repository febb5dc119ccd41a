//! The normalised record that everything downstream of a protocol depends on, and the code tables.
//!
//! No I/O, no clock, no knowledge of any carrier. The JSON form of [`Event`] is a published
//! contract (`docs/event.schema.json`): it only grows.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod event;
#[cfg(feature = "schema")]
pub mod schema;
pub mod tables;
mod time;
mod words;

pub use event::{
    Authenticity, Code, Event, Extended, Location, Media, Modifier, Part, Path, Raw, Repeat, Value,
};
pub use tables::{AddressKind, Meaning, classify_cid, classify_sia};
pub use time::{Timestamp, TimestampError};
pub use words::{
    Category, Grade, Kind, MediaKind, PathRole, Priority, Scheme, SuspectReason, Transport,
};
