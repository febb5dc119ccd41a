//! `[gateway]`: the process as a whole.
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::show_duration;

/// The process as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Name of this gateway on every event. `None`: the host's name, or `larm`.
    pub node: Option<String>,
    /// The data directory.
    pub data: PathBuf,
    /// What is not durable this long after its last byte came gets no answer.
    pub ack_deadline: Duration,
    /// How long a stop may take.
    pub drain_timeout: Duration,
    /// Threads that serve connections. `None`: one for each processor.
    pub worker_threads: Option<usize>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            node: None,
            data: PathBuf::from("./larm-data"),
            ack_deadline: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(5),
            worker_threads: None,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "gateway",
    repeated: false,
    about: "The process as a whole.",
    keys: &[
        Key {
            name: "node",
            takes: Takes::Text { max: 64 },
            default: "",
            what: "Name of this gateway; stands on every event. Without it: the host's name.",
            reload: false,
        },
        Key {
            name: "data",
            takes: Takes::Text { max: 4096 },
            default: "\"./larm-data\"",
            what: "Directory of journal, history and register. `--data` goes before it.",
            reload: false,
        },
        Key {
            name: "ack_deadline",
            takes: Takes::Duration {
                min: 100,
                max: 60_000,
            },
            default: "\"2s\"",
            what: "An alarm that is not on disk this long after its last byte came is not answered; \
                   the transmitter tries again or takes its other path. Keep it below the time after \
                   which your transmitters repeat.",
            reload: true,
        },
        Key {
            name: "drain_timeout",
            takes: Takes::Duration {
                min: 100,
                max: 600_000,
            },
            default: "\"5s\"",
            what: "Longest time from SIGTERM to the end. What is committed until then is answered.",
            reload: true,
        },
        Key {
            name: "worker_threads",
            takes: Takes::Count {
                min: 1,
                max: 1024,
                unit: "threads",
            },
            default: "",
            what: "Threads that serve connections. Without it: one for each processor.",
            reload: false,
        },
    ],
};

impl Gateway {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        let (mut node, mut data, mut threads) = (String::new(), String::new(), 0);
        table.text("node", &mut node);
        table.text("data", &mut data);
        table.count("worker_threads", &mut threads);
        found.node = (!node.is_empty()).then_some(node);
        if !data.is_empty() {
            found.data = PathBuf::from(data);
        }
        found.worker_threads = (threads > 0).then_some(threads);
        table.duration("ack_deadline", &mut found.ack_deadline);
        table.duration("drain_timeout", &mut found.drain_timeout);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "node" => self.node.as_ref().map(|node| quote(node)),
            "data" => Some(quote(&self.data.to_string_lossy())),
            "ack_deadline" => Some(quote(&show_duration(self.ack_deadline))),
            "drain_timeout" => Some(quote(&show_duration(self.drain_timeout))),
            "worker_threads" => self.worker_threads.map(|threads| threads.to_string()),
            _ => None,
        }
    }
}
