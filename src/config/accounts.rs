//! `[accounts]`: what holds for all accounts unless one has its own rule.
use std::time::Duration;

use larm_carrier::Encryption;

use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::show_duration;
use super::words::words;

words! {
    /// What becomes of a frame whose account is not in the register.
    Unknown {
        /// Recorded and acknowledged.
        Accept = "accept",
        /// Recorded and not acknowledged.
        Hold = "hold",
    }
}

/// What holds for all accounts unless one has its own rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// What becomes of unknown accounts.
    pub unknown: Unknown,
    /// What clear frames are worth, where the account does not say.
    pub encryption: Encryption,
    /// How often a running gateway looks for changes of the register.
    pub reload_interval: Duration,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            unknown: Unknown::Accept,
            encryption: Encryption::Prefer,
            reload_interval: Duration::from_millis(500),
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "accounts",
    repeated: false,
    about: "What holds for all accounts unless one has its own rule in the register.",
    keys: &[
        Key {
            name: "unknown",
            takes: Takes::Word(Unknown::WORDS),
            default: "\"accept\"",
            what: "A frame whose account is not in the register: `accept` records and acknowledges \
                   it; `hold` records it and does not answer.",
            reload: true,
        },
        Key {
            name: "encryption",
            takes: Takes::Word(&["prefer", "require", "off"]),
            default: "\"prefer\"",
            what: "A clear frame of an account that has a key: `prefer` acknowledges it and grades it \
                   suspect; `require` records it and does not acknowledge; `off` takes it as any \
                   other.",
            reload: true,
        },
        Key {
            name: "reload_interval",
            takes: Takes::Duration {
                min: 100,
                max: 3_600_000,
            },
            default: "\"500ms\"",
            what: "How often a running gateway looks whether `larm accounts` changed the register.",
            reload: true,
        },
    ],
};

impl Accounts {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.word("unknown", Unknown::from_word, &mut found.unknown);
        table.word("encryption", encryption_from_word, &mut found.encryption);
        table.duration("reload_interval", &mut found.reload_interval);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "unknown" => Some(quote(self.unknown.as_str())),
            "encryption" => Some(quote(encryption_word(self.encryption))),
            "reload_interval" => Some(quote(&show_duration(self.reload_interval))),
            _ => None,
        }
    }
}

/// `prefer`, `require` or `off`.
#[must_use]
pub fn encryption_from_word(word: &str) -> Option<Encryption> {
    match word {
        "prefer" => Some(Encryption::Prefer),
        "require" => Some(Encryption::Require),
        "off" => Some(Encryption::Off),
        _ => None,
    }
}

/// The word of an encryption policy.
#[must_use]
pub const fn encryption_word(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::Prefer => "prefer",
        Encryption::Require => "require",
        Encryption::Off => "off",
    }
}
