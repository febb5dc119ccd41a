//! `[history]`: the store that `larm events` reads.
use super::reader::Table;
use super::schema::{Key, Section, Takes};

/// The store that `larm events` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Whether it is filled.
    pub enabled: bool,
    /// Whole calendar months that are kept besides the current one; 0: all.
    pub keep_months: u32,
}

impl Default for History {
    fn default() -> Self {
        Self {
            enabled: true,
            keep_months: 0,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "history",
    repeated: false,
    about: "The store that `larm events` reads, filled from the journal.",
    keys: &[
        Key {
            name: "enabled",
            takes: Takes::Flag,
            default: "true",
            what: "Whether it is filled. Reception does not depend on it.",
            reload: false,
        },
        Key {
            name: "keep_months",
            takes: Takes::Count {
                min: 0,
                max: 1200,
                unit: "months",
            },
            default: "0",
            what: "Whole calendar months that are kept besides the current one; 0 keeps all.",
            reload: true,
        },
    ],
};

impl History {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.flag("enabled", &mut found.enabled);
        table.count("keep_months", &mut found.keep_months);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "enabled" => Some(self.enabled.to_string()),
            "keep_months" => Some(self.keep_months.to_string()),
            _ => None,
        }
    }
}
