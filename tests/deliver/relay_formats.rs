//! The relay into one scheme only: what another receiver makes of it, and what has no counterpart.
use larm_event::tables::{cid_codes, sia_codes};
use serde_json::Value;

use crate::gateway::Gateway;
use crate::peer::Peer;
use crate::relay::{Out, assert_same, clear, deliveries, received};

/// Relays what came in these frames to a second larm; both ends, each by account.
fn relayed(frames: &[Vec<u8>], format: &str) -> (Vec<Value>, Vec<Value>, u64) {
    let (room, mut sent) = received(frames, "account\n");
    let other = Gateway::start(&room.path().join("to"));
    let keys = format!("format = \"{format}\"\n");
    let out = Out::new(other.tcp, &keys, larm::accounts::Snapshot::default());
    assert_eq!(out.all(&deliveries(&sent)), []);
    let mut arrived = other.events(sent.len());
    for events in [&mut sent, &mut arrived] {
        events.sort_by_key(|event| event["account"].as_str().map(str::to_owned));
    }
    assert_eq!(sent.len(), arrived.len());
    (sent, arrived, out.link.unconverted_count())
}

/// One frame for each code, each of an account of its own.
fn frames(id: &str, payloads: impl Iterator<Item = String>) -> Vec<Vec<u8>> {
    let frame = |(at, payload): (usize, String)| {
        let account = 1_000 + at;
        let head = format!("{:04}L0#{account}", at + 1);
        clear(id, &head, &format!("#{account}|{payload}]"))
    };
    payloads.enumerate().map(frame).collect()
}

fn number(event: &Value) -> &str {
    let number = event["code"]["address"].as_str().unwrap_or_default();
    number.trim_start_matches('0')
}

#[test]
fn every_sia_code_arrives_as_contact_id() {
    let payloads = sia_codes()
        .iter()
        .map(|row| format!("Nri2/{}17^Hall^", row.code));
    let (sent, arrived, unconverted) = relayed(&frames("SIA-DCS", payloads), "contact_id");
    assert_eq!(unconverted, 0);
    for (sent, arrived) in sent.iter().zip(&arrived) {
        assert_eq!(arrived["protocol"], "dc09/ADM-CID", "{sent}");
        assert_eq!(arrived["account"], sent["account"]);
        assert_eq!(number(arrived), "17", "{sent}");
        // Where the number counts areas, it is one.
        let area = sent["partition"].as_str().unwrap();
        assert_eq!(arrived["partition"], format!("{area:0>2}"), "{sent}");
        assert_eq!(arrived["text"], "Hall", "{sent}");
        assert_ne!(arrived["code"]["name"], Value::Null, "{arrived}");
    }
}

#[test]
fn every_contact_id_code_arrives_as_sia_or_as_it_came() {
    let payloads = cid_codes()
        .iter()
        .flat_map(|row| ["1", "3", "6"].map(|sign| format!("{sign}{} 02 017", row.code)));
    let (sent, arrived, unconverted) = relayed(&frames("ADM-CID", payloads), "sia");
    let mut as_it_came = 0;
    for (sent, arrived) in sent.iter().zip(&arrived) {
        assert_eq!(number(arrived), "17", "{sent}");
        if arrived["protocol"] == "dc09/ADM-CID" {
            as_it_came += 1;
            assert_eq!(arrived["code"], sent["code"]);
        } else {
            assert_eq!(arrived["protocol"], "dc09/SIA-DCS", "{sent}");
            assert_eq!(
                arrived["kind"] == "alarm",
                sent["kind"] == "alarm" || is_ranked_higher(sent)
            );
        }
    }
    assert_eq!(as_it_came, unconverted);
    println!("{unconverted} of {} as they came", sent.len());
}

/// An exit error is a trouble in one table and an alarm in the other.
fn is_ranked_higher(sent: &Value) -> bool {
    sent["code"]["code"] == "457" && sent["kind"] == "trouble"
}

#[test]
fn what_has_no_counterpart_arrives_as_it_came() {
    let frames = [
        clear("SIA-DCS", "0001L0#2001", "#2001|NQZ5]"),
        clear("SIA-DCS", "0002L0#2002", "#2002|EDA1*21C_]"),
        clear("SIA-DCS", "0003L0#2003", "#2003|AA few words]"),
        clear("ADM-CID", "0004L0#2004", "#2004|1777 01 005]"),
    ];
    let (sent, arrived, unconverted) = relayed(&frames, "contact_id");
    assert_same(&sent, &arrived, "to Contact ID");
    // The last one is Contact ID already.
    assert_eq!(unconverted, 3);
    let (sent, arrived, unconverted) = relayed(&frames, "sia");
    assert_same(&sent, &arrived, "to SIA");
    assert_eq!(unconverted, 1);
}

#[test]
fn a_frame_with_several_events_is_converted_event_by_event() {
    let frames = [clear(
        "SIA-DCS",
        "0001L0#2001",
        "#2001|Nri1/BA5/FA6^Smoke^|NOP1]",
    )];
    let (_, arrived, _) = relayed(&frames, "contact_id");
    let code = |event: &Value| {
        let code = &event["code"];
        let text = |key: &str| code[key].as_str().unwrap().to_owned();
        text("qualifier") + &text("code") + "/" + &text("address")
    };
    let codes: Vec<String> = arrived.iter().map(code).collect();
    assert_eq!(codes, ["1130/005", "1110/006", "1401/001"]);
    assert_eq!(arrived[1]["text"], "Smoke");
}

#[test]
fn iobroker_understands_both_ways() {
    let (_room, events) = received(
        &[
            clear("SIA-DCS", "0001L0#4001", "#4001|Nri1/BA5]"),
            clear("ADM-CID", "0002L0#4001", "#4001|3401 02 015]"),
        ],
        "account\n",
    );
    for (format, wanted) in [
        ("contact_id", ["1130 01 005", "3401 02 015"]),
        ("sia", ["Nri1/BA5", "Nri2/CL015"]),
    ] {
        let mut receiver = Peer::iobroker();
        let address = ([127, 0, 0, 1], receiver.ports()[0]).into();
        let keys = format!("format = \"{format}\"\n");
        let out = Out::new(address, &keys, larm::accounts::Snapshot::default());
        assert_eq!(out.all(&deliveries(&events)), []);
        for wanted in wanted {
            let heard = receiver.next();
            assert!(heard["data"].as_str().unwrap().contains(wanted), "{heard}");
        }
        drop(out);
        assert_eq!(receiver.end(), Vec::<Value>::new());
    }
}
