//! The fields of an account as text: one name and one form for CSV, TOML, the command line and the
//! store.
//!
//! ```text
//! list  = item *( ";" item )            in an item, "\" goes before ";", "=" and "\"
//! zones = zone [ "=" name [ "=" test-until ] ]
//! priorities = code "=" 1..5
//! ```
//! An empty text means: not set.
use std::time::Duration;

use larm_carrier::{Charset, Key, KeyError, QuirkInfo};
use larm_event::{Priority, Timestamp};

use super::record::{Account, Zone};
use crate::config::units::{UnitError, duration, show_duration};
use crate::config::{
    encryption_from_word, encryption_word, mode_from_word, mode_word, nearest, words,
};

words! {
    /// A field.
    Column {
        /// Number of the account.
        Account = "account",
        /// Receiver number it is told apart by.
        Receiver = "receiver",
        /// Line prefix it is told apart by.
        Line = "line",
        /// Current key, as hex.
        Key = "key",
        /// Next key, as hex.
        KeyNext = "key_next",
        /// Protocols it may speak.
        Protocols = "protocols",
        /// What clear frames are worth.
        Encryption = "encryption",
        /// Interval on the primary path.
        SupervisionPrimary = "supervision_primary",
        /// Interval on the backup path.
        SupervisionBackup = "supervision_backup",
        /// Quirks by name.
        Quirks = "quirks",
        /// Tolerant or strict.
        Mode = "mode",
        /// How old a time may be.
        WindowPast = "window_past",
        /// How far ahead a time may be.
        WindowFuture = "window_future",
        /// Whether a time outside is refused.
        WindowEnforce = "window_enforce",
        /// How text is read.
        Charset = "charset",
        /// In test mode until then.
        TestUntil = "test_until",
        /// Free words.
        Tags = "tags",
        /// Zones with names.
        Zones = "zones",
        /// Priorities per code.
        Priorities = "priorities",
        /// Name of the site.
        Site = "site",
        /// Street address.
        Address = "address",
        /// Apartment number.
        Apartment = "apartment",
        /// The customer.
        Customer = "customer",
        /// Who is to be called.
        Contacts = "contacts",
    }
}

impl Column {
    /// Every column in order.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.iter().filter_map(|word| Self::from_word(word))
    }

    /// Holds a key.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Key | Self::KeyNext)
    }

    /// Holds personal data.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(
            self,
            Self::Site | Self::Address | Self::Apartment | Self::Customer | Self::Contacts
        )
    }

    /// A list of items with `;` between them.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(
            self,
            Self::Protocols
                | Self::Quirks
                | Self::Tags
                | Self::Zones
                | Self::Priorities
                | Self::Contacts
        )
    }
}

/// An account with its keys, before it is in the register.
#[derive(Debug, Default)]
pub struct Draft {
    /// Everything but the keys.
    pub account: Account,
    /// The current key and the next one.
    pub keys: [Option<Key>; 2],
}

impl Draft {
    /// Sets one field from its text, in the form of a CSV cell; an empty text unsets it.
    pub fn set(&mut self, column: Column, text: &str, rules: &Rules) -> Result<(), FieldError> {
        set(self, column, text, Some(rules))
    }
}

impl Account {
    /// The text of a field in the form of a CSV cell; empty where it is not set. Keys are empty.
    #[must_use]
    pub fn cell(&self, column: Column) -> String {
        cell(self, column)
    }
}

/// What names are known; from the registry of protocols.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Every quirk.
    pub quirks: &'static [QuirkInfo],
    /// Every protocol.
    pub protocols: &'static [&'static str],
}

/// Why a field cannot be that. Never carries a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A number, receiver or line with characters that no transmitter sends, or too long.
    #[error("{}: \"{found}\" is no {what}; it has 1 to {max} letters, digits or marks, no space and none of [ ] # | \"", .column.as_str())]
    Number {
        /// The field.
        column: Column,
        /// What it is called.
        what: &'static str,
        /// As written.
        found: String,
        /// Longest.
        max: usize,
    },
    /// A receiver or line written with its letter.
    #[error("{}: write the digits alone, without the letter {letter} before them", .column.as_str())]
    Letter {
        /// The field.
        column: Column,
        /// The letter.
        letter: char,
    },
    /// No key.
    #[error("{}: {why}", .column.as_str())]
    Key {
        /// The field.
        column: Column,
        /// Why.
        why: KeyError,
    },
    /// None of the words.
    #[error("{}: \"{found}\" is not known{}; write one of: {known}", .column.as_str(), did_you_mean(.suggestion.as_deref()))]
    Word {
        /// The field.
        column: Column,
        /// As written.
        found: String,
        /// The nearest word.
        suggestion: Option<String>,
        /// Every word.
        known: String,
    },
    /// No duration.
    #[error("{}: \"{found}\" is no duration, {why}; write such as 90s, 15m or 25h", .column.as_str())]
    Duration {
        /// The field.
        column: Column,
        /// As written.
        found: String,
        /// Why.
        why: UnitError,
    },
    /// No time.
    #[error("{}: \"{found}\" is no time; write such as 2026-12-01T08:00:00Z", .column.as_str())]
    Time {
        /// The field.
        column: Column,
        /// As written.
        found: String,
    },
    /// Neither true nor false.
    #[error("{}: \"{found}\" is neither true nor false", .column.as_str())]
    Flag {
        /// The field.
        column: Column,
        /// As written.
        found: String,
    },
    /// An item of a list that is not of its form.
    #[error("{}: \"{found}\" is not of the form {form}", .column.as_str())]
    Item {
        /// The field.
        column: Column,
        /// As written.
        found: String,
        /// What is right.
        form: &'static str,
    },
    /// The same twice in one list.
    #[error("{}: \"{found}\" stands there twice", .column.as_str())]
    Twice {
        /// The field.
        column: Column,
        /// As written.
        found: String,
    },
    /// Longer than is kept, or with control characters.
    #[error("{}: the text is longer than {max} characters or has control characters", .column.as_str())]
    Text {
        /// The field.
        column: Column,
        /// Longest, in characters.
        max: usize,
    },
    /// A name of a column that does not exist.
    #[error("there is no column \"{found}\"{}; columns are {}", did_you_mean(.suggestion.as_deref()), Column::WORDS.join(", "))]
    Column {
        /// As written.
        found: String,
        /// The nearest name.
        suggestion: Option<String>,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|word| format!(", did you mean {word}?"))
        .unwrap_or_default()
}

/// Longest text of a field, in characters.
const TEXT_MAX: usize = 500;
/// Most items of a list.
const ITEMS_MAX: usize = 2000;

/// The column of this name.
pub(super) fn column(name: &str) -> Result<Column, FieldError> {
    Column::from_word(name).ok_or_else(|| FieldError::Column {
        found: shown(name),
        suggestion: nearest(name, Column::WORDS.iter().copied()).map(str::to_owned),
    })
}

/// Sets one field from its text; an empty text unsets it.
pub(super) fn set(
    draft: &mut Draft,
    column: Column,
    text: &str,
    rules: Option<&Rules>,
) -> Result<(), FieldError> {
    let Draft {
        account,
        keys: [key, key_next],
    } = draft;
    match column {
        Column::Account => account.number.account = number(column, "account number", text, 16)?,
        Column::Receiver => account.number.receiver = prefix(column, "receiver number", 'R', text)?,
        Column::Line => account.number.line = prefix(column, "line prefix", 'L', text)?,
        Column::Key => *key = read_key(column, text)?,
        Column::KeyNext => *key_next = read_key(column, text)?,
        Column::Protocols => {
            let known = rules.map(|rules| rules.protocols.to_vec());
            account.protocols = names(column, text, known)?;
        }
        Column::Encryption => {
            account.encryption = word(
                column,
                text,
                &["prefer", "require", "off"],
                encryption_from_word,
            )?;
        }
        Column::SupervisionPrimary => account.supervision.primary = time_span(column, text)?,
        Column::SupervisionBackup => account.supervision.backup = time_span(column, text)?,
        Column::Quirks => {
            let known = rules.map(|rules| rules.quirks.iter().map(|quirk| quirk.name).collect());
            account.quirks = names(column, text, known)?;
        }
        Column::Mode => account.mode = word(column, text, &["tolerant", "strict"], mode_from_word)?,
        Column::WindowPast => account.window.past = time_span(column, text)?,
        Column::WindowFuture => account.window.future = time_span(column, text)?,
        Column::WindowEnforce => account.window.enforce = flag(column, text)?,
        Column::Charset => account.charset = word(column, text, &CHARSETS, charset_from_word)?,
        Column::TestUntil => account.test_until = time(column, text)?,
        Column::Tags => account.tags = texts(column, text)?,
        Column::Zones => account.zones = zones(column, text)?,
        Column::Priorities => account.priorities = priorities(column, text)?,
        Column::Site => account.person.site = plain(column, text)?,
        Column::Address => account.person.address = plain(column, text)?,
        Column::Apartment => account.person.apartment = plain(column, text)?,
        Column::Customer => account.person.customer = plain(column, text)?,
        Column::Contacts => account.person.contacts = texts(column, text)?,
    }
    Ok(())
}

/// The text of a field, as [`set`] reads it; empty where it is not set. Keys are always empty here.
pub(super) fn cell(account: &Account, column: Column) -> String {
    let span = |value: Option<Duration>| value.map(show_duration).unwrap_or_default();
    match column {
        Column::Account => account.number.account.clone(),
        Column::Receiver => account.number.receiver.clone().unwrap_or_default(),
        Column::Line => account.number.line.clone().unwrap_or_default(),
        Column::Key | Column::KeyNext => String::new(),
        Column::Encryption => account
            .encryption
            .map(encryption_word)
            .unwrap_or_default()
            .to_owned(),
        Column::SupervisionPrimary => span(account.supervision.primary),
        Column::SupervisionBackup => span(account.supervision.backup),
        Column::Mode => account.mode.map(mode_word).unwrap_or_default().to_owned(),
        Column::WindowPast => span(account.window.past),
        Column::WindowFuture => span(account.window.future),
        Column::WindowEnforce => account
            .window
            .enforce
            .map(|flag| flag.to_string())
            .unwrap_or_default(),
        Column::Charset => account
            .charset
            .map(charset_word)
            .unwrap_or_default()
            .to_owned(),
        Column::TestUntil => account
            .test_until
            .map(|time| time.to_string())
            .unwrap_or_default(),
        Column::Protocols
        | Column::Quirks
        | Column::Tags
        | Column::Zones
        | Column::Priorities
        | Column::Contacts => items(account, column).join(";"),
        Column::Site => account.person.site.clone().unwrap_or_default(),
        Column::Address => account.person.address.clone().unwrap_or_default(),
        Column::Apartment => account.person.apartment.clone().unwrap_or_default(),
        Column::Customer => account.person.customer.clone().unwrap_or_default(),
    }
}

/// The items of a list field, each escaped; a field that is no list has one item or none.
pub(super) fn items(account: &Account, column: Column) -> Vec<String> {
    let escaped = |texts: &[String]| texts.iter().map(|text| escape(text)).collect();
    match column {
        Column::Protocols => escaped(&account.protocols),
        Column::Quirks => escaped(&account.quirks),
        Column::Tags => escaped(&account.tags),
        Column::Contacts => escaped(&account.person.contacts),
        Column::Zones => account.zones.iter().map(zone_item).collect(),
        Column::Priorities => account
            .priorities
            .iter()
            .map(|(code, priority)| format!("{}={}", escape(code), priority.get()))
            .collect(),
        _ => Some(cell(account, column))
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect(),
    }
}

fn zone_item(zone: &Zone) -> String {
    let mut text = escape(&zone.zone);
    if zone.name.is_some() || zone.test_until.is_some() {
        text.push('=');
        text.push_str(&escape(zone.name.as_deref().unwrap_or_default()));
    }
    if let Some(until) = zone.test_until {
        text.push('=');
        text.push_str(&until.to_string());
    }
    text
}

/// Outside text for an error: short, escaped, and hidden where it may be a key in a wrong place.
pub(super) fn shown(text: &str) -> String {
    let longest = text
        .split(|c: char| !c.is_ascii_hexdigit())
        .map(str::len)
        .max()
        .unwrap_or(0);
    if longest >= 24 {
        return "(hidden: it looks like a key)".to_owned();
    }
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

const CHARSETS: [&str; 2] = ["windows-1252", "windows-1251"];

fn charset_from_word(word: &str) -> Option<Charset> {
    match word {
        "windows-1252" => Some(Charset::Windows1252),
        "windows-1251" => Some(Charset::Windows1251),
        _ => None,
    }
}

const fn charset_word(charset: Charset) -> &'static str {
    match charset {
        Charset::Windows1252 => "windows-1252",
        Charset::Windows1251 => "windows-1251",
    }
}

fn number(
    column: Column,
    what: &'static str,
    text: &str,
    max: usize,
) -> Result<String, FieldError> {
    let text = text.trim();
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"[]#|\"".contains(&byte);
    if (1..=max).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(FieldError::Number {
            column,
            what,
            found: shown(text),
            max,
        })
    }
}

fn prefix(
    column: Column,
    what: &'static str,
    letter: char,
    text: &str,
) -> Result<Option<String>, FieldError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let found = number(column, what, text, 8)?;
    // Both letters are no hex digits: nobody's receiver or line begins with its own mark.
    if found.starts_with([letter, letter.to_ascii_lowercase()]) {
        return Err(FieldError::Letter { column, letter });
    }
    Ok(Some(found))
}

fn read_key(column: Column, text: &str) -> Result<Option<Key>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Key::from_hex(text)
        .map(Some)
        .map_err(|why| FieldError::Key { column, why })
}

fn word<T>(
    column: Column,
    text: &str,
    words: &[&'static str],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    read(text)
        .map(Some)
        .ok_or_else(|| unknown_word(column, text, words))
}

fn unknown_word(column: Column, text: &str, words: &[&'static str]) -> FieldError {
    FieldError::Word {
        column,
        found: shown(text),
        suggestion: nearest(text, words.iter().copied()).map(str::to_owned),
        known: words.join(", "),
    }
}

fn names(
    column: Column,
    text: &str,
    known: Option<Vec<&'static str>>,
) -> Result<Vec<String>, FieldError> {
    let found = texts(column, text)?;
    if let Some(known) = known
        && let Some(bad) = found.iter().find(|name| !known.contains(&name.as_str()))
    {
        return Err(unknown_word(column, bad, &known));
    }
    Ok(found)
}

fn time_span(column: Column, text: &str) -> Result<Option<Duration>, FieldError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    duration(text)
        .map(Some)
        .map_err(|why| FieldError::Duration {
            column,
            found: shown(text),
            why,
        })
}

fn time(column: Column, text: &str) -> Result<Option<Timestamp>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Timestamp::parse(text)
        .map(Some)
        .map_err(|_| FieldError::Time {
            column,
            found: shown(text),
        })
}

fn flag(column: Column, text: &str) -> Result<Option<bool>, FieldError> {
    match text.trim() {
        "" => Ok(None),
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        other => Err(FieldError::Flag {
            column,
            found: shown(other),
        }),
    }
}

fn plain(column: Column, text: &str) -> Result<Option<String>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().nth(TEXT_MAX).is_some() || text.chars().any(char::is_control) {
        return Err(FieldError::Text {
            column,
            max: TEXT_MAX,
        });
    }
    Ok(Some(text.to_owned()))
}

fn texts(column: Column, text: &str) -> Result<Vec<String>, FieldError> {
    let mut found: Vec<String> = Vec::new();
    for item in split(column, text)? {
        let Some(value) = plain(column, &unescape(item))? else {
            continue;
        };
        if found.contains(&value) {
            return Err(FieldError::Twice {
                column,
                found: shown(&value),
            });
        }
        found.push(value);
    }
    Ok(found)
}

fn zones(column: Column, text: &str) -> Result<Vec<Zone>, FieldError> {
    let mut found: Vec<Zone> = Vec::new();
    for item in split(column, text)? {
        let form = || FieldError::Item {
            column,
            found: shown(item),
            form: "ZONE=NAME, such as 1=Front door",
        };
        let parts: Vec<&str> = cut(item, '=');
        let (number, name, until) = match parts.as_slice() {
            [number] => (*number, "", ""),
            [number, name] => (*number, *name, ""),
            [number, name, until] => (*number, *name, *until),
            _ => return Err(form()),
        };
        let zone = plain(column, unescape(number).trim())?.ok_or_else(form)?;
        if found.iter().any(|known| known.zone == zone) {
            return Err(FieldError::Twice {
                column,
                found: shown(&zone),
            });
        }
        found.push(Zone {
            zone,
            name: plain(column, &unescape(name))?,
            test_until: time(column, until)?,
        });
    }
    Ok(found)
}

fn priorities(column: Column, text: &str) -> Result<Vec<(String, Priority)>, FieldError> {
    let mut found: Vec<(String, Priority)> = Vec::new();
    for item in split(column, text)? {
        let form = || FieldError::Item {
            column,
            found: shown(item),
            form: "CODE=1 to CODE=5, such as BA=1",
        };
        let [code, value] = *cut(item, '=').as_slice() else {
            return Err(form());
        };
        let code = plain(column, unescape(code).trim())?.ok_or_else(form)?;
        let value: u8 = value.trim().parse().map_err(|_| form())?;
        let priority = Priority::try_from(value).map_err(|_| form())?;
        if found.iter().any(|(known, _)| *known == code) {
            return Err(FieldError::Twice {
                column,
                found: shown(&code),
            });
        }
        found.push((code, priority));
    }
    Ok(found)
}

/// The items of a list, still escaped, empty ones left out.
fn split(column: Column, text: &str) -> Result<Vec<&str>, FieldError> {
    let mut items = cut(text, ';');
    items.retain(|item| !item.trim().is_empty());
    if items.len() > ITEMS_MAX {
        return Err(FieldError::Item {
            column,
            found: format!("a list of {}", items.len()),
            form: "at most 2000 items",
        });
    }
    Ok(items)
}

/// Cuts at each `mark` that has no `\` before it.
fn cut(text: &str, mark: char) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c| {
        let here = c == mark && !escaped;
        escaped = c == '\\' && !escaped;
        here
    })
    .collect()
}

/// Puts `\` before every mark of a list, so that `text` is one item.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ';' | '=' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}
