//! The parts of a piece in words, with the bytes that they stand on.
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use larm_carrier::{Field, Inspection};
use larm_event::Event;
use larm_wire::text::printable_bytes;

use crate::frame::{CrcFit, CrcForm, Frame, LengthFit};
use crate::header::Header;
use crate::ids::Token;
use crate::inspect::clean;
use crate::message::{Body, Message};

/// Parts of noise: one.
pub(crate) fn noise(bytes: &[u8]) -> Vec<Field> {
    let meaning = format!("no frame: {}", printable_bytes(start_of(bytes)));
    Vec::from([Field {
        name: "noise",
        start: 0,
        end: bytes.len(),
        meaning,
    }])
}

/// Parts of a frame whose end is missing.
pub(crate) fn cut(bytes: &[u8], form: Option<CrcForm>) -> Vec<Field> {
    let mut parts = Parts::default();
    parts.add("lf", 0..1.min(bytes.len()), "start of a frame");
    if let Some(form) = form {
        let body = form.body_start();
        parts.add("crc", 1..body - 4, &format!("checksum, {}", form.as_str()));
        parts.add(
            "length",
            body - 4..body,
            "length of the body, but the body is not all there",
        );
        parts.add(
            "body",
            body..bytes.len(),
            &printable_bytes(start_of(bytes.get(body..).unwrap_or_default())),
        );
    } else {
        parts.add("rest", 1..bytes.len(), "the header is not all there");
    }
    parts.fields
}

/// Parts of a frame. `bytes`: with what was attached behind its CR.
pub(crate) fn frame(frame: Frame<'_>, bytes: &[u8], found: &Inspection) -> Vec<Field> {
    let body = frame.form.body_start();
    let cr = frame.bytes.len().saturating_sub(1);
    let mut parts = Parts::default();
    parts.add("lf", 0..1, "start of the frame");
    parts.add("crc", 1..body - 4, &crc_words(frame));
    parts.add("length", body - 4..body, &length_words(frame));
    match Message::read(frame) {
        Ok(message) => message_parts(&mut parts, &message, body, found),
        Err(_) => parts.add("body", body..cr, "the header cannot be read"),
    }
    parts.add("cr", cr..cr + 1, "end of the frame");
    if bytes.len() > cr + 1 {
        parts.add(
            "filler",
            cr + 1..bytes.len(),
            "NUL behind the frame, which is skipped",
        );
    }
    parts.fields
}

#[derive(Default)]
struct Parts {
    fields: Vec<Field>,
}

impl Parts {
    fn add(&mut self, name: &'static str, range: core::ops::Range<usize>, meaning: &str) {
        if range.start < range.end {
            let meaning = meaning.to_string();
            self.fields.push(Field {
                name,
                start: range.start,
                end: range.end,
                meaning,
            });
        }
    }
}

fn start_of(bytes: &[u8]) -> &[u8] {
    bytes.get(..80).unwrap_or(bytes)
}

fn crc_words(frame: Frame<'_>) -> String {
    let computed = larm_wire::crc::crc16_arc(frame.body);
    let form = match frame.form {
        CrcForm::Ascii => "4 hex digits",
        CrcForm::Binary => "2 raw bytes",
    };
    match frame.crc {
        CrcFit::Right => format!("checksum in {form}: right"),
        CrcFit::WithCr => format!(
            "checksum in {form}: right over body and CR, where the standard wants the body alone ({computed:04X})"
        ),
        CrcFit::Wrong => format!("checksum in {form}: wrong, the body gives {computed:04X}"),
    }
}

fn length_words(frame: Frame<'_>) -> String {
    let counted = frame.body.len();
    match frame.length {
        LengthFit::Right => format!("length of the body: {counted} bytes, right"),
        LengthFit::WithCr => format!("length: counts the CR; the body has {counted} bytes"),
        LengthFit::Decimal => format!("length: in decimal; hex would be {counted:04X}"),
        LengthFit::Wrong => format!("length: wrong, the body has {counted} bytes ({counted:04X})"),
    }
}

fn message_parts(parts: &mut Parts, message: &Message<'_>, body: usize, found: &Inspection) {
    let header = message.header;
    let id_end = body + header.len - header.echo.len();
    parts.add("id", body..id_end, &id_words(header));
    header_parts(parts, header, id_end);
    let data = body + header.len;
    let end = message.frame.bytes.len().saturating_sub(1);
    match message.body {
        Body::Cipher(text, _) => {
            let what = match &found.payload {
                Some(payload) => format!("encrypted; inside: {}", clean(payload)),
                None => format!("encrypted, {} blocks of 16 bytes", text.len() / 32),
            };
            parts.add("cipher", data..end, &what);
            for event in &found.events {
                parts.add("event", data..end, &event_words(event));
            }
        }
        Body::Clear(block) => {
            let data_end = (data + 2 + block.data.len()).min(end);
            let what = found
                .payload
                .as_deref()
                .map_or_else(|| "no data".into(), clean);
            parts.add("data", data..data_end, &what);
            for event in &found.events {
                parts.add("event", data..data_end, &event_words(event));
            }
            tail_parts(parts, message, data_end, end, found);
        }
    }
}

fn tail_parts(
    parts: &mut Parts,
    message: &Message<'_>,
    from: usize,
    end: usize,
    found: &Inspection,
) {
    let mut at = from;
    for block in &found.extended {
        let rest = message.frame.bytes.get(at..end).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| *byte == b']')
            .map_or(rest.len(), |close| close + 1);
        parts.add(
            "extended",
            at..at + len,
            &format!("{}: {}", extended_words(&block.id), clean(&block.value)),
        );
        at += len;
    }
    let time_len = found.timestamp.as_deref().map_or(0, |text| text.len() + 1);
    let time = end.saturating_sub(time_len).max(at);
    parts.add("trailing", at..time, "bytes that belong nowhere");
    if let Some(text) = &found.timestamp {
        let what = if larm_wire::stamp::parse(text.as_bytes()).is_ok() {
            "time of sending, UTC (month before day)"
        } else {
            "time of sending, but there is no such time"
        };
        parts.add("timestamp", time..end, what);
    }
}

fn id_words(header: Header<'_>) -> String {
    let what = match header.token {
        Token::SiaDcs => "SIA data codes (DC-03)",
        Token::AdmCid => "Contact ID (DC-05)",
        Token::Null => "link test",
        Token::Xnm => "link test with extended data",
        Token::Reply => "a receiver's answer",
        Token::Foreign => "a known format that larm does not read",
        Token::Unknown => "an id that nobody has defined",
    };
    if header.encrypted {
        format!("encrypted {what}")
    } else {
        what.into()
    }
}

/// The echo is `0180R0L0#1234`: marks part it.
fn header_parts(parts: &mut Parts, header: Header<'_>, from: usize) {
    let mut at = from;
    let mut rest = header.echo;
    let mut element = |name, len: usize, what: String| {
        parts.add(name, at..at + len, &what);
        at += len;
        rest = rest.get(len..).unwrap_or_default();
    };
    element(
        "sequence",
        header.sequence.len(),
        format!("sequence number {}", header.sequence),
    );
    let behind = |mark: u8, value: Option<&str>, echo: &[u8]| {
        (echo.contains(&mark)).then(|| 1 + value.map_or(0, str::len))
    };
    let marked = header
        .echo
        .split(|byte| *byte == b'#')
        .next()
        .unwrap_or_default();
    if let Some(len) = behind(b'R', header.receiver, marked) {
        element(
            "receiver",
            len,
            format!(
                "receiver number {}",
                header.receiver.unwrap_or("left empty")
            ),
        );
    }
    if let Some(len) = behind(b'L', header.line, marked) {
        element(
            "line",
            len,
            format!("line prefix {}", header.line.unwrap_or("left empty")),
        );
    }
    let number = header.account.unwrap_or_default();
    // In a NAK the account stands behind the `A` of the line, without a mark of its own.
    if header.account.is_some() || header.echo.contains(&b'#') {
        let shown = if number.is_empty() {
            "left empty"
        } else {
            number
        };
        element("account", 1 + number.len(), format!("account {shown}"));
    }
}

fn extended_words(letter: &str) -> &'static str {
    match letter {
        "A" => "authentication hash",
        "C" => "supervision category",
        "G" => "network path",
        "H" => "time of the event",
        "I" => "text",
        "J" => "network path or JSON",
        "K" => "key",
        "L" => "location on the site",
        "M" => "MAC address",
        "N" => "network address",
        "O" => "building",
        "P" => "programming data",
        "R" => "room",
        "S" => "site",
        "T" => "trigger",
        "U" => "files (Reconeyez)",
        "V" => "verification link",
        "X" => "longitude",
        "Y" => "latitude",
        "Z" => "altitude",
        _ => "extended data that nobody has defined",
    }
}

/// One event in a line.
fn event_words(event: &Event) -> String {
    let mut words = match &event.code {
        Some(code) => {
            let name = if code.name.is_empty() {
                "not in the table"
            } else {
                &code.name
            };
            let qualifier = code.qualifier.as_deref().unwrap_or_default();
            format!("{} {qualifier}{}: {name}", code.scheme, code.code)
        }
        None => "unknown".into(),
    };
    let mut add = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            words.extend([", ", name, " ", &clean(value)]);
        }
    };
    add("partition", &event.partition);
    add("zone", &event.zone);
    add("user", &event.user);
    add("peripheral", &event.peripheral);
    add("text", &event.text);
    if let Some(value) = &event.value {
        words.extend([", ", &value.number, " ", &value.unit]);
    }
    words
}
