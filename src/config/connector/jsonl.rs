//! `kind = "jsonl"`: JSON lines to a file, to standard output or to a command.
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote, quote_all};
use super::super::units::{show_duration, show_size};
use super::super::words::words;

words! {
    /// Where the lines go.
    Target {
        /// A file that rotates.
        File = "file",
        /// The gateway's standard output.
        Stdout = "stdout",
        /// The standard input of a command that larm starts.
        Command = "command",
    }
}

/// Settings of a connector that writes JSON lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jsonl {
    /// Where the lines go.
    pub to: Target,
    /// The file; needed with `file`.
    pub path: PathBuf,
    /// A file of at least this many bytes is put aside before the next line.
    pub rotate_size: u64,
    /// A file whose first line is as old as this is put aside; zero: never for its age.
    pub rotate_after: Duration,
    /// Files that were put aside and stay; 0: all.
    pub keep_files: u32,
    /// Program and arguments; needed with `command`. No shell reads it.
    pub command: Vec<String>,
    /// Whether the command answers each line with what became of it.
    pub confirm: bool,
    /// How long a command, or whoever reads standard output, may take over a batch.
    pub write_timeout: Duration,
}

impl Default for Jsonl {
    fn default() -> Self {
        Self {
            to: Target::File,
            path: PathBuf::new(),
            rotate_size: 64 << 20,
            rotate_after: Duration::from_hours(24),
            keep_files: 14,
            command: Vec::new(),
            confirm: false,
            write_timeout: Duration::from_secs(10),
        }
    }
}

pub(super) const ABOUT: &str =
    "JSON lines to a file that rotates, to standard output or to a command's standard input.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "to",
        takes: Takes::Word(Target::WORDS),
        default: "\"file\"",
        what: "Where the lines go.",
        reload: true,
    },
    Key {
        name: "path",
        takes: Takes::Path,
        default: "",
        what: "The file; needed with `to = \"file\"`. Its directory must be there.",
        reload: true,
    },
    Key {
        name: "rotate_size",
        takes: Takes::Size {
            min: 4096,
            max: 1 << 40,
        },
        default: "\"64MiB\"",
        what: "A file of this size is put aside, with the time of its last line in its name.",
        reload: true,
    },
    Key {
        name: "rotate_after",
        takes: Takes::Duration {
            min: 0,
            max: 31_536_000_000,
        },
        default: "\"1d\"",
        what: "A file that was begun this long ago is put aside with the next line; \"0ms\" looks at \
               the size alone.",
        reload: true,
    },
    Key {
        name: "keep_files",
        takes: Takes::Count {
            min: 0,
            max: 100_000,
            unit: "files",
        },
        default: "14",
        what: "How many files put aside are kept; 0 keeps all.",
        reload: true,
    },
    Key {
        name: "command",
        takes: Takes::Texts {
            max: 4096,
            items: 256,
        },
        default: "",
        what: "Program and arguments, a list; needed with `to = \"command\"`. No shell reads them. It \
               is started again when it ends.",
        reload: true,
    },
    Key {
        name: "confirm",
        takes: Takes::Flag,
        default: "false",
        what: "The command answers each line with a line `ok`, `retry` or `refuse`, and nothing is \
               taken as delivered before. Without it the pipe is believed: what a command has not \
               read when it dies is lost.",
        reload: true,
    },
    Key {
        name: "write_timeout",
        takes: Takes::Duration {
            min: 100,
            max: 3_600_000,
        },
        default: "\"10s\"",
        what: "A command that reads or answers nothing for this long is ended and started again; a \
               standard output that nobody reads is tried again.",
        reload: true,
    },
];

impl Jsonl {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.word("to", Target::from_word, &mut found.to);
        table.path("path", &mut found.path);
        table.size("rotate_size", &mut found.rotate_size);
        table.duration("rotate_after", &mut found.rotate_after);
        table.count("keep_files", &mut found.keep_files);
        table.texts("command", &mut found.command);
        table.flag("confirm", &mut found.confirm);
        table.duration("write_timeout", &mut found.write_timeout);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        let path = self.path.to_string_lossy();
        match key {
            "to" => Some(quote(self.to.as_str())),
            "path" => (!path.is_empty()).then(|| quote(&path)),
            "rotate_size" => Some(quote(&show_size(self.rotate_size))),
            "rotate_after" => Some(quote(&show_duration(self.rotate_after))),
            "keep_files" => Some(self.keep_files.to_string()),
            "command" => quote_all(&self.command),
            "confirm" => Some(self.confirm.to_string()),
            "write_timeout" => Some(quote(&show_duration(self.write_timeout))),
            _ => None,
        }
    }
}
