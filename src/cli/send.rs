//! `larm send`: a transmitter for trying a receiver, larm or any other.
use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use larm_carrier::Key;
use larm_event::Timestamp;
use larm_wire::text::printable_bytes;
use serde_json::json;

use crate::config::Transport;
use crate::registry::{Content, Outgoing};
use crate::transmit::{self, Outcome, Report, Target};

/// Exit codes; `--help` lists them.
const EXIT_WRONG_TIME: u8 = 3;
const EXIT_DECLINED: u8 = 4;
const EXIT_NO_ANSWER: u8 = 5;
const EXIT_BAD_ANSWER: u8 = 6;
const EXIT_UNREACHABLE: u8 = 7;

/// Arguments of `larm send`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[command(
    after_help = "Examples:\n  larm send --to 127.0.0.1:3061 --account 1234 --code BA --zone 1\n  \
larm send --to 127.0.0.1:3061 --account 1234 --scheme cid --code 130 --partition 01 --zone 015\n  \
larm send --to 127.0.0.1:3061 --account 1234 --link-test --udp\n  \
larm send --to 127.0.0.1:3061 --account 1234 --code PA --key-file key.hex --location 59.3293,18.0686\n\n\
Exit codes: 0 acknowledged, 3 the receiver refused the time (NAK), 4 declined (DUH), 5 no answer, \
6 what came back is no answer to this message, 7 not reachable, 1 anything else, 2 wrong usage."
)]
pub(super) struct Args {
    /// Receiver: address or host name, and port.
    #[arg(long, value_name = "ADDR")]
    to: String,
    /// Account number.
    #[arg(long)]
    account: String,
    /// Event code: two capitals for SIA (BA, FA, PA …), three digits for Contact ID (130, 110 …).
    #[arg(
        long,
        required_unless_present = "link_test",
        conflicts_with = "link_test"
    )]
    code: Option<String>,
    /// A link test (NULL) instead of an event.
    #[arg(long)]
    link_test: bool,
    /// The table that the code is from.
    #[arg(long, value_enum, default_value_t = SchemeArg::Sia)]
    scheme: SchemeArg,
    /// Zone, device or user number.
    #[arg(long)]
    zone: Option<String>,
    /// Area or partition.
    #[arg(long)]
    partition: Option<String>,
    /// Text for people.
    #[arg(long)]
    text: Option<String>,
    /// The condition is over (Contact ID: qualifier 3; SIA has its own codes for that).
    #[arg(long)]
    restore: bool,
    /// Position of the device in degrees: LATITUDE,LONGITUDE.
    #[arg(long, value_name = "LAT,LON", value_parser = parse_location, allow_hyphen_values = true)]
    location: Option<(f64, f64)>,
    /// Further extended data: a capital letter and its value, such as `VURL`; may be repeated.
    #[arg(long, value_name = "BLOCK")]
    extended: Vec<String>,
    /// Receiver number.
    #[arg(long)]
    receiver: Option<String>,
    /// Line prefix.
    #[arg(long, default_value = "0")]
    line: String,
    /// Sequence number, 0 to 9999.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=9999))]
    sequence: u16,
    /// Encrypt with this key in hex (32, 48 or 64 digits). Other users of this machine can see it
    /// in the list of processes; --key-file hides it.
    #[arg(long, value_name = "HEX", conflicts_with = "key_file")]
    key: Option<String>,
    /// Encrypt with the key in this file (hex).
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Leave the time stamp out (clear messages only).
    #[arg(long, conflicts_with_all = ["key", "key_file", "stamp"])]
    no_stamp: bool,
    /// Use this time of sending, RFC 3339, instead of now.
    #[arg(long, value_name = "TIME")]
    stamp: Option<String>,
    /// Send the CRC as two bytes, as some panels do.
    #[arg(long)]
    binary_crc: bool,
    /// Send a datagram.
    #[arg(long)]
    udp: bool,
    /// Seconds to wait for each answer.
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: f64,
    /// Attempts in all.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SchemeArg {
    /// SIA DC-03 data codes.
    Sia,
    /// Contact ID.
    Cid,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number of seconds from 0.01 to 600".to_owned()),
    }
}

fn parse_location(text: &str) -> Result<(f64, f64), String> {
    let wrong = || "write LATITUDE,LONGITUDE in degrees, such as 59.3293,18.0686".to_owned();
    let (latitude, longitude) = text.split_once(',').ok_or_else(wrong)?;
    let parse = |part: &str, max: f64| {
        let degrees = part.trim().parse::<f64>().map_err(|_| wrong())?;
        if degrees.abs() <= max {
            Ok(degrees)
        } else {
            Err(wrong())
        }
    };
    Ok((parse(latitude, 90.0)?, parse(longitude, 180.0)?))
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let key = key(args)?;
    let message = message(args, key.as_ref())?;
    let target = Target {
        address: resolve(&args.to)?,
        transport: if args.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        },
        timeout: Duration::from_secs_f64(args.timeout),
        attempts: args.attempts,
    };
    let report = transmit::deliver(&message, &target)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", to_json(&report, &target))?;
    } else {
        writeln!(out, "{}", to_text(&report, &target))?;
    }
    Ok(exit_code(&report.outcome))
}

fn key(args: &Args) -> anyhow::Result<Option<Key>> {
    if let Some(path) = &args.key_file {
        let text = std::fs::read_to_string(path)
            .map(zeroize::Zeroizing::new)
            .with_context(|| format!("cannot read {}", path.display()))?;
        return Key::from_hex(text.trim()).map(Some).context("--key-file");
    }
    args.key
        .as_deref()
        .map(|text| Key::from_hex(text).context("--key"))
        .transpose()
}

fn message<'a>(args: &'a Args, key: Option<&'a Key>) -> anyhow::Result<Outgoing<'a>> {
    let content = match (&args.code, args.scheme) {
        (None, _) => Content::LinkTest,
        (Some(code), SchemeArg::Sia) => Content::Sia {
            code,
            address: args.zone.as_deref(),
            area: args.partition.as_deref(),
            text: args.text.as_deref(),
        },
        (Some(code), SchemeArg::Cid) => Content::Cid {
            code,
            restore: args.restore,
            partition: args.partition.as_deref().unwrap_or("00"),
            zone: args.zone.as_deref().unwrap_or("000"),
        },
    };
    let fixed = args
        .stamp
        .as_deref()
        .map(|text| Timestamp::parse(text).context("--stamp"));
    Ok(Outgoing {
        account: &args.account,
        receiver: args.receiver.as_deref(),
        line: &args.line,
        sequence: args.sequence,
        content,
        location: args.location,
        extended: &args.extended,
        key,
        binary_crc: args.binary_crc,
        with_stamp: !args.no_stamp,
        fixed_stamp: fixed.transpose()?,
        sent_at: None,
    })
}

fn resolve(to: &str) -> anyhow::Result<SocketAddr> {
    to.to_socket_addrs()
        .with_context(|| format!("--to {to}: write ADDRESS:PORT, such as 127.0.0.1:3061"))?
        .next()
        .with_context(|| format!("--to {to}: this name has no address"))
}

fn in_words(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Acknowledged => ("ACK", "acknowledged".to_owned()),
        Outcome::WrongTime => ("NAK", "the receiver refused the time of sending".to_owned()),
        Outcome::Declined => ("DUH", "the receiver cannot handle this message".to_owned()),
        Outcome::NoAnswer => ("none", "no answer".to_owned()),
        Outcome::BadAnswer { why } => ("bad", format!("no answer to this message: {why}")),
        Outcome::Unreachable { source } => ("unreachable", source.to_string()),
    }
}

fn milliseconds(report: &Report) -> Option<f64> {
    report
        .took
        .map(|took| (took.as_secs_f64() * 1e6).round() / 1e3)
}

fn to_text(report: &Report, target: &Target) -> String {
    let (word, text) = in_words(&report.outcome);
    let took = milliseconds(report).map_or_else(String::new, |ms| format!(" after {ms} ms"));
    let attempts = match report.attempts {
        1 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    let mut lines = vec![format!("sent     {}", printable_bytes(&report.sent))];
    if !report.answer.is_empty() {
        lines.push(format!("answer   {}", printable_bytes(&report.answer)));
    }
    let (to, transport) = (target.address, target.transport);
    lines.push(format!(
        "{word:<8} {text}{took}{attempts} ({to}, {transport})"
    ));
    if let Some(by) = report.clock_correction_ms {
        let note = "from ours; sent again with its time";
        lines.push(format!("note     the receiver's clock is {by} ms {note}"));
    }
    lines.join("\n")
}

fn to_json(report: &Report, target: &Target) -> serde_json::Value {
    let (word, text) = in_words(&report.outcome);
    let mut object = json!({
        "to": target.address.to_string(),
        "transport": target.transport.to_string(),
        "reply": word,
        "text": text,
        "attempts": report.attempts,
        "sent": printable_bytes(&report.sent),
    });
    if let Some(fields) = object.as_object_mut() {
        if let Some(ms) = milliseconds(report) {
            fields.insert("milliseconds".to_owned(), json!(ms));
        }
        if !report.answer.is_empty() {
            let answer = printable_bytes(&report.answer);
            fields.insert("answer".to_owned(), json!(answer));
        }
        if let Some(by) = report.clock_correction_ms {
            fields.insert("clock_correction_ms".to_owned(), json!(by));
        }
    }
    object
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Acknowledged => ExitCode::SUCCESS,
        Outcome::WrongTime => EXIT_WRONG_TIME.into(),
        Outcome::Declined => EXIT_DECLINED.into(),
        Outcome::NoAnswer => EXIT_NO_ANSWER.into(),
        Outcome::BadAnswer { .. } => EXIT_BAD_ANSWER.into(),
        Outcome::Unreachable { .. } => EXIT_UNREACHABLE.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_two_numbers_in_range() {
        assert_eq!(parse_location("59.3293,18.0686"), Ok((59.3293, 18.0686)));
        assert_eq!(parse_location("-33.9, -70"), Ok((-33.9, -70.0)));
        assert!(parse_location("91,0").is_err() && parse_location("here").is_err());
        assert!(parse_location("NaN,0").is_err());
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "inf", "NaN", "x"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }
}
