//! What an answer of the receiver means.
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use larm_event::Timestamp;

use crate::config::connector::{Denied, Webhook as Settings};

/// What an answer means for the events of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken.
    Taken,
    /// To be tried again, not before the receiver's time where it asked for one.
    Again(Option<Duration>),
    /// To be tried again, though nothing will change until a person does something.
    Misconfigured,
    /// Refused for good.
    Refused,
    /// The receiver wants nothing any more.
    Gone,
}

/// Judges a final answer.
///
/// Redirects count as misconfiguration: they are not followed, so the URL has to be corrected.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    settings: &Settings,
    now: Timestamp,
) -> Answer {
    let after = || retry_after(headers, now).map(|wait| wait.min(settings.retry_after_max));
    match status.as_u16() {
        200..=299 => Answer::Taken,
        410 => Answer::Gone,
        408 | 425 | 429 => Answer::Again(after()),
        401 | 403 | 404 | 407 if settings.on_denied == Denied::Retry => Answer::Misconfigured,
        400..=499 => Answer::Refused,
        300..=399 => Answer::Misconfigured,
        _ => Answer::Again(after()),
    }
}

/// The receiver's wish, in seconds or as the date form of HTTP; another text is no wish.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    let wait = at.as_millisecond().saturating_sub(now.as_millis());
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Answer {
        let settings = Settings::default();
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        let now = Timestamp::parse("1994-11-06T08:49:07Z").unwrap();
        judge(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            &settings,
            now,
        )
    }

    #[test]
    fn each_class_has_its_meaning() {
        for taken in [200, 201, 202, 204, 299] {
            assert_eq!(judged(taken, None), Answer::Taken);
        }
        for again in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            assert_eq!(judged(again, None), Answer::Again(None));
        }
        for misconfigured in [301, 302, 307, 308, 401, 403, 404, 407] {
            assert_eq!(judged(misconfigured, None), Answer::Misconfigured);
        }
        for refused in [400, 405, 409, 413, 415, 422] {
            assert_eq!(judged(refused, None), Answer::Refused);
        }
        assert_eq!(judged(410, None), Answer::Gone);
        let strict = Settings {
            on_denied: Denied::DeadLetter,
            ..Settings::default()
        };
        let denied = judge(
            StatusCode::FORBIDDEN,
            &HeaderMap::new(),
            &strict,
            Timestamp::default(),
        );
        assert_eq!(denied, Answer::Refused);
    }

    #[test]
    fn the_receivers_wish_is_read_in_both_forms() {
        let again = |seconds| Answer::Again(Some(Duration::from_secs(seconds)));
        assert_eq!(judged(429, Some("7")), again(7));
        assert_eq!(
            judged(503, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            again(30)
        );
        assert_eq!(judged(503, Some("Sun, 06 Nov 1994 08:00:00 GMT")), again(0));
        assert_eq!(
            judged(503, Some("4000000")),
            again(300),
            "cut to the longest wait"
        );
        assert_eq!(judged(503, Some("soon")), Answer::Again(None));
        assert_eq!(judged(503, Some("-1")), Answer::Again(None));
    }
}
