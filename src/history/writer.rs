//! The write side of the whole history: which entry goes to which month, and in what order.
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::store::{self, Store};
use super::{HistoryError, Month, Repeated, event_of};
use crate::journal::Entry;

/// Appends journal entries to the month files. One writer at a time per directory.
///
/// `durable() <= last()` always.
pub struct Writer {
    directory: PathBuf,
    open: Option<(Month, Store)>,
    last: u64,
    durable: u64,
}

/// What one call of [`Writer::append`] stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Rows stored.
    pub rows: u64,
    /// Rows among them whose payload was no record.
    pub unreadable: u64,
}

impl Writer {
    /// Opens the history in `directory`, making it where it is missing.
    pub fn open(directory: &Path) -> Result<Self, HistoryError> {
        // Readable by the owner and the group alone: the rows tell who was home when.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(directory)
            .map_err(HistoryError::io(directory))?;
        let mut writer = Self {
            directory: directory.to_owned(),
            open: None,
            last: 0,
            durable: 0,
        };
        // The newest file may hold commits that are not on disk yet; held open, it is synced
        // before another file takes the cursor on.
        if let Some((month, last)) = newest(directory)? {
            writer.open = Some((month, Store::open(&month.file(directory))?));
            writer.last = last;
        }
        Ok(writer)
    }

    /// The last position stored, 0 for none; every entry up to it is.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Every entry up to this position is stored durably; the journal may forget them.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Stores the entries, which follow each other in journal order; those up to
    /// [`Writer::last`] are passed over.
    ///
    /// One transaction for each run of entries of one month, in order. After an error the runs
    /// before it are stored; the call can be repeated with the same entries.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Appended, HistoryError> {
        let stored = entries.partition_point(|entry| entry.position <= self.last);
        let mut left = entries.get(stored..).unwrap_or(&[]);
        let mut total = Appended::default();
        while let Some(first) = left.first() {
            let month = Month::of(event_of(first).received_at);
            let appended = self.store(month)?.append(left, month)?;
            let (done, rest) = left.split_at(usize::try_from(appended.rows).unwrap_or(left.len()));
            if let Some(last) = done.last() {
                self.last = last.position;
            }
            left = rest;
            total.rows += appended.rows;
            total.unreadable += appended.unreadable;
        }
        Ok(total)
    }

    /// Counts repeats of events of `month`, whether they are stored already or not. Best effort:
    /// they are not synced, and a month that is gone is not made again for them.
    pub fn add_repeats(&mut self, month: Month, repeated: &[Repeated]) -> Result<(), HistoryError> {
        match &mut self.open {
            Some((open, store)) if *open == month => store.add_repeats(repeated),
            open => {
                // The open file stays, and with it the order in which the cursor is taken on.
                let path = month.file(&self.directory);
                let is_past = open.as_ref().is_some_and(|(open, _)| month < *open);
                if is_past && !path.exists() {
                    return Ok(());
                }
                Store::open(&path)?.add_repeats(repeated)
            }
        }
    }

    /// Makes everything stored so far durable and returns [`Writer::durable`].
    pub fn sync(&mut self) -> Result<u64, HistoryError> {
        if let Some((_, store)) = &mut self.open
            && self.durable < self.last
        {
            store.sync()?;
            self.durable = self.last;
        }
        Ok(self.durable)
    }

    /// The month's file, open. Another one is synced first: were its last commits lost to a power
    /// cut while this one's lived, the greatest cursor would pass over the lost rows.
    fn store(&mut self, month: Month) -> Result<&mut Store, HistoryError> {
        if self.open.as_ref().is_some_and(|(open, _)| *open != month) {
            self.sync()?;
            self.open = None;
        }
        let store = match self.open.take() {
            Some((_, store)) => store,
            None => Store::open(&month.file(&self.directory))?,
        };
        Ok(&mut self.open.insert((month, store)).1)
    }

    /// Syncs and folds the write-ahead log into the file.
    pub(super) fn finish(mut self) -> Result<(), HistoryError> {
        self.sync()?;
        match &self.open {
            Some((_, store)) => store.checkpoint(),
            None => Ok(()),
        }
    }
}

/// The file whose cursor is the greatest, and that cursor; none where all are empty.
///
/// A damaged file is passed over: an old one must not stop the new ones, and where it was the
/// newest one, the entries behind the others' cursor are read from the journal again.
pub(super) fn newest(directory: &Path) -> Result<Option<(Month, u64)>, HistoryError> {
    let mut newest: Option<(Month, u64)> = None;
    for month in Month::list(directory)? {
        let path = month.file(directory);
        let last = match store::open_to_read(&path).and_then(|file| store::last(&file, &path)) {
            Err(error) if error.damaged().is_some() => {
                tracing::warn!(error = %error, "history: a damaged file is passed over");
                continue;
            }
            other => other?,
        };
        if last > newest.map_or(0, |(_, last)| last) {
            newest = Some((month, last));
        }
    }
    Ok(newest)
}
