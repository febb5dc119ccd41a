//! Connectors and dead letters as text for people.
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::serve::delivery::ConnectorStatus;

/// A paragraph for each connector.
pub(super) fn statuses(
    out: &mut impl io::Write,
    all: &[ConnectorStatus],
    offline: bool,
) -> io::Result<()> {
    if offline {
        writeln!(out, "no gateway runs; this is what the files say")?;
    } else if all.is_empty() {
        writeln!(out, "the configuration has no [[connector]]")?;
    }
    for status in all {
        out.write_all(one(status, offline).as_bytes())?;
    }
    Ok(())
}

/// Something that does not end by itself, or an event that waits too long.
pub(super) fn needs_a_person(status: &ConnectorStatus) -> bool {
    status.late || status.link == "down" || matches!(status.state.as_str(), "halted" | "failed")
}

fn one(status: &ConnectorStatus, offline: bool) -> String {
    let mut text = status.name.clone();
    if let Some(kind) = &status.kind {
        let _ = write!(text, " ({kind})");
    }
    let _ = write!(text, ": {}", status.state);
    if let Some(why) = &status.why {
        let _ = write!(text, ", {}", plain(why));
    }
    text.push('\n');
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    if offline {
        line("cursor", &status.cursor.to_string());
        line("dead letters", &status.dead_letters.to_string());
        return text;
    }
    let why = status
        .link_why
        .as_deref()
        .map_or(String::new(), |why| format!(", {}", plain(why)));
    line("link", &format!("{}{why}", status.link));
    if let Some(endpoint) = &status.endpoint {
        line("endpoint", &plain(endpoint));
    }
    line("waiting", &waiting(status));
    if let Some(position) = status.oldest {
        let age = Duration::from_millis(status.oldest_age_ms.unwrap_or(0));
        let late = if status.late { ", too long" } else { "" };
        let seconds = age.as_secs();
        line(
            "oldest",
            &format!("position {position}, for {seconds} s{late}"),
        );
    }
    line(
        "cursor",
        &format!("{} of {}", status.durable, status.published),
    );
    line(
        "since start",
        &format!(
            "{} delivered, {} tried again, {} refused, {} skipped, {} held, {} for others",
            status.delivered,
            status.retried,
            status.refused,
            status.skipped,
            status.held,
            status.unrouted
        ),
    );
    if status.unconverted > 0 {
        line(
            "as it came",
            &format!(
                "{} without a counterpart in the form that is set",
                status.unconverted
            ),
        );
    }
    if status.lost > 0 {
        line(
            "lost",
            &format!("{} that the journal had forgotten", status.lost),
        );
    }
    line("dead letters", &status.dead_letters.to_string());
    if let Some(error) = &status.last_error {
        let pause = status.pause_ms.map_or(String::new(), |ms| {
            format!(" (next try in {} s)", ms.div_ceil(1_000))
        });
        line("last error", &format!("{}{pause}", plain(error)));
    }
    text
}

fn waiting(status: &ConnectorStatus) -> String {
    let ranks: Vec<String> = status
        .waiting
        .iter()
        .filter(|one| one.events > 0)
        .map(|one| format!("{} {}", one.events, one.rank))
        .collect();
    let ranks = if ranks.is_empty() {
        String::new()
    } else {
        format!(" ({})", ranks.join(", "))
    };
    let (waiting, on_their_way) = (status.waiting_all(), status.in_flight);
    format!("{waiting}{ranks}, {on_their_way} on their way")
}

/// One line for each letter.
pub(super) fn letters(value: &Value) -> String {
    let mut text = String::new();
    for letter in value.as_array().into_iter().flatten() {
        let part = |key: &str| match &letter[key] {
            Value::String(text) => plain(text),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        let _ = writeln!(
            text,
            "{:>10}  {}  {:<10} {:<8} {}",
            part("position"),
            part("at"),
            part("account"),
            part("cause"),
            part("reason")
        );
    }
    if text.is_empty() {
        text.push_str("no dead letters\n");
    }
    text
}

/// Outside text without anything that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown = c.is_control().then(|| c.escape_default());
            let kept = shown.is_none().then_some(c);
            shown.into_iter().flatten().chain(kept)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::delivery::ConnectorStatus;

    #[test]
    fn a_connector_in_trouble_is_told_in_lines() {
        let status = ConnectorStatus {
            name: "case".to_owned(),
            kind: Some("webhook".to_owned()),
            state: "running".to_owned(),
            link: "down".to_owned(),
            link_why: Some("no\u{1b} route".to_owned()),
            oldest: Some(7),
            oldest_age_ms: Some(12_345),
            late: true,
            durable: 6,
            published: 9,
            ..ConnectorStatus::default()
        };
        assert!(needs_a_person(&status));
        let mut out = Vec::new();
        statuses(&mut out, &[status], false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("case (webhook): running\n"), "{text}");
        assert!(
            text.contains("link         down, no\\u{1b} route"),
            "{text}"
        );
        assert!(text.contains("position 7, for 12 s, too long"), "{text}");
        assert!(text.contains("cursor       6 of 9"), "{text}");
    }

    #[test]
    fn letters_are_lines() {
        let value = serde_json::json!([{
            "position": 12, "at": "2026-11-28T04:15:00.000Z", "account": null,
            "cause": "refused", "reason": "400 no such site"
        }]);
        let text = letters(&value);
        assert!(text.contains("12  2026-11-28T04:15:00.000Z  -"), "{text}");
        assert!(text.ends_with("refused  400 no such site\n"), "{text}");
        assert_eq!(letters(&serde_json::json!([])), "no dead letters\n");
    }
}
