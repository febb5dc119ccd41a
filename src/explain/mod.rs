//! The explanation of frames: one piece of code for `larm decode`, the log, and whoever comes later.
//!
//! A protocol finds ([`Inspection`]); this room says: one JSON object for programs, a few lines for
//! people, one sentence for the log.
mod json;
mod text;

use larm_carrier::Inspection;

pub use json::to_json;
pub use text::{in_words, to_text};

/// One sentence for the log: what is wrong, at which byte, which setting would accept it. `None`
/// where nothing is wrong. Carries no content of the frame.
#[must_use]
pub fn to_sentence(found: &Inspection) -> Option<String> {
    found.error.clone()
}
