//! `[flood]`: how many damaged frames are recorded.
use super::reader::Table;
use super::schema::{Key, Section, Takes};

/// How many damaged frames are recorded; the others are counted alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flood {
    /// From one address in a minute.
    pub damaged_per_peer: u32,
    /// From all in a minute.
    pub damaged_total: u32,
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            damaged_per_peer: 10,
            damaged_total: 600,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "flood",
    repeated: false,
    about: "How many damaged or undecryptable frames are recorded; the others are only counted.",
    keys: &[
        Key {
            name: "damaged_per_peer",
            takes: Takes::Count {
                min: 0,
                max: 1_000_000,
                unit: "frames per minute",
            },
            default: "10",
            what: "From one address.",
            reload: true,
        },
        Key {
            name: "damaged_total",
            takes: Takes::Count {
                min: 0,
                max: 10_000_000,
                unit: "frames per minute",
            },
            default: "600",
            what: "From all addresses together.",
            reload: true,
        },
    ],
};

impl Flood {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.count("damaged_per_peer", &mut found.damaged_per_peer);
        table.count("damaged_total", &mut found.damaged_total);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "damaged_per_peer" => Some(self.damaged_per_peer.to_string()),
            "damaged_total" => Some(self.damaged_total.to_string()),
            _ => None,
        }
    }
}
