//! The kinds of connectors: one line for each, and everything that is asked of all of them.
use super::super::reader::Table;
use super::super::schema::Key;
use super::ademco_685::{self, Ademco685};
use super::dc09_relay::{self, Dc09Relay};
use super::jsonl::{self, Jsonl};
use super::kafka::{self, Kafka};
use super::mqtt::{self, Mqtt};
use super::nats::{self, Nats};
use super::postgresql::{self, Postgresql};
use super::surgard::{self, Surgard};
use super::webhook::{self, Webhook};

/// One kind of connector.
#[derive(Debug)]
pub struct Kind {
    /// What stands in `kind = "…"`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The keys that only this kind has.
    pub keys: &'static [Key],
}

/// Declares the enum of the typed settings with all that goes by kind. A kind's room has a type
/// with `Default`, `read(&Table)` and `show(key)`, and the consts `ABOUT` and `KEYS`.
macro_rules! kinds {
    ($($room:ident::$variant:ident = $name:literal),+ $(,)?) => {
        /// The settings that only one kind of connector has.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum KindConfig {
            $(
                #[doc = concat!("`kind = \"", $name, "\"`.")]
                $variant(Box<$variant>)
            ),+
        }

        /// Every kind, in the order of the documentation.
        pub const KINDS: &[Kind] = &[
            $(Kind { name: $name, about: $room::ABOUT, keys: $room::KEYS }),+
        ];

        /// Their names.
        pub(super) const NAMES: &[&str] = &[$($name),+];

        impl KindConfig {
            /// The defaults of a kind; `None`: there is no kind of this name.
            #[must_use]
            pub fn default_of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant(Box::default())),)+
                    _ => None,
                }
            }

            /// Its settings out of the table, which knows the keys of this kind.
            pub(super) fn read(name: &str, table: &Table<'_>) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant(Box::new($variant::read(table)))),)+
                    _ => None,
                }
            }

            /// The kind's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name),+
                }
            }

            /// The value of a key of this kind as it would stand in the file; `None` where it would
            /// not stand there.
            pub(in super::super) fn show(&self, key: &str) -> Option<String> {
                match self {
                    $(Self::$variant(settings) => settings.show(key)),+
                }
            }
        }
    };
}

kinds! {
    webhook::Webhook = "webhook",
    mqtt::Mqtt = "mqtt",
    nats::Nats = "nats",
    postgresql::Postgresql = "postgresql",
    kafka::Kafka = "kafka",
    dc09_relay::Dc09Relay = "dc09-relay",
    jsonl::Jsonl = "jsonl",
    surgard::Surgard = "surgard",
    ademco_685::Ademco685 = "ademco-685",
}

impl KindConfig {
    /// What is said about this kind.
    pub(in super::super) fn kind(&self) -> &'static Kind {
        KINDS
            .iter()
            .find(|kind| kind.name == self.name())
            .expect("the macro lists every variant")
    }
}
