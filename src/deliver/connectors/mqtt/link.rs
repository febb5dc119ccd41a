//! Where the broker is, and the way to it.
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::LastWill;
use rumqttc::{Broker, MqttOptions};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

use super::super::files;
use crate::config::connector::Mqtt as Settings;
use crate::deliver::connector::BuildError;
use crate::tls;

/// Payloads of the status topic, as Home Assistant knows them.
pub(super) const ONLINE: &str = "online";
pub(super) const OFFLINE: &str = "offline";

/// How a broker is reached: everything that a connection is begun with.
#[derive(Clone)]
pub(super) struct Route {
    host: String,
    port: u16,
    secure: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Route {
    /// Reads URL and TLS files.
    pub(super) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let wrong = |problem: &str| BuildError {
            key: "url",
            problem: problem.to_owned(),
        };
        let form = "is no broker; write it as mqtts://broker.example.net:8883";
        let uri: Uri = settings.url.parse().map_err(|_| wrong(form))?;
        let host = uri.host().ok_or_else(|| wrong(form))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(wrong(
                "holds a user name; set `user` and `password_file` instead",
            ));
        }
        if uri.path().len() > 1 || uri.query().is_some() {
            return Err(wrong("holds more than host and port"));
        }
        let secure = match uri.scheme_str() {
            Some("mqtts") => {
                let config = files::client_tls(
                    settings.ca_file.as_ref(),
                    settings.certificate_file.as_ref(),
                    settings.key_file.as_ref(),
                )?;
                let name = settings.server_name.as_deref().unwrap_or(&host);
                let name = tls::server_name(name).map_err(|error| BuildError {
                    key: "server_name",
                    problem: error.to_string(),
                })?;
                Some((config, name))
            }
            Some("mqtt") if settings.ca_file.is_some() || settings.certificate_file.is_some() => {
                return Err(wrong(
                    "is in clear, while TLS files are set; write mqtts instead of mqtt",
                ));
            }
            Some("mqtt") => None,
            _ => return Err(wrong(form)),
        };
        let port = uri
            .port_u16()
            .unwrap_or(if secure.is_some() { 8883 } else { 1883 });
        Ok(Self { host, port, secure })
    }

    /// What a connection is begun with.
    ///
    /// The session is always a new one, and ends with its connection: what the broker would keep of
    /// it are subscriptions, and larm has none. What waits to be published waits in the journal.
    pub(super) fn options(
        &self,
        settings: &Settings,
        client: &str,
        status: &str,
    ) -> Result<MqttOptions, BuildError> {
        let mut options = MqttOptions::new(client, Broker::tcp(self.host.clone(), self.port));
        options.set_clean_start(true);
        options.set_session_expiry_interval(Some(0));
        options.set_keep_alive(u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX));
        // The session's own limit comes first, and says what it waited for.
        options.set_connect_timeout(settings.timeout * 2);
        options.set_outgoing_inflight_upper_limit(settings.unconfirmed_max);
        options.set_last_will(LastWill::new(status, OFFLINE, QoS::AtLeastOnce, true, None));
        match (&settings.user, &settings.password_file) {
            (Some(user), Some(file)) => {
                let text = files::text("password_file", file)?;
                let password = text.lines().next().unwrap_or("").as_bytes().to_vec();
                options.set_credentials(user.clone(), password);
            }
            (Some(user), None) => {
                options.set_username(user.clone());
            }
            (None, Some(_)) => {
                return Err(BuildError {
                    key: "password_file",
                    problem: "is set without `user`; set both".to_owned(),
                });
            }
            (None, None) => {}
        }
        let route = self.clone();
        options.set_socket_connector(move |_, _| {
            let route = route.clone();
            async move { route.connect().await }
        });
        Ok(options)
    }

    async fn connect(self) -> io::Result<Stream> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        socket.set_nodelay(true)?;
        match self.secure {
            None => Ok(Stream::Clear(socket)),
            Some((config, name)) => {
                let stream = TlsConnector::from(config).connect(name, socket).await?;
                Ok(Stream::Secure(Box::new(stream)))
            }
        }
    }
}

/// How long the broker may take to see larm off.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// A connection in clear or by TLS.
enum Stream {
    Clear(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
