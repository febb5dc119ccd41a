//! What the files of an engine tell where it does not run. Reads only.
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::letters::{self, DeadLetter};
use super::slots;
use super::status::State;

/// An engine by its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Every record up to here is done.
    pub cursor: u64,
    /// What it would do after a start.
    pub state: State,
    /// Oldest first.
    pub dead_letters: Vec<DeadLetter>,
}

/// Looks into the directory of an engine; `None`: no cursor that can be read is there. Beside a
/// running engine it may show what was true a moment ago.
pub fn peek(directory: &Path) -> io::Result<Option<Peek>> {
    let mut newest: Option<(u64, slots::Cursor)> = None;
    for name in slots::NAMES {
        let found = slots::decode(&read(&directory.join(name))?);
        let turn = newest.as_ref().map(|(turn, _)| *turn);
        if found.as_ref().map(|(turn, _)| *turn) > turn {
            newest = found;
        }
    }
    let Some((_, cursor)) = newest else {
        return Ok(None);
    };
    Ok(Some(Peek {
        cursor: cursor.done.low(),
        state: cursor.state,
        dead_letters: dead_letters(&read(&directory.join(letters::NAME))?),
    }))
}

fn dead_letters(bytes: &[u8]) -> Vec<DeadLetter> {
    let mut found: BTreeMap<u64, DeadLetter> = BTreeMap::new();
    let mut at = letters::FILE_HEAD;
    while let Some(record) = letters::record_at(bytes, at) {
        at += record.len();
        let Some((kind, body)) = record.get(8..).and_then(<[u8]>::split_first) else {
            break;
        };
        if *kind == letters::REMOVED {
            if let Some(position) = body.first_chunk() {
                found.remove(&u64::from_le_bytes(*position));
            }
        } else if let Some((letter, _)) = letters::decode(*kind, body) {
            found.insert(letter.position, letter);
        }
    }
    found.into_values().collect()
}

/// The file, empty where there is none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    match fs::read(path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        other => other,
    }
}
