//! What the file may say: every section and key with its default, its range and its meaning, once.
//!
//! The reader takes its rules from here, and so do `larm check --print-defaults` and the tables of
//! `docs/src/config.md`; a test holds the defaults against the types' own.
use std::fmt::Write as _;

use super::units::{show_duration, show_size};
use std::time::Duration;

/// One `[section]` or, where repeated, `[[section]]`.
#[derive(Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// `[[name]]`: any number of them.
    pub repeated: bool,
    /// What it is about, in one sentence.
    pub about: &'static str,
    /// Its keys in the order of the documentation.
    pub keys: &'static [Key],
}

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The default as it would be written in the file; empty: there is none, or it depends.
    pub default: &'static str,
    /// What it means and what depends on it.
    pub what: &'static str,
    /// Whether SIGHUP applies a change.
    pub reload: bool,
}

/// What a key takes. Both ends of every range belong to it.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A duration as text; the range is in milliseconds.
    Duration {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A size in bytes, as text with a unit or as a number.
    Size {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A whole number.
    Count {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text of 1 to this many characters without control characters.
    Text {
        /// Longest, in characters.
        max: usize,
    },
    /// A socket address, or a list of them.
    Addresses,
    /// A name that also serves as a file name: letters, digits, `-` and `_`.
    Name {
        /// Longest, in characters.
        max: usize,
    },
    /// One of these words, or a list of them.
    Words(&'static [&'static str]),
    /// A text, or a list of them, each of 1 to this many characters without control characters.
    Texts {
        /// Longest, in characters.
        max: usize,
        /// Most texts.
        items: usize,
    },
    /// A table of texts by name, such as `{ a = "b" }`; names and texts as in `Texts`.
    Map {
        /// Longest text, in characters.
        max: usize,
        /// Most entries.
        items: usize,
    },
    /// The path of a file or directory, of at most 4,096 characters.
    Path,
    /// A path, or a list of this many.
    Paths {
        /// Most paths.
        items: usize,
    },
    /// A host name or address with a port.
    Peer,
    /// An absolute URL with one of these schemes, and no password in it.
    Url(&'static [&'static str]),
}

impl Takes {
    /// What is right, for an error and for the reference.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Duration { min, max } => format!(
                "a duration from \"{}\" to \"{}\"",
                show_duration(Duration::from_millis(*min)),
                show_duration(Duration::from_millis(*max))
            ),
            Self::Size { min, max } => {
                format!("a size from \"{}\" to \"{}\"", show_size(*min), show_size(*max))
            }
            Self::Count { min, max, unit } => format!("a number of {unit} from {min} to {max}"),
            Self::Flag => "true or false".to_owned(),
            Self::Word(words) => one_of(words),
            Self::Text { max } => format!("text of 1 to {max} characters"),
            Self::Addresses => {
                "an address with a port, such as \"0.0.0.0:3061\" or \"[::]:3061\", or a list of them"
                    .to_owned()
            }
            Self::Name { max } => {
                format!("1 to {max} letters, digits, \"-\" or \"_\", the first one no sign")
            }
            Self::Words(words) => format!("a list of {}", one_of(words)),
            Self::Texts { max, items } => {
                format!("text of 1 to {max} characters, or a list of at most {items}")
            }
            Self::Map { max, items } => format!(
                "a table of at most {items} texts of 1 to {max} characters, such as {{ a = \"b\" }}"
            ),
            Self::Path => "a path".to_owned(),
            Self::Paths { items } => format!("a path, or a list of at most {items}"),
            Self::Peer => {
                "a host with a port, such as \"case.example.net:1025\" or \"[2001:db8::1]:1025\""
                    .to_owned()
            }
            Self::Url(schemes) => {
                let starts: Vec<String> =
                    schemes.iter().map(|scheme| format!("{scheme}://")).collect();
                let starts: Vec<&str> = starts.iter().map(String::as_str).collect();
                format!("a URL that starts with {}", one_of(&starts))
            }
        }
    }
}

fn one_of(words: &[&str]) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let joint = match at {
            0 => "",
            _ if at + 1 == words.len() => " or ",
            _ => ", ",
        };
        let _ = write!(text, "{joint}\"{word}\"");
    }
    text
}

/// A list as it would be written in the file.
pub(super) fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(show).collect();
    format!("[{}]", items.join(", "))
}

/// Texts as a TOML list; `None` for an empty one, which is the same as no key.
pub(super) fn quote_all<T: AsRef<str>>(texts: &[T]) -> Option<String> {
    (!texts.is_empty()).then(|| list(texts, |text| quote(text.as_ref())))
}

/// A text as a TOML string.
pub(super) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Every section, in the order of the documentation.
pub const SECTIONS: [&Section; 13] = [
    &super::gateway::SECTION,
    &super::listener::SECTION,
    &super::accounts::SECTION,
    &super::dc09::SECTION,
    &super::repeats::SECTION,
    &super::queue::SECTION,
    &super::journal::SECTION,
    &super::history::SECTION,
    &super::connector::SECTION,
    &super::acknowledge::SECTION,
    &super::shadow::SECTION,
    &super::flood::SECTION,
    &super::log::SECTION,
];
