//! Making the history anew from the journal, beside the old one.
use std::path::{Path, PathBuf};

use super::writer::Appended;
use super::{HistoryError, Source, Writer, store};
use crate::journal::Entry;

/// Entries stored in one go.
const BATCH_ROWS: usize = 8192;

/// What a rebuild stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Rows stored.
    pub rows: u64,
    /// Rows among them whose payload was no record.
    pub unreadable: u64,
    /// The last position, 0 for none.
    pub last: u64,
}

/// Builds the history of `source` beside `directory` and puts it in the place of the old one in
/// one step. The old one is removed only after that; an error or a kill before it leaves it as it
/// was. `tell` is called after each batch with the rows so far.
///
/// The caller makes sure that no [`Writer`] is at work on `directory` (the gateway stands).
pub fn rebuild(
    directory: &Path,
    source: &mut impl Source,
    mut tell: impl FnMut(u64),
) -> Result<Rebuilt, HistoryError> {
    let beside = sibling(directory, "rebuild");
    remove_directory(&beside)?;
    let mut writer = Writer::open(&beside)?;
    let mut total = Appended::default();
    let mut batch: Vec<Entry> = Vec::with_capacity(BATCH_ROWS);
    loop {
        batch.clear();
        while batch.len() < BATCH_ROWS
            && let Some(entry) = source.next()?
        {
            batch.push(entry);
        }
        if batch.is_empty() {
            break;
        }
        let appended = writer.append(&batch)?;
        total.rows += appended.rows;
        total.unreadable += appended.unreadable;
        tell(total.rows);
    }
    let last = writer.last();
    writer.finish()?;
    swap(&beside, directory)?;
    Ok(Rebuilt {
        rows: total.rows,
        unreadable: total.unreadable,
        last,
    })
}

/// Puts `new` in the place of `directory` and removes what was there.
fn swap(new: &Path, directory: &Path) -> Result<(), HistoryError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let parent = directory.parent().unwrap_or(Path::new("."));
    if directory.exists() {
        renameat_with(CWD, new, CWD, directory, RenameFlags::EXCHANGE)
            .map_err(|error| HistoryError::io(directory)(error.into()))?;
        store::sync_directory(parent)?;
        // It holds the old history now.
        remove_directory(new)?;
    } else {
        std::fs::rename(new, directory).map_err(HistoryError::io(directory))?;
    }
    store::sync_directory(parent)
}

fn remove_directory(path: &Path) -> Result<(), HistoryError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HistoryError::io(path)(error))
        }
        _ => Ok(()),
    }
}

/// `DATA/history` gives `DATA/history.rebuild`.
fn sibling(directory: &Path, suffix: &str) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
