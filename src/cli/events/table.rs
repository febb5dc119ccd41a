//! Events for people: a line each, in columns, with more lines where one is not enough.
use std::fmt::Write as _;
use std::io::{self, Write};

use larm_event::{Event, Grade, Priority};
use larm_wire::text::printable;

/// Lines are kept to this width where the texts allow it.
const WIDTH: usize = 100;
/// Column where further lines begin.
const MORE: usize = 21;
/// A transmitter's clock that differs by less is not worth a word.
const CLOCK_SLACK_MS: u64 = 60_000;

/// The language of names and descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    /// English.
    En,
    /// Swedish.
    Sv,
}

/// How events are written for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) language: Language,
    pub(super) colours: bool,
}

impl Table {
    /// Writes the line above the columns.
    pub(super) fn heading(self, out: &mut impl Write) -> io::Result<()> {
        let line = match self.language {
            Language::En => columns(
                ["TIME (UTC)", "ACCOUNT", "P", "KIND", "CATEGORY", "CODE"],
                "WHAT",
            ),
            Language::Sv => columns(
                ["TID (UTC)", "KONTO", "P", "KIND", "CATEGORY", "KOD"],
                "VAD",
            ),
        };
        writeln!(out, "{}", self.paint("1", &line))
    }

    /// Writes one event.
    pub(super) fn event(self, out: &mut impl Write, event: &Event) -> io::Result<()> {
        let time = event.received_at.to_string().replace('T', " ");
        let account = account(event);
        let code = event
            .code
            .as_ref()
            .map_or("-".into(), |code| shown(&code.code));
        let priority = event.priority.get().to_string();
        let fields = [
            time.get(..19).unwrap_or(&time),
            &account,
            &priority,
            event.kind.as_str(),
            event.category.as_str(),
            &code,
        ];
        let mut lines = fill(columns(fields, ""), &self.pieces(event));
        if let Some(first) = lines.first_mut() {
            *first = self.paint(colour(event), first);
        }
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    /// The description in pieces, none of which is broken over two lines.
    fn pieces(self, event: &Event) -> Vec<String> {
        let words = self.language.words();
        let mut pieces = vec![self.name(event)];
        let places = [
            (words.partition, &event.partition),
            (words.zone, &event.zone),
            (words.user, &event.user),
            (words.peripheral, &event.peripheral),
        ];
        for (word, value) in places {
            pieces.extend(
                value
                    .as_ref()
                    .map(|value| format!("{word} {}", shown(value))),
            );
        }
        if let Some(value) = &event.value {
            pieces.push(format!("{} {}", shown(&value.number), shown(&value.unit)));
        }
        if let Some(text) = &event.text {
            pieces.push(format!("\u{201c}{}\u{201d}", shown(text)));
        }
        if let Some(place) = &event.location {
            pieces.push(format!("{:.5} {:.5}", place.latitude, place.longitude));
        }
        pieces.extend(
            event
                .media
                .iter()
                .map(|media| shown(&media.reference).into_owned()),
        );
        if let Some(occurred) = event.occurred_at
            && occurred.as_millis().abs_diff(event.received_at.as_millis()) > CLOCK_SLACK_MS
        {
            let occurred = occurred.to_string().replace('T', " ");
            let occurred = occurred.get(..19).unwrap_or(&occurred);
            pieces.push(format!("{} {occurred}", words.occurred));
        }
        self.marks(event, &mut pieces);
        pieces
    }

    fn name(self, event: &Event) -> String {
        let Some(code) = &event.code else {
            return shown(&event.protocol).into_owned();
        };
        let name = match self.language {
            Language::En => &code.name,
            Language::Sv => &code.name_sv,
        };
        if name.is_empty() {
            format!("{} ({})", self.language.words().unknown_code, code.scheme)
        } else {
            shown(name).into_owned()
        }
    }

    /// What a reader should know about how the event came in.
    fn marks(self, event: &Event, pieces: &mut Vec<String>) {
        let words = self.language.words();
        if event.test {
            pieces.push(words.test.to_owned());
        }
        match event.authenticity.grade {
            Grade::Plain => {}
            Grade::Encrypted => pieces.push(words.encrypted.to_owned()),
            Grade::Suspect => {
                let reasons = &event.authenticity.reasons;
                let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
                pieces.push(format!("{}: {}", words.suspect, reasons.join(" ")));
            }
        }
        if let Some(repeat) = &event.repeat {
            if let Some(seen) = repeat.seen.filter(|seen| *seen > 1) {
                pieces.push(format!("{} \u{d7}{seen}", words.seen));
            }
            if let Some(earlier) = repeat.possible_repeat_of {
                pieces.push(format!("{} {earlier}", words.may_repeat));
            }
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The words of a description.
struct Words {
    partition: &'static str,
    zone: &'static str,
    user: &'static str,
    peripheral: &'static str,
    occurred: &'static str,
    unknown_code: &'static str,
    test: &'static str,
    encrypted: &'static str,
    suspect: &'static str,
    seen: &'static str,
    may_repeat: &'static str,
}

impl Language {
    fn words(self) -> Words {
        match self {
            Self::En => Words {
                partition: "area",
                zone: "zone",
                user: "user",
                peripheral: "device",
                occurred: "own time",
                unknown_code: "code not known",
                test: "IN TEST MODE",
                encrypted: "encrypted",
                suspect: "SUSPECT",
                seen: "seen",
                may_repeat: "may repeat",
            },
            Self::Sv => Words {
                partition: "område",
                zone: "sektion",
                user: "användare",
                peripheral: "enhet",
                occurred: "egen tid",
                unknown_code: "okänd kod",
                test: "I PROVLÄGE",
                encrypted: "krypterad",
                suspect: "TVIVELAKTIG",
                seen: "sedd",
                may_repeat: "kan vara repris av",
            },
        }
    }
}

/// The account, with a `?` behind it where it is not in the register.
fn account(event: &Event) -> String {
    let mark = if event.account_known { "" } else { "?" };
    let account = event.account.as_deref().map(shown);
    account.map_or("-".to_owned(), |account| format!("{account}{mark}"))
}

/// SGR parameters for the event's line.
fn colour(event: &Event) -> &'static str {
    match event.priority {
        _ if event.authenticity.grade == Grade::Suspect => "35",
        Priority::LIFE => "1;31",
        Priority::PROPERTY => "31",
        Priority::FAULT => "33",
        Priority::LOG => "2",
        _ => "",
    }
}

/// The fixed columns and what follows them. A value that is too wide pushes the rest.
fn columns(fields: [&str; 6], what: &str) -> String {
    let [time, account, priority, kind, category, code] = fields;
    format!("{time:<19}  {account:<8} {priority} {kind:<16} {category:<13} {code:<4}  {what}")
}

/// Puts the pieces behind the columns as far as they fit, the rest on further lines.
fn fill(first: String, pieces: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first;
    let mut fresh = true;
    for (index, piece) in pieces.iter().enumerate() {
        let comma = if index + 1 < pieces.len() { "," } else { "" };
        let space = usize::from(!fresh);
        // The first piece always stands behind the columns.
        if index > 0 && line.chars().count() + space + piece.chars().count() + comma.len() > WIDTH {
            lines.push(line);
            line = " ".repeat(MORE);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = write!(line, "{piece}{comma}");
        fresh = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The text, safe for a terminal. A record's texts are escaped already, so a backslash stands for
/// itself; everything else that could mislead is escaped once more, should a record be forged.
fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\\') {
        let parts: Vec<_> = text.split('\\').map(printable).collect();
        parts.join("\\").into()
    } else {
        printable(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use larm_event::{Category, Code, Kind, Repeat, Scheme, SuspectReason, Timestamp};

    fn burglary() -> Event {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.received_at = Timestamp::parse("2026-11-25T12:00:07.123Z").unwrap();
        event.account = Some("1234".to_owned());
        event.account_known = true;
        event.kind = Kind::Alarm;
        event.category = Category::Intrusion;
        event.priority = Priority::PROPERTY;
        event.zone = Some("1".to_owned());
        event.code = Some(Code {
            scheme: Scheme::Sia,
            code: "BA".to_owned(),
            qualifier: None,
            address: Some("1".to_owned()),
            name: "Burglary alarm".to_owned(),
            name_sv: "Inbrottslarm".to_owned(),
        });
        event
    }

    fn written(event: &Event, language: Language, colours: bool) -> String {
        let table = Table { language, colours };
        let mut out = Vec::new();
        table.heading(&mut out).unwrap();
        table.event(&mut out, event).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_short_event_is_one_line_under_its_heading() {
        assert_eq!(
            written(&burglary(), Language::En, false),
            "\
TIME (UTC)           ACCOUNT  P KIND             CATEGORY      CODE  WHAT
2026-11-25 12:00:07  1234     2 alarm            intrusion     BA    Burglary alarm, zone 1
"
        );
        let swedish = written(&burglary(), Language::Sv, false);
        assert!(swedish.ends_with("Inbrottslarm, sektion 1\n"), "{swedish}");
    }

    #[test]
    fn a_long_one_goes_on_below_and_stays_within_the_width() {
        let mut event = burglary();
        event.text = Some("Kitchen window, ground floor, towards the yard".to_owned());
        event.authenticity.suspect(SuspectReason::Downgrade);
        event.authenticity.suspect(SuspectReason::StaleTime);
        event.test = true;
        event.account_known = false;
        event.repeat = Some(Repeat {
            seen: Some(3),
            paths: Vec::new(),
            possible_repeat_of: Some(uuid::Uuid::nil()),
        });
        event.occurred_at = Some(Timestamp::parse("2026-11-25T10:00:00Z").unwrap());
        let text = written(&event, Language::En, false);
        assert!(text.contains("  1234?    2 alarm"), "{text}");
        for part in [
            "“Kitchen window, ground floor, towards the yard”",
            "SUSPECT: downgrade stale_time",
            "IN TEST MODE",
            "seen ×3",
            "may repeat 00000000-0000-0000-0000-000000000000",
            "own time 2026-11-25 10:00:00",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "too wide: {line}");
        }
    }

    #[test]
    fn outside_text_cannot_steer_the_terminal() {
        let mut event = burglary();
        event.account = Some("12\x1b[2J".to_owned());
        event.text = Some("a\x07b\u{202e}c\\x1b already\r\n".to_owned());
        event.zone = Some("\u{9b}1m".to_owned());
        let text = written(&event, Language::En, false);
        let unsafe_char = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(unsafe_char), "{text:?}");
        assert!(
            text.contains("a\\x07b\\u{202e}c\\x1b already\\r\\n"),
            "{text}"
        );
    }

    #[test]
    fn colours_only_where_asked_and_reset_at_the_end_of_the_line() {
        let text = written(&burglary(), Language::En, true);
        let line = text.lines().nth(1).unwrap();
        assert!(
            line.starts_with("\x1b[31m2026") && line.ends_with("\x1b[0m"),
            "{line:?}"
        );
    }

    #[test]
    fn an_unknown_code_is_said_to_be_one() {
        let mut event = burglary();
        event.code.as_mut().unwrap().name = String::new();
        assert!(written(&event, Language::En, false).contains("code not known (SIA), zone 1"));
        event.code = None;
        assert!(written(&event, Language::En, false).contains(" -     dc09/SIA-DCS, zone 1"));
    }
}
