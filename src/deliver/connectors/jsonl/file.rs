//! Lines to a file that rotates.
//!
//! - A batch is confirmed once `fdatasync` returned for it; a file that is new, or was put aside,
//!   is confirmed with its directory synced.
//! - A line without its end, left by a crash in the middle of a write, was never confirmed: it is
//!   cut before the next one is written, so that every line of the file is whole.
//! - One writer per file, by an advisory lock.
//! - Where somebody else moves the file away, the next batch begins a new one.
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use larm_event::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::directory;
use crate::config::connector::Jsonl;

/// Longest tail that is looked through for an end of line: no line is as long.
const TAIL_MAX: u64 = 16 << 20;

/// The file, opened when it is first needed.
#[derive(Debug)]
pub(super) struct Lines {
    shared: Arc<Mutex<Rotating>>,
}

#[derive(Debug)]
struct Rotating {
    path: PathBuf,
    size_max: u64,
    /// Zero: the age does not matter.
    age_max: Duration,
    /// 0: all.
    keep: usize,
    open: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    /// Bytes that are whole lines.
    len: u64,
    /// When it was begun.
    since: SystemTime,
}

impl Lines {
    pub(super) fn new(settings: &Jsonl) -> Self {
        let rotating = Rotating {
            path: settings.path.clone(),
            size_max: settings.rotate_size,
            age_max: settings.rotate_after,
            keep: usize::try_from(settings.keep_files).unwrap_or(usize::MAX),
            open: None,
        };
        Self {
            shared: Arc::new(Mutex::new(rotating)),
        }
    }

    /// Appends whole lines and syncs them. After an error the file ends where it did before.
    pub(super) async fn write(&self, lines: Vec<u8>) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        // The disk may take its time.
        let work = tokio::task::spawn_blocking(move || {
            // The state is opened anew after each failure, so that a panic leaves nothing half.
            let mut rotating = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let path = rotating.path.clone();
            rotating
                .append(&lines)
                .map_err(|error| format!("{}: {error}", path.display()))
        });
        work.await
            .unwrap_or_else(|error| Err(format!("the writer ended: {error}")))
    }
}

impl Rotating {
    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        // What does not fit is closed first: its lock would keep the file from being opened.
        let fitting = self.open.take().filter(|open| open.is_at(&self.path));
        let mut open = match fitting {
            Some(open) => open,
            None => Current::open(&self.path)?,
        };
        if open.is_due(self.size_max, self.age_max) {
            self.put_aside(open)?;
            open = Current::open(&self.path)?;
        }
        open.append(lines)?;
        // Only what is known to be in order stays open; anything else is looked at again.
        self.open = Some(open);
        Ok(())
    }

    fn put_aside(&self, open: Current) -> std::io::Result<()> {
        let last = open.file.metadata()?.modified()?;
        std::fs::rename(&self.path, self.name_aside(last))?;
        sync_directory(&self.path)?;
        drop(open);
        if let Err(error) = self.forget_old() {
            // It costs space, never a line.
            tracing::warn!(%error, "files put aside cannot be counted or removed");
        }
        Ok(())
    }

    /// `events.jsonl` becomes `events.20261128T041500123Z.jsonl`.
    fn name_aside(&self, last: SystemTime) -> PathBuf {
        let (stem, extension) = self.name_parts();
        let since = last
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let time: String = Timestamp::from_millis(millis)
            .to_string()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let mut path = self
            .path
            .with_file_name(format!("{stem}.{time}{extension}"));
        // Two files put aside in one millisecond still have two names.
        let mut next = 1;
        while path.exists() {
            path = self
                .path
                .with_file_name(format!("{stem}.{time}-{next}{extension}"));
            next += 1;
        }
        path
    }

    /// Removes the oldest files put aside, beyond those that are kept.
    fn forget_old(&self) -> std::io::Result<()> {
        if self.keep == 0 {
            return Ok(());
        }
        let (stem, extension) = self.name_parts();
        let mut aside = Vec::new();
        for entry in std::fs::read_dir(directory(&self.path))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let middle = name
                .strip_prefix(&format!("{stem}."))
                .and_then(|rest| rest.strip_suffix(&extension));
            if middle.is_some_and(is_time) {
                aside.push(name);
            }
        }
        aside.sort_unstable();
        let too_many = aside.len().saturating_sub(self.keep);
        for name in aside.iter().take(too_many) {
            std::fs::remove_file(self.path.with_file_name(name))?;
        }
        Ok(())
    }

    fn name_parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let extension = text(self.path.extension());
        let dot = if extension.is_empty() { "" } else { "." };
        (text(self.path.file_stem()), format!("{dot}{extension}"))
    }
}

/// `20261128T041500123Z`, also with `-1` behind it: nothing else in the directory is ever removed.
fn is_time(text: &str) -> bool {
    let (time, number) = text.split_once('-').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = time.strip_suffix('Z').and_then(|time| time.split_once('T'));
    digits(number)
        && parts.is_some_and(|(day, time)| {
            day.len() == 8 && digits(day) && (6..=9).contains(&time.len()) && digits(time)
        })
}

impl Current {
    /// Opens or makes the file, and cuts a line that has no end.
    fn open(path: &Path) -> std::io::Result<Self> {
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            // Readable by the owner and the group alone: the lines tell who was home when.
            .mode(0o640)
            .open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| std::io::Error::other("another program writes to this file"))?;
        if is_new {
            sync_directory(path)?;
        }
        let found = file.metadata()?.len();
        let len = whole_lines(&mut file, found)?;
        if len < found {
            tracing::warn!(bytes = found - len, "a line without its end is cut");
            file.set_len(len)?;
        }
        let meta = file.metadata()?;
        let since = meta.created().or_else(|_| meta.modified())?;
        Ok(Self { file, len, since })
    }

    /// Whether the file at this path is still this one.
    fn is_at(&self, path: &Path) -> bool {
        let same = |ours: &std::fs::Metadata, theirs: &std::fs::Metadata| {
            (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
        };
        match (self.file.metadata(), std::fs::metadata(path)) {
            (Ok(ours), Ok(theirs)) => same(&ours, &theirs) && ours.len() == self.len,
            _ => false,
        }
    }

    fn is_due(&self, size_max: u64, age_max: Duration) -> bool {
        let old = !age_max.is_zero() && self.since.elapsed().is_ok_and(|age| age >= age_max);
        self.len >= size_max || (old && self.len > 0)
    }

    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A part may stand there; cut now, or else by the next one who opens the file.
            drop(self.file.set_len(self.len));
            return Err(error);
        }
        self.len += lines.len() as u64;
        Ok(())
    }
}

/// How many of the first `len` bytes are whole lines.
fn whole_lines(file: &mut File, len: u64) -> std::io::Result<u64> {
    let start = len.saturating_sub(TAIL_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    let mut end = len;
    // From the back, since the last byte nearly always is the end of a line.
    while end > start {
        let from = end.saturating_sub(64 << 10).max(start);
        file.seek(SeekFrom::Start(from))?;
        tail.clear();
        std::io::Read::by_ref(file)
            .take(end - from)
            .read_to_end(&mut tail)?;
        if let Some(at) = tail.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        end = from;
    }
    if start == 0 {
        return Ok(0);
    }
    Err(std::io::Error::other("this is no file of lines"))
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(directory(path))?.sync_all()
}
