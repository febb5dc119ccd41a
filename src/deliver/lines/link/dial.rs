//! The role in which the gateway connects.
use std::io;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::conn::{Conn, Stream};
use super::settings::LinkSettings;
use crate::tls;

/// Why nobody was reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// It took too long.
    #[error("no connection in time")]
    Late,
    /// The system reported an error, or TLS did.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// The name cannot be in a certificate.
    #[error(transparent)]
    Name(#[from] tls::TlsError),
}

/// Connects to `host:port`.
pub(super) async fn dial(
    endpoint: &str,
    secure: Option<&(TlsConnector, Option<String>)>,
    settings: &LinkSettings,
) -> Result<Conn, DialError> {
    let stream = timeout(settings.connect_timeout, open(endpoint, secure)).await;
    let stream = stream.map_err(|_| DialError::Late)??;
    Ok(Conn::new(stream, settings))
}

async fn open(
    endpoint: &str,
    secure: Option<&(TlsConnector, Option<String>)>,
) -> Result<Box<dyn Stream>, DialError> {
    let stream = TcpStream::connect(endpoint).await?;
    stream.set_nodelay(true)?;
    let Some((connector, name)) = secure else {
        return Ok(Box::new(stream));
    };
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = tls::server_name(name.as_deref().unwrap_or(host))?;
    Ok(Box::new(connector.connect(name, stream).await?))
}
