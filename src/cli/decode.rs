//! `larm decode`: explains frames, one per line of input.
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use larm_carrier::Key;
use larm_event::Timestamp;

use crate::{explain, registry};

/// Arguments of `larm decode`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --hex a line is the frame as printable text: \\n, \\r, \\t, \\\\ and \\xNN stand \
for their bytes, and a line that starts with no \\n gets its start and end marks added.\n\nExamples:\n  \
larm decode --hex frames.txt\n  echo '0a3845…0d' | larm decode --hex --json\n  \
printf '%s\\n' '\\n1EF20013\"NULL\"0000L0#1234[]\\r' | larm decode\n\nExit code: 0 when every line could be read, whatever was found in it; 1 when a line is no hex or \
holds a wrong escape (it is named on standard error, and the others are still explained)."
)]
pub(super) struct Args {
    /// The input lines are hex digits (white space between them is skipped).
    #[arg(long)]
    hex: bool,
    /// A key to try on encrypted frames, in hex (32, 48 or 64 digits); may be given several times.
    /// Other users of this machine can see it in the list of processes.
    #[arg(long, value_name = "HEX")]
    key: Vec<String>,
    /// Print one JSON object for each piece found.
    #[arg(long)]
    json: bool,
    /// The receiver's time for the time window, RFC 3339; without it each frame's own.
    #[arg(long, value_name = "TIME")]
    clock: Option<String>,
    /// The file to read; without it, or with `-`, standard input.
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let keys = args
        .key
        .iter()
        .map(|text| Key::from_hex(text).context("--key"))
        .collect::<Result<Vec<_>, _>>()?;
    let clock = args
        .clock
        .as_deref()
        .map(|text| Timestamp::parse(text).context("--clock"))
        .transpose()?;
    let input = open(args)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut all_read = true;
    for (number, line) in (1..).zip(input.split(b'\n')) {
        let line = line.context("cannot read the input")?;
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let bytes = match if args.hex {
            from_hex(line)
        } else {
            from_printable(line)
        } {
            Ok(bytes) => bytes,
            Err(error) => {
                all_read = false;
                complain(number, &error);
                continue;
            }
        };
        for piece in registry::inspect(&bytes, &keys, clock) {
            if args.json {
                serde_json::to_writer(&mut out, &explain::to_json(number, &piece))?;
                out.write_all(b"\n")?;
            } else {
                writeln!(out, "{}", explain::to_text(number, &piece))?;
            }
        }
        out.flush()?;
    }
    Ok(if all_read {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[expect(
    clippy::print_stderr,
    reason = "one bad line must not end the explanation of the others"
)]
fn complain(number: usize, error: &LineError) {
    eprintln!("larm: line {number}, {error}");
}

fn open(args: &Args) -> anyhow::Result<Box<dyn BufRead>> {
    match args.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => {
            let file =
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            Ok(Box::new(BufReader::new(file)))
        }
        _ => Ok(Box::new(BufReader::new(io::stdin()))),
    }
}

/// Why a line of input is not what it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum LineError {
    #[error(
        "column {column}: not a hex digit; with --hex a line holds 0-9, a-f, A-F and white space"
    )]
    NotHex { column: usize },
    #[error("an odd number of hex digits: one digit is missing or too many")]
    OddDigits,
    #[error("column {column}: after a backslash stand n, r, t, 0, \\ or xNN with two hex digits")]
    Escape { column: usize },
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn from_hex(line: &[u8]) -> Result<Vec<u8>, LineError> {
    let mut bytes = Vec::with_capacity(line.len() / 2);
    let mut high = None;
    for (column, byte) in (1..)
        .zip(line)
        .filter(|(_, byte)| !byte.is_ascii_whitespace())
    {
        let value = digit(*byte).ok_or(LineError::NotHex { column })?;
        match high.take() {
            None => high = Some(value),
            Some(first) => bytes.push((first << 4) | value),
        }
    }
    if high.is_some() {
        Err(LineError::OddDigits)
    } else {
        Ok(bytes)
    }
}

fn from_printable(line: &[u8]) -> Result<Vec<u8>, LineError> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = (1..).zip(line.iter().copied());
    while let Some((column, byte)) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let wrong = LineError::Escape { column };
        bytes.push(match rest.next() {
            Some((_, b'n')) => b'\n',
            Some((_, b'r')) => b'\r',
            Some((_, b't')) => b'\t',
            Some((_, b'0')) => 0,
            Some((_, b'\\')) => b'\\',
            Some((_, b'x')) => {
                let high = rest.next().and_then(|(_, byte)| digit(byte));
                let low = rest.next().and_then(|(_, byte)| digit(byte));
                match (high, low) {
                    (Some(high), Some(low)) => (high << 4) | low,
                    _ => return Err(wrong),
                }
            }
            _ => return Err(wrong),
        });
    }
    // Lines copied from a log seldom have their marks; putting them back is what the reader means.
    let framed = bytes.first() == Some(&b'\n') || !bytes.contains(&b'"') || bytes.contains(&b'\r');
    if !framed {
        bytes.insert(0, b'\n');
        bytes.push(b'\r');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_lines_may_be_spaced() {
        assert_eq!(from_hex(b"0a 41\t0D").unwrap(), b"\nA\r");
        assert_eq!(from_hex(b"0g"), Err(LineError::NotHex { column: 2 }));
        assert_eq!(from_hex(b"0a4"), Err(LineError::OddDigits));
    }

    #[test]
    fn printable_lines_have_escapes() {
        assert_eq!(
            from_printable(br"\nA\x00\xfF\\\t\r").unwrap(),
            b"\nA\x00\xff\\\t\r"
        );
        assert_eq!(
            from_printable(br"\nA\q"),
            Err(LineError::Escape { column: 4 })
        );
        assert_eq!(
            from_printable(br"\x4"),
            Err(LineError::Escape { column: 1 })
        );
    }

    #[test]
    fn marks_are_put_back_where_a_log_lost_them() {
        let frame = br#"1EF20013"NULL"0000L0#1234[]"#;
        let framed = from_printable(frame).unwrap();
        assert!(framed.starts_with(b"\n1EF2") && framed.ends_with(b"[]\r"));
    }
}
