//! Every row of the frames' table, through the explanation and through the session.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{
    Accounts, Answer, Delivery, Encryption, Inspection, Key, Mode, Moment, Policy, Proof, Quirks,
    Session, Step, Verdict, Window,
};
use larm_dc09::{Dc09, Limits, inspect, quirks};
use larm_event::{AddressKind, Event, Scheme, Timestamp, classify_sia};
use larm_wire::text;

struct Row {
    cells: Vec<String>,
    names: Vec<String>,
}

impl Row {
    fn cell(&self, name: &str) -> &str {
        let at = self
            .names
            .iter()
            .position(|found| found == name)
            .expect("a column of the table");
        self.cells.get(at).map_or("", String::as_str)
    }

    fn bytes(&self) -> Vec<u8> {
        let hex = self.cell("hex");
        (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
            .collect()
    }

    fn keys(&self) -> Vec<Key> {
        match self.cell("key_hex") {
            "" => Vec::new(),
            hex => vec![Key::from_hex(hex).unwrap()],
        }
    }

    fn clock(&self) -> Option<Timestamp> {
        match self.cell("rx_clock") {
            "" => None,
            text => Some(Timestamp::parse(text).unwrap()),
        }
    }
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/dc09.tsv");
    let table = std::fs::read_to_string(path).expect("the table stands in tests/vectors");
    let mut lines = table.lines();
    let names: Vec<String> = lines
        .next()
        .expect("a header line")
        .split('\t')
        .map(str::to_owned)
        .collect();
    lines
        .map(|line| Row {
            cells: line.split('\t').map(str::to_owned).collect(),
            names: names.clone(),
        })
        .collect()
}

/// The table escapes bytes; records hold decoded text with other escapes.
fn shown(escaped: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = escaped;
    while let Some(first) = rest.chars().next() {
        let (byte, len) = match (first, rest.as_bytes().get(1)) {
            ('\\', Some(b'n')) => (vec![b'\n'], 2),
            ('\\', Some(b'r')) => (vec![b'\r'], 2),
            ('\\', Some(b't')) => (vec![b'\t'], 2),
            ('\\', Some(b'\\')) => (vec![b'\\'], 2),
            ('\\', Some(b'x')) => (vec![u8::from_str_radix(&rest[2..4], 16).unwrap()], 4),
            (other, _) => (other.to_string().into_bytes(), other.len_utf8()),
        };
        bytes.extend(byte);
        rest = &rest[len..];
    }
    let decoded = text::decode(&bytes, text::Charset::Windows1252);
    text::printable(&decoded).into_owned()
}

/// One event in the words of the table.
fn event_words(event: &Event) -> String {
    let code = event.code.as_ref().expect("decoded events have a code");
    let qualifier = code.qualifier.as_deref().unwrap_or_default();
    if code.scheme == Scheme::Cid {
        return format!(
            "CID q={qualifier} code={} gg={} ccc={}",
            code.code,
            event.partition.as_deref().unwrap_or("00"),
            code.address.as_deref().unwrap_or_default()
        );
    }
    let mut out = format!("SIA {} q={qualifier}", code.code);
    if let Some(address) = &code.address {
        write!(out, " addr={address}").unwrap();
    }
    let mut modifiers: Vec<(String, String)> = event
        .modifiers
        .iter()
        .map(|found| {
            let name = found
                .text
                .as_ref()
                .map(|text| format!("^{text}^"))
                .unwrap_or_default();
            (found.name.clone(), format!("{}{name}", found.value))
        })
        .collect();
    // A field may have been filled from the number behind the code instead.
    let kind = classify_sia(&code.code).address;
    let own = [
        ("ri", &event.partition, kind == AddressKind::Area),
        ("pi", &event.peripheral, kind == AddressKind::Device),
        ("id", &event.user, kind == AddressKind::User),
    ];
    for (name, value, is_address) in own {
        if let Some(value) = value.as_ref().filter(|_| !is_address)
            && !modifiers.iter().any(|found| found.0 == name)
        {
            modifiers.push((name.into(), value.clone()));
        }
    }
    modifiers.sort();
    for (name, value) in modifiers {
        write!(out, " {name}={value}").unwrap();
    }
    if let Some(text) = &event.text {
        write!(out, " text=\"{text}\"").unwrap();
    }
    out
}

fn joined(pieces: &[Inspection], part: impl Fn(&Inspection) -> Option<String>) -> String {
    let all: Vec<Option<String>> = pieces.iter().map(part).collect();
    let count = all.len();
    let texts: Vec<String> = all
        .into_iter()
        .map(|text| text.unwrap_or(if count > 1 { "-".into() } else { String::new() }))
        .collect();
    texts.join("+")
}

/// `-` in the table for pieces of several that have no such part; single noise pieces are left out.
fn same(expected: &str, found: &str) -> bool {
    let strip = |text: &str| -> Vec<String> {
        text.split('+')
            .filter(|part| *part != "-" && !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    expected == found || strip(expected) == strip(found)
}

fn sorted(words: &str) -> Vec<&str> {
    let mut words: Vec<&str> = words
        .split(',')
        .filter(|word| !word.is_empty() && *word != "multi")
        .collect();
    words.sort_unstable();
    words
}

fn check_inspection(row: &Row) -> Vec<String> {
    let pieces = inspect(&row.bytes(), &row.keys(), row.clock());
    let mut wrong = Vec::new();
    let mut compare = |column: &str, found: String| {
        if !same(&shown(row.cell(column)), &found) {
            wrong.push(format!(
                "{column}: expected {:?}, found {found:?}",
                row.cell(column)
            ));
        }
    };
    compare(
        "verdict",
        joined(&pieces, |piece| Some(piece.verdict.clone())),
    );
    compare(
        "crc_form",
        joined(&pieces, |piece| piece.crc_form.map(str::to_owned)),
    );
    compare("id_token", joined(&pieces, |piece| piece.id.clone()));
    compare("seq", joined(&pieces, |piece| piece.sequence.clone()));
    compare("account", joined(&pieces, |piece| piece.account.clone()));
    if pieces.len() == 1 {
        let piece = &pieces[0];
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let yes_no = piece.encrypted.map(|yes| if yes { "yes" } else { "no" });
        if !row.cell("encrypted").is_empty() {
            compare("encrypted", yes_no.unwrap_or_default().into());
        }
        compare("receiver", or_empty(&piece.receiver));
        compare("line", or_empty(&piece.line));
        compare("payload", or_empty(&piece.payload));
        compare("timestamp", or_empty(&piece.timestamp));
        let blocks = piece
            .extended
            .iter()
            .map(|block| format!("[{}{}]", block.id, block.value));
        compare("xdata", blocks.collect());
        let found = piece.deviations.join(",");
        if sorted(row.cell("deviations")) != sorted(&found) {
            wrong.push(format!(
                "deviations: expected {:?}, found {found:?}",
                row.cell("deviations")
            ));
        }
    }
    check_words(row, &pieces, &mut wrong);
    for piece in &pieces {
        check_shape(piece, &mut wrong);
    }
    wrong
}

/// Events and replies, where the table joins pieces in its own ways.
fn check_words(row: &Row, pieces: &[Inspection], wrong: &mut Vec<String>) {
    let events: Vec<String> = pieces
        .iter()
        .map(|piece| {
            if piece.link_test {
                "LINK-TEST".into()
            } else {
                piece
                    .events
                    .iter()
                    .map(event_words)
                    .collect::<Vec<_>>()
                    .join(" ; ")
            }
        })
        .filter(|words| !words.is_empty())
        .collect();
    let expected: Vec<String> = row
        .cell("events")
        .split(" || ")
        .map(shown)
        .filter(|words| !words.is_empty())
        .collect();
    if events != expected {
        wrong.push(format!("events: expected {expected:?}, found {events:?}"));
    }
    let words = |cell: &str| -> Vec<String> {
        cell.split('+')
            .map(|word| match word {
                "ACK|DUH" => "ACK".into(),
                "*ACK|DUH" => "*ACK".into(),
                "-" => "none".into(),
                other => other.to_owned(),
            })
            .filter(|word: &String| word != "none" && !word.is_empty())
            .collect()
    };
    let replies: Vec<String> = pieces
        .iter()
        .map(|piece| piece.reply.clone())
        .filter(|word| word != "none")
        .collect();
    if replies != words(row.cell("reply")) {
        wrong.push(format!(
            "reply: expected {:?}, found {replies:?}",
            row.cell("reply")
        ));
    }
    let lenient: Vec<String> = pieces
        .iter()
        .filter_map(|piece| piece.lenient_reply.clone())
        .collect();
    if lenient != words(row.cell("lenient_reply")) {
        wrong.push(format!(
            "lenient_reply: expected {:?}, found {lenient:?}",
            row.cell("lenient_reply")
        ));
    }
}

/// What holds for every explanation.
fn check_shape(piece: &Inspection, wrong: &mut Vec<String>) {
    if (piece.verdict == "ok") != piece.error.is_none() {
        wrong.push(format!(
            "verdict {} with error {:?}",
            piece.verdict, piece.error
        ));
    }
    if piece
        .error
        .as_ref()
        .is_some_and(|error| !error.contains("byte "))
    {
        wrong.push(format!("error without a byte: {:?}", piece.error));
    }
    let mut at = 0;
    for field in piece.fields.iter().filter(|field| field.name != "event") {
        if field.start != at || field.start > field.end || field.end > piece.bytes.len() {
            wrong.push(format!(
                "field {} at {}..{}, expected to start at {at}",
                field.name, field.start, field.end
            ));
        }
        at = field.end;
    }
    if at != piece.bytes.len() {
        wrong.push(format!("fields end at {at} of {}", piece.bytes.len()));
    }
}

/// Everybody has the row's key; the rest is as in the register of a new installation.
struct Everybody(Arc<Policy>);

impl Accounts for Everybody {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        Some(Arc::clone(&self.0))
    }
}

struct Durable;
impl Proof for Durable {
    fn position(&self) -> u64 {
        0
    }
}

/// What the session answers, joined in order, each reply checked byte by byte.
fn answers(row: &Row, mode: Mode, quirks: Quirks, wrong: &mut Vec<String>) -> Vec<String> {
    let mut keys = row.keys().into_iter();
    let now = row.clock().unwrap_or_else(|| {
        let pieces = inspect(&row.bytes(), &row.keys(), None);
        let stamp = pieces.iter().find_map(|piece| piece.timestamp.clone());
        let ms = stamp.and_then(|text| larm_wire::stamp::parse(text.as_bytes()).ok());
        Timestamp::from_millis(ms.unwrap_or_default())
    });
    let policy = Policy {
        keys: [keys.next(), None],
        encryption: Encryption::Off,
        window: Window::default(),
        quirks,
        ..Policy::default()
    };
    let accounts = Everybody(Arc::new(policy));
    let moment = Moment {
        mono: Duration::ZERO,
        utc: now,
    };
    let mut session = Dc09::new(mode, Limits::default());
    let bytes = row.bytes();
    let mut rest = bytes.as_slice();
    let mut words = Vec::new();
    loop {
        match session.receive(rest, Delivery::Datagram, moment, &accounts) {
            Step::More { .. } => return words,
            Step::Close { reason } => {
                wrong.push(format!("datagram closed: {reason:?}"));
                return words;
            }
            Step::Skip { consumed, .. } => rest = &rest[consumed..],
            Step::Request { consumed, request } => {
                let frame = request.frame.to_vec();
                let mut out = Vec::new();
                let answer = session.reply(
                    request.ticket,
                    Verdict::Committed(Durable),
                    moment,
                    || [7; 32],
                    &mut out,
                );
                check_reply(row, &frame, answer, &out, wrong);
                words.push(match answer {
                    Answer::Positive if out.windows(6).any(|window| window == b"\"*ACK\"") => {
                        "*ACK".into()
                    }
                    Answer::Positive => "ACK".into(),
                    Answer::Correct => "NAK".into(),
                    Answer::Declined => "DUH".into(),
                    Answer::Silence => "none".into(),
                });
                rest = &rest[consumed..];
            }
        }
    }
}

/// A reply is a sound frame in the form of the request and repeats its header.
fn check_reply(row: &Row, request: &[u8], answer: Answer, out: &[u8], wrong: &mut Vec<String>) {
    if answer == Answer::Silence {
        if !out.is_empty() {
            wrong.push("silence with bytes".into());
        }
        return;
    }
    let pieces = inspect(out, &row.keys(), None);
    let [reply] = pieces.as_slice() else {
        wrong.push(format!("reply is {} pieces", pieces.len()));
        return;
    };
    if reply.verdict != "ok" {
        wrong.push(format!("reply is {}: {:?}", reply.verdict, reply.error));
    }
    let asked = &inspect(request, &row.keys(), None)[0];
    if reply.crc_form != asked.crc_form {
        wrong.push("reply in another form than the request".into());
    }
    let head = |piece: &Inspection| {
        (
            piece.sequence.clone(),
            piece.receiver.clone(),
            piece.line.clone(),
            piece.account.clone(),
        )
    };
    if answer == Answer::Correct {
        let time = larm_wire::stamp::parse(reply.timestamp.clone().unwrap_or_default().as_bytes());
        if row
            .clock()
            .is_some_and(|clock| time != Ok(clock.as_millis()))
        {
            wrong.push(format!("NAK with the time {:?}", reply.timestamp));
        }
    } else if head(reply) != head(asked) {
        wrong.push(format!(
            "reply repeats {:?}, not {:?}",
            head(reply),
            head(asked)
        ));
    }
}

fn check_session(row: &Row) -> Vec<String> {
    let mut wrong = Vec::new();
    let lenient_cell = row.cell("lenient_reply");
    let unchecked = row.cell("hex").starts_with("0a30313031");
    let quirks = if unchecked && !lenient_cell.is_empty() {
        quirks::CRC_UNCHECKED
    } else {
        Quirks::default()
    };
    let strict = answers(row, Mode::Strict, Quirks::default(), &mut wrong);
    let tolerant = answers(row, Mode::Tolerant, quirks, &mut wrong);
    let lenient = if lenient_cell.is_empty() {
        row.cell("reply")
    } else {
        lenient_cell
    };
    for (mode, cell, found) in [
        ("strict", row.cell("reply"), strict),
        ("tolerant", lenient, tolerant),
    ] {
        let spoken = |words: Vec<String>| {
            words
                .into_iter()
                .filter(|word| word != "none")
                .collect::<Vec<_>>()
        };
        let expected: Vec<String> = cell
            .split('+')
            .filter(|word| !matches!(*word, "none" | "-" | ""))
            .map(str::to_owned)
            .collect();
        let found = spoken(found);
        let fits = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(found, expected)| expected.split('|').any(|one| one == found));
        if !fits {
            wrong.push(format!(
                "{mode} session: expected {expected:?}, found {found:?}"
            ));
        }
    }
    wrong
}

#[test]
fn every_row() {
    let rows = rows();
    assert!(rows.len() > 200, "{} rows", rows.len());
    let mut report = String::new();
    let mut failed = 0;
    for row in &rows {
        let wrong = [check_inspection(row), check_session(row)].concat();
        if !wrong.is_empty() {
            failed += 1;
            writeln!(
                report,
                "{} ({})\n  {}",
                row.cell("id"),
                row.cell("note"),
                wrong.join("\n  ")
            )
            .unwrap();
        }
    }
    assert!(
        failed == 0,
        "{failed} of {} rows fail:\n{report}",
        rows.len()
    );
}
