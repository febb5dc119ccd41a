//! `kind = "webhook"`: signed CloudEvents over HTTPS.
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote, quote_all};
use super::super::units::show_duration;
use super::super::words::words;
use super::shared::{self, show_path, show_text, text_option};

words! {
    /// How many events a request holds.
    Mode {
        /// One, as one object.
        Single = "single",
        /// As many as wait, as a list.
        Batch = "batch",
    }
}

words! {
    /// What follows when the other side does not let larm in.
    Denied {
        /// It is tried again until a person has put it right.
        Retry = "retry",
        /// The event goes to the dead letters.
        DeadLetter = "dead-letter",
    }
}

/// The usual `type` attribute of CloudEvents.
pub const EVENT_TYPE: &str = "io.github.larm-gateway.event.v1";

/// Settings of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where events go.
    pub url: String,
    /// File with the signing secrets, one `whsec_…` on a line.
    pub secret_file: PathBuf,
    /// File with further header lines.
    pub header_file: Option<PathBuf>,
    /// Authorities of the receiver's certificate, instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The certificate that larm shows.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Name that the receiver's certificate has to carry, where it is not the URL's.
    pub server_name: Option<String>,
    /// Private networks that the URL's name may lead to.
    pub networks: Vec<String>,
    /// From the start of a try to the head of the answer.
    pub timeout: Duration,
    /// How many events a request holds.
    pub mode: Mode,
    /// The `type` attribute of every event.
    pub event_type: String,
    /// What 401, 403, 404 and 407 lead to.
    pub on_denied: Denied,
    /// The longest wait that the receiver may ask for.
    pub retry_after_max: Duration,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret_file: PathBuf::new(),
            header_file: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            server_name: None,
            networks: Vec::new(),
            timeout: Duration::from_secs(10),
            mode: Mode::Single,
            event_type: EVENT_TYPE.to_owned(),
            on_denied: Denied::Retry,
            retry_after_max: Duration::from_mins(5),
        }
    }
}

pub(super) const ABOUT: &str =
    "Signed CloudEvents over HTTPS, one event a request or several, to one fixed address.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "url",
        takes: Takes::Url(&["https", "http"]),
        default: "",
        what: "Where events are posted; needed. `http` is taken for this machine only. Redirects \
               are not followed.",
        reload: true,
    },
    shared::file(
        "secret_file",
        "File with the signing secrets, one `whsec_…` on a line, at most 4; needed. Each of \
               them signs, so that one can be replaced. A change is taken over within seconds.",
    ),
    shared::file(
        "header_file",
        "File with further headers, one on a line, such as `Authorization: Bearer …`. A \
               change is taken over within seconds.",
    ),
    shared::CA_FILE,
    shared::CERTIFICATE_FILE,
    shared::KEY_FILE,
    Key {
        name: "server_name",
        takes: Takes::Text { max: 253 },
        default: "",
        what: "Name that the receiver's certificate has to carry, where it is not the one in `url`. \
               Verification itself cannot be switched off.",
        reload: true,
    },
    Key {
        name: "networks",
        takes: Takes::Texts { max: 50, items: 32 },
        default: "",
        what: "Private networks that the name in `url` may lead to, such as \"10.1.0.0/16\". \
               Without it a name that leads to a private address is not connected to; an address \
               in `url` itself always is.",
        reload: true,
    },
    shared::duration(
        "timeout",
        (100, 120_000),
        "\"10s\"",
        "How long one try may take, from connecting to the head of the answer.",
    ),
    Key {
        name: "mode",
        takes: Takes::Word(Mode::WORDS),
        default: "\"single\"",
        what: "`single`: one event a request, as an object. `batch`: what waits, at most 100 events \
               and 256 KiB, as a list.",
        reload: true,
    },
    Key {
        name: "event_type",
        takes: Takes::Text { max: 200 },
        default: "\"io.github.larm-gateway.event.v1\"",
        what: "The `type` attribute of every event.",
        reload: true,
    },
    Key {
        name: "on_denied",
        takes: Takes::Word(Denied::WORDS),
        default: "\"retry\"",
        what: "What the answers 401, 403, 404 and 407 lead to: events wait until a person has put \
               the token or the URL right, or they go to the dead letters.",
        reload: true,
    },
    shared::duration(
        "retry_after_max",
        (1_000, 86_400_000),
        "\"5m\"",
        "The longest wait that the receiver may ask for by `Retry-After`.",
    ),
];

impl Webhook {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.url("url", &mut found.url);
        table.path("secret_file", &mut found.secret_file);
        table.path_option("header_file", &mut found.header_file);
        let tls = [
            &mut found.ca_file,
            &mut found.certificate_file,
            &mut found.key_file,
        ];
        shared::read_tls(table, tls);
        found.server_name = text_option(table, "server_name");
        table.texts("networks", &mut found.networks);
        table.duration("timeout", &mut found.timeout);
        table.word("mode", Mode::from_word, &mut found.mode);
        table.text("event_type", &mut found.event_type);
        table.word("on_denied", Denied::from_word, &mut found.on_denied);
        table.duration("retry_after_max", &mut found.retry_after_max);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        let secret = self.secret_file.to_string_lossy();
        match key {
            "url" => (!self.url.is_empty()).then(|| quote(&self.url)),
            "secret_file" => (!secret.is_empty()).then(|| quote(&secret)),
            "header_file" => show_path(self.header_file.as_ref()),
            "ca_file" | "certificate_file" | "key_file" => {
                shared::show_tls(key, [&self.ca_file, &self.certificate_file, &self.key_file])
            }
            "server_name" => show_text(self.server_name.as_ref()),
            "networks" => quote_all(&self.networks),
            "timeout" => Some(quote(&show_duration(self.timeout))),
            "mode" => Some(quote(self.mode.as_str())),
            "event_type" => Some(quote(&self.event_type)),
            "on_denied" => Some(quote(self.on_denied.as_str())),
            "retry_after_max" => Some(quote(&show_duration(self.retry_after_max))),
            _ => None,
        }
    }
}
