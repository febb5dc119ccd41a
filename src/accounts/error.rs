//! What can go wrong with the register: what, where, and what to do.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::fields::FieldError;
use super::record::Number;

/// Why the register did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// A file or directory cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store refuses.
    #[error("the register {} cannot be used: {source}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A newer larm wrote it.
    #[error("the register {} has layout {found}, and this larm knows layouts up to {known}; use the larm that wrote it, or a newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout of this build.
        known: i64,
    },
    /// Others than the owner can read the keys.
    #[error("others can read the keys in {} (mode {mode:04o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key store is no plain file.
    #[error("{} is no plain file; keys are kept in a plain file of mode 0600", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// More accounts than can be held.
    #[error("the register has more than {max} accounts; split them over several gateways")]
    TooMany {
        /// The most there may be.
        max: usize,
    },
    /// An account of this number, receiver and line is there already.
    #[error("account {number} is registered already; change it with `larm accounts add --update`")]
    Exists {
        /// The account.
        number: Number,
    },
    /// No account of this number, receiver and line.
    #[error("account {number} is not registered{}", elsewhere(.others))]
    NotFound {
        /// What was asked for.
        number: Number,
        /// The accounts of the same number behind other receivers and lines, or of near numbers.
        others: Vec<Number>,
    },
    /// A field cannot be what it was set to.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Rows of a file that cannot be imported; nothing was.
    #[error("{}", every_row(.name, .rows, *.good))]
    Rows {
        /// The file.
        name: String,
        /// Each bad row.
        rows: Vec<BadRow>,
        /// How many rows were good.
        good: usize,
    },
    /// The file as a whole cannot be imported.
    #[error("{name}:{line}: {reason}")]
    Table {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// There is no next key.
    #[error("account {number} has no next key; set one first with `larm accounts rotate-key`")]
    NoNextKey {
        /// The account.
        number: Number,
    },
    /// A next key is there already.
    #[error(
        "account {number} has a next key already; end that rotation with `larm accounts rotate-key --finish`, or drop the next key with `--cancel`"
    )]
    NextKeySet {
        /// The account.
        number: Number,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// A row of a file that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its first line in the file, from 1.
    pub line: usize,
    /// What is wrong and what would be right; never a key.
    pub reason: String,
}

impl RegisterError {
    pub(super) fn io(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(super) fn store(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Store { path, source }
    }
}

fn elsewhere(others: &[Number]) -> String {
    if others.is_empty() {
        return "; `larm accounts list` shows all".to_owned();
    }
    let names: Vec<String> = others.iter().map(ToString::to_string).collect();
    format!("; did you mean {}?", names.join(" or "))
}

fn every_row(name: &str, rows: &[BadRow], good: usize) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{name}:{}: {}", row.line, row.reason);
    }
    let plural = if rows.len() == 1 { "row" } else { "rows" };
    let _ = write!(
        text,
        "{} bad {plural}, {good} good; nothing was imported (--skip-bad imports the good ones)",
        rows.len()
    );
    text
}
