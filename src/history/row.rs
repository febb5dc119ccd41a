//! From a journal entry to the record that is stored, also where the entry cannot be read.
use larm_event::{Event, Raw, SuspectReason};

use super::Key;
use crate::journal::Entry;
use crate::record;

/// The record in the entry.
///
/// Never fails: an entry that is no record becomes an unknown event with its bytes as `raw`, so
/// that one bad record neither stops a reader nor disappears from its sight.
pub fn event_of(entry: &Entry) -> Event {
    record::event_of(entry.position, entry.at_ms, &entry.payload)
}

/// An entry made ready to be stored.
pub(super) struct Row {
    pub(super) position: u64,
    pub(super) event: Event,
    /// The record as JSON, without `position`.
    pub(super) json: String,
    /// The payload was no record that this larm can read.
    pub(super) unreadable: bool,
}

impl Row {
    /// Makes the entry a row; one that is no record is stored as [`event_of`] says.
    pub(super) fn from_entry(entry: &Entry) -> Self {
        let decoded = record::decode(entry.position, &entry.payload);
        let unreadable = decoded.is_err();
        let mut event = decoded.unwrap_or_else(|error| {
            record::unreadable(entry.position, entry.at_ms, &entry.payload, &error)
        });
        let json = record::json(&mut event);
        Self {
            position: entry.position,
            event,
            json,
            unreadable,
        }
    }
}

/// The record in a row of the history; an unknown event where this larm cannot read it, such as
/// one with words that only a later larm knows.
pub(super) fn event_of_row(key: Key, id: &str, json: String) -> Event {
    let mut event = serde_json::from_str(&json).unwrap_or_else(|error| {
        let mut event = Event::draft(record::UNREADABLE.to_owned());
        event.id = id.parse().unwrap_or_default();
        event.received_at = key.received_at;
        event.text = Some(format!(
            "the history holds no readable record here: {error}"
        ));
        event.authenticity.suspect(SuspectReason::Malformed);
        event.raw = Raw(json.into_bytes());
        event
    });
    event.position = Some(key.position);
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use larm_event::Kind;

    #[test]
    fn an_unreadable_entry_becomes_a_stable_unknown_event() {
        for payload in [&b"\xff\x00nonsense"[..], b"\x01{\"id\":", b"\x01\xff", b""] {
            let entry = Entry {
                position: 7,
                at_ms: 1_795_608_000_000,
                payload: payload.to_vec(),
            };
            let row = Row::from_entry(&entry);
            assert!(row.unreadable);
            let event = event_of(&entry);
            assert_eq!(event.kind, Kind::Unknown);
            assert_eq!(event.position, Some(7));
            assert_eq!(event.raw.0, payload);
            assert_eq!(event.received_at.as_millis(), entry.at_ms);
            assert_eq!(event.id.get_version_num(), 7);
            assert_eq!(event.id, row.event.id);
            assert_eq!(event, event_of(&entry));
        }
    }
}
