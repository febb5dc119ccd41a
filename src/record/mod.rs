//! One event as the journal keeps it.
//!
//! ```text
//! payload = version(u8 = 1) head-length(u8) head event-as-JSON
//! ```
//!
//! The first record of a frame has a head with the frame's identity, so that the window of repeats
//! can be rebuilt; further records of the same frame have none.
mod head;

use larm_carrier::Identity;
use larm_event::Event;

pub use head::Stored;

/// The version that is written. Readers accept every version up to it.
const VERSION: u8 = 1;

/// Why a payload is no event.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The payload has no bytes.
    #[error("record {position} is empty")]
    Empty {
        /// Place in the journal.
        position: u64,
    },
    /// The payload was written by a newer larm.
    #[error(
        "record {position} has format version {found}, this program knows {VERSION}; \
         use the larm that wrote it"
    )]
    Version {
        /// Place in the journal.
        position: u64,
        /// The version found.
        found: u8,
    },
    /// The head is cut, or of another length than this version has.
    #[error(
        "record {position} has a head that this program cannot read; run `larm journal verify`"
    )]
    Head {
        /// Place in the journal.
        position: u64,
    },
    /// The bytes after the head are no text.
    #[error("record {position} is no event: {source}")]
    Text {
        /// Place in the journal.
        position: u64,
        /// What does not fit.
        source: std::str::Utf8Error,
    },
    /// The bytes after the head are no event.
    #[error("record {position} is no event: {source}")]
    Json {
        /// Place in the journal.
        position: u64,
        /// What does not fit, with its column.
        source: serde_json::Error,
    },
}

/// The payload for `event`; its position is left out, since the journal gives it. `identity` and
/// the frame's number of records go with the first record of a frame.
///
/// # Panics
/// Never: texts, numbers and lists are always JSON.
pub fn encode(event: &Event, identity: Option<(&Identity, u16)>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(1024);
    payload.push(VERSION);
    match identity {
        None => payload.push(0),
        Some((identity, records)) => {
            payload.push(u8::try_from(head::LEN).expect("a head is shorter than 256 bytes"));
            let stored = Stored {
                id: event.id,
                records,
                identity: *identity,
            };
            head::encode(&stored, &mut payload);
        }
    }
    let written = if event.position.is_none() {
        serde_json::to_writer(&mut payload, event)
    } else {
        let mut event = event.clone();
        event.position = None;
        serde_json::to_writer(&mut payload, &event)
    };
    written.expect("texts, numbers and lists are always JSON, and a vector takes every byte");
    payload
}

/// The event in `payload`, with the `position` it was found at.
pub fn decode(position: u64, payload: &[u8]) -> Result<Event, RecordError> {
    let (_, json) = split(position, payload)?;
    let mut event: Event =
        serde_json::from_slice(json).map_err(|source| RecordError::Json { position, source })?;
    event.position = Some(position);
    Ok(event)
}

/// The event's JSON text inside `payload`, for who stores it as it is.
pub fn json(position: u64, payload: &[u8]) -> Result<&str, RecordError> {
    let (_, json) = split(position, payload)?;
    std::str::from_utf8(json).map_err(|source| RecordError::Text { position, source })
}

/// The identity of the frame whose first record this is; `None` for its further records.
pub fn identity(position: u64, payload: &[u8]) -> Result<Option<Stored>, RecordError> {
    let (head, _) = split(position, payload)?;
    if head.is_empty() {
        return Ok(None);
    }
    head::decode(head)
        .map(Some)
        .ok_or(RecordError::Head { position })
}

/// Head and JSON.
fn split(position: u64, payload: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let (version, rest) = payload
        .split_first()
        .ok_or(RecordError::Empty { position })?;
    if *version != VERSION {
        return Err(RecordError::Version {
            position,
            found: *version,
        });
    }
    let (head_len, rest) = rest.split_first().ok_or(RecordError::Head { position })?;
    rest.split_at_checked(usize::from(*head_len))
        .ok_or(RecordError::Head { position })
}

#[cfg(test)]
mod tests {
    use super::*;
    use larm_event::{Location, Raw, Timestamp};

    fn event() -> Event {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.account = Some("0042".to_owned());
        event.received_at = Timestamp::from_millis(1_764_000_000_123);
        event.text = Some("Köksfönster \u{1F600} \"quoted\"".to_owned());
        event.raw = Raw(vec![0, 255, 10, 13]);
        event.location = Some(Location {
            latitude: 59.329_323_5,
            longitude: -18.068_580_8,
            altitude_m: None,
            accuracy_m: Some(4.5),
            source: "dc09/XY".to_owned(),
        });
        event
    }

    #[test]
    fn an_event_comes_back_with_its_position() {
        let event = event();
        let payload = encode(&event, None);
        assert_eq!(payload.first(), Some(&1));
        let mut expected = event.clone();
        expected.position = Some(7);
        assert_eq!(decode(7, &payload).unwrap(), expected);
        assert_eq!(
            encode(&expected, None),
            payload,
            "the position is not written"
        );
    }

    #[test]
    fn errors_say_which_record_and_what() {
        let text = |payload: &[u8]| decode(3, payload).unwrap_err().to_string();
        assert_eq!(text(b""), "record 3 is empty");
        assert!(text(b"\x02{}").contains("format version 2"));
        assert!(text(b"\x01").contains("record 3 has a head"));
        assert!(text(b"\x01\x05ab").contains("record 3 has a head"));
        assert!(text(b"\x01\x00{").contains("record 3 is no event: EOF"));
        assert!(identity(3, b"\x01\x02ab{}").is_err());
    }

    #[test]
    fn the_identity_of_a_frame_comes_back() {
        let full = Identity {
            content: [1; 16],
            account: [2; 16],
            sequence: Some(9_999),
            sent_at: Some(Timestamp::from_millis(-5)),
            renumbers: true,
            constant_sequence: false,
        };
        let bare = Identity {
            sequence: None,
            sent_at: None,
            renumbers: false,
            constant_sequence: true,
            ..full
        };
        for given in [full, bare] {
            let mut event = event();
            event.id = uuid::Uuid::from_u128(77);
            let payload = encode(&event, Some((&given, 3)));
            let stored = identity(1, &payload).unwrap().unwrap();
            assert_eq!(
                stored,
                Stored {
                    id: event.id,
                    records: 3,
                    identity: given
                }
            );
            assert_eq!(decode(1, &payload).unwrap().id, event.id);
        }
        assert_eq!(identity(1, &encode(&event(), None)).unwrap(), None);
    }
}
