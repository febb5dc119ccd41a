//! JSON lines: a file that rotates, standard output, a command, through restarts and faults.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what broke by panicking"
)]
use std::path::Path;

use serde_json::Value;

use crate::harness::{Crowd, Got, World, distinct, eventually, print_ack_times, size, verify};

/// What stands in all files of the directory whose name begins with `stem`, oldest file first.
fn lines(folder: &Path, stem: &str) -> Vec<Got> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(stem))
        .collect();
    // `stem.jsonl` sorts behind `stem.TIME.jsonl`, since letters follow digits.
    names.sort();
    let mut got = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        // The last line may be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        got.extend(whole.lines().map(parse));
    }
    got
}

fn parse(line: &str) -> Got {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    Got::from_json(&event)
}

fn to_file(folder: &Path, more: &str) -> String {
    let path = folder.join("events.jsonl");
    format!(
        "[[connector]]\nname = \"archive\"\nkind = \"jsonl\"\npath = \"{}\"\nkeep_files = 0\n\
         retry_min = \"20ms\"\n{more}",
        path.display()
    )
}

#[test]
fn every_event_is_a_line_through_kills_and_rotation() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&to_file(out.path(), "rotate_size = \"64KiB\"\n"));
    for _ in 0..3 {
        world.start();
        world.send(&Crowd::of(size(400)));
        world.kill();
    }
    world.start();
    let all = world.sent();
    eventually("every line is there", || {
        distinct(&lines(out.path(), "events")) == all
    });
    let found = verify(&world.journal(), &lines(out.path(), "events"), |_| true);
    println!("{found:?}");
    assert!(std::fs::read_dir(out.path()).unwrap().count() > 1);
}

#[test]
fn a_route_passes_what_it_says_and_no_more() {
    let out = tempfile::tempdir().unwrap();
    let sections = to_file(
        out.path(),
        "accounts = [\"1000*\"]\ncategories = [\"fire\"]\n",
    );
    let mut world = World::new(&sections);
    world.start();
    world.send(&Crowd::small());
    let routed = |event: &Value| {
        event["category"] == "fire" && event["account"].as_str().unwrap().starts_with("1000")
    };
    // The journal can only be exported when the gateway stands: its drain delivers what it can, and
    // the next start the rest.
    let wanted = world.journal().iter().filter(|event| routed(event)).count();
    assert!(wanted > 0);
    world.start();
    eventually("every fire is there", || {
        distinct(&lines(out.path(), "events")) == wanted
    });
    verify(&world.journal(), &lines(out.path(), "events"), routed);
}

#[test]
fn a_torn_cursor_repeats_and_loses_nothing() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&to_file(out.path(), ""));
    world.start();
    world.send(&Crowd::small());
    let all = world.sent();
    eventually("every line is there", || {
        distinct(&lines(out.path(), "events")) == all
    });
    world.stop();
    world.tear_cursor("archive");
    world.start();
    world.send(&Crowd::small());
    let all = world.sent();
    eventually("what came later is there", || {
        distinct(&lines(out.path(), "events")) == all
    });
    let found = verify(&world.journal(), &lines(out.path(), "events"), |_| true);
    println!("{found:?}");
}

#[test]
fn a_directory_that_comes_back_gets_the_backlog() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("mounted");
    std::fs::create_dir(&folder).unwrap();
    let mut world = World::new(&to_file(&folder, ""));
    world.start();
    // The other side is gone before the first event.
    std::fs::remove_dir(&folder).unwrap();
    world.send(&Crowd::small());
    let all = world.sent();
    std::fs::create_dir(&folder).unwrap();
    eventually("the backlog is there", || {
        distinct(&lines(&folder, "events")) == all
    });
    verify(&world.journal(), &lines(&folder, "events"), |_| true);
}

/// A command that confirms each line; it dies after every 50th, and refuses one account.
const HOOK: &str = "n=0; while read -r l; do case \"$l\" in *'\"account\":\"10003\"'*) \
     echo refuse not mine;; *) printf '%s\\n' \"$l\" >> out.jsonl; echo ok;; esac; \
     n=$((n+1)); [ $n -ge 50 ] && exit 1; done";

#[test]
fn a_command_that_dies_and_refuses_gets_the_rest() {
    let out = tempfile::tempdir().unwrap();
    let script = format!("cd '{}'; {HOOK}", out.path().display());
    let sections = format!(
        "[[connector]]\nname = \"hook\"\nkind = \"jsonl\"\nto = \"command\"\nconfirm = true\n\
         retry_min = \"20ms\"\nretry_max = \"50ms\"\nbatch_events = 10\n\
         command = [\"sh\", \"-c\", {}]\n",
        toml::Value::String(script)
    );
    let mut world = World::new(&sections);
    world.start();
    world.send(&Crowd::small());
    let refused = |event: &Value| event["account"] == "10003";
    let all = world.sent();
    eventually("all are delivered or dead letters", || {
        let figures = world.gateway().figures();
        let dead = figures["larm_connector_dead_letters{connector=\"hook\"}"];
        let there = distinct(&lines(out.path(), "out"));
        dead > 0 && there + usize::try_from(dead).unwrap() == all
    });
    let journal = world.journal();
    let found = verify(&journal, &lines(out.path(), "out"), |event| !refused(event));
    println!("{found:?}");
    assert!(journal.iter().any(refused));
}

#[test]
fn standard_output_carries_lines_beside_the_announcements() {
    let sections = "[[connector]]\nname = \"console\"\nkind = \"jsonl\"\nto = \"stdout\"\n";
    let mut world = World::new(sections);
    world.start();
    world.send(&Crowd::of(100));
    let mut got = Vec::new();
    while got.len() < 100 {
        let line = world.gateway().line().expect("a line");
        if line.starts_with('{') {
            got.push(parse(&line));
        }
    }
    assert_eq!(verify(&world.journal(), &got, |_| true).repeats, 0);
}

#[test]
fn acknowledgements_do_not_wait_for_a_file() {
    let out = tempfile::tempdir().unwrap();
    print_ack_times("jsonl", &to_file(out.path(), ""));
}
