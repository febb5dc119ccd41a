//! The register of accounts: who may send, with which key, and how what they send is read.
mod record;
mod snapshot;

pub use record::{Account, Number, Person, Supervision, WindowOverride, Zone};
pub use snapshot::{Defaults, Entry, Snapshot};
