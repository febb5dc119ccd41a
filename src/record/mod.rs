//! One event as the journal keeps it: a format version byte, then the event as JSON.
use larm_event::Event;

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
    /// The bytes after the version are no event.
    #[error("record {position} is no event: {source}")]
    Json {
        /// Place in the journal.
        position: u64,
        /// What does not fit, with its column.
        source: serde_json::Error,
    },
}

/// The payload for `event`; its position is left out, since the journal gives it.
pub fn encode(event: &Event) -> Vec<u8> {
    let mut payload = Vec::with_capacity(1024);
    payload.push(VERSION);
    let written = match event.position {
        None => serde_json::to_writer(&mut payload, event),
        Some(_) => {
            let mut event = event.clone();
            event.position = None;
            serde_json::to_writer(&mut payload, &event)
        }
    };
    written.expect("texts, numbers and lists are always JSON, and a vector takes every byte");
    payload
}

/// The event in `payload`, with the `position` it was found at.
pub fn decode(position: u64, payload: &[u8]) -> Result<Event, RecordError> {
    let (version, json) = payload
        .split_first()
        .ok_or(RecordError::Empty { position })?;
    if *version != VERSION {
        return Err(RecordError::Version {
            position,
            found: *version,
        });
    }
    let mut event: Event =
        serde_json::from_slice(json).map_err(|source| RecordError::Json { position, source })?;
    event.position = Some(position);
    Ok(event)
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
        let payload = encode(&event);
        assert_eq!(payload.first(), Some(&1));
        let mut expected = event.clone();
        expected.position = Some(7);
        assert_eq!(decode(7, &payload).unwrap(), expected);
        assert_eq!(encode(&expected), payload, "the position is not written");
    }

    #[test]
    fn errors_say_which_record_and_what() {
        let text = |payload: &[u8]| decode(3, payload).unwrap_err().to_string();
        assert_eq!(text(b""), "record 3 is empty");
        assert!(text(b"\x02{}").contains("format version 2"));
        assert!(text(b"\x01{").contains("record 3 is no event: EOF"));
    }
}
