//! The report of differences: lines of JSON in a file of the data directory.
//!
//! ```text
//! DATA/shadow/NAME.jsonl      differences and sums, one JSON object a line, appended
//! DATA/shadow/NAME.1.jsonl    the file before, once it had reached FILE_LEN_MAX
//! ```
//! A line with `larm` is a difference; one with `run` is the sum of one run of the gateway so far,
//! and the last one of a run counts.
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A longer file is put aside, and the one before it goes.
const FILE_LEN_MAX: u64 = 16 << 20;

/// Longest line that is read back.
const LINE_LEN_MAX: usize = 64 * 1024;

/// One request that larm would have answered otherwise than the receiver did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// When the request came, RFC 3339.
    pub at: String,
    /// Name of the shadow.
    pub shadow: String,
    /// The transmitter's address.
    pub peer: String,
    /// Account as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// What larm would have said: `ack`, `nak`, `duh` or `none`.
    pub larm: String,
    /// What the receiver said: the same words, or `rsp`.
    pub receiver: String,
    /// What is wrong with the receiver's answer though it says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Why larm would not have acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Departures of the request from the standard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<String>,
    /// From the request to the receiver's answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Sums of one run of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// When the run began, RFC 3339; tells runs apart.
    pub run: String,
    /// Requests whose answers were compared.
    pub compared: u64,
    /// Of these, those with the same answer.
    pub same: u64,
    /// Answers that nobody asked for.
    pub unasked: u64,
    /// Pieces of traffic that were passed on but not looked at.
    pub missed: u64,
    /// Connections that were no longer looked at after a fault of larm's own.
    pub faults: u64,
}

/// Everything that the report of one shadow says, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Name of the shadow.
    pub shadow: String,
    /// Requests whose answers were compared.
    pub compared: u64,
    /// Of these, those with the same answer.
    pub same: u64,
    /// Answers that nobody asked for.
    pub unasked: u64,
    /// Pieces of traffic that were passed on but not looked at.
    pub missed: u64,
    /// Connections that were no longer looked at after a fault of larm's own.
    pub faults: u64,
    /// Differences by `larm/receiver` with the reason, the most frequent first.
    pub kinds: Vec<Group>,
}

/// Differences of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What larm would have said.
    pub larm: String,
    /// What the receiver said.
    pub receiver: String,
    /// Why, or what is wrong with the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many.
    pub count: u64,
    /// Accounts that they came from, at most `ACCOUNTS_SHOWN`.
    pub accounts: Vec<String>,
    /// The last one.
    pub last: String,
}

/// Accounts that a group lists.
const ACCOUNTS_SHOWN: usize = 20;

/// Where the reports of a data directory are.
#[must_use]
pub fn directory(data: &Path) -> PathBuf {
    data.join("shadow")
}

/// The end of the report that is written.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Writer {
    /// Opens the report of one shadow, for appending.
    pub(super) fn open(directory: &Path, name: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{name}.jsonl"));
        let file = append(&path)?;
        let len = file.metadata()?.len();
        Ok(Self { path, file, len })
    }

    /// Appends one line.
    pub(super) fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        if self.len >= FILE_LEN_MAX {
            fs::rename(&self.path, self.path.with_extension("1.jsonl"))?;
            self.file = append(&self.path)?;
            self.len = 0;
        }
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        self.len += text.len() as u64;
        Ok(())
    }
}

/// Differences tell about accounts: nobody but the owner reads them.
fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The sums of one run so far.
    Sums(Sums),
    /// One difference.
    Difference(Difference),
}

/// Reads every line of every report below `data`, the older file of each first. Lines that cannot
/// be read are left out: the last one may be half written.
pub fn read_reports(data: &Path, mut take: impl FnMut(&str, Line)) -> io::Result<()> {
    let directory = directory(data);
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".jsonl") {
            names.push(stem.strip_suffix(".1").unwrap_or(stem).to_owned());
        }
    }
    names.sort();
    names.dedup();
    for name in &names {
        for file in [format!("{name}.1.jsonl"), format!("{name}.jsonl")] {
            let file = match File::open(directory.join(file)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(file).split(b'\n') {
                let line = line?;
                if line.len() <= LINE_LEN_MAX
                    && let Ok(line) = serde_json::from_slice(&line)
                {
                    take(name, line);
                }
            }
        }
    }
    Ok(())
}

/// Sums up every report below `data`.
pub fn summarise(data: &Path) -> io::Result<Vec<Summary>> {
    type Kind = (String, String, Option<String>);
    let mut runs: BTreeMap<String, BTreeMap<String, Sums>> = BTreeMap::new();
    let mut kinds: BTreeMap<String, BTreeMap<Kind, Group>> = BTreeMap::new();
    read_reports(data, |name, line| match line {
        Line::Sums(sums) => {
            let of = runs.entry(name.to_owned()).or_default();
            of.insert(sums.run.clone(), sums);
        }
        Line::Difference(found) => {
            let why = found.form.or(found.why);
            let kind = (found.larm, found.receiver, why);
            let of = kinds.entry(name.to_owned()).or_default();
            let group = of.entry(kind.clone()).or_insert_with(|| Group {
                larm: kind.0,
                receiver: kind.1,
                why: kind.2,
                ..Group::default()
            });
            group.count += 1;
            group.last = found.at;
            if let Some(account) = found.account
                && group.accounts.len() < ACCOUNTS_SHOWN
                && !group.accounts.contains(&account)
            {
                group.accounts.push(account);
            }
        }
    })?;
    let mut names: Vec<String> = runs.keys().chain(kinds.keys()).cloned().collect();
    names.sort();
    names.dedup();
    let summaries = names.into_iter().map(|name| {
        let mut summary = Summary {
            kinds: kinds
                .remove(&name)
                .unwrap_or_default()
                .into_values()
                .collect(),
            ..Summary::default()
        };
        for sums in runs.remove(&name).unwrap_or_default().into_values() {
            summary.compared += sums.compared;
            summary.same += sums.same;
            summary.unasked += sums.unasked;
            summary.missed += sums.missed;
            summary.faults += sums.faults;
        }
        summary
            .kinds
            .sort_by_key(|group| std::cmp::Reverse(group.count));
        summary.shadow = name;
        summary
    });
    Ok(summaries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(account: &str, larm: &str) -> Difference {
        Difference {
            at: "2026-11-25T12:00:00Z".to_owned(),
            account: Some(account.to_owned()),
            larm: larm.to_owned(),
            receiver: "none".to_owned(),
            ..Difference::default()
        }
    }

    #[test]
    fn what_was_written_is_summed_up() {
        let data = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(&directory(data.path()), "old").unwrap();
        for (account, larm) in [("1", "ack"), ("2", "ack"), ("1", "ack"), ("3", "nak")] {
            writer.write(&difference(account, larm)).unwrap();
        }
        for (run, compared) in [("a", 5), ("a", 9), ("b", 2)] {
            let sums = Sums {
                run: run.to_owned(),
                compared,
                same: compared - 2,
                ..Sums::default()
            };
            writer.write(&sums).unwrap();
        }
        // Cut by a crash.
        writer.file.write_all(b"{\"at\":\"2026").unwrap();
        let all = summarise(data.path()).unwrap();
        assert_eq!(all.len(), 1);
        let old = &all[0];
        assert_eq!(
            (old.shadow.as_str(), old.compared, old.same),
            ("old", 11, 7)
        );
        assert_eq!(old.kinds.len(), 2);
        assert_eq!((old.kinds[0].count, old.kinds[0].larm.as_str()), (3, "ack"));
        assert_eq!(old.kinds[0].accounts, ["1", "2"]);
    }

    #[test]
    fn a_long_file_is_put_aside() {
        let data = tempfile::tempdir().unwrap();
        let directory = directory(data.path());
        let mut writer = Writer::open(&directory, "old").unwrap();
        writer.write(&difference("1", "ack")).unwrap();
        writer.len = FILE_LEN_MAX;
        writer.write(&difference("2", "ack")).unwrap();
        assert!(directory.join("old.1.jsonl").exists());
        assert_eq!(summarise(data.path()).unwrap()[0].kinds[0].count, 2);
    }
}
