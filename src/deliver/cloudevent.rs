//! A delivery as a CloudEvents 1.0 object in JSON, the structured mode.
//!
//! Layout: the context attributes, then `data` with the record as the published schema says. The
//! record's text is put in as it is; nothing is parsed and written again.
//!
//! - `id` is the event's id, the same on every repeat. `source` and `id` together are unique.
//! - `source` is `/gateway/NODE`, with `/receiver/R` and `/line/L` where the transmitter sent them;
//!   what a path segment cannot hold is percent-encoded.
//! - `subject` is the account as sent; absent where there is none.
//! - `time` is the time of receipt. The transmitter's own time is inside `data`.
//! - Extensions: `priority` (1 to 5), `journalseq` (the place in the journal, as text since the
//!   number may go beyond 32 bits), `repeatof` (id of the event that this one may repeat).
use std::io::Write as _;

use super::connector::Delivery;

/// Media type of one object.
pub const ONE: &str = "application/cloudevents+json";

/// Media type of a list of objects.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// What attributes take besides the record.
const ATTRIBUTES_LEN: usize = 512;

/// One delivery as one object. `kind` is the `type` attribute.
#[must_use]
pub fn one(delivery: &Delivery, kind: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(delivery.json.len() + ATTRIBUTES_LEN);
    write(&mut out, delivery, kind);
    out
}

/// Several deliveries as a list, in their order.
#[must_use]
pub fn batch(deliveries: &[Delivery], kind: &str) -> Vec<u8> {
    let records: usize = deliveries
        .iter()
        .map(|delivery| delivery.json.len() + ATTRIBUTES_LEN)
        .sum();
    let mut out = Vec::with_capacity(records);
    for delivery in deliveries {
        out.push(if out.is_empty() { b'[' } else { b',' });
        write(&mut out, delivery, kind);
    }
    if out.is_empty() {
        out.push(b'[');
    }
    out.push(b']');
    out
}

fn write(out: &mut Vec<u8>, delivery: &Delivery, kind: &str) {
    let event = &*delivery.event;
    out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
    // Writing to memory cannot fail, here and below.
    let _ = write!(out, "{}", event.id);
    out.extend_from_slice(b"\",\"source\":");
    text(out, &source(delivery));
    out.extend_from_slice(b",\"type\":");
    text(out, kind);
    if let Some(account) = &event.account {
        out.extend_from_slice(b",\"subject\":");
        text(out, account);
    }
    let _ = write!(
        out,
        ",\"time\":\"{}\",\"datacontenttype\":\"application/json\"",
        event.received_at
    );
    let _ = write!(
        out,
        ",\"priority\":{},\"journalseq\":\"{}\"",
        event.priority.get(),
        delivery.position
    );
    let first = event
        .repeat
        .as_ref()
        .and_then(|repeat| repeat.possible_repeat_of);
    if let Some(first) = first {
        let _ = write!(out, ",\"repeatof\":\"{first}\"");
    }
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(delivery.json.as_bytes());
    out.push(b'}');
}

/// A JSON string.
fn text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

/// Who the event is from, as a path: the `source` attribute.
#[must_use]
pub fn source(delivery: &Delivery) -> String {
    let event = &*delivery.event;
    let mut path = String::from("/gateway/");
    segment(&mut path, &event.node);
    let parts = [("/receiver/", &event.receiver), ("/line/", &event.line)];
    for (name, value) in parts {
        if let Some(value) = value {
            path.push_str(name);
            segment(&mut path, value);
        }
    }
    path
}

/// A path segment: what RFC 3986 calls unreserved stays, the rest is percent-encoded.
fn segment(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use larm_event::{Event, Repeat};
    use std::sync::Arc;
    use uuid::Uuid;

    fn delivery() -> Delivery {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.id = Uuid::from_u128(7);
        event.node = "väst 1".to_owned();
        event.position = Some(5_000_000_000);
        event.account = Some("12\"34".to_owned());
        event.receiver = Some("R/1".to_owned());
        event.repeat = Some(Repeat {
            seen: None,
            paths: Vec::new(),
            possible_repeat_of: Some(Uuid::from_u128(6)),
        });
        let json = serde_json::to_string(&event).unwrap();
        Delivery {
            position: 5_000_000_000,
            event: Arc::new(event),
            json: json.into(),
            tries: 0,
        }
    }

    #[test]
    fn an_event_becomes_one_object_with_its_record_inside() {
        let delivery = delivery();
        let read: serde_json::Value =
            serde_json::from_slice(&one(&delivery, "org.example.v1")).unwrap();
        let expected = serde_json::json!({
            "specversion": "1.0",
            "id": "00000000-0000-0000-0000-000000000007",
            "source": "/gateway/v%C3%A4st%201/receiver/R%2F1",
            "type": "org.example.v1",
            "subject": "12\"34",
            "time": "1970-01-01T00:00:00.000Z",
            "datacontenttype": "application/json",
            "priority": 3,
            "journalseq": "5000000000",
            "repeatof": "00000000-0000-0000-0000-000000000006",
            "data": *delivery.event,
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn several_become_a_list_in_their_order() {
        let mut second = delivery();
        second.position = 2;
        let read: serde_json::Value =
            serde_json::from_slice(&batch(&[delivery(), second], "t")).unwrap();
        assert_eq!(read[0]["journalseq"], "5000000000");
        assert_eq!(read[1]["journalseq"], "2");
        assert_eq!(batch(&[], "t"), b"[]");
    }
}
