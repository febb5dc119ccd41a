//! Values of a connector that may be absent.
use std::path::PathBuf;

use super::super::reader::Table;
use super::super::schema::quote;

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
