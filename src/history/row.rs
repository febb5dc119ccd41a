//! From a journal entry to the record that is stored, also where the entry cannot be read.
use std::borrow::Cow;

use larm_event::{Event, Raw, SuspectReason, Timestamp};
use uuid::Uuid;

use super::HistoryError;
use crate::record::{self, RecordError};

/// One journal entry: what the history is filled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the journal.
    pub position: u64,
    /// When the journal took it, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The encoded record.
    pub payload: Vec<u8>,
}

impl Entry {
    /// The record in the payload.
    ///
    /// Never fails: an entry that is no record becomes an unknown event with its bytes as `raw`,
    /// so that one bad record neither stops a reader nor disappears from its sight.
    #[must_use]
    pub fn event(&self) -> Event {
        match decode(self.position, &self.payload) {
            Ok((event, _)) => event,
            Err(reason) => unreadable(self, &reason.to_string()),
        }
    }
}

/// An entry made ready to be stored.
pub(super) struct Row<'a> {
    pub(super) position: u64,
    pub(super) event: Event,
    /// The record as JSON, without `position`.
    pub(super) json: Cow<'a, str>,
    /// The payload was no record that this larm can read.
    pub(super) unreadable: bool,
}

impl<'a> Row<'a> {
    /// Makes the entry a row; one that is no record is stored as [`Entry::event`] says.
    pub(super) fn from_entry(entry: &'a Entry) -> Result<Self, HistoryError> {
        let (event, json, unreadable) = match decode(entry.position, &entry.payload) {
            Ok((event, json)) => (event, Cow::Borrowed(json), false),
            Err(reason) => {
                let mut event = unreadable(entry, &reason.to_string());
                event.position = None;
                let json = serde_json::to_string(&event).map_err(|error| HistoryError::Json {
                    position: entry.position,
                    reason: error.to_string(),
                })?;
                (event, Cow::Owned(json), true)
            }
        };
        Ok(Self {
            position: entry.position,
            event,
            json,
            unreadable,
        })
    }
}

/// The record and its JSON text, or why there is none.
fn decode(position: u64, payload: &[u8]) -> Result<(Event, &str), RecordError> {
    let json = record::json(position, payload)?;
    Ok((record::decode(position, payload)?, json))
}

/// The record for an entry that is none. The same entry always gives the same record.
fn unreadable(entry: &Entry, reason: &str) -> Event {
    let mut event = Event::draft("larm/unreadable".to_owned());
    event.id = stable_id(entry);
    event.position = Some(entry.position);
    event.received_at = Timestamp::from_millis(entry.at_ms);
    event.text = Some(format!("the journal's record cannot be read: {reason}"));
    event.authenticity.suspect(SuspectReason::Malformed);
    event.raw = Raw(entry.payload.clone());
    event
}

/// A UUIDv7 of the entry's time and position, so that a rebuild gives the same `id`.
fn stable_id(entry: &Entry) -> Uuid {
    let mut rest = [0; 10];
    rest[2..].copy_from_slice(&entry.position.to_be_bytes());
    let ms = u64::try_from(entry.at_ms).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &rest).into_uuid()
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
            let row = Row::from_entry(&entry).unwrap();
            assert!(row.unreadable);
            let event = entry.event();
            assert_eq!(event.kind, Kind::Unknown);
            assert_eq!(event.position, Some(7));
            assert_eq!(event.raw.0, payload);
            assert_eq!(event.received_at.as_millis(), entry.at_ms);
            assert_eq!(event.id.get_version_num(), 7);
            assert_eq!(event.id, row.event.id);
            assert_eq!(event, entry.event());
        }
    }
}
