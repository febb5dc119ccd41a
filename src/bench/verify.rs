//! Whether everything that was acknowledged stands in the journal, once.
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::tag::Tag;
use crate::journal::{JournalError, Reader};
use crate::record::{self, RecordError};

/// Findings of each kind that are named; the others are only counted.
const NAMED_MAX: usize = 20;

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's words.
        source: io::Error,
    },
    /// A line is none that `larm bench load` writes.
    #[error(
        "{path}, line {line}: `{found}` is none of `ACCOUNT RUN SERIAL`, as larm bench load writes them"
    )]
    Line {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What stands there, cut.
        found: String,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record is no event.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Events in the file, each counted once however often it was acknowledged.
    pub acknowledged: u64,
    /// Those acknowledged more than once: repeats.
    pub repeated: u64,
    /// Records of the journal, of whatever origin.
    pub records: u64,
    /// Records of a load that nobody saw acknowledged: the answer may have been lost.
    pub unacknowledged: u64,
    /// Acknowledged and not in the journal.
    pub missing: u64,
    /// Acknowledged and more than once in the journal.
    pub doubled: u64,
    /// In the journal under another account than the one that sent it.
    pub misplaced: u64,
    /// The first ones of `missing`, `doubled` and `misplaced`, in words.
    pub named: Vec<String>,
}

impl Found {
    /// Everything acknowledged is there, once.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.missing == 0 && self.doubled == 0 && self.misplaced == 0
    }

    fn name(&mut self, kind: u64, text: impl FnOnce() -> String) {
        if kind <= NAMED_MAX as u64 {
            self.named.push(text());
        }
    }
}

/// One acknowledged event.
#[derive(Clone, Copy, Debug)]
struct Expected {
    account: [u8; 16],
    acknowledged: u32,
    seen: u32,
}

/// Compares `file` with the journal in `journal`, which nobody need have stopped.
pub fn verify(file: &Path, journal: &Path) -> Result<Found, VerifyError> {
    let mut expected = read(file)?;
    let mut found = Found {
        acknowledged: expected.len() as u64,
        repeated: expected.values().filter(|e| e.acknowledged > 1).count() as u64,
        ..Found::default()
    };
    let mut reader = Reader::open(journal, 0)?;
    while let Some(entry) = reader.next()? {
        found.records += 1;
        let position = entry.position;
        let event = record::decode(position, &entry.payload)?;
        let Some(tag) = event.text.as_deref().and_then(Tag::in_text) else {
            continue;
        };
        match expected.get_mut(&tag) {
            Some(one) => see(&mut found, one, tag, event.account.as_deref(), position),
            None => found.unacknowledged += 1,
        }
    }
    let mut missing: Vec<(Tag, Expected)> = expected
        .into_iter()
        .filter(|(_, one)| one.seen == 0)
        .collect();
    missing.sort_unstable_by_key(|(tag, _)| *tag);
    for (tag, one) in missing {
        found.missing += 1;
        let account = String::from_utf8_lossy(&one.account).into_owned();
        found.name(found.missing, || {
            format!(
                "missing: {} of {}",
                show(tag),
                account.trim_end_matches('\0')
            )
        });
    }
    Ok(found)
}

fn see(found: &mut Found, one: &mut Expected, tag: Tag, account: Option<&str>, position: u64) {
    one.seen += 1;
    if one.seen == 2 {
        found.doubled += 1;
        found.name(found.doubled, || {
            format!("doubled: {} once more at {position}", show(tag))
        });
    }
    if account.map(padded) != Some(one.account) {
        found.misplaced += 1;
        found.name(found.misplaced, || {
            format!(
                "misplaced: {} at {position} is of another account",
                show(tag)
            )
        });
    }
}

fn show(tag: Tag) -> String {
    String::from_utf8_lossy(&tag.write()).into_owned()
}

fn padded(account: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(account.bytes()) {
        *to = from;
    }
    out
}

fn read(file: &Path) -> Result<HashMap<Tag, Expected>, VerifyError> {
    let path = || file.display().to_string();
    let lines = std::fs::File::open(file)
        .map(|file| BufReader::with_capacity(1 << 20, file))
        .map_err(|source| VerifyError::File {
            path: path(),
            source,
        })?;
    let mut expected: HashMap<Tag, Expected> = HashMap::new();
    for (index, line) in lines.lines().enumerate() {
        let line = line.map_err(|source| VerifyError::File {
            path: path(),
            source,
        })?;
        let (account, tag) = line
            .split_once(' ')
            .and_then(|(account, tag)| Some((account, Tag::read(tag)?)))
            .ok_or_else(|| VerifyError::Line {
                path: path(),
                line: index + 1,
                found: line
                    .chars()
                    .take(60)
                    .flat_map(char::escape_default)
                    .collect(),
            })?;
        let one = expected.entry(tag).or_insert(Expected {
            account: padded(account),
            acknowledged: 0,
            seen: 0,
        });
        one.acknowledged += 1;
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tag::LEAD;
    use crate::journal::{Journal, Options};

    fn journal(directory: &Path, events: &[(&str, Option<Tag>)]) {
        let options = Options {
            segment_len: 1 << 16,
            ahead: false,
            ..Options::default()
        };
        let (mut journal, _) = Journal::open(directory, &options).unwrap();
        let payloads: Vec<Vec<u8>> = events
            .iter()
            .map(|(account, tag)| {
                let mut event = larm_event::Event::draft("dc09/SIA-DCS".to_owned());
                event.account = Some((*account).to_owned());
                event.text = Some(match tag {
                    Some(tag) => format!("{LEAD}{}", show(*tag)),
                    None => "Window".to_owned(),
                });
                record::encode(&event, None)
            })
            .collect();
        journal
            .append(payloads.iter().map(Vec::as_slice), 0)
            .unwrap();
        journal.close(0).unwrap();
    }

    fn tag(serial: u64) -> Tag {
        Tag { run: 7, serial }
    }

    fn compare(lines: &str, events: &[(&str, Option<Tag>)]) -> Found {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("acknowledged");
        std::fs::write(&file, lines).unwrap();
        let data = directory.path().join("journal");
        journal(&data, events);
        verify(&file, &data).unwrap()
    }

    fn line(account: &str, serial: u64) -> String {
        format!("{account} {}\n", show(tag(serial)))
    }

    #[test]
    fn what_is_there_once_holds() {
        let lines = line("1", 1) + &line("2", 2) + &line("2", 2);
        let events = [
            ("1", Some(tag(1))),
            ("9", None),
            ("2", Some(tag(2))),
            ("3", Some(tag(3))),
        ];
        let found = compare(&lines, &events);
        assert!(found.holds(), "{found:?}");
        assert_eq!((found.acknowledged, found.repeated), (2, 1));
        assert_eq!((found.records, found.unacknowledged), (4, 1));
    }

    #[test]
    fn a_missing_one_is_found() {
        let found = compare(&(line("1", 1) + &line("1", 2)), &[("1", Some(tag(1)))]);
        assert!(!found.holds());
        assert_eq!((found.missing, found.doubled, found.misplaced), (1, 0, 0));
        assert_eq!(found.named, ["missing: 00000007 000000000002 of 1"]);
    }

    #[test]
    fn a_doubled_one_is_found() {
        let events = [("1", Some(tag(1))), ("1", Some(tag(1)))];
        let found = compare(&line("1", 1), &events);
        assert_eq!((found.missing, found.doubled, found.misplaced), (0, 1, 0));
        assert!(found.named[0].starts_with("doubled: 00000007 000000000001"));
    }

    #[test]
    fn one_of_another_account_is_found() {
        let found = compare(&line("1", 1), &[("2", Some(tag(1)))]);
        assert_eq!((found.missing, found.doubled, found.misplaced), (0, 0, 1));
    }

    #[test]
    fn a_strange_line_is_refused_with_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("acknowledged");
        std::fs::write(&file, line("1", 1) + "nonsense\n").unwrap();
        let error = verify(&file, directory.path()).unwrap_err().to_string();
        assert!(error.contains("line 2: `nonsense`"), "{error}");
    }
}
