//! The explanation for people: the bytes, each field in words, what deviates, the answer and why.
use std::fmt::Write as _;

use larm_carrier::Inspection;
use larm_event::Event;

/// Characters of the column that shows the bytes of a field.
const SHOWN_MAX: usize = 24;

/// Several lines that explain one piece of line `input` (from 1).
#[must_use]
pub fn to_text(input: usize, found: &Inspection) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "line {input}: {}, {} bytes",
        found.verdict,
        found.bytes.len()
    );
    match found.encrypted {
        Some(true) => out.push_str(", encrypted"),
        Some(false) => out.push_str(", clear"),
        None => {}
    }
    out.push('\n');
    // Events stand below, with everything that is known of them.
    for field in found.fields.iter().filter(|field| field.name != "event") {
        let bytes = found.bytes.get(field.start..field.end);
        let bytes = shown(bytes.unwrap_or_default());
        let _ = writeln!(
            out,
            "{:>6}  {:<10}{bytes:<SHOWN_MAX$}  {}",
            field.start, field.name, field.meaning
        );
    }
    if let Some(payload) = &found.payload
        && found.encrypted == Some(true)
    {
        let _ = writeln!(out, "  decrypted   {payload}");
    }
    for event in &found.events {
        let _ = writeln!(out, "  event       {}", in_words(event));
    }
    if found.link_test {
        out.push_str("  link test   a sign of life; no event\n");
    }
    if !found.deviations.is_empty() {
        let _ = writeln!(out, "  deviates    {}", found.deviations.join(", "));
    }
    if let Some(error) = &found.error {
        let _ = writeln!(out, "  problem     {error}");
    }
    let _ = match &found.lenient_reply {
        Some(lenient) => {
            writeln!(
                out,
                "  answer      {} (strict), {lenient} (tolerant or quirk)",
                found.reply
            )
        }
        None => writeln!(out, "  answer      {}", found.reply),
    };
    for note in &found.notes {
        let _ = writeln!(out, "  note        {note}");
    }
    out
}

/// The bytes as text, every byte that is not printable escaped, cut to the width of its column.
fn shown(bytes: &[u8]) -> String {
    let text = larm_wire::text::printable_bytes(bytes);
    if text.chars().count() <= SHOWN_MAX {
        return text.into_owned();
    }
    let mut cut: String = text.chars().take(SHOWN_MAX - 1).collect();
    cut.push('…');
    cut
}

/// One event in one line: `Burglary alarm (SIA BA, new), zone 01, partition 1, "Front door"`.
#[must_use]
pub fn in_words(event: &Event) -> String {
    let mut out = match &event.code {
        Some(code) => {
            let name = if code.name.is_empty() {
                "unknown code"
            } else {
                &code.name
            };
            let qualifier = code.qualifier.as_deref().unwrap_or("");
            format!("{name} ({} {qualifier}{})", code.scheme, code.code)
        }
        None => "content not decoded".to_owned(),
    };
    let _ = write!(
        out,
        ", {}/{}, priority {}",
        event.kind,
        event.category,
        event.priority.get()
    );
    let places = [
        ("partition", &event.partition),
        ("zone", &event.zone),
        ("user", &event.user),
        ("peripheral", &event.peripheral),
    ];
    for (name, value) in places {
        if let Some(value) = value {
            let _ = write!(out, ", {name} {value}");
        }
    }
    if let Some(value) = &event.value {
        let _ = write!(out, ", {} {}", value.number, value.unit);
    }
    if let Some(at) = &event.location {
        let _ = write!(out, ", at {:.5} {:.5}", at.latitude, at.longitude);
    }
    if let Some(text) = &event.text {
        let _ = write!(out, ", \"{text}\"");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use larm_carrier::Field;
    use larm_event::{Category, Code, Kind, Priority, Scheme};

    #[test]
    fn a_piece_in_words() {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.kind = Kind::Alarm;
        event.category = Category::Intrusion;
        event.priority = Priority::PROPERTY;
        event.zone = Some("01".to_owned());
        event.code = Some(Code {
            scheme: Scheme::Sia,
            code: "BA".to_owned(),
            qualifier: Some("N".to_owned()),
            address: Some("01".to_owned()),
            name: "Burglary alarm".to_owned(),
            name_sv: String::new(),
        });
        let found = Inspection {
            bytes: b"\n8BE7".to_vec(),
            verdict: "ok".to_owned(),
            encrypted: Some(false),
            events: vec![event],
            fields: vec![Field {
                name: "crc",
                start: 1,
                end: 5,
                meaning: "right".to_owned(),
            }],
            reply: "ACK".to_owned(),
            ..Inspection::default()
        };
        let text = to_text(1, &found);
        let first =
            "line 1: ok, 5 bytes, clear\n     1  crc       8BE7                      right\n";
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains("Burglary alarm (SIA NBA), alarm/intrusion, priority 2, zone 01"));
        assert!(text.ends_with("  answer      ACK\n"));
    }

    #[test]
    fn raw_bytes_never_reach_the_terminal() {
        assert_eq!(shown(b"\x1b[2J\r"), "\\x1b[2J\\r");
        assert_eq!(shown(&[b'x'; 100]).chars().count(), SHOWN_MAX);
    }
}
