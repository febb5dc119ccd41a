//! `[journal]`: the files that an acknowledgement rests on.
use std::time::Duration;

use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::{show_duration, show_size};

/// The files that an acknowledgement rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Size of one segment file in bytes, allocated ahead.
    pub segment_size: u64,
    /// How long segments are kept at least.
    pub keep: Duration,
    /// Free bytes on the disk below which nothing is acknowledged any more.
    pub reserve: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            segment_size: 64 << 20,
            keep: Duration::from_hours(90 * 24),
            reserve: 256 << 20,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "journal",
    repeated: false,
    about: "The files that an acknowledgement rests on.",
    keys: &[
        Key {
            name: "segment_size",
            takes: Takes::Size {
                min: 1 << 20,
                max: 4 << 30,
            },
            default: "\"64MiB\"",
            what: "Size of one segment file, allocated ahead of use.",
            reload: false,
        },
        Key {
            name: "keep",
            takes: Takes::Duration {
                min: 3_600_000,
                max: 315_360_000_000,
            },
            default: "\"90d\"",
            what: "How long segments are kept at least. Older ones go once every reader is past them.",
            reload: true,
        },
        Key {
            name: "reserve",
            takes: Takes::Size {
                min: 0,
                max: 1 << 50,
            },
            default: "\"256MiB\"",
            what: "Space that stays free on the journal's disk. With less nothing is acknowledged \
                   any more, and the log says so.",
            reload: false,
        },
    ],
};

impl Journal {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.size("segment_size", &mut found.segment_size);
        table.duration("keep", &mut found.keep);
        table.size("reserve", &mut found.reserve);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "segment_size" => Some(quote(&show_size(self.segment_size))),
            "keep" => Some(quote(&show_duration(self.keep))),
            "reserve" => Some(quote(&show_size(self.reserve))),
            _ => None,
        }
    }
}
