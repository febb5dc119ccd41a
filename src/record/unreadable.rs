//! The event that stands for a record that cannot be read, the same for everybody who reads it.
use larm_event::{Event, Raw, SuspectReason, Timestamp};
use uuid::Uuid;

use super::RecordError;

/// What stands for the protocol of a record that cannot be read.
pub const UNREADABLE: &str = "larm/unreadable";

/// The event in the payload of the record at `position`, written at `at_ms` (UTC, milliseconds since
/// 1970).
///
/// Never fails: what is no event becomes an unknown one with its bytes as `raw`, so that one bad
/// record neither stops a reader nor disappears from its sight.
pub fn event_of(position: u64, at_ms: i64, payload: &[u8]) -> Event {
    super::decode(position, payload)
        .unwrap_or_else(|error| unreadable(position, at_ms, payload, &error))
}

/// The event for a record that is none. The same record always gives the same event.
pub fn unreadable(position: u64, at_ms: i64, payload: &[u8], error: &RecordError) -> Event {
    let mut event = Event::draft(UNREADABLE.to_owned());
    event.id = stable_id(position, at_ms);
    event.position = Some(position);
    event.received_at = Timestamp::from_millis(at_ms);
    event.text = Some(format!(
        "the journal holds no readable record here: {error}"
    ));
    event.authenticity.suspect(SuspectReason::Malformed);
    event.raw = Raw(payload.to_vec());
    event
}

/// A UUIDv7 of the record's time and position, so that every reading gives the same `id`.
fn stable_id(position: u64, at_ms: i64) -> Uuid {
    let mut rest = [0; 10];
    rest[2..].copy_from_slice(&position.to_be_bytes());
    let ms = u64::try_from(at_ms).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &rest).into_uuid()
}
