//! larm: an alarm receiving gateway that acknowledges an alarm only when it is on disk.

pub mod accounts;
pub mod cli;
pub mod config;
pub mod history;
pub mod journal;
pub mod record;
pub mod sink;
