//! The register of accounts: who may send, with which key, and how what they send is read.
mod build;
mod csv;
mod error;
mod export;
mod fields;
mod files;
mod key_bank;
mod keys;
mod record;
mod register;
mod rows;
mod snapshot;
mod store;
mod strength;
#[cfg(test)]
mod tests;
mod toml;

pub use error::{BadRow, RegisterError};
pub use export::{FileForm, generate_key};
pub use fields::{Column, Draft, FieldError, Rules, escape};
pub use record::{Account, Number, Person, Supervision, WindowOverride, Zone};
pub use register::{Generation, KeyState, Listed, Register};
pub use rows::Imported;
pub use snapshot::{Defaults, Entry, Snapshot};
pub use strength::{Weakness, weakness};
