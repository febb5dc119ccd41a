//! What connectors read from files: secrets, and the PEM files of TLS.
use std::fmt::Display;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use zeroize::Zeroizing;

use crate::deliver::connector::BuildError;
use crate::tls::{self, ClientTls};

/// Most bytes of a file with secrets; what lies behind is not read.
const FILE_LEN_MAX: u64 = 64 * 1_024;

/// A file that a setting names and that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file} cannot be read: {why}; check its path and that larm's user may read it",
    file = file.display()
)]
pub(super) struct Unreadable {
    file: PathBuf,
    why: std::io::Error,
}

impl From<Unreadable> for String {
    fn from(error: Unreadable) -> Self {
        error.to_string()
    }
}

/// The text of a file, for a thread that may wait.
pub(super) fn read(file: &Path) -> Result<Zeroizing<String>, Unreadable> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)
        .and_then(|open| open.take(FILE_LEN_MAX).read_to_string(&mut text))
        .map_err(|why| Unreadable {
            file: file.to_owned(),
            why,
        })?;
    Ok(text)
}

/// One secret: the text of a file without the white space around it.
pub(super) fn secret(file: &Path) -> Result<Zeroizing<String>, Unreadable> {
    Ok(Zeroizing::new(read(file)?.trim().to_owned()))
}

/// The same, for a task.
pub(super) async fn secret_soon(file: &Path) -> Result<Zeroizing<String>, Unreadable> {
    let path = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || secret(&path));
    reading.await.unwrap_or_else(|_| {
        Err(Unreadable {
            file: file.to_owned(),
            why: std::io::Error::other("reading was broken off"),
        })
    })
}

/// The text of a file that `key` names.
pub(super) fn text(key: &'static str, file: &Path) -> Result<Zeroizing<String>, BuildError> {
    read(file).map_err(|error| BuildError {
        key,
        problem: error.to_string(),
    })
}

/// What is wrong with a file, after its name.
pub(super) fn wrong(key: &'static str, file: &Path, problem: impl Display) -> BuildError {
    BuildError {
        key,
        problem: format!("{} {problem}", file.display()),
    }
}

/// TLS from the files that `ca_file`, `certificate_file` and `key_file` name.
pub(super) fn client_tls(
    ca: Option<&PathBuf>,
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
) -> Result<Arc<ClientConfig>, BuildError> {
    let files = ClientTls {
        ca: ca.cloned(),
        certificate: certificate.cloned(),
        key: key.cloned(),
    };
    tls::client(&files).map_err(|error| BuildError {
        // The text names the file; a key is only where the report points to.
        key: match (certificate, key) {
            (Some(_), _) => "certificate_file",
            (None, Some(_)) => "key_file",
            (None, None) => "ca_file",
        },
        problem: error.to_string(),
    })
}
