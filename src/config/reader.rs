//! Takes values out of the parsed TOML by the schema's rules and collects every problem.
#[allow(dead_code, reason = "not every kind of connector has landed")]
mod lists;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::connector::KINDS;
use super::problem::{Problem, ProblemKind};
use super::schema::{Key, SECTIONS, Section, Takes};
use super::units;

/// A parsed text and what was found wrong so far.
pub(super) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    problems: RefCell<Vec<Problem>>,
}

/// One table of a document, to be read by one section's rules.
pub(super) struct Table<'d> {
    document: &'d Document<'d>,
    section: &'static Section,
    /// Keys that only a section of this kind has.
    more: &'static [Key],
    values: &'d DeTable<'d>,
    span: Range<usize>,
}

type Value<'d> = &'d Spanned<DeValue<'d>>;

impl<'t> Document<'t> {
    /// Parses; syntax errors become problems, and what could be read stays.
    pub(super) fn parse(text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let problems = errors
            .iter()
            .map(|error| Problem {
                span: error.span().unwrap_or(0..0),
                kind: ProblemKind::Syntax {
                    message: show(error.message()),
                },
            })
            .collect();
        Self {
            text,
            root,
            problems: RefCell::new(problems),
        }
    }

    /// Whether the text is no TOML at all.
    pub(super) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Adds a problem.
    pub(super) fn report(&self, span: Range<usize>, kind: ProblemKind) {
        self.problems.borrow_mut().push(Problem { span, kind });
    }

    /// All problems, in the order of the text.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.span.start);
        problems
    }

    /// Reports every top-level name that is no section.
    pub(super) fn refuse_unknown_sections(&self) {
        for key in self.root.get_ref().keys() {
            let name: &str = key.get_ref();
            if SECTIONS.iter().any(|section| section.name == name) {
                continue;
            }
            let known = SECTIONS.iter().map(|section| section.name);
            let suggestion = nearest(name, known);
            self.report(
                key.span(),
                ProblemKind::UnknownSection {
                    found: show(name),
                    suggestion,
                },
            );
        }
    }

    /// The tables of a section: none or one, or any number where it is repeated.
    pub(super) fn tables(&'t self, section: &'static Section) -> Vec<Table<'t>> {
        let Some(value) = self.root.get_ref().get(section.name) else {
            return Vec::new();
        };
        let wrong = |span| {
            self.report(
                span,
                ProblemKind::WrongShape {
                    section: section.name,
                    repeated: section.repeated,
                },
            );
        };
        let open = |value: Value<'t>| {
            if let DeValue::Table(values) = value.get_ref() {
                return Some(Table {
                    document: self,
                    section,
                    more: &[],
                    values,
                    span: value.span(),
                });
            }
            wrong(value.span());
            None
        };
        match (value.get_ref(), section.repeated) {
            (DeValue::Array(array), true) => array.iter().filter_map(open).collect(),
            (_, false) => open(value).into_iter().collect(),
            (_, true) => {
                wrong(value.span());
                Vec::new()
            }
        }
    }

    fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }
}

impl<'d> Table<'d> {
    /// From now on it knows these keys as well.
    pub(super) fn know(&mut self, more: &'static [Key]) {
        self.more = more;
    }

    /// Adds a problem with the value of `key`, or with the table where it is absent.
    pub(super) fn report(&self, key: &str, kind: ProblemKind) {
        self.document.report(self.place(key), kind);
    }

    /// How many problems the document has so far.
    pub(super) fn problems(&self) -> usize {
        self.document.problems.borrow().len()
    }

    /// Where the value of `key` stands; the table's own place where it is absent.
    pub(super) fn place(&self, key: &str) -> Range<usize> {
        self.values
            .get(key)
            .map_or(self.span.clone(), Spanned::span)
    }

    /// Where the name of `key` stands, if it stands.
    pub(super) fn key_place(&self, key: &str) -> Option<Range<usize>> {
        self.values.get_key_value(key).map(|(name, _)| name.span())
    }

    /// Reports every key that the section does not have.
    pub(super) fn refuse_unknown_keys(&self) {
        for key in self.values.keys() {
            let name: &str = key.get_ref();
            if self.keys().any(|known| known.name == name) {
                continue;
            }
            let names = || self.keys().map(|known| known.name);
            let kind = ProblemKind::UnknownKey {
                section: self.section.name,
                found: show(name),
                suggestion: nearest(name, names())
                    .map(str::to_owned)
                    .or_else(|| elsewhere(name)),
                known: names().collect::<Vec<_>>().join(", "),
            };
            self.document.report(key.span(), kind);
        }
    }

    /// Reports `key` as missing where it is.
    pub(super) fn demand(&self, key: &str) -> bool {
        if self.values.contains_key(key) {
            return true;
        }
        if let Some(rule) = self.rule(key) {
            let kind = ProblemKind::Missing {
                section: self.section.name,
                key: rule.name,
                right: format!("{} = {}", rule.name, rule.takes.describe()),
            };
            self.document.report(self.span.clone(), kind);
        }
        false
    }

    /// A duration, into `slot`.
    pub(super) fn duration(&self, key: &str, slot: &mut Duration) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Duration { min, max } = rule.takes else {
            return;
        };
        let parsed = match value.get_ref() {
            DeValue::String(text) => units::duration(text).map_err(|error| error.to_string()),
            DeValue::Integer(_) => Err("the unit is missing".to_owned()),
            other => Err(format!("it is {}", type_of(other))),
        };
        let range = Duration::from_millis(min)..=Duration::from_millis(max);
        match parsed {
            Ok(found) if range.contains(&found) => *slot = found,
            Ok(_) => self.wrong(rule, value, "it is out of range"),
            Err(why) => self.wrong(rule, value, &why),
        }
    }

    /// A size in bytes, into `slot`.
    pub(super) fn size(&self, key: &str, slot: &mut u64) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Size { min, max } = rule.takes else {
            return;
        };
        let parsed = match value.get_ref() {
            DeValue::String(text) => units::size(text).map_err(|error| error.to_string()),
            DeValue::Integer(_) => integer(value).ok_or_else(|| "it is out of range".to_owned()),
            other => Err(format!("it is {}", type_of(other))),
        };
        match parsed {
            Ok(found) if (min..=max).contains(&found) => *slot = found,
            Ok(_) => self.wrong(rule, value, "it is out of range"),
            Err(why) => self.wrong(rule, value, &why),
        }
    }

    /// A whole number, into `slot`.
    pub(super) fn count<N: TryFrom<u64>>(&self, key: &str, slot: &mut N) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Count { min, max, .. } = rule.takes else {
            return;
        };
        if !value.get_ref().is_integer() {
            return self.wrong(rule, value, &format!("it is {}", type_of(value.get_ref())));
        }
        let fitting = integer(value).filter(|found| (min..=max).contains(found));
        match fitting.and_then(|found| N::try_from(found).ok()) {
            Some(found) => *slot = found,
            None => self.wrong(rule, value, "it is out of range"),
        }
    }

    /// `true` or `false`, into `slot`.
    pub(super) fn flag(&self, key: &str, slot: &mut bool) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        match value.get_ref() {
            DeValue::Boolean(found) => *slot = *found,
            other => self.wrong(rule, value, &format!("it is {}", type_of(other))),
        }
    }

    /// One of the words of the rule, turned by `read`, into `slot`.
    pub(super) fn word<T>(&self, key: &str, read: impl Fn(&str) -> Option<T>, slot: &mut T) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Word(words) = rule.takes else {
            return;
        };
        let DeValue::String(text) = value.get_ref() else {
            return self.wrong(rule, value, &format!("it is {}", type_of(value.get_ref())));
        };
        match read(text) {
            Some(found) => *slot = found,
            None => self.no_word(rule, value, nearest(text, words.iter().copied())),
        }
    }

    /// Text, into `slot`.
    pub(super) fn text(&self, key: &str, slot: &mut String) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Text { max } = rule.takes else {
            return;
        };
        if let Some(text) = self.plain(rule, value, max) {
            text.clone_into(slot);
        }
    }

    /// One socket address or a list of them, each with its place, into `slot`.
    pub(super) fn addresses(&self, key: &str, slot: &mut Vec<(SocketAddr, Range<usize>)>) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        for item in self.items(rule, value, usize::MAX) {
            let DeValue::String(text) = item.get_ref() else {
                self.wrong(rule, item, &format!("it is {}", type_of(item.get_ref())));
                continue;
            };
            match super::listen_url::address(text) {
                Ok(address) => slot.push((address, item.span())),
                Err(hint) => {
                    let kind = ProblemKind::WrongValue {
                        key: rule.name,
                        found: self.written(item),
                        why: hint.to_string(),
                        right: rule.takes.describe(),
                    };
                    self.document.report(item.span(), kind);
                }
            }
        }
    }

    fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.section.keys.iter().chain(self.more)
    }

    fn rule(&self, key: &str) -> Option<&'static Key> {
        let rule = self.keys().find(|rule| rule.name == key);
        debug_assert!(
            rule.is_some(),
            "[{}] reads `{key}`, which its schema lacks",
            self.section.name
        );
        rule
    }

    /// Text without control characters, of 1 to `max` characters; otherwise a problem.
    fn plain(&self, rule: &'static Key, value: Value<'d>, max: usize) -> Option<&'d str> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(rule, value, &format!("it is {}", type_of(value.get_ref())));
            return None;
        };
        if text.trim().is_empty() {
            self.wrong(rule, value, "it is empty");
        } else if text.chars().count() > max {
            self.wrong(rule, value, "it is too long");
        } else if text.chars().any(char::is_control) {
            self.wrong(rule, value, "it has control characters");
        } else {
            return Some(text);
        }
        None
    }

    /// The items of a list, or the value itself as the only one.
    fn items(&self, rule: &'static Key, value: Value<'d>, max: usize) -> Vec<Value<'d>> {
        let list: Vec<Value<'d>> = match value.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            _ => vec![value],
        };
        if list.is_empty() {
            self.wrong(rule, value, "the list is empty");
        }
        if list.len() > max {
            self.wrong(rule, value, "the list is too long");
        }
        list
    }

    fn value(&self, key: &str) -> Option<(&'static Key, Value<'d>)> {
        Some((self.rule(key)?, self.values.get(key)?))
    }

    fn wrong(&self, rule: &'static Key, value: Value<'d>, why: &str) {
        let kind = ProblemKind::WrongValue {
            key: rule.name,
            found: self.written(value),
            why: why.to_owned(),
            right: rule.takes.describe(),
        };
        self.document.report(value.span(), kind);
    }

    fn written(&self, value: Value<'d>) -> String {
        show(self.document.slice(value.span()))
    }
}

fn integer(value: Value<'_>) -> Option<u64> {
    let number = value.get_ref().as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a broken number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// At most 60 characters of outside text, with control characters escaped.
fn show(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// The known word that is nearest to `found`, where one is near.
pub(crate) fn nearest<'w>(found: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // The distance costs the product of both lengths, and nothing that long is a slip of the pen.
    if found.len() > 64 {
        return None;
    }
    let lower = found.to_lowercase().replace('-', "_");
    let (distance, word) = known
        .map(|word| {
            (
                strsim::damerau_levenshtein(&lower, &word.replace('-', "_")),
                word,
            )
        })
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= word.len().div_ceil(3)).then_some(word)
}

/// The section, or the kind of connector, that does have this key, as a suggestion.
fn elsewhere(key: &str) -> Option<String> {
    let has = |keys: &[Key]| keys.iter().any(|known| known.name == key);
    let section = SECTIONS.iter().find(|section| has(section.keys));
    let kind = KINDS.iter().find(|kind| has(kind.keys));
    let place = match (section, kind) {
        (Some(section), _) => format!("in [{}]", section.name),
        (None, Some(kind)) => format!("with kind = \"{}\"", kind.name),
        (None, None) => return None,
    };
    Some(format!("{key}` {place} instead of `{key}"))
}
