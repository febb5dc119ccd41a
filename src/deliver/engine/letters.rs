//! Dead letters: what the other side refused for good, or a person skipped.
//!
//! Constraints
//! - A letter is durable before the cursor moves past its event.
//! - It holds the event, so that it can be delivered again when the journal has forgotten it.
//! - An unfinished last record is a crash remnant and is cut: its event is not done yet. Damage
//!   before whole records is set aside in a copy, and what reads well is kept.
//!
//! ```text
//! dead-letters  = "larmdea1" journal's-identity(16) record…
//! record        = CRC-32C(u32, over all behind) length(u32, of the body) kind(u8) body
//! kind 1, 2     = refused, skipped by a person: position(u64) at-ms(i64) tries(u32) id(16)
//!                 account-length(u16, FFFF for none) account reason-length(u16) reason event-as-JSON
//! kind 3        = taken off the list: position(u64)
//! ```
//!
//! Numbers are little-endian. A later record of the same position replaces an earlier one.
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::RandomState;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larm_event::{Event, Timestamp};
use uuid::Uuid;

use super::payload::AMONG_LETTERS;
use super::reader::{Seen, account_key};
use super::route::rank;

pub(super) const NAME: &str = "dead-letters";
const MAGIC: &[u8; 8] = b"larmdea1";
/// Magic and identity.
pub(super) const FILE_HEAD: usize = 8 + 16;
const HEAD: usize = 4 + 4 + 1;
pub(super) const REMOVED: u8 = 3;
const NO_ACCOUNT: u16 = u16::MAX;
/// Most bytes of a reason.
const REASON_MAX: usize = 256;
/// Most bytes of an account.
const ACCOUNT_MAX: usize = 128;
/// A record longer than this is none: the longest journal record and its head, as JSON.
const BODY_MAX: usize = 40 << 20;
/// The file is written anew when it is longer than this and mostly holds what was taken off.
const COMPACT_FROM: u64 = 1 << 20;

/// Why a letter is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The other side refused it for good.
    Refused,
    /// A person skipped it.
    Skipped,
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Place in the journal.
    pub position: u64,
    /// The event's id.
    pub id: Uuid,
    /// Account as sent; its end is left out where it is too long.
    pub account: Option<String>,
    /// Whose decision it was.
    pub cause: Cause,
    /// Why, at most 256 bytes.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// How often it was tried, this time included.
    pub tries: u32,
}

/// What is kept of a letter in memory.
#[derive(Clone, Debug)]
struct Kept {
    letter: DeadLetter,
    /// Where the event's JSON stands in the file.
    json_at: u64,
    json_len: usize,
}

/// The list and its file.
pub(super) struct Letters {
    directory: PathBuf,
    file: File,
    /// Where the next record goes.
    end: u64,
    kept: BTreeMap<u64, Kept>,
    /// Bytes of the records in `kept`.
    live: u64,
    journal: [u8; 16],
    /// Held for as long as anybody works with the files.
    lock: Option<Arc<File>>,
}

/// What opening found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// Bytes of an unfinished record that were cut.
    pub(super) cut: u64,
    /// A copy of a file that is damaged or belongs to another journal.
    pub(super) aside: Option<PathBuf>,
}

impl Letters {
    /// Opens the list of this journal, which is made where it is missing.
    pub(super) fn open(directory: &Path, journal: [u8; 16]) -> io::Result<(Self, Opened)> {
        let path = directory.join(NAME);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o640)
            .open(&path)?;
        let bytes = fs::read(&path)?;
        let mut letters = Self {
            directory: directory.to_owned(),
            file,
            end: FILE_HEAD as u64,
            kept: BTreeMap::new(),
            live: 0,
            journal,
            lock: None,
        };
        let mut opened = Opened::default();
        let head = bytes.get(..FILE_HEAD).unwrap_or_default();
        if head != letters.head() {
            if bytes.len() >= FILE_HEAD {
                opened.aside = Some(letters.copy_aside()?);
            }
            let foreign = head.starts_with(MAGIC);
            if !foreign {
                letters.salvage(&bytes, 0);
            }
            letters.rewrite(&bytes)?;
            return Ok((letters, opened));
        }
        let end = letters.read(&bytes, FILE_HEAD);
        letters.end = end as u64;
        if end < bytes.len() {
            if letters.salvage(&bytes, end) {
                opened.aside = Some(letters.copy_aside()?);
                letters.rewrite(&bytes)?;
            } else {
                opened.cut = (bytes.len() - end) as u64;
                letters.file.set_len(letters.end)?;
                letters.file.sync_all()?;
            }
        }
        letters.compact()?;
        Ok((letters, opened))
    }

    /// Keeps `lock` for as long as the list lives.
    pub(super) fn hold(&mut self, lock: Arc<File>) {
        self.lock = Some(lock);
    }

    fn head(&self) -> Vec<u8> {
        [&MAGIC[..], &self.journal].concat()
    }

    /// Appends letters with their events' JSON and makes them durable. After an error nothing of it
    /// counts, and it may be tried again.
    pub(super) fn append(&mut self, letters: &[(DeadLetter, &str)]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for (letter, json) in letters {
            encode(&mut bytes, letter, json);
            places.push(self.end + bytes.len() as u64 - json.len() as u64);
        }
        self.write(&bytes)?;
        for ((letter, json), json_at) in letters.iter().zip(places) {
            self.keep(Kept {
                letter: letter.clone(),
                json_at,
                json_len: json.len(),
            });
        }
        Ok(())
    }

    /// Takes letters off the list, durably. Tells how many there were.
    pub(super) fn remove(&mut self, positions: &[u64]) -> io::Result<u64> {
        let there: Vec<u64> = (positions.iter().copied())
            .filter(|position| self.kept.contains_key(position))
            .collect();
        let mut bytes = Vec::new();
        for position in &there {
            put(&mut bytes, REMOVED, &position.to_le_bytes());
        }
        if !there.is_empty() {
            self.write(&bytes)?;
        }
        for position in &there {
            self.forget(*position);
        }
        self.compact()?;
        Ok(there.len() as u64)
    }

    /// Oldest first.
    pub(super) fn list(&self) -> impl Iterator<Item = &DeadLetter> {
        self.kept.values().map(|kept| &kept.letter)
    }

    /// When a letter was written: UTC, milliseconds since 1970.
    pub(super) fn at_ms(&self, position: u64) -> Option<i64> {
        let kept = self.kept.get(&position)?;
        Some(kept.letter.at.as_millis())
    }

    /// The event of a letter.
    pub(super) fn json(&self, position: u64) -> io::Result<Option<String>> {
        let Some(kept) = self.kept.get(&position) else {
            return Ok(None);
        };
        let mut bytes = vec![0; kept.json_len];
        self.file.read_exact_at(&mut bytes, kept.json_at)?;
        let text = String::from_utf8(bytes);
        Ok(Some(text.map_err(|_| io::ErrorKind::InvalidData)?))
    }

    /// A letter as something that waits again; `None` where there is none that can be read.
    pub(super) fn seen(&self, position: u64, keys: &RandomState) -> Option<Seen> {
        let json = self.json(position).ok().flatten()?;
        let event: Event = serde_json::from_str(&json).ok()?;
        Some(Seen {
            position,
            key: account_key(keys, &event),
            rank: rank(&event),
            held: false,
            at: AMONG_LETTERS,
            at_ms: self.at_ms(position)?,
            payload: None,
        })
    }

    fn keep(&mut self, kept: Kept) {
        self.forget(kept.letter.position);
        self.live += kept.json_len as u64;
        self.kept.insert(kept.letter.position, kept);
    }

    fn forget(&mut self, position: u64) {
        if let Some(kept) = self.kept.remove(&position) {
            self.live -= kept.json_len as u64;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.file.sync_data()?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Takes in the records of `bytes` from `at` on; tells where the first one that is not whole
    /// starts.
    fn read(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(len) = self.read_one(bytes, at) {
            at += len;
        }
        at
    }

    fn read_one(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let record = record_at(bytes, at)?;
        let (kind, body) = record.get(8..)?.split_first()?;
        if *kind == REMOVED {
            self.forget(u64::from_le_bytes(*body.first_chunk()?));
        } else {
            let (letter, json) = decode(*kind, body)?;
            self.keep(Kept {
                letter,
                json_at: (at + record.len() - json.len()) as u64,
                json_len: json.len(),
            });
        }
        Some(record.len())
    }

    /// Takes in every whole record behind `at`, wherever it stands; false where there is none.
    fn salvage(&mut self, bytes: &[u8], mut at: usize) -> bool {
        let mut found = false;
        while at < bytes.len() {
            if let Some(len) = self.read_one(bytes, at) {
                found = true;
                at += len;
            } else {
                at += 1;
            }
        }
        found
    }

    fn copy_aside(&self) -> io::Result<PathBuf> {
        let to = (0..u32::MAX)
            .map(|n| self.directory.join(format!("{NAME}.damaged-{n}")))
            .find(|path| !path.exists())
            .ok_or(io::ErrorKind::AlreadyExists)?;
        fs::copy(self.directory.join(NAME), &to)?;
        File::open(&to)?.sync_all()?;
        Ok(to)
    }

    /// Writes the file anew where most of it is of no use any more.
    fn compact(&mut self) -> io::Result<()> {
        if self.end < COMPACT_FROM || self.live > self.end / 2 {
            return Ok(());
        }
        let mut bytes = vec![0; usize::try_from(self.end).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, 0)?;
        self.rewrite(&bytes)
    }

    /// Writes the letters anew, whose JSON stands in `old`, the bytes of the present file.
    fn rewrite(&mut self, old: &[u8]) -> io::Result<()> {
        let mut bytes = self.head();
        let mut kept = self.kept.clone();
        for entry in kept.values_mut() {
            let at = usize::try_from(entry.json_at).unwrap_or(usize::MAX);
            let json = old.get(at..at + entry.json_len).unwrap_or_default();
            encode(
                &mut bytes,
                &entry.letter,
                std::str::from_utf8(json).unwrap_or_default(),
            );
            entry.json_at = bytes.len() as u64 - entry.json_len as u64;
        }
        let new = self.directory.join(format!("{NAME}.new"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o640)
            .open(&new)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join(NAME))?;
        File::open(&self.directory)?.sync_all()?;
        (self.file, self.end, self.kept) = (file, bytes.len() as u64, kept);
        Ok(())
    }
}

/// A whole record at `at` whose checksum fits.
pub(super) fn record_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let checksum = u32::from_le_bytes(*rest.first_chunk()?);
    let len = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
    let kind = *rest.get(8)?;
    if len > BODY_MAX || !(1..=REMOVED).contains(&kind) {
        return None;
    }
    let record = rest.get(..HEAD + len)?;
    (crc32c::crc32c(record.get(4..)?) == checksum).then_some(record)
}

fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(body);
    let checksum = crc32c::crc32c(out.get(start + 4..).unwrap_or_default());
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&checksum.to_le_bytes());
    }
}

fn encode(out: &mut Vec<u8>, letter: &DeadLetter, json: &str) {
    let mut body = Vec::with_capacity(json.len() + 128);
    body.extend_from_slice(&letter.position.to_le_bytes());
    body.extend_from_slice(&letter.at.as_millis().to_le_bytes());
    body.extend_from_slice(&letter.tries.to_le_bytes());
    body.extend_from_slice(letter.id.as_bytes());
    match &letter.account {
        None => body.extend_from_slice(&NO_ACCOUNT.to_le_bytes()),
        Some(account) => put_text(&mut body, super::bounded(account, ACCOUNT_MAX)),
    }
    put_text(&mut body, super::bounded(&letter.reason, REASON_MAX));
    body.extend_from_slice(json.as_bytes());
    let kind = match letter.cause {
        Cause::Refused => 1,
        Cause::Skipped => 2,
    };
    put(out, kind, &body);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(0);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn decode(kind: u8, body: &[u8]) -> Option<(DeadLetter, &str)> {
    let (position, rest) = body.split_first_chunk::<8>()?;
    let (at_ms, rest) = rest.split_first_chunk::<8>()?;
    let (tries, rest) = rest.split_first_chunk::<4>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (account, rest) = take_text(rest)?;
    let (reason, rest) = take_text(rest)?;
    let letter = DeadLetter {
        position: u64::from_le_bytes(*position),
        id: Uuid::from_bytes(*id),
        account: account.map(str::to_owned),
        cause: if kind == 1 {
            Cause::Refused
        } else {
            Cause::Skipped
        },
        reason: reason?.to_owned(),
        at: Timestamp::from_millis(i64::from_le_bytes(*at_ms)),
        tries: u32::from_le_bytes(*tries),
    };
    Some((letter, std::str::from_utf8(rest).ok()?))
}

fn take_text(bytes: &[u8]) -> Option<(Option<&str>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let len = u16::from_le_bytes(*len);
    if len == NO_ACCOUNT {
        return Some((None, rest));
    }
    let (text, rest) = rest.split_at_checked(usize::from(len))?;
    Some((Some(std::str::from_utf8(text).ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: [u8; 16] = [7; 16];

    fn letter(position: u64) -> (DeadLetter, String) {
        let letter = DeadLetter {
            position,
            id: Uuid::from_u128(u128::from(position)),
            account: position.is_multiple_of(2).then(|| format!("{position:04}")),
            cause: Cause::Refused,
            reason: "field too long".to_owned(),
            at: Timestamp::from_millis(1_764_000_000_000),
            tries: 3,
        };
        (letter, format!("{{\"position\":{position}}}"))
    }

    fn append(letters: &mut Letters, positions: &[u64]) {
        let made: Vec<_> = positions.iter().map(|p| letter(*p)).collect();
        let lent: Vec<_> = (made.iter().map(|(letter, json)| (letter.clone(), &**json))).collect();
        letters.append(&lent).unwrap();
    }

    fn positions(letters: &Letters) -> Vec<u64> {
        for found in letters.list() {
            let (expected, json) = letter(found.position);
            assert_eq!(*found, expected);
            assert_eq!(letters.json(found.position).unwrap(), Some(json));
        }
        letters.list().map(|letter| letter.position).collect()
    }

    #[test]
    fn letters_come_back_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let (mut letters, _) = Letters::open(directory.path(), JOURNAL).unwrap();
        append(&mut letters, &[9, 4]);
        append(&mut letters, &[7]);
        assert_eq!(letters.remove(&[4, 5]).unwrap(), 1);
        append(&mut letters, &[9]);
        assert_eq!(positions(&letters), [7, 9]);
        let (letters, opened) = Letters::open(directory.path(), JOURNAL).unwrap();
        assert_eq!(opened, Opened::default());
        assert_eq!(positions(&letters), [7, 9]);
        assert_eq!(letters.json(4).unwrap(), None);
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_and_the_file_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let (mut letters, _) = Letters::open(directory.path(), JOURNAL).unwrap();
        append(&mut letters, &[1, 2]);
        let before = fs::read(&path).unwrap().len();
        append(&mut letters, &[3]);
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut letters, opened) = Letters::open(directory.path(), JOURNAL).unwrap();
            assert_eq!(opened.aside, None, "cut at {cut}");
            let left = positions(&letters);
            if cut == whole.len() {
                assert_eq!(left, [1, 2, 3]);
            } else if cut >= before {
                assert_eq!(left, [1, 2], "cut at {cut}");
            }
            append(&mut letters, &[8]);
            let (letters, _) = Letters::open(directory.path(), JOURNAL).unwrap();
            assert_eq!(positions(&letters).last(), Some(&8), "cut at {cut}");
        }
    }

    #[test]
    fn damage_before_whole_letters_is_set_aside_and_they_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let (mut letters, _) = Letters::open(directory.path(), JOURNAL).unwrap();
        append(&mut letters, &[1, 2, 3]);
        let whole = fs::read(&path).unwrap();
        for at in [0, 3, 24, 36, 56] {
            let mut bad = whole.clone();
            bad[at] ^= 4;
            fs::write(&path, &bad).unwrap();
            let (letters, opened) = Letters::open(directory.path(), JOURNAL).unwrap();
            let aside = opened.aside.expect("a copy");
            assert_eq!(fs::read(aside).unwrap(), bad);
            let expected: &[u64] = if at < 24 { &[1, 2, 3] } else { &[2, 3] };
            assert_eq!(positions(&letters), expected, "byte {at}");
            let (letters, opened) = Letters::open(directory.path(), JOURNAL).unwrap();
            assert_eq!(opened, Opened::default());
            assert_eq!(positions(&letters), expected);
        }
    }

    #[test]
    fn letters_of_another_journal_are_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let (mut letters, _) = Letters::open(directory.path(), JOURNAL).unwrap();
        append(&mut letters, &[1]);
        let (letters, opened) = Letters::open(directory.path(), [8; 16]).unwrap();
        assert!(opened.aside.is_some());
        assert_eq!(letters.list().count(), 0);
    }

    #[test]
    fn the_file_shrinks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let (mut letters, _) = Letters::open(directory.path(), JOURNAL).unwrap();
        let long = "x".repeat(10_000);
        for position in 0..300 {
            let (made, _) = letter(position);
            letters.append(&[(made, &long)]).unwrap();
            if position > 10 {
                letters.remove(&[position - 10]).unwrap();
            }
        }
        assert!(fs::metadata(&path).unwrap().len() < 2 << 20);
        assert_eq!(letters.list().count(), 11);
        assert_eq!(letters.json(295).unwrap(), Some(long));
    }
}
