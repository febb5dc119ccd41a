//! `kind = "mqtt"`: MQTT 5, with Home Assistant's discovery where wanted.
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote};
use super::super::units::show_duration;
use super::super::words::words;
use super::shared::{self, show_path, show_text, text_option};
use super::webhook::Denied;

words! {
    /// What a message holds.
    Payload {
        /// The record, as the published schema says.
        Event = "event",
        /// The record inside a CloudEvents object.
        CloudEvents = "cloudevents",
    }
}

words! {
    /// What follows when the broker took an event that nobody is subscribed to.
    Nobody {
        /// It is tried again until somebody is.
        Retry = "retry",
        /// It counts as delivered.
        Delivered = "delivered",
    }
}

/// Settings of an MQTT connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// The broker.
    pub url: String,
    /// Authorities of the broker's certificate, instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The certificate that larm shows.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Name that the broker's certificate has to carry, where it is not the URL's.
    pub server_name: Option<String>,
    /// Client identifier; `None`: made of gateway and connector.
    pub client_id: Option<String>,
    /// User name.
    pub user: Option<String>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Topic of an event, with fields in braces.
    pub topic: String,
    /// What a message holds.
    pub payload: Payload,
    /// What an event leads to that nobody is subscribed to.
    pub no_subscriber: Nobody,
    /// What a refused right to publish leads to.
    pub on_denied: Denied,
    /// Longest silence on the connection.
    pub keep_alive: Duration,
    /// How long connecting, and the broker's confirmation, may take.
    pub timeout: Duration,
    /// Messages without confirmation at a time, unless the broker allows fewer.
    pub unconfirmed_max: u16,
    /// Whether accounts announce themselves to Home Assistant.
    pub home_assistant: bool,
    /// Where Home Assistant looks for announcements.
    pub discovery_prefix: String,
    /// Below which topic the states of accounts stand.
    pub state_prefix: String,
    /// Most accounts that are announced.
    pub devices_max: usize,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            url: String::new(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            server_name: None,
            client_id: None,
            user: None,
            password_file: None,
            topic: "larm/{node}/event/{account}/{category}".to_owned(),
            payload: Payload::Event,
            no_subscriber: Nobody::Retry,
            on_denied: Denied::Retry,
            keep_alive: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            unconfirmed_max: 100,
            home_assistant: false,
            discovery_prefix: "homeassistant".to_owned(),
            state_prefix: "larm/{node}/state".to_owned(),
            devices_max: 10_000,
        }
    }
}

pub(super) const ABOUT: &str =
    "MQTT 5 with confirmed messages, and Home Assistant's discovery where wanted.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "url",
        takes: Takes::Url(&["mqtts", "mqtt"]),
        default: "",
        what: "The broker, such as \"mqtts://broker.example.net:8883\"; needed. `mqtt` is in clear.",
        reload: true,
    },
    shared::CA_FILE,
    shared::CERTIFICATE_FILE,
    shared::KEY_FILE,
    Key {
        name: "server_name",
        takes: Takes::Text { max: 253 },
        default: "",
        what: "Name that the broker's certificate has to carry, where it is not the one in `url`. \
               Verification itself cannot be switched off.",
        reload: true,
    },
    Key {
        name: "client_id",
        takes: Takes::Text { max: 128 },
        default: "",
        what: "Client identifier; two clients with the same one push each other out. Without it: \
               `larm-`, the gateway's name, `-` and the connector's name.",
        reload: true,
    },
    Key {
        name: "user",
        takes: Takes::Text { max: 128 },
        default: "",
        what: "User name; needs `password_file`.",
        reload: true,
    },
    shared::file(
        "password_file",
        "File with the password, on its first line.",
    ),
    Key {
        name: "topic",
        takes: Takes::Text { max: 256 },
        default: "\"larm/{node}/event/{account}/{category}\"",
        what: "Topic of an event. `{node}`, `{receiver}`, `{line}`, `{account}`, `{kind}`, \
               `{category}`, `{priority}`, `{code}` and `{zone}` are replaced; what a topic cannot \
               hold is percent-encoded, and `_` stands for what an event does not have.",
        reload: true,
    },
    Key {
        name: "payload",
        takes: Takes::Word(Payload::WORDS),
        default: "\"event\"",
        what: "What a message holds: the record, or the record inside a CloudEvents object.",
        reload: true,
    },
    Key {
        name: "no_subscriber",
        takes: Takes::Word(Nobody::WORDS),
        default: "\"retry\"",
        what: "What follows when the broker says that nobody is subscribed to the event's topic: it \
               is tried again, and waits, or it counts as delivered.",
        reload: true,
    },
    Key {
        name: "on_denied",
        takes: Takes::Word(Denied::WORDS),
        default: "\"retry\"",
        what: "What follows when the broker does not let larm publish to the event's topic: the \
               account's events wait until a person has put it right, or go to the dead letters.",
        reload: true,
    },
    shared::duration(
        "keep_alive",
        (5_000, 3_600_000),
        "\"30s\"",
        "Longest silence on the connection, in whole seconds.",
    ),
    shared::duration(
        "timeout",
        (100, 120_000),
        "\"10s\"",
        "How long connecting may take, and how long the broker's confirmation.",
    ),
    Key {
        name: "unconfirmed_max",
        takes: Takes::Count {
            min: 1,
            max: 10_000,
            unit: "messages",
        },
        default: "100",
        what: "Messages without confirmation at a time, unless the broker allows fewer.",
        reload: true,
    },
    Key {
        name: "home_assistant",
        takes: Takes::Flag,
        default: "false",
        what: "Whether each account, with its zones, announces itself to Home Assistant.",
        reload: true,
    },
    Key {
        name: "discovery_prefix",
        takes: Takes::Text { max: 128 },
        default: "\"homeassistant\"",
        what: "Where Home Assistant looks for announcements.",
        reload: true,
    },
    Key {
        name: "state_prefix",
        takes: Takes::Text { max: 128 },
        default: "\"larm/{node}/state\"",
        what: "Below which topic the states for Home Assistant stand.",
        reload: true,
    },
    Key {
        name: "devices_max",
        takes: Takes::Count {
            min: 1,
            max: 100_000,
            unit: "accounts",
        },
        default: "10000",
        what: "Most accounts that are announced. An account of the register takes the place of one \
               that is in none and was silent longest; otherwise further accounts are not \
               announced. Their events are delivered all the same.",
        reload: true,
    },
];

impl Mqtt {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.url("url", &mut found.url);
        let tls = [
            &mut found.ca_file,
            &mut found.certificate_file,
            &mut found.key_file,
        ];
        shared::read_tls(table, tls);
        found.server_name = text_option(table, "server_name");
        found.client_id = text_option(table, "client_id");
        found.user = text_option(table, "user");
        table.path_option("password_file", &mut found.password_file);
        table.text("topic", &mut found.topic);
        table.word("payload", Payload::from_word, &mut found.payload);
        table.word("no_subscriber", Nobody::from_word, &mut found.no_subscriber);
        table.word("on_denied", Denied::from_word, &mut found.on_denied);
        table.duration("keep_alive", &mut found.keep_alive);
        table.duration("timeout", &mut found.timeout);
        table.count("unconfirmed_max", &mut found.unconfirmed_max);
        table.flag("home_assistant", &mut found.home_assistant);
        table.text("discovery_prefix", &mut found.discovery_prefix);
        table.text("state_prefix", &mut found.state_prefix);
        table.count("devices_max", &mut found.devices_max);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "url" => (!self.url.is_empty()).then(|| quote(&self.url)),
            "ca_file" | "certificate_file" | "key_file" => {
                shared::show_tls(key, [&self.ca_file, &self.certificate_file, &self.key_file])
            }
            "server_name" => show_text(self.server_name.as_ref()),
            "client_id" => show_text(self.client_id.as_ref()),
            "user" => show_text(self.user.as_ref()),
            "password_file" => show_path(self.password_file.as_ref()),
            "topic" => Some(quote(&self.topic)),
            "payload" => Some(quote(self.payload.as_str())),
            "no_subscriber" => Some(quote(self.no_subscriber.as_str())),
            "on_denied" => Some(quote(self.on_denied.as_str())),
            "keep_alive" => Some(quote(&show_duration(self.keep_alive))),
            "timeout" => Some(quote(&show_duration(self.timeout))),
            "unconfirmed_max" => Some(self.unconfirmed_max.to_string()),
            "home_assistant" => Some(self.home_assistant.to_string()),
            "discovery_prefix" => Some(quote(&self.discovery_prefix)),
            "state_prefix" => Some(quote(&self.state_prefix)),
            "devices_max" => Some(self.devices_max.to_string()),
            _ => None,
        }
    }
}
