//! larm: an alarm receiving gateway that acknowledges an alarm only when it is on disk.

pub mod cli;
pub mod history;
