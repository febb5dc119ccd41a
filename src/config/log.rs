//! `[log]`: what the process says about itself.
use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::words::words;

words! {
    /// The least important line that is written.
    Level {
        /// Somebody must act.
        Error = "error",
        /// Somebody should look.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// Also every connection and frame.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// How lines look.
    Format {
        /// For people on a terminal, JSON otherwise.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object per line.
        Json = "json",
    }
}

/// What the process says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important line that is written.
    pub level: Level,
    /// How lines look.
    pub format: Format,
    /// Lines of one kind about one peer in a minute; the others are counted.
    pub rate_limit: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: Format::Auto,
            rate_limit: 10,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "log",
    repeated: false,
    about: "What the process says about itself, on standard error.",
    keys: &[
        Key {
            name: "level",
            takes: Takes::Word(Level::WORDS),
            default: "\"info\"",
            what: "The least important line that is written. Alarm text appears at `debug` and below.",
            reload: true,
        },
        Key {
            name: "format",
            takes: Takes::Word(Format::WORDS),
            default: "\"auto\"",
            what: "`auto`: for people on a terminal, JSON otherwise.",
            reload: false,
        },
        Key {
            name: "rate_limit",
            takes: Takes::Count {
                min: 1,
                max: 1_000_000,
                unit: "lines per minute",
            },
            default: "10",
            what: "Lines of one kind about one peer; the others are counted and summed up.",
            reload: true,
        },
    ],
};

impl Log {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.word("level", Level::from_word, &mut found.level);
        table.word("format", Format::from_word, &mut found.format);
        table.count("rate_limit", &mut found.rate_limit);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "level" => Some(quote(self.level.as_str())),
            "format" => Some(quote(self.format.as_str())),
            "rate_limit" => Some(self.rate_limit.to_string()),
            _ => None,
        }
    }
}
