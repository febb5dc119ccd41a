//! Is what was written read again, also by older and newer builds?
use larm_event::{
    Category, Event, Grade, Kind, MediaKind, PathRole, Scheme, SuspectReason, Timestamp, Transport,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::build;

/// One line of the first published form, with every field. Never edit it: add a second one.
pub(crate) const SAMPLE: &str = include_str!("sample-1.json");

pub(crate) fn value(event: &Event) -> Value {
    serde_json::to_value(event).expect("an event has a JSON form")
}

#[test]
fn the_first_published_form_is_read_and_written_the_same() {
    let event: Event = serde_json::from_str(SAMPLE).unwrap();
    assert_eq!(
        value(&event),
        serde_json::from_str::<Value>(SAMPLE).unwrap()
    );
    assert_eq!(event.position, Some(4711));
    assert_eq!(event.kind, Kind::Alarm);
    assert_eq!(event.received_at, Timestamp::from_millis(1_795_608_000_123));
    assert_eq!(event.raw.0, b"\n5C9D0027\"SIA-DCS\"");
}

#[test]
fn fields_of_a_newer_build_are_passed_over() {
    let mut newer = value(&Event::draft("dc09/SIA-DCS".to_owned()));
    newer["colour"] = json!({ "hue": [1, 2, 3] });
    newer["authenticity"]["level"] = json!(9);
    let read: Event = serde_json::from_value(newer).unwrap();
    assert_eq!(read, Event::draft("dc09/SIA-DCS".to_owned()));
}

#[test]
fn what_is_not_known_is_left_out() {
    assert_eq!(
        value(&Event::draft("dc09/SIA-DCS".to_owned())),
        json!({
            "id": "00000000-0000-0000-0000-000000000000",
            "node": "",
            "received_at": "1970-01-01T00:00:00.000Z",
            "protocol": "dc09/SIA-DCS",
            "account_known": false,
            "kind": "unknown",
            "category": "other",
            "priority": 3,
            "authenticity": { "grade": "plain" },
            "test": false,
        })
    );
}

#[test]
fn values_out_of_their_range_are_refused() {
    for (field, wrong, told) in [
        ("priority", json!(0), "1 (life) to 5 (log only)"),
        ("priority", json!(6), "1 (life) to 5 (log only)"),
        ("received_at", json!("yesterday"), "not an RFC 3339 time"),
        ("raw", json!("###"), "`raw` is not base64"),
        ("kind", json!("Alarm"), "unknown variant `Alarm`"),
        ("id", json!("1"), "UUID"),
    ] {
        let mut event = value(&Event::draft("dc09/SIA-DCS".to_owned()));
        event[field] = wrong;
        let error = serde_json::from_value::<Event>(event).unwrap_err();
        assert!(error.to_string().contains(told), "{field}: {error}");
    }
}

#[test]
fn words_are_the_same_in_json_and_on_the_command_line() {
    macro_rules! check {
        ($($vocabulary:ty),+) => {$(
            for word in <$vocabulary>::ALL {
                assert_eq!(serde_json::to_value(word).unwrap(), json!(word.as_str()));
                assert_eq!(<$vocabulary>::from_word(word.as_str()), Some(*word));
                assert_eq!(word.to_string(), word.as_str());
            }
        )+};
    }
    check!(
        Kind,
        Category,
        Scheme,
        Grade,
        SuspectReason,
        Transport,
        PathRole,
        MediaKind
    );
}

proptest! {
    #[test]
    fn there_and_back(event in build::event()) {
        let line = serde_json::to_string(&event).unwrap();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn nothing_is_ever_null(event in build::event()) {
        fn has_null(value: &Value) -> bool {
            match value {
                Value::Null => true,
                Value::Array(list) => list.iter().any(has_null),
                Value::Object(fields) => fields.values().any(has_null),
                _ => false,
            }
        }
        prop_assert!(!has_null(&value(&event)));
    }

    #[test]
    fn any_time_is_read_as_written(ms: i64) {
        let at = Timestamp::from_millis(ms);
        prop_assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
    }
}
