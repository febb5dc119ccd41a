//! Times as people write them on the command line.
use jiff::civil;
use jiff::tz::TimeZone;
use larm_event::Timestamp;

/// What is accepted, for help and errors.
pub(super) const FORMS: &str =
    "2026-11-25T12:00:00Z, 2026-11-25 12:00 (UTC), 2026-11-25 (UTC), or back from now: 10m, 2h, 1d";

/// The time meant by `text`, with a date alone meaning where that day begins.
pub(in crate::cli) fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    parse(text, now, 0)
}

/// The time meant by `text`, with a date alone meaning where that day ends.
pub(super) fn until(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    parse(text, now, 1)
}

/// `days` are added to a date that stands alone.
fn parse(text: &str, now: Timestamp, days: i64) -> Result<Timestamp, String> {
    let text = text.trim();
    relative(text, now)
        .or_else(|| Timestamp::parse(text).ok())
        .or_else(|| day(text, days))
        .or_else(|| clock(text))
        .ok_or_else(|| format!("`{text}` is no time; write one of: {FORMS}"))
}

/// `90s`, `10m`, `2h`, `1d`, `1w`.
fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit = text.chars().next_back()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
    let back_ms = seconds * 1000 * i64::from(count);
    Some(Timestamp::from_millis(now.as_millis() - back_ms))
}

fn day(text: &str, days: i64) -> Option<Timestamp> {
    // A date's own parser also takes, and passes over, a time behind it.
    if text.len() != "2026-11-25".len() {
        return None;
    }
    let date: civil::Date = text.parse().ok()?;
    let date = date.checked_add(jiff::Span::new().days(days)).ok()?;
    at(date.at(0, 0, 0, 0))
}

fn clock(text: &str) -> Option<Timestamp> {
    if text.len() <= "2026-11-25".len() || text.ends_with(']') {
        return None;
    }
    at(text.parse().ok()?)
}

fn at(time: civil::DateTime) -> Option<Timestamp> {
    let at = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-25T12:00:00Z").unwrap()
    }

    #[test]
    fn every_promised_form_is_read() {
        let forms = [
            ("2026-11-25T12:30:00Z", "2026-11-25T12:30:00.000Z"),
            ("2026-11-25T12:30:00.25+01:00", "2026-11-25T11:30:00.250Z"),
            ("2026-11-25 12:30", "2026-11-25T12:30:00.000Z"),
            ("2026-11-25T12:30:01", "2026-11-25T12:30:01.000Z"),
            ("2026-11-24", "2026-11-24T00:00:00.000Z"),
            ("90s", "2026-11-25T11:58:30.000Z"),
            ("10m", "2026-11-25T11:50:00.000Z"),
            ("2h", "2026-11-25T10:00:00.000Z"),
            ("1d", "2026-11-24T12:00:00.000Z"),
            (" 1w ", "2026-11-18T12:00:00.000Z"),
        ];
        for (text, expected) in forms {
            let found = since(text, now()).unwrap();
            assert_eq!(found.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn until_a_day_means_to_its_end() {
        let end = until("2026-11-25", now()).unwrap();
        assert_eq!(end.to_string(), "2026-11-26T00:00:00.000Z");
        assert_eq!(until("2h", now()), since("2h", now()));
    }

    #[test]
    fn what_is_no_time_is_named_with_the_forms() {
        for text in [
            "",
            "h",
            "-5m",
            "1y",
            "tomorrow",
            "2026-13-01",
            "2026-11-25T25:00",
            "99999999999d",
        ] {
            let error = since(text, now()).unwrap_err();
            assert!(error.contains("10m, 2h, 1d"), "{text}: {error}");
        }
    }
}
