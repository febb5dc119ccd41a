//! The configuration: one TOML file, read into checked types; every problem is told at once.
//!
//! No file means [`Config::default`]. Keys, defaults, units and ranges stand once, in [`schema`].
mod accounts;
pub mod acknowledge;
mod checks;
pub mod connector;
mod dc09;
mod flood;
mod gateway;
mod history;
mod journal;
mod listen_url;
mod listener;
mod log;
#[allow(dead_code, reason = "not every kind of connector has landed")]
mod peer;
mod print;
mod problem;
mod queue;
mod reader;
mod reload;
mod repeats;
pub mod schema;
mod shadow;
#[cfg(test)]
mod tests;
pub mod units;
mod words;

use std::ops::Range;
use std::path::Path;

pub use accounts::{Accounts, Unknown, encryption_from_word, encryption_word};
pub use acknowledge::Acknowledge;
pub use connector::{Connector, Judge, KindConfig};
pub use connector::{Kafka, Mechanism, Nats, Postgresql, StreamSetup, TlsUse};
pub use dc09::{Dc09, UnsupportedId};
pub use flood::Flood;
pub use gateway::Gateway;
pub use history::History;
pub use journal::Journal;
pub use listen_url::{AddressError, ListenUrl, ListenUrlError};
pub use listener::{DC09_PORT, Listener, PROTOCOLS, Role, Transport, mode_from_word, mode_word};
pub use log::{Format, Level, Log};
pub use peer::Peer;
pub use print::reference;
pub use problem::{ConfigError, Problem, ProblemKind, Report};
pub use queue::Queue;

pub(crate) use reader::nearest;
pub use reload::{Change, reload};
pub use repeats::Repeats;
pub use shadow::Shadow;
pub(crate) use words::words;

use checks::Placed;
use reader::{Document, Table};
use schema::Section;

/// Everything that can be set, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The process as a whole.
    pub gateway: Gateway,
    /// The ways in; at least one.
    pub listeners: Vec<Listener>,
    /// What holds for all accounts unless one has its own rule.
    pub accounts: Accounts,
    /// What DC-09 leaves to the receiver.
    pub dc09: Dc09,
    /// How long a repeat is known as one.
    pub repeats: Repeats,
    /// What may wait for the disk.
    pub queue: Queue,
    /// The files that an acknowledgement rests on.
    pub journal: Journal,
    /// The store that `larm events` reads.
    pub history: History,
    /// The ways out.
    pub connectors: Vec<Connector>,
    /// Whose acknowledgements wait for a connector.
    pub acknowledge: Vec<Acknowledge>,
    /// The places between transmitters and existing receivers.
    pub shadows: Vec<Shadow>,
    /// How many damaged frames are recorded.
    pub flood: Flood,
    /// What the process says about itself.
    pub log: Log,
}

impl Default for Config {
    /// DC-09 on loopback over TCP and UDP, every account accepted.
    fn default() -> Self {
        Self {
            gateway: Gateway::default(),
            listeners: Listener::defaults(),
            accounts: Accounts::default(),
            dc09: Dc09::default(),
            repeats: Repeats::default(),
            queue: Queue::default(),
            journal: Journal::default(),
            history: History::default(),
            connectors: Vec::new(),
            acknowledge: Vec::new(),
            shadows: Vec::new(),
            flood: Flood::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// Reads a file. What `judge` says about a connector is reported at its place.
    pub fn load(path: &Path, judge: Judge<'_>) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| ConfigError::NotText {
            path: path.to_owned(),
            at: error.utf8_error().valid_up_to(),
        })?;
        Self::parse_and_judge(&path.display().to_string(), &text, judge)
    }

    /// Reads a text; `name` stands in the problems as the file's name. Whether its connectors can
    /// be built is not asked.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_and_judge(name, text, &|_| None)
    }

    fn parse_and_judge(name: &str, text: &str, judge: Judge<'_>) -> Result<Self, ConfigError> {
        let document = Document::parse(text);
        // What a syntax error leaves over is half a file: further complaints would mislead.
        let config = if document.has_problems() {
            Self::default()
        } else {
            Self::read(&document, judge)
        };
        let problems = document.into_problems();
        if problems.is_empty() {
            return Ok(config);
        }
        let report = Report {
            name: name.to_owned(),
            text: text.to_owned(),
            problems,
        };
        Err(ConfigError::Invalid(Box::new(report)))
    }

    fn read(document: &Document<'_>, judge: Judge<'_>) -> Self {
        document.refuse_unknown_sections();
        let mut places = Tables(Vec::new());
        let connectors = connector::read_all(document, judge);
        let config = Self {
            gateway: places.read(document, &gateway::SECTION, Gateway::read),
            listeners: Self::read_listeners(document),
            accounts: places.read(document, &accounts::SECTION, Accounts::read),
            dc09: places.read(document, &dc09::SECTION, Dc09::read),
            repeats: places.read(document, &repeats::SECTION, Repeats::read),
            queue: places.read(document, &queue::SECTION, Queue::read),
            journal: places.read(document, &journal::SECTION, Journal::read),
            history: places.read(document, &history::SECTION, History::read),
            acknowledge: Acknowledge::read_all(document, &connectors),
            connectors,
            shadows: Shadow::read_all(document),
            flood: places.read(document, &flood::SECTION, Flood::read),
            log: places.read(document, &log::SECTION, Log::read),
        };
        checks::sections(document, &config, &places);
        config
    }

    fn read_listeners(document: &Document<'_>) -> Vec<Listener> {
        let mut placed = Vec::new();
        for table in document.tables(&listener::SECTION) {
            table.refuse_unknown_keys();
            let (listener, addresses) = Listener::read(&table);
            placed.push(Placed {
                listener,
                addresses,
                table,
            });
        }
        for one in &placed {
            checks::listener(document, one);
        }
        checks::twice(document, &placed);
        if placed.is_empty() {
            return Listener::defaults();
        }
        placed.into_iter().map(|one| one.listener).collect()
    }
}

/// The tables that were read, for the places of their values.
struct Tables<'d>(Vec<(&'static str, Table<'d>)>);

impl<'d> Tables<'d> {
    fn read<T: Default>(
        &mut self,
        document: &'d Document<'d>,
        section: &'static Section,
        read: impl FnOnce(&Table<'d>) -> T,
    ) -> T {
        let Some(table) = document.tables(section).pop() else {
            return T::default();
        };
        table.refuse_unknown_keys();
        let value = read(&table);
        self.0.push((section.name, table));
        value
    }
}

impl checks::Places for Tables<'_> {
    fn place(&self, section: &str, key: &str) -> Range<usize> {
        let table = self
            .0
            .iter()
            .find(|(name, _)| *name == section)
            .or(self.0.first());
        table.map_or(0..0, |(_, table)| table.place(key))
    }
}
