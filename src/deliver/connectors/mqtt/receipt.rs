//! What the broker's confirmation of one message means.
use rumqttc::mqttbytes::v5::PubAckReason;
use rumqttc::{PublishNoticeError, PublishResult};

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// The broker has it, and somebody is subscribed.
    Taken,
    /// The broker has it, and nobody is subscribed.
    Nobody,
    /// The broker wants it again later.
    Again(&'static str),
    /// larm may not publish it.
    Denied(&'static str),
    /// The broker cannot take this message, now or later.
    Refused(&'static str),
    /// The connection ended before the broker answered.
    Lost,
}

/// Reads a confirmation.
pub(super) fn receipt(result: Result<PublishResult, PublishNoticeError>) -> Receipt {
    match result {
        Ok(PublishResult::Qos1(ack)) => by_reason(ack.reason),
        Err(PublishNoticeError::V5PubAck(reason)) => by_reason(reason),
        Err(PublishNoticeError::RetainNotSupported) => {
            Receipt::Denied("the broker keeps no retained messages")
        }
        // Nothing is published with another quality of service, so nothing else is a confirmation.
        Ok(_) | Err(_) => Receipt::Lost,
    }
}

/// The reason codes of PUBACK: MQTT 5, section 3.4.2.1.
fn by_reason(reason: PubAckReason) -> Receipt {
    match reason {
        PubAckReason::Success => Receipt::Taken,
        PubAckReason::NoMatchingSubscribers => Receipt::Nobody,
        PubAckReason::UnspecifiedError => {
            Receipt::Again("the broker answered 0x80, unspecified error")
        }
        PubAckReason::ImplementationSpecificError => {
            Receipt::Again("the broker answered 0x83, an error of its own")
        }
        PubAckReason::NotAuthorized => Receipt::Denied("the broker answered 0x87, not authorised"),
        PubAckReason::TopicNameInvalid => {
            Receipt::Refused("the broker answered 0x90, topic name invalid")
        }
        PubAckReason::PacketIdentifierInUse => {
            Receipt::Again("the broker answered 0x91, packet identifier in use")
        }
        PubAckReason::QuotaExceeded => Receipt::Again("the broker answered 0x97, quota exceeded"),
        PubAckReason::PayloadFormatInvalid => {
            Receipt::Refused("the broker answered 0x99, payload format invalid")
        }
    }
}
