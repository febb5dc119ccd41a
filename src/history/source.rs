//! Where entries come from: the journal, or whatever stands for it in a test.
use std::path::{Path, PathBuf};

use crate::journal::{Entry, Reader};

/// Entries in journal order.
pub trait Source {
    /// The next entry; `None` where there is no more for now, after which it may be asked again.
    fn next(&mut self) -> Result<Option<Entry>, SourceError>;
}

/// The journal could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be read: {0}")]
pub struct SourceError(pub Box<dyn std::error::Error + Send + Sync>);

impl Source for Reader {
    fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        Self::next(self).map_err(|error| SourceError(error.into()))
    }
}

/// A journal that is read when it is there, which may be after the reader has begun.
pub struct Tail {
    journal: PathBuf,
    from: u64,
    reader: Option<Reader>,
}

impl Tail {
    /// The entries of the journal directory `journal` from position `from` on.
    pub fn open(journal: &Path, from: u64) -> Result<Self, SourceError> {
        let mut tail = Self {
            journal: journal.to_owned(),
            from,
            reader: None,
        };
        tail.look()?;
        Ok(tail)
    }

    fn look(&mut self) -> Result<Option<&mut Reader>, SourceError> {
        if self.reader.is_none() && self.journal.is_dir() {
            let reader = Reader::open(&self.journal, self.from)
                .map_err(|error| SourceError(error.into()))?;
            self.reader = Some(reader);
        }
        Ok(self.reader.as_mut())
    }
}

impl Source for Tail {
    fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        match self.look()? {
            Some(reader) => Source::next(reader),
            None => Ok(None),
        }
    }
}
