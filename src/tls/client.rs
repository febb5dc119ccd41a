//! The side that connects: which authority it trusts, and who it is.
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio_rustls::rustls::ClientConfig;

use super::error::TlsError;
use super::{VERSIONS, files, provider};

/// The files of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM file of the authorities that may have signed the server's certificate, in place of the
    /// system's roots.
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate that the client shows, followed by its chain. Needs `key`.
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    pub key: Option<PathBuf>,
}

/// A client's configuration, read from its files now. It offers no ALPN protocol.
pub fn client(files: &ClientTls) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match &files.ca {
        Some(file) => files::authorities(file)?,
        None => files::system_roots()?,
    };
    let identity = files::identity(files.certificate.as_ref(), files.key.as_ref())?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(|source| TlsError::Provider { source })?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|source| TlsError::Mismatch {
                certificate: files.certificate.clone().unwrap_or_default(),
                key: files.key.clone().unwrap_or_default(),
                source,
            })?,
    };
    Ok(Arc::new(config))
}

/// The name that the server's certificate has to carry: a host name or an address.
pub fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName {
        name: name.escape_default().to_string(),
    })
}
