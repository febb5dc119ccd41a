//! What several connectors have alike: keys, how they are read, and how their values are written.
use std::path::PathBuf;

use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote};

/// The authorities of the other side.
pub(super) const CA_FILE: Key = file(
    "ca_file",
    "PEM file of the authorities that may have signed the other side's certificate. Without it: the \
     system's.",
);

/// larm's own certificate.
pub(super) const CERTIFICATE_FILE: Key = file(
    "certificate_file",
    "PEM file of the certificate that larm shows, with its chain; needs `key_file`.",
);

/// Its key.
pub(super) const KEY_FILE: Key = file("key_file", "PEM file of its private key.");

/// A file that may be named, such as one with a secret.
pub(super) const fn file(name: &'static str, what: &'static str) -> Key {
    Key {
        name,
        takes: Takes::Path,
        default: "",
        what,
        reload: true,
    }
}

/// A duration between two numbers of milliseconds.
pub(super) const fn duration(
    name: &'static str,
    (min, max): (u64, u64),
    default: &'static str,
    what: &'static str,
) -> Key {
    Key {
        name,
        takes: Takes::Duration { min, max },
        default,
        what,
        reload: true,
    }
}

/// Reads the three keys of TLS into authority, certificate and key.
pub(super) fn read_tls(table: &Table<'_>, files: [&mut Option<PathBuf>; 3]) {
    for (key, file) in [CA_FILE, CERTIFICATE_FILE, KEY_FILE].iter().zip(files) {
        table.path_option(key.name, file);
    }
}

/// The value of one of the three keys of TLS as it would stand in the file.
pub(super) fn show_tls(key: &str, files: [&Option<PathBuf>; 3]) -> Option<String> {
    let mut all = [CA_FILE, CERTIFICATE_FILE, KEY_FILE].into_iter().zip(files);
    let (_, file) = all.find(|(known, _)| known.name == key)?;
    show_path(file.as_ref())
}

/// A text that may be absent.
pub(super) fn text_option(table: &Table<'_>, key: &str) -> Option<String> {
    let mut found = String::new();
    table.text(key, &mut found);
    (!found.is_empty()).then_some(found)
}

/// A text as it would stand in the file.
pub(super) fn show_text(text: Option<&String>) -> Option<String> {
    text.map(|text| quote(text))
}

/// A path as it would stand in the file.
pub(super) fn show_path(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| quote(&path.to_string_lossy()))
}
