//! The cursor on disk: two slots, written in turn.
//!
//! Constraints
//! - A slot is written over only while the other one holds a cursor that reads well, so a torn
//!   write costs no more than what was done since the write before: it is delivered again, with the
//!   same ids.
//! - After a write that failed the same slot is written again, never the other one.
//!
//! ```text
//! cursor.0, cursor.1
//! slot   = "larmcur1" turn(u64) length(u32) body CRC-32C(u32, over all before)
//! body   = journal's identity(16) state(u8: 0 running, 1 paused, 2 halted)
//!          reason-length(u16) reason done-set
//! ```
//!
//! Numbers are little-endian. The slot with the greater turn holds. Bytes behind the checksum are
//! what a longer cursor left.
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::done::Done;
use super::status::State;

const MAGIC: &[u8; 8] = b"larmcur1";
const HEAD: usize = 8 + 8 + 4;
pub(super) const NAMES: [&str; 2] = ["cursor.0", "cursor.1"];
/// Most bytes of a reason.
const REASON_MAX: usize = 512;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The journal that the positions belong to.
    pub(super) journal: [u8; 16],
    pub(super) state: State,
    pub(super) done: Done,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No file: this connector is new.
    New,
    /// A cursor; `torn` where the other slot does not read well.
    Cursor { cursor: Cursor, torn: bool },
    /// Neither slot reads well. They were set aside under these names.
    Unreadable(Vec<PathBuf>),
}

/// The two files.
pub(super) struct Slots {
    directory: PathBuf,
    /// The greatest turn that was read or written.
    turn: u64,
    /// The slot that is written next.
    next: usize,
    bytes: Vec<u8>,
    /// Held for as long as anybody works with the files.
    lock: Option<Arc<File>>,
}

impl Slots {
    /// Reads both slots.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Found)> {
        let mut slots = Self {
            directory: directory.to_owned(),
            turn: 0,
            next: 0,
            bytes: Vec::new(),
            lock: None,
        };
        let mut there = 0;
        let mut best: Option<Cursor> = None;
        let mut good = 0;
        for (at, name) in NAMES.iter().enumerate() {
            let bytes = match fs::read(directory.join(name)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            there += 1;
            if let Some((turn, cursor)) = decode(&bytes) {
                good += 1;
                if best.is_none() || turn > slots.turn {
                    (slots.turn, slots.next) = (turn, 1 - at);
                    best = Some(cursor);
                }
            }
        }
        let found = match best {
            Some(cursor) => Found::Cursor {
                cursor,
                torn: good < there,
            },
            None if there == 0 => Found::New,
            None => Found::Unreadable(slots.set_aside("unreadable")?),
        };
        Ok((slots, found))
    }

    /// Keeps `lock` for as long as the slots live.
    pub(super) fn hold(&mut self, lock: Arc<File>) {
        self.lock = Some(lock);
    }

    /// Gives both files other names, so that they are neither used nor lost.
    pub(super) fn set_aside(&mut self, why: &str) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for name in NAMES {
            let from = self.directory.join(name);
            if !from.exists() {
                continue;
            }
            let free = (0..u32::MAX)
                .map(|n| self.directory.join(format!("{name}.{why}-{n}")))
                .find(|path| !path.exists());
            if let Some(to) = free {
                fs::rename(from, &to)?;
                names.push(to);
            }
        }
        File::open(&self.directory)?.sync_all()?;
        Ok(names)
    }

    /// Writes the cursor and makes it durable. After an error it may be called again.
    pub(super) fn write(&mut self, cursor: &Cursor) -> io::Result<()> {
        encode(&mut self.bytes, self.turn + 1, cursor);
        let path = (self.directory).join(NAMES.get(self.next).unwrap_or(&NAMES[0]));
        let new = !path.exists();
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o640)
            .open(path)?;
        file.write_all_at(&self.bytes, 0)?;
        file.sync_data()?;
        if new {
            file.sync_all()?;
            File::open(&self.directory)?.sync_all()?;
        }
        self.turn += 1;
        self.next = 1 - self.next;
        Ok(())
    }
}

fn encode(out: &mut Vec<u8>, turn: u64, cursor: &Cursor) {
    out.clear();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&turn.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&cursor.journal);
    let (state, reason) = match &cursor.state {
        State::Running | State::Draining => (0, ""),
        State::Paused => (1, ""),
        State::Halted(why) => (2, super::bounded(why, REASON_MAX)),
    };
    out.push(state);
    let len = u16::try_from(reason.len()).unwrap_or(0);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(reason.as_bytes());
    cursor.done.encode(out);
    let len = u32::try_from(out.len() - HEAD).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(16..HEAD) {
        field.copy_from_slice(&len.to_le_bytes());
    }
    out.extend_from_slice(&crc32c::crc32c(out).to_le_bytes());
}

pub(super) fn decode(bytes: &[u8]) -> Option<(u64, Cursor)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let len = u32::from_le_bytes(head.get(16..)?.try_into().ok()?) as usize;
    let (body, rest) = rest.split_at_checked(len)?;
    let checksum = u32::from_le_bytes(*rest.first_chunk()?);
    let covered = bytes.get(..HEAD + len)?;
    if head.get(..8)? != MAGIC || crc32c::crc32c(covered) != checksum {
        return None;
    }
    let turn = u64::from_le_bytes(head.get(8..16)?.try_into().ok()?);
    let (journal, body) = body.split_first_chunk::<16>()?;
    let (state, body) = body.split_first()?;
    let (len, body) = body.split_first_chunk::<2>()?;
    let (reason, body) = body.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    let state = match state {
        0 => State::Running,
        1 => State::Paused,
        2 => State::Halted(std::str::from_utf8(reason).ok()?.into()),
        _ => return None,
    };
    Some((
        turn,
        Cursor {
            journal: *journal,
            state,
            done: Done::decode(body)?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(low: u64) -> Cursor {
        let mut done = Done::up_to(low);
        done.add_range(low + 5, low + 9);
        Cursor {
            journal: [7; 16],
            state: State::Halted("wants nothing".into()),
            done,
        }
    }

    fn found(directory: &Path) -> Found {
        Slots::open(directory).unwrap().1
    }

    #[test]
    fn the_last_one_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let (mut slots, found_first) = Slots::open(directory.path()).unwrap();
        assert_eq!(found_first, Found::New);
        for low in 1..6 {
            slots.write(&cursor(low * 1_000)).unwrap();
            if low == 3 {
                slots = Slots::open(directory.path()).unwrap().0;
            }
            let cursor = cursor(low * 1_000);
            let torn = false;
            assert_eq!(found(directory.path()), Found::Cursor { cursor, torn });
        }
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_one_before_or_the_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let (mut slots, _) = Slots::open(directory.path()).unwrap();
        for low in [10, 2_000, 300_000] {
            slots.write(&cursor(low)).unwrap();
        }
        let path = directory.path().join(NAMES[0]);
        let new = fs::read(&path).unwrap();
        let mut old = Vec::new();
        encode(&mut old, 1, &cursor(10));
        for cut in 0..=new.len() {
            let mut torn = old.clone();
            torn.resize(new.len().max(old.len()), 0);
            torn[..cut].copy_from_slice(&new[..cut]);
            fs::write(&path, &torn).unwrap();
            let Found::Cursor { cursor: got, .. } = found(directory.path()) else {
                panic!("cut at {cut}");
            };
            let expected = if cut == new.len() { 300_000 } else { 2_000 };
            assert_eq!(got, cursor(expected), "cut at {cut}");
        }
        fs::write(&path, b"").unwrap();
        let (mut slots, got) = Slots::open(directory.path()).unwrap();
        let cursor_2 = cursor(2_000);
        assert_eq!(
            got,
            Found::Cursor {
                cursor: cursor_2,
                torn: true
            }
        );
        slots.write(&cursor(4)).unwrap();
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 2);
        let cursor = cursor(4);
        let torn = false;
        assert_eq!(found(directory.path()), Found::Cursor { cursor, torn });
    }

    #[test]
    fn flipped_bits_show_and_two_bad_slots_are_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let (mut slots, _) = Slots::open(directory.path()).unwrap();
        slots.write(&cursor(1)).unwrap();
        let path = directory.path().join(NAMES[0]);
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), None, "bit {bit}");
        }
        fs::write(&path, b"nonsense").unwrap();
        fs::write(directory.path().join(NAMES[1]), b"").unwrap();
        let Found::Unreadable(names) = found(directory.path()) else {
            panic!("two bad slots");
        };
        assert_eq!(names.len(), 2);
        assert_eq!(fs::read(&names[0]).unwrap(), b"nonsense");
        assert_eq!(found(directory.path()), Found::New);
    }
}
