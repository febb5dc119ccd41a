//! The side that is connected to: its certificate, and which clients it lets in.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::error::TlsError;
use super::{VERSIONS, files, provider};

/// The files of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM file of the certificate, followed by its chain.
    pub certificate: PathBuf,
    /// PEM file of the certificate's private key.
    pub key: PathBuf,
    /// PEM file of the authorities of clients: with it a client without a certificate of theirs is
    /// not let in; without it clients show none.
    pub client_ca: Option<PathBuf>,
}

/// A server's configuration, read from its files now. It offers no ALPN protocol.
pub fn server(files: &ServerTls) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = files::certificates(&files.certificate)?;
    let key = files::key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(|source| TlsError::Provider { source })?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => builder.with_client_cert_verifier(clients_of(file)?),
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        })?;
    Ok(Arc::new(config))
}

/// Lets in whoever shows a certificate of the file's authorities.
fn clients_of(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(files::authorities(file)?);
    WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| TlsError::BadVerifier {
            file: file.to_owned(),
            problem: error.to_string(),
        })
}
