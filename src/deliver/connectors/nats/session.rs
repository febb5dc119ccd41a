//! One connection to a server, from the greeting to its end. A connection that was lost is not
//! used again: what was under way on it is unknown, and is published anew with the same ids.
use std::sync::Arc;

use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use tokio::sync::watch;

use super::credentials;
use crate::config::Nats;
use crate::deliver::Context;
use crate::tls::{self, ClientTls};

/// Confirmations that may be awaited at a time on one connection; a batch beyond waits.
const ACKS_MAX: usize = 8_192;

/// A connection that was greeted.
pub(super) struct Session {
    /// The server that greeted, as it calls itself, and where it is.
    pub(super) server: String,
    /// Publishes on this connection.
    pub(super) jetstream: jetstream::Context,
    /// Why the connection is gone, once it is.
    ended: watch::Receiver<Option<String>>,
    /// What the server last complained about.
    complaint: watch::Receiver<Option<String>>,
}

impl Session {
    /// Connects and greets; an error says what failed.
    pub(super) async fn connect(settings: &Nats, context: &Context) -> Result<Self, String> {
        let servers = addresses(&settings.servers)?;
        let (ended_tx, ended) = watch::channel(None);
        let (complaint_tx, complaint) = watch::channel(None);
        let (ended_tx, complaint_tx) = (Arc::new(ended_tx), Arc::new(complaint_tx));
        let options = options(settings, context, servers.len())
            .await?
            .event_callback(move |event| {
                let (ended, complaint) = (Arc::clone(&ended_tx), Arc::clone(&complaint_tx));
                async move { note(&event, &ended, &complaint) }
            });
        // The client bounds each server; this bounds all of them together.
        let patience = settings.connect_timeout * u32::try_from(servers.len().max(1)).unwrap_or(1);
        let client = tokio::time::timeout(patience, options.connect(servers))
            .await
            .map_err(|_| "no server answered in time".to_owned())?
            .map_err(|error| describe(&error))?;
        let greeting = client.server_info();
        let server = format!(
            "{} at {}:{}",
            greeting.server_name, greeting.host, greeting.port
        );
        let jetstream = ContextBuilder::new()
            .timeout(settings.timeout)
            .ack_timeout(settings.timeout)
            .max_ack_inflight(ACKS_MAX)
            .backpressure_on_inflight(true)
            .build(client);
        Ok(Self {
            server: server.escape_default().to_string(),
            jetstream,
            ended,
            complaint,
        })
    }

    /// Whether the connection was lost.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Ends when the connection is lost, and says why.
    pub(super) async fn lost(&self) -> String {
        let mut ended = self.ended.clone();
        // The sender lives as long as the client, so an error means that the client is gone.
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the connection was closed".to_owned(),
        }
    }

    /// What the server last complained about, outside of any answer.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaint.borrow().clone()
    }
}

fn note(
    event: &Event,
    ended: &watch::Sender<Option<String>>,
    complaint: &watch::Sender<Option<String>>,
) {
    match event {
        Event::Disconnected | Event::Closed => {
            ended.send_if_modified(|why| {
                let first = why.is_none();
                why.get_or_insert_with(|| "the connection to the server was lost".to_owned());
                first
            });
        }
        Event::ServerError(error) => {
            complaint.send_replace(Some(complaint_text(error)));
        }
        _ => {}
    }
}

/// The server's words without the subject that they quote: an account stands in it.
fn complaint_text(error: &ServerError) -> String {
    match error {
        ServerError::AuthorizationViolation => "authorization violation".to_owned(),
        ServerError::SlowConsumer(_) => "slow consumer".to_owned(),
        ServerError::Other(text) => {
            let text = text.split('"').next().unwrap_or_default().trim();
            text.chars()
                .take(120)
                .collect::<String>()
                .escape_default()
                .to_string()
        }
    }
}

/// The servers' addresses; an error says what to write instead.
pub(super) fn addresses(servers: &[String]) -> Result<Vec<ServerAddr>, String> {
    let address = |text: &String| {
        let wrong = || {
            format!(
                "`{}` is no server; write `nats://host:4222` or `tls://host:4222`",
                text.escape_default()
            )
        };
        let address: ServerAddr = text.parse().map_err(|_| wrong())?;
        if !matches!(address.scheme(), "nats" | "tls") || address.host().is_empty() {
            return Err(wrong());
        }
        if address.has_user_pass() {
            return Err(
                "a user stands in the address; write `user` and `password_file`".to_owned(),
            );
        }
        Ok(address)
    };
    servers.iter().map(address).collect()
}

async fn options(
    settings: &Nats,
    context: &Context,
    servers: usize,
) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new()
        .name(format!("larm {} {}", context.node, context.name))
        .connection_timeout(settings.connect_timeout)
        .request_timeout(Some(settings.timeout))
        .ping_interval(std::time::Duration::from_secs(10))
        // Every server once. The client's own reconnecting is not waited for: see the file's head.
        .max_reconnects(servers)
        .require_tls(wants_tls(settings));
    let files = ClientTls {
        ca: settings.ca_file.clone(),
        certificate: settings.certificate_file.clone(),
        key: settings.key_file.clone(),
    };
    match tls::client(&files) {
        Ok(config) => options = options.tls_client_config((*config).clone()),
        // A server that wants TLS all the same is then refused by the client.
        Err(_) if files == ClientTls::default() && !wants_tls(settings) => {}
        Err(error) => return Err(error.to_string()),
    }
    credentials::add(options, settings).await
}

fn wants_tls(settings: &Nats) -> bool {
    let mut servers = settings.servers.iter();
    settings.tls || servers.any(|server| server.starts_with("tls://"))
}

/// What failed, in words; the client's own text names neither secret nor account.
fn describe(error: &async_nats::ConnectError) -> String {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            "the server refuses the credentials".to_owned()
        }
        ConnectErrorKind::TimedOut => "the server did not answer in time".to_owned(),
        _ => tls::advised(error.to_string().escape_default().to_string()),
    }
}
