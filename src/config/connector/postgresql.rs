//! `kind = "postgresql"`: rows in a table of PostgreSQL.
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote};
use super::super::units::show_duration;
use super::super::words::words;
use super::shared::{self, show_path};

words! {
    /// Whether the connection is encrypted.
    TlsUse {
        /// Required, unless the server is reached by a socket or a loopback address.
        Auto = "auto",
        /// Always, with a certificate that is verified.
        Required = "required",
        /// Never.
        Off = "off",
    }
}

/// Settings of a connector that inserts into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgresql {
    /// Where the server is: `postgres://user@host:5432/database`, without a password.
    pub url: String,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Whether larm creates and changes the table itself.
    pub migrate: bool,
    /// Whether listeners are notified after each batch.
    pub notify: bool,
    /// The channel that they listen on.
    pub channel: String,
    /// Whether the connection is encrypted.
    pub tls: TlsUse,
    /// File of the authority that signed the server's certificate; `None`: the system's roots.
    pub ca_file: Option<PathBuf>,
    /// File with the client's certificate.
    pub certificate_file: Option<PathBuf>,
    /// File with the client's key.
    pub key_file: Option<PathBuf>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub timeout: Duration,
}

impl Default for Postgresql {
    fn default() -> Self {
        Self {
            url: String::new(),
            password_file: None,
            schema: "larm".to_owned(),
            table: "event".to_owned(),
            migrate: true,
            notify: true,
            channel: "larm_event".to_owned(),
            tls: TlsUse::Auto,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

pub(super) const ABOUT: &str =
    "Rows in a table of PostgreSQL, each there once. See connect-postgresql.md.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "url",
        // Not as a URL: several hosts may stand in it, and the path of a socket.
        takes: Takes::Text { max: 1024 },
        default: "",
        what: "Where the server is; needed. `postgres://user@host:5432/database`, without a password.",
        reload: true,
    },
    shared::file(
        "password_file",
        "File with the user's password, read at each connection.",
    ),
    Key {
        name: "schema",
        takes: Takes::Text { max: 40 },
        default: "\"larm\"",
        what: "Schema of the table: small letters, digits and `_`.",
        reload: true,
    },
    Key {
        name: "table",
        takes: Takes::Text { max: 40 },
        default: "\"event\"",
        what: "The table: small letters, digits and `_`.",
        reload: true,
    },
    Key {
        name: "migrate",
        takes: Takes::Flag,
        default: "true",
        what: "Whether larm creates the table and brings it up to date itself.",
        reload: true,
    },
    Key {
        name: "notify",
        takes: Takes::Flag,
        default: "true",
        what: "Whether listeners are notified after each batch.",
        reload: true,
    },
    Key {
        name: "channel",
        takes: Takes::Text { max: 63 },
        default: "\"larm_event\"",
        what: "The channel that listeners are notified on.",
        reload: true,
    },
    Key {
        name: "tls",
        takes: Takes::Word(TlsUse::WORDS),
        default: "\"auto\"",
        what: "Whether the connection is encrypted. `auto`: unless the server is reached by a socket or \
               a loopback address.",
        reload: true,
    },
    shared::CA_FILE,
    shared::CERTIFICATE_FILE,
    shared::KEY_FILE,
    shared::duration(
        "connect_timeout",
        (100, 60_000),
        "\"5s\"",
        "How long connecting to one host may take.",
    ),
    shared::duration(
        "timeout",
        (100, 600_000),
        "\"30s\"",
        "How long a statement may take, and twice what a lock may; then the batch is sent again.",
    ),
];

impl Postgresql {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        if table.demand("url") {
            table.text("url", &mut found.url);
        }
        table.path_option("password_file", &mut found.password_file);
        table.text("schema", &mut found.schema);
        table.text("table", &mut found.table);
        table.flag("migrate", &mut found.migrate);
        table.flag("notify", &mut found.notify);
        table.text("channel", &mut found.channel);
        table.word("tls", TlsUse::from_word, &mut found.tls);
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
            "url" => (!self.url.is_empty()).then(|| quote(&self.url)),
            "password_file" => show_path(self.password_file.as_ref()),
            "schema" => Some(quote(&self.schema)),
            "table" => Some(quote(&self.table)),
            "migrate" => Some(self.migrate.to_string()),
            "notify" => Some(self.notify.to_string()),
            "channel" => Some(quote(&self.channel)),
            "tls" => Some(quote(self.tls.as_str())),
            "ca_file" | "certificate_file" | "key_file" => {
                shared::show_tls(key, [&self.ca_file, &self.certificate_file, &self.key_file])
            }
            "connect_timeout" => Some(quote(&show_duration(self.connect_timeout))),
            "timeout" => Some(quote(&show_duration(self.timeout))),
            _ => None,
        }
    }
}
