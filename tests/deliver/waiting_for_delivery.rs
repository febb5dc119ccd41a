//! Acknowledgements that wait for a connector.
#![expect(clippy::unwrap_used, reason = "a test says what broke by panicking")]
use std::io::Write as _;
use std::path::Path;

use crate::frame::{link_test, read_reply, sia};
use crate::harness::World;

/// A command that writes each line down before it confirms it, and never confirms account 6666.
const CASE: &str = "while read -r l; do printf '%s\\n' \"$l\" >> out.jsonl; \
     case \"$l\" in *'\"account\":\"6666\"'*) echo retry;; *) echo ok;; esac; done";

fn sections(folder: &Path, rule: &str) -> String {
    let script = format!("cd '{}'; {CASE}", folder.display());
    format!(
        "[gateway]\nack_deadline = \"700ms\"\n[[connector]]\nname = \"case\"\nkind = \"jsonl\"\n\
         to = \"command\"\nconfirm = true\nretry_min = \"50ms\"\ncommand = [\"sh\", \"-c\", {}]\n\
         [[acknowledge]]\nconnector = \"case\"\n{rule}",
        toml::Value::String(script)
    )
}

/// The sequence numbers of the answers to these frames, sent at once, and to a link test behind
/// them: what is missing was answered with silence.
fn answered(world: &World, frames: &[Vec<u8>]) -> Vec<String> {
    let mut stream = world.gateway().connect();
    stream.write_all(&frames.concat()).unwrap();
    stream.write_all(&link_test(9_999, "1")).unwrap();
    let mut sequences = Vec::new();
    loop {
        let reply = read_reply(&mut stream).expect("the link test is answered");
        if reply.sequence == "9999" {
            return sequences;
        }
        assert_eq!(reply.id, "ACK");
        sequences.push(reply.sequence);
    }
}

#[test]
fn an_acknowledgement_comes_after_the_confirmation() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&sections(out.path(), ""));
    world.start();
    for sequence in 1..20 {
        let reply = world.gateway().ask(&sia(sequence, "1234", "BA01")).unwrap();
        assert_eq!(reply.id, "ACK");
        // At the moment of the acknowledgement the other side has it.
        let there = std::fs::read_to_string(out.path().join("out.jsonl")).unwrap();
        assert_eq!(there.lines().count(), usize::try_from(sequence).unwrap());
    }
}

#[test]
fn without_confirmation_there_is_silence_and_the_event_stays() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&sections(out.path(), ""));
    world.start();
    let frames = [sia(1, "6666", "BA01"), sia(2, "1234", "BA02")];
    assert_eq!(answered(&world, &frames), ["0002"]);
    assert_eq!(world.journal().len(), 2);
}

#[test]
fn otherwise_the_disk_is_enough_where_the_rule_says_so() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&sections(out.path(), "otherwise = \"journaled\"\n"));
    world.start();
    assert_eq!(answered(&world, &[sia(1, "6666", "BA01")]), ["0001"]);
}

#[test]
fn a_rule_is_for_those_that_it_names() {
    let out = tempfile::tempdir().unwrap();
    let rule = "accounts = [\"66*\"]\ncategories = [\"fire\"]\n";
    let mut world = World::new(&sections(out.path(), rule));
    world.start();
    // The fire waits for a confirmation that never comes; the burglary does not wait.
    let frames = [sia(1, "6666", "BA01"), sia(2, "6666", "FA01")];
    assert_eq!(answered(&world, &frames), ["0001"]);
}
