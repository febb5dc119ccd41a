//! Topics of events, from a template.
//!
//! Grammar of the template: text, and fields in braces: `larm/{node}/event/{account}`. Text holds
//! neither wildcards nor control characters, and does not begin with `$`.
//!
//! A value becomes one level of the topic: what would end the level, act as a wildcard or not be
//! allowed (`/`, `+`, `#`, control characters), and `%` itself, is percent-encoded. So two values
//! never become the same level, and no value reaches into another level. A value that the event
//! does not have is `_`; one that is `_` is encoded.
use std::fmt::Write as _;

use larm_event::Event;

use crate::deliver::connector::BuildError;

/// What a field stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Node,
    Receiver,
    Line,
    Account,
    Kind,
    Category,
    Priority,
    Code,
    Zone,
}

const FIELDS: [(&str, Field); 9] = [
    ("node", Field::Node),
    ("receiver", Field::Receiver),
    ("line", Field::Line),
    ("account", Field::Account),
    ("kind", Field::Kind),
    ("category", Field::Category),
    ("priority", Field::Priority),
    ("code", Field::Code),
    ("zone", Field::Zone),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A template, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Reads the template that stands at `key`.
    pub(super) fn parse(key: &'static str, text: &str) -> Result<Self, BuildError> {
        let wrong = |problem: String| BuildError { key, problem };
        check(key, text)?;
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind
                .split_once('}')
                .ok_or_else(|| wrong("has a `{` without its `}`".to_owned()))?;
            let field = FIELDS
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| {
                    let known: Vec<String> = FIELDS
                        .iter()
                        .map(|(known, _)| format!("{{{known}}}"))
                        .collect();
                    let name = name.escape_debug();
                    wrong(format!(
                        "has the unknown field `{{{name}}}`; there are {}",
                        known.join(", ")
                    ))
                })?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Field(field.1));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The topic of an event.
    pub(super) fn of(&self, event: &Event) -> String {
        let mut topic = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => topic.push_str(text),
                Part::Field(field) => value(&mut topic, *field, event),
            }
        }
        topic
    }
}

/// What holds for every text that becomes a topic or the beginning of one.
pub(super) fn check(key: &'static str, text: &str) -> Result<(), BuildError> {
    let wrong = |problem: &str| {
        Err(BuildError {
            key,
            problem: problem.to_owned(),
        })
    };
    if text.is_empty() {
        return wrong("is empty");
    }
    if text.contains(['+', '#']) || text.chars().any(char::is_control) {
        return wrong("holds `+`, `#` or a control character, which a topic cannot hold");
    }
    if text.starts_with('$') {
        return wrong("begins with `$`; such topics belong to the broker");
    }
    Ok(())
}

fn value(topic: &mut String, field: Field, event: &Event) {
    let text = |text: &Option<String>, topic: &mut String| level(topic, text.as_deref());
    match field {
        Field::Node => level(topic, Some(&event.node)),
        Field::Receiver => text(&event.receiver, topic),
        Field::Line => text(&event.line, topic),
        Field::Account => text(&event.account, topic),
        Field::Kind => topic.push_str(event.kind.as_str()),
        Field::Category => topic.push_str(event.category.as_str()),
        Field::Priority => {
            let _ = write!(topic, "{}", event.priority.get());
        }
        Field::Code => level(topic, event.code.as_ref().map(|code| code.code.as_str())),
        Field::Zone => text(&event.zone, topic),
    }
}

/// One level of a topic.
pub(super) fn level(topic: &mut String, value: Option<&str>) {
    match value {
        None | Some("") => topic.push('_'),
        Some("_") => topic.push_str("%5F"),
        Some(text) => {
            for character in text.chars() {
                if character.is_control() || "/+#%".contains(character) {
                    let mut bytes = [0; 4];
                    for byte in character.encode_utf8(&mut bytes).bytes() {
                        let _ = write!(topic, "%{byte:02X}");
                    }
                } else {
                    topic.push(character);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(template: &str, account: Option<&str>) -> String {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.node = "west".to_owned();
        event.account = account.map(str::to_owned);
        Template::parse("topic", template).unwrap().of(&event)
    }

    #[test]
    fn fields_are_replaced() {
        let topic = of(
            "larm/{node}/{account}/{category}/{kind}/{priority}/{zone}",
            Some("1234"),
        );
        assert_eq!(topic, "larm/west/1234/other/unknown/3/_");
        assert_eq!(of("fixed", None), "fixed");
    }

    #[test]
    fn no_value_reaches_beyond_its_level_and_no_two_become_one() {
        let cases = [
            (None, "_"),
            (Some("_"), "%5F"),
            (Some("a/b"), "a%2Fb"),
            (Some("a%2Fb"), "a%252Fb"),
            (Some("+"), "%2B"),
            (Some("#"), "%23"),
            (Some("\u{0}\u{7f}\u{85}"), "%00%7F%C2%85"),
            (Some("å 1"), "å 1"),
        ];
        for (account, level) in cases {
            assert_eq!(of("{account}", account), level);
        }
    }

    #[test]
    fn a_wrong_template_is_told() {
        let problem = |text| Template::parse("topic", text).unwrap_err().problem;
        assert!(problem("a/{acount}").contains("`{acount}`; there are {node}"));
        assert!(problem("a/{account").contains("without its `}`"));
        assert!(problem("a/#").contains("cannot hold"));
        assert!(problem("$SYS/a").contains("broker"));
        assert!(problem("").contains("empty"));
    }
}
