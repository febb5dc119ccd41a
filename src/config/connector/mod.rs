//! `[[connector]]`: one way out to a case system.
//!
//! Keys that every connector has stand here, those of its route in `route`, those of one kind
//! alone in the file of that kind. A new kind is one file and one line in `kinds`.
mod ademco_685;
mod automation;
mod dc09_relay;
mod jsonl;
mod kafka;
mod kinds;
mod mqtt;
mod nats;
mod postgresql;
mod route;
mod shared;
mod surgard;
#[cfg(test)]
mod tests;
mod together;
mod webhook;

use std::time::Duration;

use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::show_duration;
use super::words::words;

pub use ademco_685::{Ademco685, WideAccounts};
pub use automation::{Automation, LateReceipts, ReceiptWords, SecondClient};
pub use dc09_relay::{Checksum, Dc09Relay, RelayFormat, WhenDeclined};
pub use jsonl::{Jsonl, Target};
pub use kafka::{Kafka, Mechanism};
pub use kinds::{KINDS, Kind, KindConfig};
pub use mqtt::{Mqtt, Nobody, Payload};
pub use nats::{Nats, StreamSetup};
pub use postgresql::{Postgresql, TlsUse};
pub(super) use route::PATTERNS;
pub use route::{Pattern, Route, TestEvents};
pub use surgard::{ClockZone, EndMark, Format, LongAccounts, Surgard, Variant};

pub use together::Judge;
pub(super) use together::read_all;
pub use webhook::{Denied, EVENT_TYPE, Mode, Webhook};

words! {
    /// Where a connector begins that has no cursor yet.
    StartAt {
        /// With what is received from now on.
        Now = "now",
        /// With the oldest event that the journal still has.
        Oldest = "oldest",
    }
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Name in logs, metrics, receiver events and commands, and of its directory.
    pub name: String,
    /// Whether it runs. Its cursor stays where it is while it does not.
    pub enabled: bool,
    /// Which events it is for.
    pub route: Route,
    /// Where it begins when it is new.
    pub start_at: StartAt,
    /// An event that waits for longer raises a receiver event; zero: never.
    pub annunciate_after: Duration,
    /// Name of another connector that gets this receiver event whatever its route.
    pub annunciate_to: Option<String>,
    /// The first pause after a failure.
    pub retry_min: Duration,
    /// The longest pause between two tries.
    pub retry_max: Duration,
    /// Most events of a batch; `None`: as its kind wants it.
    pub batch_events: Option<usize>,
    /// Batches in flight; `None`: as its kind wants it.
    pub in_flight: Option<usize>,
    /// What only its kind has.
    pub kind: KindConfig,
}

impl Connector {
    /// A connector of this kind with nothing set but what has a default. `None`: no such kind.
    #[must_use]
    pub fn default_of(kind: &str) -> Option<Self> {
        Some(Self {
            name: String::new(),
            enabled: true,
            route: Route::default(),
            start_at: StartAt::Now,
            annunciate_after: Duration::from_secs(10),
            annunciate_to: None,
            retry_min: Duration::from_millis(250),
            retry_max: Duration::from_secs(30),
            batch_events: None,
            in_flight: None,
            kind: KindConfig::default_of(kind)?,
        })
    }
}

pub(super) static SECTION: Section = Section {
    name: "connector",
    repeated: true,
    about: "One way out to a case system; as many as you like, none without this section. Each kind \
            has further keys, listed below.",
    keys: &KEYS,
};

/// The keys of every connector.
static KEYS: [Key; 19] = {
    let [
        accounts,
        receivers,
        lines,
        categories,
        kinds,
        priority,
        tags,
        tests,
        shadows,
    ] = route::KEYS;
    [
        Key {
            name: "name",
            takes: Takes::Name { max: 32 },
            default: "",
            what: "Name in logs, metrics, receiver events and `larm deliver`; needed, and no two the \
                   same. Its cursor belongs to the name: under another name it begins anew.",
            reload: true,
        },
        Key {
            name: "kind",
            takes: Takes::Word(kinds::NAMES),
            default: "",
            what: "What it speaks; needed.",
            reload: true,
        },
        Key {
            name: "enabled",
            takes: Takes::Flag,
            default: "true",
            what: "Whether it runs. Its cursor stays while it does not, and so does what the journal \
                   has behind it.",
            reload: true,
        },
        accounts,
        receivers,
        lines,
        categories,
        kinds,
        priority,
        tags,
        tests,
        shadows,
        Key {
            name: "start_at",
            takes: Takes::Word(StartAt::WORDS),
            default: "\"now\"",
            what: "Where a connector begins that is new: with what comes in from now on, or with the \
                   oldest event that the journal still has.",
            reload: true,
        },
        Key {
            name: "annunciate_after",
            takes: Takes::Duration {
                min: 0,
                max: 86_400_000,
            },
            default: "\"10s\"",
            what: "An event that waits for this connector for longer raises a receiver event, and \
                   another one when nothing waits that long any more; \"0ms\": never.",
            reload: true,
        },
        Key {
            name: "annunciate_to",
            takes: Takes::Name { max: 32 },
            default: "",
            what: "Another connector that gets these receiver events whatever its route.",
            reload: true,
        },
        Key {
            name: "retry_min",
            takes: Takes::Duration {
                min: 10,
                max: 3_600_000,
            },
            default: "\"250ms\"",
            what: "Pause after the first failure; it doubles with each further one, and a part of it \
                   is chance.",
            reload: true,
        },
        Key {
            name: "retry_max",
            takes: Takes::Duration {
                min: 10,
                max: 86_400_000,
            },
            default: "\"30s\"",
            what: "Longest pause between two tries, unless the other side asks for more.",
            reload: true,
        },
        Key {
            name: "batch_events",
            takes: Takes::Count {
                min: 1,
                max: 100_000,
                unit: "events",
            },
            default: "",
            what: "Most events of a batch. Without it, and at most: as many as its kind takes.",
            reload: true,
        },
        Key {
            name: "in_flight",
            takes: Takes::Count {
                min: 1,
                max: 1_000,
                unit: "batches",
            },
            default: "",
            what: "Batches on their way at a time. Without it, and at most: as many as its kind takes.",
            reload: true,
        },
    ]
};

impl Connector {
    /// Reads one section; `None` where it names no kind, which is reported.
    fn read(table: &mut Table<'_>) -> Option<Self> {
        let mut kind = None;
        let named = table.demand("kind");
        table.word(
            "kind",
            |word| kinds::NAMES.contains(&word).then(|| Some(word.to_owned())),
            &mut kind,
        );
        let mut found = match &kind {
            Some(name) if named => Self::default_of(name)?,
            _ => return None,
        };
        table.know(found.kind.kind().keys);
        table.refuse_unknown_keys();
        table.demand("name");
        table.name("name", &mut found.name);
        table.flag("enabled", &mut found.enabled);
        found.route = Route::read(table);
        table.word("start_at", StartAt::from_word, &mut found.start_at);
        table.duration("annunciate_after", &mut found.annunciate_after);
        let mut other = String::new();
        table.name("annunciate_to", &mut other);
        found.annunciate_to = (!other.is_empty()).then_some(other);
        table.duration("retry_min", &mut found.retry_min);
        table.duration("retry_max", &mut found.retry_max);
        found.batch_events = count(table, "batch_events");
        found.in_flight = count(table, "in_flight");
        found.kind = KindConfig::read(found.kind.name(), table)?;
        Some(found)
    }

    /// Every key that it has, in the order of the documentation.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        KEYS.iter().chain(self.kind.kind().keys)
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "name" => (!self.name.is_empty()).then(|| quote(&self.name)),
            "kind" => Some(quote(self.kind.name())),
            "enabled" => Some(self.enabled.to_string()),
            "start_at" => Some(quote(self.start_at.as_str())),
            "annunciate_after" => Some(quote(&show_duration(self.annunciate_after))),
            "annunciate_to" => self.annunciate_to.as_deref().map(quote),
            "retry_min" => Some(quote(&show_duration(self.retry_min))),
            "retry_max" => Some(quote(&show_duration(self.retry_max))),
            "batch_events" => self.batch_events.map(|most| most.to_string()),
            "in_flight" => self.in_flight.map(|most| most.to_string()),
            _ => self.route.show(key).or_else(|| self.kind.show(key)),
        }
    }
}

/// A number that may be absent.
fn count(table: &Table<'_>, key: &str) -> Option<usize> {
    let mut found = 0;
    table.count(key, &mut found);
    (found > 0).then_some(found)
}
