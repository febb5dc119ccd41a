//! Certificates, keys and roots from PEM files.
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::RootCertStore;

use super::error::TlsError;

/// Certificate chain and key of one side.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Every certificate of a file, in its order; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| failed(file, error);
    let found = CertificateDer::pem_file_iter(file)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate {
            file: file.to_owned(),
        });
    }
    Ok(found)
}

/// The first private key of a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey {
            file: file.to_owned(),
        },
        error => failed(file, error),
    })
}

/// Certificate and key, where both are set; `None` where neither is.
pub(super) fn identity(
    certificate: Option<&PathBuf>,
    key_file: Option<&PathBuf>,
) -> Result<Option<Identity>, TlsError> {
    match (certificate, key_file) {
        (None, None) => Ok(None),
        (Some(chain), Some(secret)) => Ok(Some((certificates(chain)?, key(secret)?))),
        (Some(given), None) => Err(TlsError::Half {
            given: given.clone(),
            missing: "key",
        }),
        (None, Some(given)) => Err(TlsError::Half {
            given: given.clone(),
            missing: "certificate",
        }),
    }
}

/// The authorities of a file as roots; every one has to be usable.
pub(super) fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::BadAuthority {
                file: file.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// The roots that the system trusts. Those that cannot be used are left out, as long as one can.
pub(super) fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let problem = found
        .errors
        .first()
        .map_or_else(String::new, |error| format!(" ({error})"));
    Err(TlsError::NoSystemRoots { problem })
}

fn failed(file: &Path, error: pem::Error) -> TlsError {
    let file = file.to_owned();
    match error {
        pem::Error::Io(source) => TlsError::Unreadable { file, source },
        // The library's text would repeat the line at fault, and that may be a line of a key.
        pem::Error::MissingSectionEnd { .. } => TlsError::NotPem {
            file,
            problem: "a section has no END line".to_owned(),
        },
        pem::Error::IllegalSectionStart { .. } => TlsError::NotPem {
            file,
            problem: "a BEGIN line is malformed".to_owned(),
        },
        pem::Error::Base64Decode(_) => TlsError::NotPem {
            file,
            problem: "a section is not base64".to_owned(),
        },
        other => TlsError::NotPem {
            file,
            problem: other.to_string(),
        },
    }
}
