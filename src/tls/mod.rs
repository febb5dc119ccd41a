//! TLS for everything that leaves or enters by it: rustls configurations made from PEM files.
//!
//! - The provider is aws-lc-rs, named at each configuration and never taken from the process, so
//!   that another crate's choice cannot change it.
//! - TLS 1.2 and 1.3. Nothing switches verification off; a certificate of an own authority is
//!   trusted by `ca`, and one with another name is met by a server name of the connection.
//! - Plain functions from files to configurations: reloading is calling them again. A
//!   configuration that cannot be made leaves the one in use alone.
mod advice;
mod client;
mod error;
mod files;
mod server;

pub use advice::advised;
pub use client::{ClientTls, client, server_name};
pub use error::TlsError;
pub use server::{ServerTls, server};

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls;

/// The versions that are spoken, the newest first.
static VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The cryptography behind every configuration.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
