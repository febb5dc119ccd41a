//! Forgetting whole months.
use std::path::{Path, PathBuf};

use larm_event::Timestamp;

use super::{HistoryError, Month, store, writer};

/// What [`remove_months_before`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Months whose files are gone.
    pub removed: Vec<Month>,
    /// The month that would have gone too, but holds the history's cursor and therefore stays
    /// until a later month has taken it on.
    pub kept_for_cursor: Option<Month>,
}

/// Removes what is older than the `keep` whole months before the current one; with 0 nothing.
///
/// The current month is that of `now`, but not later than the newest that anything was received
/// in, so that a clock gone ahead takes nothing until events of its time arrive.
pub fn keep_months(directory: &Path, keep: u32, now: Timestamp) -> Result<Removed, HistoryError> {
    match writer::newest(directory)? {
        Some((newest, _)) if keep > 0 => {
            let current = Month::of(now).min(newest);
            remove_months_before(directory, current.back(keep))
        }
        _ => Ok(Removed::default()),
    }
}

/// Removes the files of every month before `first_kept`.
///
/// A [`super::Writer`] on the same directory never holds such a file open, unless it is the one
/// with the cursor, which stays. A reader that has one open finishes undisturbed. `larm history
/// rebuild` brings removed months back as far as the journal still has them.
pub fn remove_months_before(directory: &Path, first_kept: Month) -> Result<Removed, HistoryError> {
    let cursor = writer::newest(directory)?.map(|(month, _)| month);
    let mut outcome = Removed::default();
    for month in Month::list(directory)? {
        if month >= first_kept {
            continue;
        }
        if Some(month) == cursor {
            outcome.kept_for_cursor = Some(month);
            continue;
        }
        remove(&month.file(directory))?;
        outcome.removed.push(month);
    }
    store::sync_directory(directory)?;
    Ok(outcome)
}

/// Removes a file with its log and index, the log first: it must not be taken for that of a later
/// file of the same name.
fn remove(path: &Path) -> Result<(), HistoryError> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let name = PathBuf::from(name);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(HistoryError::io(&name)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
