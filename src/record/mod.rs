//! One event as the journal keeps it.
//!
//! ```text
//! payload = version(u8) head-length(u8) head content
//! content = fields          ; version 2, which is written: see `fields`
//!         / event-as-JSON   ; version 1, which is still read
//! ```
//!
//! The first record of a frame has a head with the frame's identity, so that the window of repeats
//! can be rebuilt; further records of the same frame have none. What is written stands on the way
//! of every acknowledgement, so it is compact and needs no escaping; the JSON form is made by who
//! reads.
mod fields;
mod head;
mod read;
mod unreadable;
mod write;

use larm_carrier::Identity;
use larm_event::Event;

pub use head::Stored;
pub use read::FieldError;
pub use unreadable::{UNREADABLE, event_of, unreadable};

/// The version that is written. Readers accept every version up to it.
const VERSION: u8 = 2;

/// The version whose content is JSON.
const VERSION_JSON: u8 = 1;

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
    /// The bytes after the head are no fields of an event.
    #[error("record {position} is no event: {source}")]
    Fields {
        /// Place in the journal.
        position: u64,
        /// What does not fit.
        source: FieldError,
    },
}

/// The payload for `event`; its position is left out, since the journal gives it. `identity` and
/// the frame's number of records go with the first record of a frame.
///
/// # Panics
/// Never.
pub fn encode(event: &Event, identity: Option<(&Identity, u16)>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(640);
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
    write::event(event, &mut payload);
    payload
}

/// The event in `payload`, with the `position` it was found at.
pub fn decode(position: u64, payload: &[u8]) -> Result<Event, RecordError> {
    let mut event = match split(position, payload)? {
        (VERSION_JSON, _, json) => {
            serde_json::from_slice(json).map_err(|source| RecordError::Json { position, source })?
        }
        (_, _, fields) => {
            read::event(fields).map_err(|source| RecordError::Fields { position, source })?
        }
    };
    event.position = Some(position);
    Ok(event)
}

/// The JSON text of `event` without its position, as it is stored beside it.
///
/// # Panics
/// Never: texts, numbers and lists are always JSON.
pub fn json(event: &mut Event) -> String {
    let position = event.position.take();
    let mut bytes = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut bytes, event)
        .expect("texts, numbers and lists are always JSON, and a vector takes every byte");
    event.position = position;
    String::from_utf8(bytes).expect("JSON is text")
}

/// The identity of the frame whose first record this is; `None` for its further records.
pub fn identity(position: u64, payload: &[u8]) -> Result<Option<Stored>, RecordError> {
    let (_, head, _) = split(position, payload)?;
    if head.is_empty() {
        return Ok(None);
    }
    head::decode(head)
        .map(Some)
        .ok_or(RecordError::Head { position })
}

/// Version, head and content.
fn split(position: u64, payload: &[u8]) -> Result<(u8, &[u8], &[u8]), RecordError> {
    let (version, rest) = payload
        .split_first()
        .ok_or(RecordError::Empty { position })?;
    if !matches!(*version, VERSION_JSON | VERSION) {
        return Err(RecordError::Version {
            position,
            found: *version,
        });
    }
    let (head_len, rest) = rest.split_first().ok_or(RecordError::Head { position })?;
    let (head, content) = rest
        .split_at_checked(usize::from(*head_len))
        .ok_or(RecordError::Head { position })?;
    Ok((*version, head, content))
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
        assert_eq!(payload.first(), Some(&VERSION));
        let mut expected = event.clone();
        expected.position = Some(7);
        assert_eq!(decode(7, &payload).unwrap(), expected);
        assert_eq!(
            encode(&expected, None),
            payload,
            "the position is not written"
        );
    }

    /// Every field is set, every list has two items.
    fn full() -> Event {
        let uuid = uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let text = |text: &str| Some(text.to_owned());
        let mut full = event();
        full.id = uuid;
        full.node = "north".to_owned();
        full.occurred_at = Some(Timestamp::from_millis(-62_135_596_800_000));
        full.clock_offset_ms = Some(-1);
        full.path = Some(larm_event::Path {
            listener: "panels".to_owned(),
            transport: larm_event::Transport::Udp,
            peer: "[2001:db8::1]:9".to_owned(),
            role: Some(larm_event::PathRole::Backup),
            number: text("2"),
        });
        (full.receiver, full.line) = (text("579BDF"), text("0"));
        (full.account_known, full.test) = (true, true);
        (full.data_account, full.sequence) = (text(""), text("0007"));
        full.part = Some(larm_event::Part {
            index: 1,
            of: 65_535,
        });
        full.code = Some(larm_event::Code {
            scheme: larm_event::Scheme::Sia,
            code: "BA".to_owned(),
            qualifier: text("N"),
            address: text("012"),
            name: "Burglary alarm".to_owned(),
            name_sv: "Inbrottslarm".to_owned(),
        });
        full.kind = larm_event::Kind::Alarm;
        full.category = larm_event::Category::HoldUp;
        full.priority = larm_event::Priority::LIFE;
        (full.partition, full.zone) = (text("1"), text("12"));
        (full.user, full.peripheral) = (text("u"), text("p"));
        full.value = Some(larm_event::Value {
            number: "-4.5".to_owned(),
            unit: "°C".to_owned(),
        });
        full.media = ["a.jpg", ""]
            .map(|reference| larm_event::Media {
                kind: larm_event::MediaKind::Image,
                reference: reference.to_owned(),
            })
            .to_vec();
        full.modifiers = [None, text("who")]
            .map(|text| larm_event::Modifier {
                name: "id".to_owned(),
                value: String::new(),
                text,
            })
            .to_vec();
        full.extended = ["V", "H"]
            .map(|id| larm_event::Extended {
                id: id.to_owned(),
                value: "x".repeat(300),
            })
            .to_vec();
        full.authenticity
            .suspect(larm_event::SuspectReason::StaleTime);
        full.authenticity
            .suspect(larm_event::SuspectReason::Downgrade);
        full.deviations = vec!["no-line".to_owned(), "pad-binary".to_owned()];
        full.repeat = Some(larm_event::Repeat {
            seen: Some(3),
            paths: vec!["a/tcp".to_owned(), "b/udp".to_owned()],
            possible_repeat_of: Some(uuid),
        });
        full
    }

    #[test]
    fn every_field_comes_back() {
        for mut given in [full(), event(), Event::draft(String::new())] {
            let payload = encode(&given, None);
            given.position = Some(4);
            assert_eq!(decode(4, &payload).unwrap(), given);
        }
        let json = serde_json::to_value(full()).unwrap();
        let unset = json.as_object().unwrap().len();
        assert_eq!(
            unset, 33,
            "a new field of the event is to be stored, and set in this test"
        );
    }

    #[test]
    fn what_an_earlier_larm_wrote_is_read() {
        let mut given = full();
        let mut payload = vec![1, 0];
        payload.extend_from_slice(serde_json::to_string(&given).unwrap().as_bytes());
        given.position = Some(9);
        assert_eq!(decode(9, &payload).unwrap(), given);
        assert_eq!(
            json(&mut given),
            std::str::from_utf8(&payload[2..]).unwrap()
        );
        assert_eq!(given.position, Some(9));
    }

    #[test]
    fn fields_of_a_later_larm_are_passed_over() {
        let mut payload = encode(&event(), None);
        payload.extend_from_slice(&[200, 3, 1, 2, 3]);
        let mut expected = event();
        expected.position = Some(1);
        assert_eq!(decode(1, &payload).unwrap(), expected);
    }

    #[test]
    fn cut_and_spoiled_fields_are_errors_and_no_panic() {
        let payload = encode(&full(), None);
        for end in 0..payload.len() {
            if let Ok(event) = decode(1, &payload[..end]) {
                assert_ne!(event, full(), "cut at {end}");
            }
        }
        for at in 2..payload.len() {
            let mut spoiled = payload.clone();
            spoiled[at] ^= 0xFF;
            // Content may change; the journal's checksum is what tells that.
            drop(decode(1, &spoiled));
        }
    }

    #[test]
    fn errors_say_which_record_and_what() {
        let text = |payload: &[u8]| decode(3, payload).unwrap_err().to_string();
        assert_eq!(text(b""), "record 3 is empty");
        assert!(text(b"\x03{}").contains("format version 3"));
        assert!(text(b"\x02").contains("record 3 has a head"));
        assert!(text(b"\x02\x00\x01\x05ab").contains("its fields are cut"));
        assert!(text(b"\x02\x00").contains("its field 1 is missing"));
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
