//! Making the history anew from the journal, beside the old one.
use std::path::{Path, PathBuf};

use super::writer::Appended;
use super::{HistoryError, Source, Writer, store};
use crate::journal::Entry;

/// Entries stored in one go.
const BATCH_ROWS: usize = 16_384;

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
    use rustix::io::Errno;
    let parent = directory.parent().unwrap_or(Path::new("."));
    let rename = |from: &Path, to: &Path| {
        std::fs::rename(from, to).map_err(HistoryError::io(from))?;
        store::sync_directory(parent)
    };
    if !directory.exists() {
        return rename(new, directory);
    }
    let old = match renameat_with(CWD, new, CWD, directory, RenameFlags::EXCHANGE) {
        Ok(()) => new.to_owned(),
        // The file system cannot exchange. A kill between the two steps leaves no history for a
        // moment, which the next start of the gateway fills again.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let old = sibling(directory, "old");
            remove_directory(&old)?;
            rename(directory, &old)?;
            rename(new, directory)?;
            old
        }
        Err(error) => return Err(HistoryError::io(directory)(error.into())),
    };
    store::sync_directory(parent)?;
    remove_directory(&old)?;
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
