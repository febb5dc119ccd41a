//! `larm journal`: verify, export and repair the journal.
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::journal::{self, Entry, Reader, Repaired, Verified};
use crate::record;

/// Arguments of `larm journal`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The journal is where every alarm stands before it is acknowledged. These commands read\nit from the disk itself; `verify` and `export` change nothing and may run beside `larm serve`.\n\nExamples:\n  larm journal verify                       is everything still as it was written?\n  larm journal export > events.jsonl        everything that is in it, one event per line\n  larm journal export --from 5000           from position 5000 on\n  larm journal repair                       after `verify` or `serve` reported damage"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check every record, every batch and the chain over all of them.
    #[command(
        after_help = "Exit code 0: sound. 1: damaged; the first bad place of each damaged segment is printed.\nAn unfinished batch at the end is no damage: it was never acknowledged, and the next start cuts it."
    )]
    Verify {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object instead of sentences.
        #[arg(long)]
        json: bool,
    },
    /// Print every event as one JSON object per line, in order, with its position.
    #[command(
        after_help = "A record that this program cannot read comes out as an object with `position`, `error` and the\nbytes as base64 in `payload`. Exit code 1: damage was met; everything before it was printed."
    )]
    Export {
        #[command(flatten)]
        place: Place,
        /// The first position that is wanted.
        #[arg(long, value_name = "POSITION", default_value_t = 1)]
        from: u64,
        /// The output is JSON in any case; accepted for symmetry.
        #[arg(long, hide = true)]
        json: bool,
    },
    /// Set damaged segments aside and make the journal usable again. `larm serve` must not run.
    #[command(
        after_help = "Nothing is deleted: damaged segments stay as they are in journal/damaged-TIME. Every whole record\nkeeps its position. Positions that are lost are printed and stay marked in the journal.\nKeep a copy of the data directory before you repair. Exit code 0: the journal is sound now."
    )]
    Repair {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object instead of sentences.
        #[arg(long)]
        json: bool,
    },
}

/// Where the journal is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The data directory; the journal is in its directory `journal`.
    #[arg(long, value_name = "DIR", default_value = "larm-data")]
    data: PathBuf,
}

impl Place {
    fn journal(&self) -> anyhow::Result<PathBuf> {
        let journal = self.data.join("journal");
        if !journal.is_dir() {
            anyhow::bail!(
                "there is no journal in {}: point --data at a data directory of `larm serve`",
                self.data.display()
            );
        }
        Ok(journal)
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let code = match &args.command {
        Command::Verify { place, json } => {
            let verified = journal::verify(&place.journal()?)?;
            if *json {
                writeln!(out, "{}", verified_json(&verified))?;
            } else {
                write_verified(&mut out, &verified)?;
            }
            exit_code(verified.damage.is_empty())
        }
        Command::Export { place, from, .. } => export(&mut out, &place.journal()?, *from)?,
        Command::Repair { place, json } => {
            let label = jiff::Timestamp::now()
                .strftime("%Y%m%dT%H%M%SZ")
                .to_string();
            let repaired = journal::repair(&place.journal()?, &label)?;
            if *json {
                writeln!(out, "{}", repaired_json(&repaired))?;
            } else {
                write_repaired(&mut out, &repaired)?;
            }
            exit_code(repaired.verified.damage.is_empty())
        }
    };
    out.flush()?;
    Ok(code)
}

fn exit_code(sound: bool) -> ExitCode {
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints what can be read; damage comes as an error after it.
fn export(out: &mut impl Write, journal: &Path, from: u64) -> anyhow::Result<ExitCode> {
    let mut reader = Reader::open(journal, from)?;
    loop {
        match reader.next() {
            Ok(Some(entry)) => writeln!(out, "{}", exported(&entry)?)?,
            Ok(None) => return Ok(ExitCode::SUCCESS),
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        }
    }
}

/// One line of the export.
fn exported(entry: &Entry) -> serde_json::Result<String> {
    match record::decode(entry.position, &entry.payload) {
        Ok(event) => serde_json::to_string(&event),
        Err(error) => {
            let payload = base64::engine::general_purpose::STANDARD.encode(&entry.payload);
            let position = entry.position;
            let line =
                json!({ "position": position, "error": error.to_string(), "payload": payload });
            Ok(line.to_string())
        }
    }
}

fn verified_json(verified: &Verified) -> Value {
    let damage: Vec<Value> = verified
        .damage
        .iter()
        .map(|damage| {
            json!({
                "segment": damage.segment,
                "offset": damage.offset,
                "position": damage.position,
                "flaw": damage.flaw.to_string(),
            })
        })
        .collect();
    json!({
        "sound": verified.damage.is_empty(),
        "segments": verified.segments,
        "batches": verified.batches,
        "records": verified.records,
        "first": verified.first,
        "last": verified.last,
        "lost": verified.lost,
        "unfinished_bytes": verified.unfinished,
        "clean_stop": verified.clean,
        "chain": hex(&verified.chain),
        "damage": damage,
    })
}

fn repaired_json(repaired: &Repaired) -> Value {
    let lost: Vec<Value> = repaired
        .lost
        .iter()
        .map(|(first, last)| json!({ "first": first, "last": last }))
        .collect();
    json!({
        "set_aside": repaired.set_aside,
        "directory": repaired.directory,
        "lost": lost,
        "verified": verified_json(&repaired.verified),
    })
}

fn write_verified(out: &mut impl Write, verified: &Verified) -> io::Result<()> {
    let Verified {
        segments,
        batches,
        records,
        first,
        last,
        ..
    } = verified;
    writeln!(
        out,
        "{records} records (positions {first} to {last}) in {batches} batches, {segments} segments"
    )?;
    writeln!(out, "chain value at the end: {}", hex(&verified.chain))?;
    if verified.lost > 0 {
        writeln!(
            out,
            "{} positions were set aside by an earlier repair",
            verified.lost
        )?;
    }
    if verified.unfinished > 0 {
        writeln!(
            out,
            "{} bytes of an unfinished batch at the end; never acknowledged, cut at the next start",
            verified.unfinished
        )?;
    }
    for damage in &verified.damage {
        writeln!(out, "DAMAGED: {damage}")?;
    }
    if verified.damage.is_empty() {
        let how = if verified.clean {
            "the writer stopped in good order"
        } else {
            "the writer is at work or was cut off"
        };
        writeln!(out, "sound; {how}")
    } else {
        writeln!(
            out,
            "copy the data directory, then run: larm journal repair --data DIR"
        )
    }
}

fn write_repaired(out: &mut impl Write, repaired: &Repaired) -> io::Result<()> {
    if repaired.directory.is_empty() {
        writeln!(out, "nothing to repair")?;
        return write_verified(out, &repaired.verified);
    }
    for name in &repaired.set_aside {
        writeln!(out, "set aside: journal/{}/{name}", repaired.directory)?;
    }
    for (first, last) in &repaired.lost {
        writeln!(out, "lost: positions {first} to {last}")?;
    }
    if repaired.lost.is_empty() {
        writeln!(out, "no record is lost")?;
    }
    write_verified(out, &repaired.verified)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, Options};
    use larm_event::Event;

    fn journal(dir: &Path) -> PathBuf {
        let journal = dir.join("journal");
        let options = Options {
            segment_len: 64 << 10,
            reserve: 0,
            ahead: false,
        };
        let (mut writer, _) = Journal::open(&journal, &options).unwrap();
        let event = record::encode(&Event::draft("dc09/SIA-DCS".to_owned()), None);
        writer.append([event.as_slice(), b"\x09?"], 5).unwrap();
        writer.close(6).unwrap();
        journal
    }

    #[test]
    fn export_prints_events_and_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        export(&mut out, &journal(dir.path()), 1).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!((lines.len(), &lines[0]["position"]), (2, &json!(1)));
        assert_eq!(lines[0]["protocol"], "dc09/SIA-DCS");
        assert_eq!(lines[1]["payload"], "CT8=");
        assert!(lines[1]["error"].as_str().unwrap().contains("version 9"));
    }

    #[test]
    fn verify_and_repair_give_exact_counts() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        let verified = journal::verify(&journal).unwrap();
        let value = verified_json(&verified);
        assert_eq!(
            (&value["records"], &value["batches"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(
            (&value["sound"], &value["clean_stop"]),
            (&json!(true), &json!(true))
        );
        let segment = journal.join("00000000000000000001.seg");
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[4096 + 60] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        let mut out = Vec::new();
        write_verified(&mut out, &journal::verify(&journal).unwrap()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("DAMAGED: segment 00000000000000000001.seg at byte 4096"),
            "{text}"
        );
        let repaired = journal::repair(&journal, "now").unwrap();
        let mut out = Vec::new();
        write_repaired(&mut out, &repaired).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("set aside: journal/damaged-now/00000000000000000001.seg"),
            "{text}"
        );
        assert!(
            text.contains("lost: positions 1 to 1\n1 records (positions"),
            "{text}"
        );
        assert!(text.contains("sound"), "{text}");
    }
}
