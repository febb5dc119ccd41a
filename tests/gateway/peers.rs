//! Transmitters and receivers that nobody here wrote: do they and larm understand each other?
//!
//! `tests/run install` puts them into `target/`; what each does otherwise than the reference
//! stands in `docs/src/peers.md`.
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Gateway, Random, import_accounts, larm};
use crate::peer::{Peer, python};

const KEY_128: &str = "00112233445566778899AABBCCDDEEFF";
const KEY_192: &str = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
const KEY_256: &str = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4";

/// The dialler of `my-dc09-spt`: SIA and Contact ID, TCP and UDP, clear and encrypted, with and
/// without receiver and line, a dead main path, and polling on two paths.
#[test]
fn every_event_that_the_dialler_considers_acknowledged_is_there_once() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    import_accounts(
        &data,
        &format!(
            "account,key\n1003,{KEY_128}\n1004,{KEY_256}\n1005,{KEY_256}\n\
             1007,{KEY_128}\n1008,{KEY_128}\n1009,{KEY_128}\n"
        ),
    );
    let gateway = Gateway::start(&data);
    // Nobody listens there: bound, then given back.
    let dead = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let lines = run(python("dialler.py").args([
        gateway.tcp.port().to_string(),
        gateway.udp.port().to_string(),
        dead.to_string(),
    ]));
    let (told, rest): (Vec<Value>, Vec<Value>) = lines
        .into_iter()
        .partition(|line| line.get("account").is_some());
    let polls = rest.first().expect("the dialler's count of polls");
    assert!(polls["polls"].as_u64() >= Some(6), "{polls}");
    assert_eq!(polls["connected"], true);
    assert!(told.len() > 500, "the dialler sent only {}", told.len());
    println!("my-dc09-spt: {} events, {polls}", told.len());

    let events = gateway.events(told.len());
    compare(&told, &events, &["partition", "receiver", "line"]);
}

/// `siadc09` builds random frames of all sizes of keys, reads its own frames and larm's replies.
#[test]
fn random_messages_of_the_codec_are_acknowledged_and_read_alike() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    import_accounts(
        &data,
        &format!("account,key\n2128,{KEY_128}\n2192,{KEY_192}\n2256,{KEY_256}\n"),
    );
    let gateway = Gateway::start(&data);
    let seed = Random::seeded("siadc09").below(1 << 32);
    let count = std::env::var("LARM_CODEC_MESSAGES").unwrap_or_else(|_| "3000".to_owned());
    let mut lines = run(python("codec.py").args([
        &gateway.tcp.port().to_string(),
        &gateway.udp.port().to_string(),
        &count,
        &seed.to_string(),
    ]));
    let counts = lines.pop().expect("a line of counts");
    println!("siadc09: {counts}");
    for sort in [
        "SIA-DCS",
        "ADM-CID",
        "NULL",
        "XNM",
        "TCP",
        "UDP",
        "plain",
        "encrypted",
    ] {
        assert!(
            counts["counts"][sort].as_u64() > Some(50),
            "{sort}: {counts}"
        );
    }
    // It does not read the refusal in the form of the older text; should a later version, say so.
    assert_eq!(counts["counts"]["nak_unread"], 3, "{counts}");

    let told = lines;
    let events = gateway.events(told.len());
    compare(
        &told,
        &events,
        &[
            "partition",
            "receiver",
            "line",
            "sequence",
            "extended",
            "value",
        ],
    );
}

/// `pysiaalarm` is a receiver for small installations.
#[test]
fn pysiaalarm_accepts_what_larm_sends() {
    for transport in ["tcp", "udp"] {
        let mut receiver = Peer::pysiaalarm(transport);
        let port = receiver.ports()[0];
        let mut sent = 0;
        for (account, key) in [
            ("3001", None),
            ("3128", Some("30313233343536373839414243444546")),
            (
                "3192",
                Some("303132333435363738394142434445463031323334353637"),
            ),
            (
                "3256",
                Some("3031323334353637383941424344454630313233343536373839414243444546"),
            ),
        ] {
            for (scheme, code) in [("sia", "BA"), ("sia", "FA"), ("cid", "130"), ("cid", "110")] {
                // Without a receiver its reply would not be one: see the next test.
                let number = ["--receiver", "1"];
                send(
                    port,
                    account,
                    scheme,
                    code,
                    key,
                    transport == "udp",
                    &number,
                );
                let heard = receiver.next();
                let what = format!("{transport} {scheme} {code}: {heard}");
                assert_eq!(heard["account"], account, "{what}");
                assert_eq!(heard["encrypted"], key.is_some(), "{what}");
                if scheme == "sia" {
                    assert_eq!(heard["code"], code, "{what}");
                    assert_eq!(heard["message"], "7", "{what}");
                } else {
                    assert_eq!(heard["event_type"], code, "{what}");
                    assert_eq!(heard["event_qualifier"], "1", "{what}");
                    assert_eq!(heard["ri"], "007", "{what}");
                }
                sent += 1;
            }
        }
        let counts = receiver.end();
        println!("pysiaalarm over {transport}: {sent} sent, {counts:?}");
        assert_eq!(counts.last().map(|line| &line["valid"]), Some(&sent.into()));
    }
}

/// `pysiaalarm` puts the word None where no receiver was sent. Such a reply acknowledges nothing.
#[test]
fn a_malformed_reply_is_told_from_an_acknowledgement() {
    let mut receiver = Peer::pysiaalarm("tcp");
    let port = receiver.ports()[0];
    let to = format!("127.0.0.1:{port}");
    let output = larm(&[
        "send",
        "--to",
        &to,
        "--account",
        "3001",
        "--code",
        "BA",
        "--zone",
        "7",
        "--timeout",
        "1",
    ]);
    assert_ne!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\"ACK\"0001NoneL0#3001[]"), "{said}");
}

/// `iobroker.sia` is a home automation adapter.
#[test]
fn iobroker_accepts_what_larm_sends() {
    let mut receiver = Peer::iobroker();
    let ports = receiver.ports();
    let mut sent = 0;
    for (port, udp) in [(ports[0], false), (ports[1], true)] {
        for (account, key) in [
            ("4001", None),
            ("4128", Some(KEY_128)),
            ("4192", Some(KEY_192)),
            ("4256", Some(KEY_256)),
        ] {
            for (scheme, code) in [("sia", "BA"), ("sia", "OP"), ("cid", "130"), ("cid", "401")] {
                send(port, account, scheme, code, key, udp, &[]);
                let heard = receiver.next();
                let what = format!("udp={udp} {scheme} {code}: {heard}");
                assert_eq!(heard["account"], account, "{what}");
                let data = heard["data"].as_str().unwrap_or_default();
                let wanted = if scheme == "sia" {
                    format!("{code}7")
                } else {
                    format!("1{code} ")
                };
                assert!(data.contains(&wanted), "{what}");
                assert_eq!(
                    heard["id"].as_str().map(|id| id.starts_with('*')),
                    Some(key.is_some())
                );
                sent += 1;
            }
        }
    }
    let rest = receiver.end();
    println!("iobroker.sia: {sent} sent");
    assert!(rest.is_empty(), "more than was sent: {rest:?}");
}

/// What the peer told must be exactly what the history holds: nothing lost, nothing twice, and the
/// named fields alike. Where the peer tells sequence numbers, they tell like events apart.
fn compare(told: &[Value], events: &[Value], fields: &[&str]) {
    let numbered = told.iter().all(|line| line.get("sequence").is_some());
    let number = |of: &Value| match of["sequence"].as_str() {
        Some(sequence) if numbered => format!("/{sequence}"),
        _ => String::new(),
    };
    let mut found: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for event in events {
        let name = crate::harness::name(event) + &number(event);
        found.entry(name).or_default().push(event);
    }
    let mut wrong = Vec::new();
    let mut expected = BTreeSet::new();
    for line in told {
        let text = |field: &str| line[field].as_str().unwrap_or_default();
        let (account, code, address) = (text("account"), text("code"), text("address"));
        let name = format!("{account}/{code}/{address}{}", number(line));
        let here = found.get(&name).map_or(&[][..], Vec::as_slice);
        if here.len() != 1 {
            wrong.push(format!("{name} is there {} times: {line}", here.len()));
        }
        if let Some(event) = here.first() {
            wrong.extend(differences(line, event, fields));
        }
        expected.insert(name);
    }
    for (name, events) in &found {
        if !expected.contains(name) {
            wrong.push(format!("nobody sent {name}: {}", events[0]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        told.len(),
        wrong
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn differences(line: &Value, event: &Value, fields: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let grade = if line["encrypted"] == true {
        "encrypted"
    } else {
        "plain"
    };
    if event["authenticity"]["grade"] != grade {
        wrong.push(format!("not graded {grade}: {event}"));
    }
    for field in fields {
        let Some(value) = line.get(field) else {
            continue;
        };
        let same = if *field == "extended" {
            same_extended(value, event)
        } else {
            event.get(field).unwrap_or(&Value::Null) == value
        };
        if !same {
            wrong.push(format!("{field} is not {value}: {event}"));
        }
    }
    wrong
}

fn same_extended(told: &Value, event: &Value) -> bool {
    let kept: Vec<(&str, &str)> = event["extended"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|block| Some((block["id"].as_str()?, block["value"].as_str()?)))
        .collect();
    let sent: Vec<(&str, &str)> = told
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|block| Some((block[0].as_str()?, block[1].as_str()?)))
        .collect();
    kept == sent
}

fn send(
    port: u16,
    account: &str,
    scheme: &str,
    code: &str,
    key: Option<&str>,
    udp: bool,
    more: &[&str],
) {
    let to = format!("127.0.0.1:{port}");
    let mut arguments = vec![
        "send",
        "--to",
        &to,
        "--account",
        account,
        "--scheme",
        scheme,
        "--code",
        code,
        "--zone",
        "7",
    ];
    if let Some(key) = key {
        arguments.extend(["--key", key]);
    }
    if udp {
        arguments.push("--udp");
    }
    arguments.extend(more);
    let output = larm(&arguments);
    assert!(
        output.status.success(),
        "larm {arguments:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("ACK"), "larm send prints the reply: {said}");
}

/// Runs a peer to its end and takes its lines.
fn run(command: &mut Command) -> Vec<Value> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the peer starts");
    let mut errors = child.stderr.take().expect("piped");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.read_to_string(&mut text);
        text
    });
    let mut out = String::new();
    let mut pipe = child.stdout.take().expect("piped");
    pipe.read_to_string(&mut out).unwrap();
    let status = child.wait().unwrap();
    let errors = errors.join().unwrap();
    assert!(
        status.success(),
        "{command:?} ended with {status}:\n{errors}"
    );
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}
