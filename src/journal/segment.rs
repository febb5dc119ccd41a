//! New segments: zero-filled and synced before they are used, by a helper thread where wanted.
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::error::JournalError;
use super::format::{HEADER_LEN, Header};
use super::storage::{Storage, StorageFile, write_all};

const SPARE: &str = "next.spare";
const FILLING: &str = "next.filling";
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// Hands out zero-filled files, one ahead of need.
pub(super) struct Spares {
    storage: Arc<dyn Storage>,
    /// Bytes of a usual segment.
    len: u64,
    /// Bytes that must stay free on the file system.
    reserve: u64,
    helper: Option<Receiver<Result<Filled, JournalError>>>,
    threaded: bool,
}

type Filled = Arc<dyn StorageFile>;

impl Spares {
    /// Removes what an earlier run left, and starts on the first spare.
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        len: u64,
        reserve: u64,
        threaded: bool,
    ) -> Result<Self, JournalError> {
        for name in storage.list().map_err(JournalError::io("list", ""))? {
            if name == SPARE || name == FILLING {
                storage
                    .remove(&name)
                    .map_err(JournalError::io("remove", &name))?;
            }
        }
        Ok(Self {
            storage,
            len,
            reserve,
            helper: None,
            threaded,
        })
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Lets the helper thread make the next file, unless one is there or under way.
    pub(super) fn prepare(&mut self) {
        if !self.threaded || self.helper.is_some() {
            return;
        }
        let (sender, receiver): (SyncSender<_>, _) = sync_channel(1);
        let (storage, len, reserve) = (Arc::clone(&self.storage), self.len, self.reserve);
        let started = thread::Builder::new()
            .name("larm-segments".to_owned())
            .spawn(move || {
                // The writer may have gone; the file is then removed by the next start.
                let _ = sender.send(fill(&*storage, len, reserve));
            });
        // Without a thread the file is made when it is needed.
        self.helper = started.is_ok().then_some(receiver);
    }

    /// Makes `header` the newest segment of at least `len` bytes. On an error nothing that
    /// recovery takes for a segment is left behind.
    pub(super) fn activate(&mut self, header: &Header, len: u64) -> Result<Segment, JournalError> {
        let ahead = self.helper.take().and_then(|helper| helper.recv().ok());
        let file = match ahead {
            Some(Ok(file)) if len <= self.len => file,
            _ => fill(&*self.storage, len.max(self.len), self.reserve)?,
        };
        let name = header.file_name();
        write_all(&*file, &header.encode(), 0).map_err(JournalError::io("write", SPARE))?;
        file.sync_data().map_err(JournalError::io("sync", SPARE))?;
        self.storage
            .rename(SPARE, &name)
            .map_err(JournalError::io("rename", SPARE))?;
        self.storage
            .sync_dir("")
            .map_err(JournalError::io("sync", ""))?;
        Ok(Segment {
            salt: header.salt(),
            first: header.first,
            before: header.before,
            len: len.max(self.len),
            offset: HEADER_LEN,
            file,
        })
    }
}

impl Drop for Spares {
    /// Waits for the helper, which must not work in a directory that somebody else may open now.
    fn drop(&mut self) {
        if let Some(helper) = self.helper.take() {
            // Whether it worked is of no interest any more.
            let _ = helper.recv();
        }
    }
}

/// The segment that is written.
pub(super) struct Segment {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) salt: u32,
    pub(super) first: u64,
    /// First position of the segment before; 0 where there was none.
    pub(super) before: u64,
    /// Bytes of the file. `offset <= len`.
    pub(super) len: u64,
    /// Where the next batch goes.
    pub(super) offset: u64,
}

/// Makes a zero-filled, durable file under the name of the spare.
fn fill(storage: &dyn Storage, len: u64, reserve: u64) -> Result<Filled, JournalError> {
    for name in [FILLING, SPARE] {
        // A file that was begun and given up; where there is none, all is well.
        let _ = storage.remove(name);
    }
    let needed = len.saturating_add(reserve);
    let free = storage
        .free_space()
        .map_err(JournalError::io("ask the free space of", ""))?;
    if free < needed {
        return Err(JournalError::Full { free, needed });
    }
    fill_file(storage, len).map_err(|error| match error {
        JournalError::Io { source, .. } if is_full(&source) => JournalError::Full { free, needed },
        other => other,
    })
}

fn fill_file(storage: &dyn Storage, len: u64) -> Result<Filled, JournalError> {
    let file = storage
        .create(FILLING)
        .map_err(JournalError::io("create", FILLING))?;
    let mut at = 0u64;
    while at < len {
        let part = usize::try_from(len - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        let zeros = ZEROS.get(..part).unwrap_or(&ZEROS);
        write_all(&*file, zeros, at).map_err(JournalError::io("write", FILLING))?;
        at += part as u64;
    }
    file.sync_all().map_err(JournalError::io("sync", FILLING))?;
    storage
        .rename(FILLING, SPARE)
        .map_err(JournalError::io("rename", FILLING))?;
    storage.sync_dir("").map_err(JournalError::io("sync", ""))?;
    Ok(file)
}

/// No space, or no quota left.
fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    )
}
