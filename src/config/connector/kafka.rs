//! `kind = "kafka"`: records of a Kafka topic. The settings are known to every build; the connector
//! only to one with the feature `kafka`.
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote, quote_all};
use super::super::units::show_duration;
use super::super::words::words;
use super::shared::{self, show_path, show_text, text_option};

words! {
    /// How a user logs in.
    Mechanism {
        /// The password as it is: with TLS only.
        Plain = "PLAIN",
        /// A proof of the password, by SHA-256.
        Scram256 = "SCRAM-SHA-256",
        /// A proof of the password, by SHA-512.
        Scram512 = "SCRAM-SHA-512",
    }
}

/// Settings of a connector that produces into a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// Brokers to begin with: `host:9092`.
    pub servers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// User name; goes with `password_file`.
    pub user: Option<String>,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// How the user logs in.
    pub mechanism: Mechanism,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// File of the authority that signed the brokers' certificates; `None`: the system's roots.
    pub ca_file: Option<PathBuf>,
    /// File with the client's certificate.
    pub certificate_file: Option<PathBuf>,
    /// File with the client's key.
    pub key_file: Option<PathBuf>,
    /// How long a record may wait for its confirmation.
    pub timeout: Duration,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            topic: "larm".to_owned(),
            user: None,
            password_file: None,
            mechanism: Mechanism::Scram512,
            tls: false,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            timeout: Duration::from_secs(10),
        }
    }
}

pub(super) const ABOUT: &str = "Records of a Kafka topic, confirmed by every replica in sync; only in \
                                a larm built with `--features kafka`. See connect-kafka.md.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "servers",
        takes: Takes::Texts {
            max: 512,
            items: 16,
        },
        default: "",
        what: "Brokers to begin with, `host:9092`; needed.",
        reload: true,
    },
    Key {
        name: "topic",
        takes: Takes::Text { max: 249 },
        default: "\"larm\"",
        what: "The topic: letters, digits, `.`, `-` and `_`.",
        reload: true,
    },
    Key {
        name: "user",
        takes: Takes::Text { max: 128 },
        default: "",
        what: "User name for SASL; goes with `password_file`.",
        reload: true,
    },
    shared::file(
        "password_file",
        "File with the user's password, read when the connector starts.",
    ),
    Key {
        name: "mechanism",
        takes: Takes::Word(Mechanism::WORDS),
        default: "\"SCRAM-SHA-512\"",
        what: "How the user logs in. `PLAIN` needs `tls = true`.",
        reload: true,
    },
    Key {
        name: "tls",
        takes: Takes::Flag,
        default: "false",
        what: "Whether connections are encrypted.",
        reload: true,
    },
    shared::CA_FILE,
    shared::CERTIFICATE_FILE,
    shared::KEY_FILE,
    shared::duration(
        "timeout",
        (1_000, 300_000),
        "\"10s\"",
        "How long the client itself tries before the event is sent again.",
    ),
];

impl Kafka {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        if table.demand("servers") {
            table.texts("servers", &mut found.servers);
        }
        table.text("topic", &mut found.topic);
        found.user = text_option(table, "user");
        table.path_option("password_file", &mut found.password_file);
        table.word("mechanism", Mechanism::from_word, &mut found.mechanism);
        table.flag("tls", &mut found.tls);
        let tls = [
            &mut found.ca_file,
            &mut found.certificate_file,
            &mut found.key_file,
        ];
        shared::read_tls(table, tls);
        table.duration("timeout", &mut found.timeout);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "servers" => quote_all(&self.servers),
            "topic" => Some(quote(&self.topic)),
            "user" => show_text(self.user.as_ref()),
            "password_file" => show_path(self.password_file.as_ref()),
            "mechanism" => Some(quote(self.mechanism.as_str())),
            "tls" => Some(self.tls.to_string()),
            "ca_file" | "certificate_file" | "key_file" => {
                shared::show_tls(key, [&self.ca_file, &self.certificate_file, &self.key_file])
            }
            "timeout" => Some(quote(&show_duration(self.timeout))),
            _ => None,
        }
    }
}
