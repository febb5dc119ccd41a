//! Every row of the frame table, sent over real sockets: is the reply the one that the table asks
//! for, with sequence, receiver, line and account as they came?
//!
//! Rows that name a receiver clock are proved in the protocol's own crate: here the clock is the
//! machine's, so every encrypted row of the table is too old and must get NAK; then it is stamped
//! anew and must get what the table says.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use crate::frame::{self, Reply};
use crate::harness::{Gateway, PATIENCE, import_accounts};

const TABLE: &str = include_str!("../vectors/dc09.tsv");

/// Rows whose checksum is a constant: accepted only under a quirk that the owner sets.
const CONSTANT_CRC: &str = "0101";

#[derive(Clone)]
struct Row {
    id: String,
    bytes: Vec<u8>,
    verdict: String,
    crc_form: String,
    encrypted: bool,
    key: Vec<u8>,
    sequence: String,
    receiver: String,
    line: String,
    account: String,
    timestamp: String,
    deviations: String,
    reply: String,
    lenient_reply: String,
    rx_clock: String,
}

/// What a case asks for.
struct Case {
    row: Row,
    /// Words of the table, alternatives parted by a bar, pieces by a plus.
    expected: String,
    /// Why the expected reply is not simply the row's.
    what: &'static str,
}

#[test]
fn tcp_tolerant() {
    check(Mode::Tolerant, Transport::Tcp);
}

#[test]
fn tcp_strict() {
    check(Mode::Strict, Transport::Tcp);
}

#[test]
fn udp_tolerant() {
    check(Mode::Tolerant, Transport::Udp);
}

#[test]
fn udp_strict() {
    check(Mode::Strict, Transport::Udp);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Tolerant,
    Strict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

fn check(mode: Mode, transport: Transport) {
    let mut by_key: BTreeMap<Vec<u8>, Vec<Row>> = BTreeMap::new();
    for row in rows() {
        by_key.entry(row.key.clone()).or_default().push(row);
    }
    assert!(by_key.len() >= 4, "no key and three lengths of keys");
    let (mut sent, mut failures) = (0, Vec::new());
    for (key, rows) in by_key {
        let room = tempfile::tempdir().unwrap();
        let data = room.path().join("data");
        if !key.is_empty() {
            import_accounts(&data, &register(&rows, &key));
        }
        let gateway = start(room.path(), &data, mode);
        let cases: Vec<Case> = rows
            .into_iter()
            .flat_map(|row| cases_of(row, mode))
            // A datagram holds one frame.
            .filter(|case| transport == Transport::Tcp || !case.row.verdict.contains('+'))
            .collect();
        sent += cases.len();
        let answers = match transport {
            Transport::Tcp => over_tcp(&gateway, &cases),
            Transport::Udp => over_udp(&gateway, &cases),
        };
        for (case, answer) in cases.iter().zip(answers) {
            if let Err(why) = judge(case, &answer) {
                failures.push(format!("{} ({}): {why}", case.row.id, case.what));
            }
        }
        assert!(gateway.terminate().success());
    }
    assert!(sent > 200, "only {sent} cases were sent");
    assert!(
        failures.is_empty(),
        "{} of {sent} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Damaged frames are answered only when they were recorded: here they all come from one address
/// within a minute, so the quota is out of the way.
const NO_QUOTA: &str = "[flood]\ndamaged_per_peer = 100000\ndamaged_total = 100000\n";

fn start(room: &Path, data: &Path, mode: Mode) -> Gateway {
    let mode = match mode {
        Mode::Tolerant => "mode = \"tolerant\"\n",
        Mode::Strict => "mode = \"strict\"\n",
    };
    let config = room.join("vectors.toml");
    std::fs::write(&config, crate::harness::config(mode) + NO_QUOTA).unwrap();
    Gateway::start_with(data, &["--config", config.to_str().unwrap()])
}

fn register(rows: &[Row], key: &[u8]) -> String {
    let key = frame::hex(key);
    let mut csv = vec!["account,key".to_owned()];
    let mut seen: Vec<&str> = Vec::new();
    for row in rows {
        if !row.account.is_empty() && !seen.contains(&row.account.as_str()) {
            seen.push(&row.account);
            csv.push(format!("{},{key}", row.account));
        }
    }
    csv.join("\n") + "\n"
}

fn cases_of(row: Row, mode: Mode) -> Vec<Case> {
    let constant_crc = row.bytes.get(1..5) == Some(CONSTANT_CRC.as_bytes());
    let by_table = match mode {
        Mode::Tolerant if !row.lenient_reply.is_empty() && !constant_crc => &row.lenient_reply,
        _ => &row.reply,
    }
    .clone();
    let opens = row.encrypted && row.verdict == "ok" && !row.key.is_empty();
    if !opens {
        return vec![Case {
            expected: by_table,
            what: "as in the table",
            row,
        }];
    }
    let mut cases = Vec::new();
    if !about_now(&row.timestamp) {
        // A frame that is declined whatever its time is may be declined first.
        let expected = if by_table.contains("DUH") && !by_table.contains("ACK") {
            "NAK|DUH"
        } else {
            "NAK"
        };
        cases.push(Case {
            row: row.clone(),
            expected: expected.to_owned(),
            what: "old time stamp",
        });
    }
    if row.rx_clock.is_empty()
        && let Some(bytes) = stamped_anew(&row)
    {
        cases.push(Case {
            row: Row { bytes, ..row },
            expected: by_table,
            what: "stamped anew",
        });
    }
    cases
}

/// Whether the stamp lies so close to now that the answer may change while the test runs.
fn about_now(timestamp: &str) -> bool {
    let parsed = jiff::civil::DateTime::strptime("%H:%M:%S,%m-%d-%Y", timestamp)
        .ok()
        .and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time).ok());
    parsed.is_some_and(|time| (time.as_second() - jiff::Timestamp::now().as_second()).abs() < 300)
}

/// The same frame with the present time inside the cipher text; `None` where it has no time.
fn stamped_anew(row: &Row) -> Option<Vec<u8>> {
    if row.timestamp.is_empty() {
        return None;
    }
    let binary = row.crc_form == "binary";
    let body = row
        .bytes
        .get(if binary { 7 } else { 9 }..row.bytes.iter().rposition(|byte| *byte == b'\r')?)?;
    let bracket = body.iter().position(|byte| *byte == b'[')?;
    let (head, sealed) = body.split_at(bracket + 1);
    let mut text = frame::decrypt(&row.key, &frame::unhex(std::str::from_utf8(sealed).ok()?));
    let at = text
        .windows(row.timestamp.len())
        .rposition(|window| window == row.timestamp.as_bytes())?;
    text[at..at + row.timestamp.len()].copy_from_slice(frame::stamp_now().as_bytes());
    let mut body = head.to_vec();
    let mut sealed = frame::hex(&frame::encrypt(&row.key, &text));
    if row.deviations.contains("cipher-lower-hex") {
        sealed.make_ascii_lowercase();
    }
    body.extend_from_slice(sealed.as_bytes());
    Some(if binary {
        frame::frame_binary(&body)
    } else {
        frame::frame(&body)
    })
}

/// One connection for each case; the transmitter closes its side, the gateway answers what it has
/// to and closes the other: nothing has to be timed to see silence.
fn over_tcp(gateway: &Gateway, cases: &[Case]) -> Vec<Vec<u8>> {
    cases
        .iter()
        .map(|case| {
            let mut stream = gateway.connect();
            stream.write_all(&case.row.bytes).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            // A reset after the gateway closed a noisy connection is an end like another.
            let _ = stream.read_to_end(&mut answer);
            answer
        })
        .collect()
}

/// One socket for each case, so that no reply can be taken for another's.
fn over_udp(gateway: &Gateway, cases: &[Case]) -> Vec<Vec<u8>> {
    let sockets: Vec<_> = cases
        .iter()
        .map(|case| {
            let socket = gateway.datagrams();
            socket.send(&case.row.bytes).unwrap();
            socket
        })
        .collect();
    let mut answers: Vec<Vec<u8>> = Vec::new();
    let mut buffer = vec![0u8; 65536];
    for (socket, case) in sockets.iter().zip(cases) {
        let silent = matches!(case.expected.as_str(), "none" | "-");
        let wait = if silent {
            Duration::from_millis(1)
        } else {
            PATIENCE
        };
        socket.set_read_timeout(Some(wait)).unwrap();
        let len = socket.recv(&mut buffer).unwrap_or(0);
        answers.push(buffer.get(..len).unwrap_or_default().to_vec());
    }
    // By now everything has been answered that is: look once more where silence is right.
    std::thread::sleep(Duration::from_millis(300));
    for (socket, answer) in sockets.iter().zip(&mut answers) {
        socket.set_nonblocking(true).unwrap();
        while let Ok(len) = socket.recv(&mut buffer) {
            answer.extend_from_slice(buffer.get(..len).unwrap_or_default());
        }
    }
    answers
}

fn judge(case: &Case, answer: &[u8]) -> Result<(), String> {
    let replies = Reply::parse_all(answer)?;
    let words: Vec<&str> = replies.iter().map(|reply| reply.id.as_str()).collect();
    let pieces: Vec<&str> = case
        .expected
        .split('+')
        .filter(|word| !matches!(*word, "none" | "-" | ""))
        .collect();
    let fits = pieces.len() == words.len()
        && pieces
            .iter()
            .zip(&words)
            .all(|(piece, word)| piece.split('|').any(|one| one == *word));
    if !fits {
        return Err(format!("expected {:?}, got {words:?}", case.expected));
    }
    if case.row.verdict.contains('+') {
        return Ok(());
    }
    match replies.first() {
        Some(reply) if reply.id == "NAK" => judge_nak(reply, &case.row),
        Some(reply) => judge_echo(reply, &case.row),
        None => Ok(()),
    }
}

fn judge_nak(reply: &Reply, row: &Row) -> Result<(), String> {
    let header = (
        reply.sequence.as_str(),
        reply.receiver.as_deref(),
        reply.line.as_deref(),
        reply.account.as_deref(),
    );
    if header != ("0000", Some("0"), Some("0"), Some("0")) {
        return Err(format!("NAK's header is {header:?}"));
    }
    let stamp = String::from_utf8_lossy(&reply.rest);
    let stamp = stamp
        .strip_prefix("[]_")
        .ok_or_else(|| format!("NAK ends in {stamp:?}"))?;
    if !about_now(stamp) {
        return Err(format!("NAK's time is {stamp:?}"));
    }
    form(reply, row)
}

fn judge_echo(reply: &Reply, row: &Row) -> Result<(), String> {
    if reply.sequence != row.sequence {
        return Err(format!("sequence {:?}", reply.sequence));
    }
    if reply.receiver.as_deref().unwrap_or_default() != row.receiver {
        return Err(format!("receiver {:?}", reply.receiver));
    }
    if reply.line.as_deref().unwrap_or_default() != row.line {
        return Err(format!("line {:?}", reply.line));
    }
    if reply.receiver.is_some() != row.has_receiver() {
        return Err(format!("receiver {:?}, presence differs", reply.receiver));
    }
    if !row.deviations.contains("no-account")
        && reply.account.as_deref() != Some(row.account.as_str())
    {
        return Err(format!("account {:?}", reply.account));
    }
    judge_stamp(reply, row)?;
    form(reply, row)
}

/// The receiver's own time in a reply: always inside `*ACK`, anywhere else where it likes.
fn judge_stamp(reply: &Reply, row: &Row) -> Result<(), String> {
    let stamp = if reply.id == "*ACK" {
        let sealed = String::from_utf8_lossy(reply.rest.get(1..).unwrap_or_default());
        let text = frame::decrypt(&row.key, &frame::unhex(&sealed));
        text.len()
            .checked_sub(21)
            .and_then(|at| text.get(at..)?.strip_prefix(b"]_"))
            .map(|stamp| String::from_utf8_lossy(stamp).into_owned())
            .ok_or_else(|| format!("inside *ACK: {}", text.escape_ascii()))?
    } else {
        match reply.rest.as_slice() {
            b"[]" => return Ok(()),
            [b'[', b']', b'_', stamp @ ..] => String::from_utf8_lossy(stamp).into_owned(),
            rest => return Err(format!("{} ends in {}", reply.id, rest.escape_ascii())),
        }
    };
    if about_now(&stamp) {
        Ok(())
    } else {
        Err(format!("{}'s time is {stamp:?}", reply.id))
    }
}

fn form(reply: &Reply, row: &Row) -> Result<(), String> {
    if reply.binary == (row.crc_form == "binary") {
        Ok(())
    } else {
        Err(format!(
            "the checksum's form is not the request's ({})",
            row.crc_form
        ))
    }
}

impl Row {
    /// Whether the header holds an `R`, with or without digits.
    fn has_receiver(&self) -> bool {
        !self.receiver.is_empty() || self.deviations.contains("empty-receiver")
    }
}

fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines();
    let names: Vec<&str> = lines.next().expect("a header").split('\t').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let cell = |name: &str| {
                names
                    .iter()
                    .position(|known| *known == name)
                    .and_then(|at| cells.get(at))
                    .map_or_else(String::new, |text| (*text).to_owned())
            };
            Row {
                id: cell("id"),
                bytes: frame::unhex(&cell("hex")),
                verdict: cell("verdict"),
                crc_form: cell("crc_form"),
                encrypted: cell("encrypted") == "yes",
                key: frame::unhex(&cell("key_hex")),
                sequence: cell("seq"),
                receiver: cell("receiver"),
                line: cell("line"),
                account: cell("account"),
                timestamp: cell("timestamp"),
                deviations: cell("deviations"),
                reply: cell("reply"),
                lenient_reply: cell("lenient_reply"),
                rx_clock: cell("rx_clock"),
            }
        })
        .collect()
}
