//! Accounts that nobody registered: held back, listed, adopted in one step.
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::frame::{frame, read_reply, sia};
use crate::harness::{Gateway, PATIENCE, config, larm_ok};

fn unknown(data: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["accounts", "list", "--unknown", "--data"];
    arguments.push(data.to_str().unwrap());
    arguments.extend(more);
    larm_ok(&arguments)
}

/// `larm accounts list --unknown --json`, once it has `count` lines.
fn unknown_json(data: &Path, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found: Vec<Value> = unknown(data, &["--json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if found.len() == count || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a printed command as a person does who pastes it into a shell.
fn paste(command: &str) {
    let larm = Path::new(env!("CARGO_BIN_EXE_larm"));
    let path = std::env::var("PATH").unwrap_or_default();
    let done = Command::new("sh")
        .args(["-c", command])
        .env(
            "PATH",
            format!("{}:{path}", larm.parent().unwrap().display()),
        )
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command}: {said}");
}

#[test]
fn a_held_account_is_listed_and_adopted_by_the_printed_command() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("a place with 'quotes'");
    let settings = room.path().join("larm.toml");
    let text = format!("[accounts]\nunknown = \"hold\"\n\n{}", config(""));
    std::fs::write(&settings, text).unwrap();
    std::fs::create_dir_all(&data).unwrap();
    assert_eq!(registered(&data, "1234"), "account 1234 added");
    let gateway = Gateway::start_with(&data, &["--config", settings.to_str().unwrap()]);

    let alarm = sia(1, "4711", "ri1/BA5");
    let mut held = gateway.connect();
    held.write_all(&alarm).unwrap();
    held.write_all(&sia(2, "4711", "ri1/BR5")).unwrap();
    // The same number behind two other prefixes, and one that is registered.
    let mut others = gateway.connect();
    for line in ["7", "8"] {
        let body = format!("\"SIA-DCS\"0003R1L{line}#0042[#0042|Nri1/OP1]");
        others.write_all(&frame(body.as_bytes())).unwrap();
    }
    let answer = gateway.ask(&sia(4, "1234", "ri1/BA1")).unwrap();
    assert_eq!(answer.id, "ACK");

    let found = unknown_json(&data, 3);
    let brief: Vec<[&Value; 5]> = found
        .iter()
        .map(|one| ["account", "line", "count", "code", "listener"].map(|key| &one[key]))
        .collect();
    assert_eq!(
        serde_json::json!(brief),
        serde_json::json!([
            ["0042", "7", 1, "OP", "tcp"],
            ["0042", "8", 1, "OP", "tcp"],
            ["4711", "0", 2, "BR", "tcp"],
        ])
    );
    let adopt = |at: usize| found[at]["adopt"].as_str().unwrap();
    assert!(adopt(0).starts_with("larm accounts add 0042 --receiver=1 --line=7 --data '"));
    assert!(adopt(2).starts_with("larm accounts add 4711 --data '"));
    let table = unknown(&data, &[]);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(
        table.contains("ADOPT WITH") && table.contains(adopt(2)),
        "{table}"
    );

    paste(adopt(2));
    paste(adopt(0));
    let left = unknown_json(&data, 1);
    assert_eq!(left[0]["line"], "8");
    // What was held is acknowledged when the transmitter tries again.
    held.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let reply = loop {
        held.write_all(&alarm).unwrap();
        let reply = read_reply(&mut held);
        if reply.is_some() || Instant::now() > deadline {
            break reply;
        }
    };
    assert_eq!(reply.map(|reply| reply.id).as_deref(), Some("ACK"));
    gateway.terminate();
    assert_eq!(unknown_json(&data, 1).len(), 1);
}

/// Registers an account; what is said first.
fn registered(data: &Path, account: &str) -> String {
    let said = larm_ok(&["accounts", "add", account, "--data", data.to_str().unwrap()]);
    said.split(';').next().unwrap().to_owned()
}

#[test]
fn who_needs_a_key_is_told_and_link_tests_alone_list_nobody() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let gateway = Gateway::start(&data);
    let key = "00112233445566778899aabbccddeeff";
    let to = gateway.tcp.to_string();
    // Its code is not to be read without the key, so nobody answers.
    let sent = crate::harness::larm(&[
        "send",
        "--to",
        &to,
        "--account",
        "7777",
        "--code",
        "BA",
        "--key",
        key,
        "--attempts",
        "1",
        "--timeout",
        "1",
    ]);
    assert_ne!(sent.status.code(), Some(2), "{sent:?}");
    assert!(gateway.ask(&crate::frame::link_test(1, "8888")).is_some());
    let found = unknown_json(&data, 1);
    assert_eq!(found[0]["account"], "7777");
    assert_eq!(found[0]["encrypted"], true);
    let adopt = found[0]["adopt"].as_str().unwrap();
    assert!(adopt.contains(" 7777 --key-file FILE --data "), "{adopt}");
}
