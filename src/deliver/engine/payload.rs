//! From a journal record to what a connector gets.
use std::sync::Arc;

use larm_event::Event;

use crate::journal::Place;

/// Bits of a packed place that hold the length.
const LEN_BITS: u32 = 25;
/// The packed place of an event whose payload stands among the dead letters.
pub(super) const AMONG_LETTERS: u64 = u64::MAX;

/// An event ready to be delivered.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    pub(super) event: Arc<Event>,
    pub(super) json: Arc<str>,
    /// When it was committed: UTC, milliseconds since 1970.
    pub(super) at_ms: i64,
}

impl Payload {
    /// About what it takes in memory: the text, and the same again with the record around it.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Event>() + 2 * self.json.len()
    }

    /// Of an event as it was decoded, with its position.
    pub(super) fn new(event: Event, at_ms: i64) -> Self {
        // Texts, numbers and lists are always JSON.
        let json = serde_json::to_string(&event).unwrap_or_default();
        Self {
            event: Arc::new(event),
            json: json.into(),
            at_ms,
        }
    }

    /// Of a dead letter's text; `None` where that is no event.
    pub(super) fn of_letter(json: String, at_ms: i64) -> Option<Self> {
        let event: Event = serde_json::from_str(&json).ok()?;
        Some(Self {
            event: Arc::new(event),
            json: json.into(),
            at_ms,
        })
    }
}

/// A place within its segment, in one number. The segment follows from the position.
pub(super) fn pack(place: Place) -> u64 {
    place.offset << LEN_BITS | place.len as u64
}

/// Offset and length of a packed place.
pub(super) fn unpack(at: u64) -> (u64, usize) {
    let len = at & ((1 << LEN_BITS) - 1);
    (at >> LEN_BITS, usize::try_from(len).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_packed_without_loss() {
        for (offset, len) in [(4096, 0), (1 << 38, crate::journal::RECORD_LEN_MAX), (7, 9)] {
            let segment = 1;
            let place = Place {
                segment,
                offset,
                len,
            };
            assert_eq!(unpack(pack(place)), (offset, len));
            assert_ne!(pack(place), AMONG_LETTERS);
        }
    }
}
