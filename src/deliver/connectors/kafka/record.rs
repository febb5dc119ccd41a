//! An event as a Kafka record: the record as value, the account as key, and the attributes of a
//! CloudEvent as headers (binary mode, `ce_` in front of each name).
use std::fmt::Write as _;

use rdkafka::message::{Header, OwnedHeaders};

use crate::deliver::Delivery;

/// The `type` of every event.
const TYPE: &str = "org.larm.alarm.v1";

/// What a record without an account has as key: all of them share one partition and stay in order.
const NO_ACCOUNT: &str = "";

/// The key: events of one account share a partition, and so their order.
pub(super) fn key(delivery: &Delivery) -> &str {
    delivery.event.account.as_deref().unwrap_or(NO_ACCOUNT)
}

/// The headers.
pub(super) fn headers(delivery: &Delivery) -> OwnedHeaders {
    let event = &*delivery.event;
    let mut headers = OwnedHeaders::new_with_capacity(10)
        .insert(header("ce_specversion", "1.0"))
        .insert(header("ce_id", &event.id.to_string()))
        .insert(header("ce_source", &source(delivery)))
        .insert(header("ce_type", TYPE))
        .insert(header("ce_time", &event.received_at.to_string()))
        .insert(header("ce_priority", &event.priority.get().to_string()))
        .insert(header("ce_journalseq", &delivery.position.to_string()))
        .insert(header("content-type", "application/json"));
    if let Some(account) = &event.account {
        headers = headers.insert(header("ce_subject", account));
    }
    let first = event
        .repeat
        .as_ref()
        .and_then(|repeat| repeat.possible_repeat_of);
    if let Some(first) = first {
        headers = headers.insert(header("ce_repeatof", &first.to_string()));
    }
    headers
}

fn header<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header {
        key,
        value: Some(value),
    }
}

/// Who the event is from: `/gateway/NODE`, with `/receiver/R` and `/line/L` where they were sent.
fn source(delivery: &Delivery) -> String {
    let event = &*delivery.event;
    let mut path = String::from("/gateway/");
    push_segment(&mut path, &event.node);
    for (name, value) in [("/receiver/", &event.receiver), ("/line/", &event.line)] {
        if let Some(value) = value {
            path.push_str(name);
            push_segment(&mut path, value);
        }
    }
    path
}

/// A segment of a path: letters, digits and `-._~` stay, every other byte is percent-encoded.
fn push_segment(path: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
}
