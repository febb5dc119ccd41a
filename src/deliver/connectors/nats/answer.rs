//! What each answer of the server means for the event.
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};

use super::super::chains::retry;
use crate::deliver::Verdict;

/// The verdict on an event that was not confirmed.
///
/// Only what can never fit is refused for good. A stream that is missing, full or another one than
/// expected is for people to mend, and the alarm waits for them.
pub(super) fn verdict(error: &PublishError, complaint: Option<String>) -> Verdict {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Verdict::Refused {
            why: "larger than the server's `max_payload`".to_owned(),
        },
        PublishErrorKind::StreamNotFound => retry("no stream takes this subject"),
        PublishErrorKind::TimedOut => retry(match complaint {
            Some(words) => format!("no confirmation in time; the server said: {words}"),
            None => "no confirmation in time".to_owned(),
        }),
        PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
            retry("the connection was closed")
        }
        PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::Other => match code(error) {
            Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM) => Verdict::Refused {
                why: "larger than the stream's `max_msg_size`".to_owned(),
            },
            Some(ErrorCode::STREAM_NOT_MATCH) => {
                retry("the subject belongs to another stream than the one that is set")
            }
            Some(ErrorCode(code)) => retry(format!("the server answered with error {code}")),
            None => retry("it could not be published"),
        },
    }
}

fn code(error: &PublishError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    let error = source.downcast_ref::<jetstream::Error>()?;
    Some(error.error_code())
}
