//! What cannot be used any more is moved away, never deleted.
use std::path::{Path, PathBuf};

use super::HistoryError;

/// Moves away a history that knows more than the journal, which happens only where the journal was
/// replaced or cut: its positions will be given out again, and the rows under them must neither be
/// overwritten nor hide the new ones. `journal_end` is the last position in the journal.
pub(super) fn directory(directory: &Path, journal_end: u64) -> Result<(), HistoryError> {
    let aside = marked(directory);
    std::fs::rename(directory, &aside).map_err(HistoryError::io(directory))?;
    tracing::error!(
        set_aside = %aside.display(),
        journal_end,
        "history: it is ahead of the journal, which was replaced or cut; the old history is kept \
         aside and a new one is filled from the journal"
    );
    Ok(())
}

/// Moves away a damaged month, so that it is filled anew from the journal.
pub(super) fn file(path: &Path) {
    let aside = marked(path);
    for suffix in ["", "-wal", "-shm"] {
        let [from, to] = [path, &aside].map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            name
        });
        // What cannot be moved stays damaged, and the next attempt says so again.
        let _ = std::fs::rename(from, to);
    }
    tracing::error!(
        set_aside = %aside.display(),
        "history: a damaged file is kept aside and filled anew from the journal"
    );
}

/// The same name with a mark and the time behind it.
fn marked(path: &Path) -> PathBuf {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".set-aside-{now}"));
    PathBuf::from(aside)
}
