//! Ends and new beginnings: repeats over a restart, SIGTERM, SIGHUP, SIGUSR1, two at once.
use std::io::{Read, Write};

use rustix::process::Signal;

use crate::frame::{link_test, read_reply, sia};
use crate::harness::{Gateway, PATIENCE, Starting, events, exported, larm_ok, name, verify};

#[test]
fn a_repeat_after_a_crash_is_still_a_repeat() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let frame = sia(41, "1234", "ri1/BA5");

    let gateway = Gateway::start(&data);
    let first = gateway.ask(&frame).expect("an answer");
    assert_eq!(first.id, "ACK");
    gateway.kill();

    let gateway = Gateway::start(&data);
    assert_eq!(
        gateway.ask(&frame).as_ref(),
        Some(&first),
        "the same answer"
    );
    // Over the other transport as well.
    let socket = gateway.datagrams();
    socket.send(&frame).unwrap();
    let mut buffer = [0u8; 512];
    let len = socket.recv(&mut buffer).expect("an answer");
    assert_eq!(
        crate::frame::Reply::parse(&buffer[..len]).as_ref(),
        Ok(&first)
    );
    // Same number, other content: new.
    assert_eq!(
        gateway
            .ask(&sia(41, "1234", "ri1/BA6"))
            .map(|reply| reply.id),
        Some("ACK".into())
    );
    gateway.kill();

    let names: Vec<String> = exported(&data).iter().map(name).collect();
    assert_eq!(names, ["1234/BA/5", "1234/BA/6"]);
}

#[test]
fn the_history_tells_how_often_and_where_a_frame_was_seen() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let frame = sia(41, "1234", "ri1/BA5");
    let gateway = Gateway::start(&data);
    let answer = gateway.ask(&frame);
    assert_eq!(answer.as_ref().map(|reply| reply.id.as_str()), Some("ACK"));
    assert_eq!(gateway.ask(&frame), answer);
    let socket = gateway.datagrams();
    socket.send(&frame).unwrap();
    assert!(socket.recv(&mut [0u8; 512]).is_ok());
    assert!(gateway.ask(&sia(42, "1234", "ri1/BR5")).is_some());

    let deadline = std::time::Instant::now() + PATIENCE;
    let seen = loop {
        let events = events(&data);
        let found = events.iter().find(|event| name(event) == "1234/BA/5");
        let seen = found.map_or(&serde_json::Value::Null, |event| &event["repeat"]);
        if seen["seen"] == 3 || std::time::Instant::now() > deadline {
            assert_eq!(events.len(), 2);
            assert!(events[1].get("repeat").is_none(), "{}", events[1]);
            break seen.clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let paths = ["dc09-tcp/tcp", "dc09-udp/udp"];
    assert_eq!(seen, serde_json::json!({ "seen": 3, "paths": paths }));
    let table = larm_ok(&["events".as_ref(), "--data".as_ref(), data.as_os_str()]);
    assert!(table.contains("seen \u{d7}3"), "{table}");
    // Nothing was dropped, and the counts outlive the gateway.
    assert_eq!(gateway.figures()["larm_history_repeats_dropped_total"], 0);
    gateway.terminate();
    assert_eq!(events(&data)[0]["repeat"]["seen"], 3);
}

#[test]
fn sigterm_answers_what_is_committed_and_ends_well() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let gateway = Gateway::start(&data);
    let mut idle = gateway.connect();
    let mut half = gateway.connect();
    half.write_all(b"\n1234003C\"SIA-D").unwrap();
    let mut busy: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    for (at, stream) in busy.iter_mut().enumerate() {
        stream
            .write_all(&sia(7, &format!("{:04X}", 0xD000 + at), "BA1"))
            .unwrap();
    }
    let status = gateway.terminate();
    assert_eq!(status.code(), Some(0));

    // Every connection has ended; who got an answer got ACK, and what was answered is kept.
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    let _ = half.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    let answered: Vec<String> = busy
        .iter_mut()
        .filter_map(read_reply)
        .map(|reply| {
            assert_eq!(reply.id, "ACK");
            format!("{}/BA/1", reply.account.unwrap())
        })
        .collect();
    verify(&data);
    let kept: Vec<String> = exported(&data).iter().map(name).collect();
    for one in &answered {
        assert_eq!(kept.iter().filter(|name| *name == one).count(), 1, "{one}");
    }
    let mut history: Vec<String> = events(&data).iter().map(name).collect();
    let mut kept = kept;
    history.sort();
    kept.sort();
    assert_eq!(history, kept, "the history was filled before the end");
}

#[test]
fn sighup_reloads_the_register_and_keeps_connections() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let gateway = Gateway::start(&data);
    let mut stream = gateway.connect();
    stream.write_all(&link_test(1, "1234")).unwrap();
    assert_eq!(
        read_reply(&mut stream).map(|reply| reply.id),
        Some("ACK".to_owned())
    );

    crate::harness::import_accounts(
        &data,
        "account,key\n1234,00112233445566778899AABBCCDDEEFF\n",
    );
    gateway.signal(Signal::HUP);
    // The signal is handled at its own pace: the sign is that clear frames become a downgrade.
    let suspect = (0..200).any(|number| {
        stream
            .write_all(&sia(100 + number, "1234", &format!("BA{number}")))
            .unwrap();
        assert_eq!(
            read_reply(&mut stream).map(|reply| reply.id),
            Some("ACK".to_owned())
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
        events(&data)
            .last()
            .is_some_and(|event| event["authenticity"]["grade"] == "suspect")
    });
    assert!(
        suspect,
        "a clear frame of an account with a key is graded suspect"
    );
}

#[test]
fn sigusr1_prints_the_figures() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    assert_eq!(
        gateway.ask(&sia(1, "1234", "BA1")).map(|reply| reply.id),
        Some("ACK".into())
    );
    assert_eq!(
        gateway.ask(&sia(1, "1234", "BA1")).map(|reply| reply.id),
        Some("ACK".into())
    );
    assert_eq!(
        gateway.ask(&link_test(2, "1234")).map(|reply| reply.id),
        Some("ACK".into())
    );
    let figures = gateway.figures();
    assert_eq!(figures["larm_frames_total{verdict=\"ok\"}"], 3);
    assert_eq!(figures["larm_answers_total{answer=\"ack\"}"], 3);
    assert_eq!(figures["larm_fates_total{fate=\"new\"}"], 1);
    assert_eq!(figures["larm_fates_total{fate=\"repeat\"}"], 1);
    assert_eq!(figures["larm_fates_total{fate=\"link-test\"}"], 1);
    assert_eq!(figures["larm_reply_microseconds_count"], 3);
    assert_eq!(figures["larm_journal_healthy"], 1);
}

#[test]
fn a_second_gateway_on_the_same_data_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let first = Gateway::start(&data);
    let mut second = Starting::new(&data, &[]);
    let status = second.child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(&second.stderr).unwrap();
    assert!(said.contains("lock") || said.contains("use"), "{said}");
    assert_eq!(
        first.ask(&sia(1, "1234", "BA1")).map(|reply| reply.id),
        Some("ACK".into())
    );
}
