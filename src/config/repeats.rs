//! `[repeats]`: how long a repeat is known as one.
use std::time::Duration;

use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::show_duration;

/// How long a repeat is known as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// How far apart two of the same may be.
    pub window: Duration,
    /// How many are remembered; the oldest goes first.
    pub entries_max: usize,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(90),
            entries_max: 200_000,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "repeats",
    repeated: false,
    about: "How long a repeat is known as one.",
    keys: &[
        Key {
            name: "window",
            takes: Takes::Duration {
                min: 1_000,
                max: 86_400_000,
            },
            default: "\"90s\"",
            what: "The same account and content within this time, with the same number or the \
                   transmitter's same time, is a repeat and no new event.",
            reload: true,
        },
        Key {
            name: "entries_max",
            takes: Takes::Count {
                min: 1_000,
                max: 16_777_216,
                unit: "events",
            },
            default: "200000",
            what: "How many events are remembered; the oldest goes first. At least the window times \
                   the events you expect in a second.",
            reload: false,
        },
    ],
};

impl Repeats {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.duration("window", &mut found.window);
        table.count("entries_max", &mut found.entries_max);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "window" => Some(quote(&show_duration(self.window))),
            "entries_max" => Some(self.entries_max.to_string()),
            _ => None,
        }
    }
}
