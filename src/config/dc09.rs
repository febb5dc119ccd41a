//! `[dc09]`: what DC-09 leaves to the receiver.
use larm_carrier::Window;

use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::show_duration;
use super::words::words;

words! {
    /// The answer to a sound frame of a kind that larm does not know.
    UnsupportedId {
        /// "Cannot handle this", as the standard says.
        Duh = "duh",
        /// Acknowledged, for transmitters that repeat for ever.
        Ack = "ack",
    }
}

/// What DC-09 leaves to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dc09 {
    /// The answer to an id that larm does not support; it is recorded in either case.
    pub unsupported_id: UnsupportedId,
    /// Which times of encrypted frames are accepted, where the account does not say.
    pub window: Window,
}

impl Default for Dc09 {
    fn default() -> Self {
        Self {
            unsupported_id: UnsupportedId::Duh,
            window: Window::default(),
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "dc09",
    repeated: false,
    about: "What DC-09 leaves to the receiver.",
    keys: &[
        Key {
            name: "unsupported_id",
            takes: Takes::Word(UnsupportedId::WORDS),
            default: "\"duh\"",
            what: "The answer to a sound frame of a kind that larm does not support. It is recorded \
                   in either case; `ack` helps with transmitters that repeat it for ever.",
            reload: true,
        },
        Key {
            name: "window_past",
            takes: Takes::Duration {
                min: 0,
                max: 31_536_000_000,
            },
            default: "\"40s\"",
            what: "How old the time of an encrypted frame may be.",
            reload: true,
        },
        Key {
            name: "window_future",
            takes: Takes::Duration {
                min: 0,
                max: 31_536_000_000,
            },
            default: "\"20s\"",
            what: "How far the time of an encrypted frame may be ahead.",
            reload: true,
        },
        Key {
            name: "window_enforce",
            takes: Takes::Flag,
            default: "true",
            what: "Outside the window: `true` records, and answers NAK with the right time; `false` \
                   acknowledges and grades the event suspect.",
            reload: true,
        },
    ],
};

impl Dc09 {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.word(
            "unsupported_id",
            UnsupportedId::from_word,
            &mut found.unsupported_id,
        );
        table.duration("window_past", &mut found.window.past);
        table.duration("window_future", &mut found.window.future);
        table.flag("window_enforce", &mut found.window.enforce);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "unsupported_id" => Some(quote(self.unsupported_id.as_str())),
            "window_past" => Some(quote(&show_duration(self.window.past))),
            "window_future" => Some(quote(&show_duration(self.window.future))),
            "window_enforce" => Some(self.window.enforce.to_string()),
            _ => None,
        }
    }
}
