//! `kind = "nats"`: messages in a NATS `JetStream`.
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote, quote_all};
use super::super::units::show_duration;
use super::super::words::words;
use super::shared::{self, show_path, show_text, text_option};

words! {
    /// What to do about the stream before the first event.
    StreamSetup {
        /// Look at its settings.
        Check = "check",
        /// The same, and create it where it is missing.
        Create = "create",
        /// Nothing.
        Trust = "trust",
    }
}

/// Settings of a connector that publishes into a `JetStream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// Servers of one cluster: `nats://host:4222`, `tls://host:4222`.
    pub servers: Vec<String>,
    /// Template of the subject.
    pub subject: String,
    /// Name of the stream that has to take the events; `None`: whichever does.
    pub stream: Option<String>,
    /// What to do about the stream before the first event.
    pub stream_setup: StreamSetup,
    /// Copies of a stream that larm creates.
    pub replicas: u32,
    /// For how long the server has to know an id again.
    pub duplicate_window: Duration,
    /// File with a JWT and its seed, as `nsc` writes it.
    pub credentials_file: Option<PathBuf>,
    /// File with the seed of an nkey.
    pub nkey_file: Option<PathBuf>,
    /// User name; goes with `password_file`.
    pub user: Option<String>,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// File with a token.
    pub token_file: Option<PathBuf>,
    /// Whether the connection has to be encrypted, whatever the servers' addresses say.
    pub tls: bool,
    /// File of the authority that signed the server's certificate; `None`: the system's roots.
    pub ca_file: Option<PathBuf>,
    /// File with the client's certificate.
    pub certificate_file: Option<PathBuf>,
    /// File with the client's key.
    pub key_file: Option<PathBuf>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a confirmation may take.
    pub timeout: Duration,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            subject: "alarm.{receiver}.{account}.{category}".to_owned(),
            stream: None,
            stream_setup: StreamSetup::Check,
            replicas: 1,
            duplicate_window: Duration::from_mins(10),
            credentials_file: None,
            nkey_file: None,
            user: None,
            password_file: None,
            token_file: None,
            tls: false,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
        }
    }
}

pub(super) const ABOUT: &str =
    "Messages in a stream of NATS JetStream, each confirmed by the server. See connect-nats.md.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "servers",
        takes: Takes::Texts {
            max: 512,
            items: 16,
        },
        default: "",
        what: "Servers of one cluster; needed. `nats://host:4222`, or `tls://host:4222` for an \
               encrypted connection.",
        reload: true,
    },
    Key {
        name: "subject",
        takes: Takes::Text { max: 512 },
        default: "\"alarm.{receiver}.{account}.{category}\"",
        what: "Template of the subject, of {node}, {receiver}, {line}, {account}, {category}, {kind}, \
               {priority}, {scheme}, {code}. Values are escaped.",
        reload: true,
    },
    Key {
        name: "stream",
        takes: Takes::Text { max: 255 },
        default: "",
        what: "The stream that has to take the events; without it, whichever takes the subject.",
        reload: true,
    },
    Key {
        name: "stream_setup",
        takes: Takes::Word(StreamSetup::WORDS),
        default: "\"check\"",
        what: "`check` warns of settings that lose or double alarms, `create` also creates a stream \
               that is missing, `trust` does not look.",
        reload: true,
    },
    Key {
        name: "replicas",
        takes: Takes::Count {
            min: 1,
            max: 5,
            unit: "servers",
        },
        default: "1",
        what: "Copies of a stream that larm creates.",
        reload: true,
    },
    shared::duration(
        "duplicate_window",
        (1_000, 86_400_000),
        "\"10m\"",
        "For how long the server has to know an id again; set in a stream that larm creates, \
               and a reason for a warning where it is less.",
    ),
    shared::file(
        "credentials_file",
        "File with JWT and seed, as `nsc` writes it.",
    ),
    shared::file("nkey_file", "File with the seed of an nkey."),
    Key {
        name: "user",
        takes: Takes::Text { max: 128 },
        default: "",
        what: "User name; goes with `password_file`.",
        reload: true,
    },
    shared::file(
        "password_file",
        "File with the user's password. Files with secrets are read at each connection.",
    ),
    shared::file("token_file", "File with a token."),
    Key {
        name: "tls",
        takes: Takes::Flag,
        default: "false",
        what: "Whether the connection has to be encrypted, whatever the addresses say.",
        reload: true,
    },
    shared::CA_FILE,
    shared::CERTIFICATE_FILE,
    shared::KEY_FILE,
    shared::duration(
        "connect_timeout",
        (100, 60_000),
        "\"5s\"",
        "How long connecting to one server may take.",
    ),
    shared::duration(
        "timeout",
        (100, 60_000),
        "\"5s\"",
        "How long a confirmation may take; then the event is published again.",
    ),
];

impl Nats {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        if table.demand("servers") {
            table.texts("servers", &mut found.servers);
        }
        table.text("subject", &mut found.subject);
        found.stream = text_option(table, "stream");
        table.word(
            "stream_setup",
            StreamSetup::from_word,
            &mut found.stream_setup,
        );
        table.count("replicas", &mut found.replicas);
        table.duration("duplicate_window", &mut found.duplicate_window);
        table.path_option("credentials_file", &mut found.credentials_file);
        table.path_option("nkey_file", &mut found.nkey_file);
        found.user = text_option(table, "user");
        table.path_option("password_file", &mut found.password_file);
        table.path_option("token_file", &mut found.token_file);
        table.flag("tls", &mut found.tls);
        let tls = [
            &mut found.ca_file,
            &mut found.certificate_file,
            &mut found.key_file,
        ];
        shared::read_tls(table, tls);
        table.duration("connect_timeout", &mut found.connect_timeout);
        table.duration("timeout", &mut found.timeout);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "servers" => quote_all(&self.servers),
            "subject" => Some(quote(&self.subject)),
            "stream" => show_text(self.stream.as_ref()),
            "stream_setup" => Some(quote(self.stream_setup.as_str())),
            "replicas" => Some(self.replicas.to_string()),
            "duplicate_window" => Some(quote(&show_duration(self.duplicate_window))),
            "credentials_file" => show_path(self.credentials_file.as_ref()),
            "nkey_file" => show_path(self.nkey_file.as_ref()),
            "user" => show_text(self.user.as_ref()),
            "password_file" => show_path(self.password_file.as_ref()),
            "token_file" => show_path(self.token_file.as_ref()),
            "tls" => Some(self.tls.to_string()),
            "ca_file" | "certificate_file" | "key_file" => {
                shared::show_tls(key, [&self.ca_file, &self.certificate_file, &self.key_file])
            }
            "connect_timeout" => Some(quote(&show_duration(self.connect_timeout))),
            "timeout" => Some(quote(&show_duration(self.timeout))),
            _ => None,
        }
    }
}
