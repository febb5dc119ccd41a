//! What can go wrong with the history, and what to do about it.
use std::path::PathBuf;

/// An operation on the history failed. Nothing acknowledged is lost by any of these.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// SQLite refused: disk full, locked, damaged …
    #[error(
        "history file {}: {source}; if the file is damaged, stop `larm serve` and run \
         `larm history rebuild`", path.display()
    )]
    Sqlite {
        /// The month's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The directory or a file in it cannot be listed, made, renamed or removed.
    #[error("history {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no history where one was looked for.
    #[error(
        "no history in {}: start `larm serve` with this data directory, run `larm history \
         rebuild` if there is a journal, or point --data at another one", path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file is of a later larm.
    #[error(
        "history file {} has layout {found}, this larm knows up to {known}: use the larm that \
         wrote it, or a newer one", path.display()
    )]
    Newer {
        /// The month's file.
        path: PathBuf,
        /// Its layout number.
        found: i64,
        /// The greatest layout number that this program knows.
        known: i64,
    },
    /// A position above 2^63 − 1, which SQLite cannot hold and no journal reaches.
    #[error("position {0} is greater than the history can hold; the journal's header is damaged")]
    Position(u64),
    /// The journal could not be read while the history was rebuilt.
    #[error("the history was not rebuilt, the old one is untouched: {0}")]
    Source(#[from] super::SourceError),
}

impl HistoryError {
    /// The file whose content is no sound database; `None` for every other trouble.
    pub(super) fn damaged(&self) -> Option<&std::path::Path> {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Sqlite { path, source } => {
                let code = source.sqlite_error_code();
                matches!(code, Some(DatabaseCorrupt | NotADatabase)).then_some(path)
            }
            _ => None,
        }
    }

    pub(super) fn sqlite(path: &std::path::Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Sqlite { path, source }
    }

    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
