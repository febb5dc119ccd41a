//! An event as a Kafka record: the record as value, the account as key, and the attributes of a
//! CloudEvent as headers (binary mode, `ce_` in front of each name).
use rdkafka::message::{Header, OwnedHeaders};

use crate::config::connector::EVENT_TYPE;
use crate::deliver::{Delivery, cloudevent};

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
        .insert(header("ce_source", &cloudevent::source(delivery)))
        .insert(header("ce_type", EVENT_TYPE))
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
