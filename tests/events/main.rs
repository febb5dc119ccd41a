//! `larm events` and `larm history` as users run them, over a journal made here.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot make its journal or run the program fails"
)]
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use larm::history::{Filler, Tail, directory};
use larm::journal::{Journal, Options};
use larm_event::{Category, Code, Event, Kind, Scheme, Timestamp};

/// 2026-11-30T23:59:00Z.
const START_MS: i64 = 1_796_083_140_000;

/// An invented alarm or opening, one each minute.
fn event(n: u64) -> Event {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    event.id = uuid::Uuid::from_u128(u128::from(n) + 1);
    event.received_at = Timestamp::from_millis(START_MS + i64::try_from(n).unwrap() * 60_000);
    event.account = Some(if n.is_multiple_of(2) { "0042" } else { "1234" }.to_owned());
    (event.kind, event.category) = match n % 3 {
        0 => (Kind::Alarm, Category::Intrusion),
        1 => (Kind::Alarm, Category::Fire),
        _ => (Kind::Open, Category::Access),
    };
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: ["BA", "FA", "OP"][usize::try_from(n % 3).unwrap()].to_owned(),
        qualifier: None,
        address: None,
        name: "A name".to_owned(),
        name_sv: "Ett namn".to_owned(),
    });
    event
}

fn journal(data: &Path) -> Journal {
    let options = Options {
        segment_len: 1 << 20,
        reserve: 0,
        ahead: false,
    };
    Journal::open(&data.join("journal"), &options).unwrap().0
}

fn append(journal: &mut Journal, from: u64, to: u64) {
    let payloads: Vec<_> = (from..to)
        .map(|n| larm::record::encode(&event(n), None))
        .collect();
    let records = payloads.iter().map(Vec::as_slice);
    journal.append(records, START_MS).unwrap();
}

/// Copies what the journal holds now into the history.
fn fill(data: &Path, journal: &Journal) {
    let (from, published) = (data.join("journal"), journal.published());
    let open = move |position| Tail::open(&from, position);
    let filler = Filler::spawn(directory(data), open, move || published.position()).unwrap();
    let progress = filler.progress();
    while progress.last() < journal.published().position() {
        std::thread::yield_now();
    }
    assert!(filler.stop());
}

fn larm(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larm"));
    command.args(arguments).arg("--data").arg(data);
    command
}

fn run(arguments: &[&str], data: &Path) -> Output {
    larm(arguments, data).output().unwrap()
}

/// Positions printed by `larm events --json`.
fn positions(arguments: &[&str], data: &Path) -> Vec<u64> {
    let output = run(&[&["events", "--json"], arguments].concat(), data);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let event: Event = serde_json::from_str(line).unwrap();
            event.position.unwrap()
        })
        .collect()
}

/// Ten events in the history, over the end of a month, and five more in the journal only.
fn received() -> (tempfile::TempDir, Journal) {
    let data = tempfile::tempdir().unwrap();
    let mut journal = journal(data.path());
    append(&mut journal, 0, 10);
    fill(data.path(), &journal);
    append(&mut journal, 10, 15);
    (data, journal)
}

#[test]
fn json_gives_each_record_whole_and_acknowledged_ones_at_once() {
    let (data, _journal) = received();
    let output = run(&["events", "--json"], data.path());
    let lines = String::from_utf8(output.stdout).unwrap();
    let found: Vec<Event> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let wanted: Vec<Event> = (0..15)
        .map(|n| Event {
            position: Some(n + 1),
            ..event(n)
        })
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn filters_hold_for_history_and_journal_alike() {
    let (data, _journal) = received();
    let data = data.path();
    let of = |keep: fn(u64) -> bool| -> Vec<u64> {
        (0..15).filter(|n| keep(*n)).map(|n| n + 1).collect()
    };
    assert_eq!(positions(&["--account", "0042"], data), of(|n| n % 2 == 0));
    assert_eq!(positions(&["--account", "42"], data), of(|_| false));
    assert_eq!(positions(&["--kind", "open"], data), of(|n| n % 3 == 2));
    assert_eq!(
        positions(&["--kind", "open,test", "--kind", "alarm"], data),
        of(|_| true)
    );
    assert_eq!(positions(&["--category", "fire"], data), of(|n| n % 3 == 1));
    assert_eq!(positions(&["--code", "BA"], data), of(|n| n % 3 == 0));
    assert_eq!(positions(&["--since", "2026-12-01"], data), of(|n| n >= 1));
    assert_eq!(positions(&["--until", "2026-11-30"], data), of(|n| n < 1));
    assert_eq!(
        positions(&["--since", "2026-12-01T01:10:00+01:00"], data),
        of(|n| n >= 11)
    );
    assert_eq!(positions(&["--limit", "7"], data), of(|n| n >= 8));
    assert_eq!(positions(&["-n", "2", "--kind", "open"], data), [12, 15]);
}

#[test]
fn wrong_words_and_times_are_usage_errors_that_list_what_is_right() {
    let (data, _journal) = received();
    for (arguments, part) in [
        (["events", "--kind", "fire"], "trouble_restoral"),
        (["events", "--category", "alarm"], "hold_up"),
        (["events", "--since", "yesterday"], "10m, 2h, 1d"),
    ] {
        let output = run(&arguments, data.path());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_empty_place_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [&["events"][..], &["history", "rebuild"]] {
        let output = run(arguments, data.path());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("larm serve"), "{error}");
    }
}

#[test]
fn people_get_a_table_without_colours_in_a_pipe() {
    let (data, _journal) = received();
    let output = run(&["events", "--limit", "1", "--lang", "sv"], data.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("0042?    3 open             access        OP    Ett namn"),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
}

fn follow(data: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = larm(&["events", "--follow", "--json", "-n", "1"], data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn next_position(out: &mut impl std::io::BufRead) -> Option<u64> {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let event: Event = serde_json::from_str(&line).unwrap();
    event.position
}

#[test]
fn following_shows_what_comes_and_ends_quietly_when_interrupted() {
    let (data, mut journal) = received();
    let (mut child, mut out) = follow(data.path());
    assert_eq!(next_position(&mut out), Some(15));
    append(&mut journal, 15, 17);
    assert_eq!(next_position(&mut out), Some(16));
    assert_eq!(next_position(&mut out), Some(17));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    let mut error = String::new();
    child.stderr.unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((status.code(), error.as_str()), (Some(0), ""));
}

#[test]
fn following_ends_when_nobody_reads_any_more() {
    let (data, _journal) = received();
    let (mut child, mut out) = follow(data.path());
    assert_eq!(next_position(&mut out), Some(15));
    drop(out);
    // Nothing more is received; the closed pipe alone ends it.
    let status = child.wait().unwrap();
    let mut error = String::new();
    child.stderr.unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((status.code(), error.as_str()), (Some(0), ""));
}

#[test]
fn a_lost_history_is_rebuilt_but_not_under_a_running_gateway() {
    let (data, journal) = received();
    let before = positions(&[], data.path());
    let output = run(&["history", "rebuild"], data.path());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "the journal is open here");
    assert!(error.contains("stop `larm serve` first"), "{error}");

    drop(journal);
    std::fs::remove_dir_all(directory(data.path())).unwrap();
    let output = run(&["history", "rebuild"], data.path());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "15 events in the history, up to position 15\n"
    );
    std::fs::remove_dir_all(data.path().join("journal")).unwrap();
    assert_eq!(positions(&[], data.path()), before);
}
