//! What a webhook holds that comes from files: the client with its certificates, the secrets, the
//! headers. Made anew when a file changes, so that a secret or a certificate is replaced without a
//! restart.
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::header::HeaderMap;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::super::files;
use super::IN_FLIGHT;
use super::headers;
use super::network::Network;
use super::resolve::Guarded;
use super::sign::Secrets;
use crate::config::connector::Webhook as Settings;
use crate::deliver::connector::BuildError;
use crate::tls;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_mins(1);

/// Most bytes of an answer's head.
const ANSWER_HEAD_MAX: usize = 64 * 1_024;

/// The client, with a pool of connections.
pub(super) type Http = Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>;

/// One reading of the files.
pub(super) struct Live {
    pub(super) http: Http,
    pub(super) secrets: Secrets,
    pub(super) headers: HeaderMap,
    /// The files as they were before they were read.
    stamps: Vec<Stamp>,
}

impl Live {
    /// Reads the files now.
    pub(super) fn read(settings: &Settings) -> Result<Self, BuildError> {
        let stamps = stamps(settings);
        let secrets = Secrets::parse(&files::text("secret_file", &settings.secret_file)?)
            .map_err(|error| files::wrong("secret_file", &settings.secret_file, error))?;
        let headers = match &settings.header_file {
            None => HeaderMap::new(),
            Some(file) => headers::parse(&files::text("header_file", file)?)
                .map_err(|error| files::wrong("header_file", file, error))?,
        };
        Ok(Self {
            http: http(settings)?,
            secrets,
            headers,
            stamps,
        })
    }

    /// Whether a file has changed since.
    pub(super) fn is_stale(&self, settings: &Settings) -> bool {
        self.stamps != stamps(settings)
    }
}

/// The URL, checked.
pub(super) fn url(settings: &Settings) -> Result<Uri, BuildError> {
    let wrong = |problem: &str| BuildError {
        key: "url",
        problem: problem.to_owned(),
    };
    let uri: Uri = settings
        .url
        .parse()
        .map_err(|_| wrong("is no URL; write it as https://alarm.example.org/events"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(wrong(
            "holds a user name; put an `Authorization` line into `header_file` instead",
        ));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_this_machine(uri.host().unwrap_or("")) => Ok(uri),
        Some("http") => Err(wrong(
            "goes over the network in clear; use https, http leads to this machine only",
        )),
        _ => Err(wrong(
            "is no URL; write it as https://alarm.example.org/events",
        )),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn http(settings: &Settings) -> Result<Http, BuildError> {
    let config = files::client_tls(
        settings.ca_file.as_ref(),
        settings.certificate_file.as_ref(),
        settings.key_file.as_ref(),
    )?;
    let networks: Vec<Network> = settings
        .networks
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|error: super::network::NotANetwork| BuildError {
            key: "networks",
            problem: error.to_string(),
        })?;
    let mut tcp = HttpConnector::new_with_resolver(Guarded::new(&networks));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(settings.timeout));
    tcp.set_keepalive(Some(Duration::from_secs(15)));
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(Arc::unwrap_or_clone(config))
        .https_or_http();
    let builder = match &settings.server_name {
        None => builder,
        Some(name) => {
            let name = tls::server_name(name).map_err(|error| BuildError {
                key: "server_name",
                problem: error.to_string(),
            })?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
    };
    let connector = builder.enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IN_FLIGHT)
        .http1_max_buf_size(ANSWER_HEAD_MAX)
        .build(connector))
}

/// What tells one state of a file from another: modification time, length, inode. `None` where it
/// cannot be seen.
type Stamp = Option<(i64, i64, u64, u64)>;

fn stamps(settings: &Settings) -> Vec<Stamp> {
    let optional = [
        &settings.header_file,
        &settings.ca_file,
        &settings.certificate_file,
        &settings.key_file,
    ];
    let files = std::iter::once(&settings.secret_file)
        .chain(optional.into_iter().filter_map(Option::<PathBuf>::as_ref));
    files
        .map(|file| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino()))
        })
        .collect()
}
