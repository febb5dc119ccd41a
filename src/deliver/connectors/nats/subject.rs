//! The subject of an event: a template with places such as `{account}`, filled so that nothing a
//! transmitter sends can change its shape.
//!
//! ```text
//! template = 1*( literal / "{" name "}" )
//! ```
//!
//! A value becomes part of one token: letters, digits and the other visible ASCII characters stay,
//! except `.`, `*`, `>` and `%`; everything else is written as `%` and two hex digits for each byte,
//! as in a URL. An absent or empty value is `_`, a value `_` is `%5F`. A value that would be longer
//! than [`VALUE_MAX`] is cut and ends in `%+` and 16 hex digits of its BLAKE3 hash. So two values
//! that differ never become the same token.
use std::fmt::Write as _;

use larm_event::Event;

/// Longest value in a subject, in bytes as written: the server bounds the line that it stands in.
const VALUE_MAX: usize = 128;

/// Bytes of a value that is too long that stay, with room for its hash.
const VALUE_KEPT: usize = VALUE_MAX - 18 - 3;

/// Longest template, in bytes.
const TEMPLATE_MAX: usize = 512;

/// What a place may be called.
pub(super) const PLACES: [&str; 9] = [
    "node", "receiver", "line", "account", "category", "kind", "priority", "scheme", "code",
];

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(&'static str),
}

impl Template {
    /// Reads a template; an error says what is wrong and what to write.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEMPLATE_MAX {
            return Err(format!("it has more than {TEMPLATE_MAX} bytes"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (name, tail) = tail
                .split_once('}')
                .ok_or("a `{` has no `}`; write places as `{account}`")?;
            push_literal(&mut parts, literal)?;
            let known = PLACES.iter().find(|place| **place == name);
            parts.push(Part::Place(known.ok_or_else(|| {
                format!(
                    "`{{{}}}` is none of {{{}}}",
                    name.escape_default(),
                    PLACES.join("}, {")
                )
            })?));
            rest = tail;
        }
        push_literal(&mut parts, rest)?;
        // Places never fill a token with nothing, so one letter stands for any value.
        let shape: String = parts.iter().map(Part::shape).collect();
        if shape.split('.').any(str::is_empty) {
            return Err("every part between dots needs at least one character".to_owned());
        }
        if shape.starts_with('$') {
            return Err("subjects that begin with `$` belong to the server".to_owned());
        }
        Ok(Self { parts })
    }

    /// The subject of `event`.
    pub(super) fn render(&self, event: &Event) -> String {
        let mut subject = String::with_capacity(64);
        for part in &self.parts {
            match part {
                Part::Literal(text) => subject.push_str(text),
                Part::Place(name) => push_value(&mut subject, event, name),
            }
        }
        subject
    }

    /// The subject with wildcards that covers every subject of this template.
    pub(super) fn wildcard(&self) -> String {
        let shape: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.as_str(),
                Part::Place(_) => "*",
            })
            .collect();
        // A wildcard is a token of its own: `zone-*` would be a literal.
        let token = |token| {
            if str::contains(token, '*') {
                "*"
            } else {
                token
            }
        };
        shape.split('.').map(token).collect::<Vec<_>>().join(".")
    }
}

impl Part {
    fn shape(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Place(_) => "x",
        }
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let wrong = |c: char| !c.is_ascii_graphic() || matches!(c, '*' | '>' | '}' | '%');
    if let Some(found) = text.chars().find(|c| wrong(*c)) {
        return Err(format!(
            "`{}` cannot stand in a subject; take letters, digits, `-`, `_` and dots",
            found.escape_default()
        ));
    }
    parts.push(Part::Literal(text.to_owned()));
    Ok(())
}

fn push_value(subject: &mut String, event: &Event, name: &str) {
    let code = event.code.as_ref();
    let value = match name {
        "node" => Some(event.node.as_str()),
        "receiver" => event.receiver.as_deref(),
        "line" => event.line.as_deref(),
        "account" => event.account.as_deref(),
        "category" => Some(event.category.as_str()),
        "kind" => Some(event.kind.as_str()),
        "scheme" => code.map(|code| code.scheme.as_str()),
        "code" => code.map(|code| code.code.as_str()),
        "priority" => {
            let _ = write!(subject, "{}", event.priority.get());
            return;
        }
        _ => None,
    };
    push_token(subject, value.unwrap_or_default());
}

fn push_token(subject: &mut String, value: &str) {
    match value {
        "" => return subject.push('_'),
        "_" => return subject.push_str("%5F"),
        _ => {}
    }
    let start = subject.len();
    let mut kept = start;
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'.' | b'*' | b'>' | b'%') {
            subject.push(char::from(byte));
        } else {
            let _ = write!(subject, "%{byte:02X}");
        }
        let written = subject.len() - start;
        if written <= VALUE_KEPT {
            kept = subject.len();
        }
        if written > VALUE_MAX {
            subject.truncate(kept);
            let hash = blake3::hash(value.as_bytes());
            let _ = write!(subject, "%+{}", hash.to_hex().get(..16).unwrap_or_default());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use larm_event::{Category, Priority};

    use super::*;

    fn event(account: Option<&str>) -> Event {
        let mut event = Event::draft("test".to_owned());
        event.receiver = Some("01".to_owned());
        event.account = account.map(str::to_owned);
        event.category = Category::Fire;
        event.priority = Priority::LIFE;
        event
    }

    fn render(account: Option<&str>) -> String {
        Template::parse("alarm.{receiver}.{account}.{category}")
            .unwrap()
            .render(&event(account))
    }

    #[test]
    fn values_fill_one_token_each() {
        assert_eq!(render(Some("1234")), "alarm.01.1234.fire");
        assert_eq!(render(Some("A-7_b")), "alarm.01.A-7_b.fire");
        assert_eq!(render(Some("12.34")), "alarm.01.12%2E34.fire");
        assert_eq!(render(Some("a b")), "alarm.01.a%20b.fire");
        assert_eq!(render(Some("*")), "alarm.01.%2A.fire");
        assert_eq!(render(Some(">")), "alarm.01.%3E.fire");
        assert_eq!(render(Some("%2E")), "alarm.01.%252E.fire");
        assert_eq!(render(Some("\r\n\0")), "alarm.01.%0D%0A%00.fire");
        assert_eq!(render(Some("å")), "alarm.01.%C3%A5.fire");
    }

    #[test]
    fn nothing_and_the_word_for_nothing_differ() {
        assert_eq!(render(None), "alarm.01._.fire");
        assert_eq!(render(Some("")), "alarm.01._.fire");
        assert_eq!(render(Some("_")), "alarm.01.%5F.fire");
    }

    #[test]
    fn long_values_stay_bounded_and_apart() {
        let (one, other) = ("*".repeat(5_000), "*".repeat(5_001));
        let (one, other) = (render(Some(&one)), render(Some(&other)));
        assert_ne!(one, other);
        assert!(one.len() <= "alarm.01..fire".len() + VALUE_MAX, "{one}");
        let exact = "7".repeat(VALUE_MAX);
        assert_eq!(render(Some(&exact)), format!("alarm.01.{exact}.fire"));
        let more = render(Some(&"7".repeat(VALUE_MAX + 1)));
        assert!(more.len() <= "alarm.01..fire".len() + VALUE_MAX, "{more}");
    }

    #[test]
    fn wildcards_cover_the_template() {
        let wildcard = |text| Template::parse(text).unwrap().wildcard();
        assert_eq!(wildcard("alarm.{receiver}.{account}"), "alarm.*.*");
        assert_eq!(wildcard("alarm.p{priority}.x"), "alarm.*.x");
        assert_eq!(wildcard("alarm"), "alarm");
    }

    #[test]
    fn a_wrong_template_says_what_is_right() {
        let wrong = |text| Template::parse(text).unwrap_err();
        assert!(wrong("alarm.{acount}").contains("{account}"));
        assert!(wrong("alarm.{account").contains('}'));
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert!(wrong(text).contains("between dots"), "{text}");
        }
        for text in ["a b", "a.*", "a.>", "a}", "å", "%20"] {
            assert!(wrong(text).contains("cannot stand"), "{text}");
        }
        assert!(wrong("$SYS.x").contains("server"));
    }

    #[test]
    fn every_place_is_filled() {
        for place in PLACES {
            let subject = Template::parse(&format!("{{{place}}}")).unwrap();
            assert!(!subject.render(&event(Some("1"))).is_empty(), "{place}");
        }
    }
}
