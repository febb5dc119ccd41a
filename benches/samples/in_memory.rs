//! A journal whose disk is memory.
use std::sync::Arc;

use larm::journal::{Journal, Options};

use crate::memory::Memory;

/// A journal whose only segment has `segment_len` bytes.
pub(crate) fn journal(segment_len: u64) -> Journal {
    let options = Options {
        segment_len,
        reserve: 0,
        ahead: false,
    };
    let opened = Journal::open_in(Arc::new(Memory::default()), &options);
    opened.expect("memory takes everything").0
}
