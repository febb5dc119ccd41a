//! Why a TLS configuration cannot be made, which file is to blame, and what to do.
use std::path::PathBuf;

/// Why a TLS configuration cannot be made from its files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; check its path and that larm's user may read it", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no PEM text.
    #[error("{} is not valid PEM: {problem}; write the file again from its source", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What is wrong inside.
        problem: String,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate; it needs a `-----BEGIN CERTIFICATE-----` section", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// A file holds no private key that can be used.
    #[error(
        "{} holds no private key; it needs a `-----BEGIN PRIVATE KEY-----` section (PKCS#8, or the \
         RSA and EC forms), without a passphrase", file.display()
    )]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// A certificate of an authority cannot be used as a root.
    #[error("{} holds a certificate that cannot be an authority's: {source}", file.display())]
    BadAuthority {
        /// The file.
        file: PathBuf,
        /// What rustls found.
        source: tokio_rustls::rustls::Error,
    },
    /// Certificate and key do not fit each other, or one of them cannot be used.
    #[error(
        "{} and {} cannot be used together: {source}; the key has to be the one that the first \
         certificate of the file was made for", certificate.display(), key.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls found.
        source: tokio_rustls::rustls::Error,
    },
    /// One of certificate and key is set without the other.
    #[error("{} is set, and its {missing} is not; set both or neither", given.display())]
    Half {
        /// The file that is set.
        given: PathBuf,
        /// Which of the two is missing: `certificate` or `key`.
        missing: &'static str,
    },
    /// The system has no roots to trust.
    #[error(
        "this system has no trusted roots{problem}; install `ca-certificates`, or set `ca` to the \
         file of the authority that signed the other side's certificate"
    )]
    NoSystemRoots {
        /// What was wrong with those that were found, starting with a separator; empty where there are none.
        problem: String,
    },
    /// Clients' certificates cannot be verified against the authority.
    #[error("{} cannot verify clients' certificates: {problem}", file.display())]
    BadVerifier {
        /// The authority's file.
        file: PathBuf,
        /// What rustls found.
        problem: String,
    },
    /// A name that no certificate can have.
    #[error(
        "`{name}` is no server name; write a host name such as `alarm.example.org` or an address"
    )]
    ServerName {
        /// The name, escaped.
        name: String,
    },
    /// The versions and the provider do not fit: a fault of the build.
    #[error("the TLS provider of this build cannot be used: {source}")]
    Provider {
        /// What rustls found.
        source: tokio_rustls::rustls::Error,
    },
}
