//! `[queue]`: what may wait for the disk.
use super::reader::Table;
use super::schema::{Key, Section, Takes};

/// What may wait for the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Requests with an alarm that may wait.
    pub alarms: usize,
    /// Other requests that may wait.
    pub rest: usize,
    /// Requests that one commit takes.
    pub batch_max: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            alarms: 8192,
            rest: 8192,
            batch_max: 1024,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "queue",
    repeated: false,
    about: "What may wait for the disk. A full queue answers nothing: the transmitter tries again.",
    keys: &[
        Key {
            name: "alarms",
            takes: Takes::Count {
                min: 16,
                max: 1_048_576,
                unit: "frames",
            },
            default: "8192",
            what: "Frames with an alarm that may wait. They go before all others.",
            reload: false,
        },
        Key {
            name: "rest",
            takes: Takes::Count {
                min: 16,
                max: 1_048_576,
                unit: "frames",
            },
            default: "8192",
            what: "Other frames that may wait.",
            reload: false,
        },
        Key {
            name: "batch_max",
            takes: Takes::Count {
                min: 1,
                max: 65_536,
                unit: "frames",
            },
            default: "1024",
            what: "Most frames that one write to disk takes.",
            reload: false,
        },
    ],
};

impl Queue {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.count("alarms", &mut found.alarms);
        table.count("rest", &mut found.rest);
        table.count("batch_max", &mut found.batch_max);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "alarms" => Some(self.alarms.to_string()),
            "rest" => Some(self.rest.to_string()),
            "batch_max" => Some(self.batch_max.to_string()),
            _ => None,
        }
    }
}
