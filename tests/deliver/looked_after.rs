//! `larm deliver` and SIGHUP: what people do with connectors while the gateway runs.
#![expect(clippy::unwrap_used, reason = "a test says what broke by panicking")]
use std::path::Path;

use serde_json::Value;

use crate::harness::{Crowd, World, eventually};

/// A command that refuses account 10003 and account 10004 for now.
const CASE: &str = "while read -r l; do case \"$l\" in \
     *'\"account\":\"10003\"'*) if [ -e open ]; then printf '%s\\n' \"$l\" >> out.jsonl; echo ok; \
     else echo refuse no such site; fi;; \
     *'\"account\":\"10004\"'*) echo retry busy;; \
     *) printf '%s\\n' \"$l\" >> out.jsonl; echo ok;; esac; done";

fn section(name: &str, folder: &Path, more: &str) -> String {
    let script = format!("cd '{}'; {CASE}", folder.display());
    format!(
        "[[connector]]\nname = \"{name}\"\nkind = \"jsonl\"\nto = \"command\"\nconfirm = true\n\
         retry_min = \"20ms\"\nretry_max = \"50ms\"\ncommand = [\"sh\", \"-c\", {}]\n{more}",
        toml::Value::String(script)
    )
}

fn lines(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("out.jsonl")).unwrap_or_default();
    text.lines().count()
}

fn status(world: &World, name: &str) -> Value {
    let text = world.deliver(&["status", name, "--json"]);
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all["connectors"][0].take()
}

fn waiting(status: &Value) -> u64 {
    let ranks = status["waiting"].as_array().into_iter().flatten();
    let waiting: u64 = ranks.map(|one| one["events"].as_u64().unwrap()).sum();
    waiting + status["in_flight"].as_u64().unwrap()
}

/// The positions of the dead letters.
fn dead(world: &World) -> Vec<u64> {
    let letters: Value =
        serde_json::from_str(&world.deliver(&["list-dead", "case", "--json"])).unwrap();
    let letters = letters.as_array().unwrap().iter();
    letters
        .map(|letter| letter["position"].as_u64().unwrap())
        .collect()
}

#[test]
fn dead_letters_are_listed_retried_and_dropped() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&section(
        "case",
        out.path(),
        "accounts = [\"10003\", \"10005\"]\n",
    ));
    world.start();
    world.send(&Crowd::of(200));
    eventually("all are dead or delivered", || {
        lines(out.path()) == 13 && dead(&world).len() == 9
    });
    let shown = world.deliver(&["list-dead", "case"]);
    assert!(shown.contains("no such site"), "{shown}");
    let all = dead(&world);
    let first = all[0].to_string();
    world.deliver(&["drop-dead", "case", &first]);
    assert_eq!(dead(&world), all[1..]);
    std::fs::write(out.path().join("open"), "").unwrap();
    world.deliver(&["retry", "case", "--dead", &all[1].to_string()]);
    eventually("one is delivered", || dead(&world) == all[2..]);
    world.deliver(&["retry", "case", "--all-dead"]);
    eventually("all are delivered", || dead(&world).is_empty());
    assert_eq!(lines(out.path()), 21);
    let (told, good) = world.try_deliver(&["retry", "case", "--dead", "1"]);
    assert!(!good && told.contains("position 1"), "{told}");
}

#[test]
fn what_never_gets_through_is_skipped() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&section("case", out.path(), "accounts = [\"10004\"]\n"));
    world.start();
    world.send(&Crowd::of(20));
    eventually("one waits", || waiting(&status(&world, "case")) == 1);
    let position = status(&world, "case")["oldest"]
        .as_u64()
        .unwrap()
        .to_string();
    // It is on its way again and again, and cannot be skipped just then.
    eventually("it is skipped", || {
        let skip = ["skip", "case", &position, "--reason", "see 17"];
        world.try_deliver(&skip).1
    });
    let shown = world.deliver(&["list-dead", "case"]);
    assert!(
        shown.contains("skipped") && shown.contains("see 17"),
        "{shown}"
    );
    assert_eq!(waiting(&status(&world, "case")), 0);
}

#[test]
fn a_pause_outlives_the_gateway_and_a_replay_repeats() {
    let out = tempfile::tempdir().unwrap();
    let mut world = World::new(&section("case", out.path(), "accounts = [\"10005\"]\n"));
    world.start();
    world.deliver(&["pause", "case"]);
    world.send(&Crowd::of(200));
    world.stop();
    // Nobody runs: the files tell, and what needs a gateway says so.
    let told = world.deliver(&["status"]);
    assert!(
        told.contains("no gateway runs") && told.contains("case: paused"),
        "{told}"
    );
    let (told, good) = world.try_deliver(&["resume", "case"]);
    assert!(!good && told.contains("no gateway runs"), "{told}");
    world.start();
    eventually("they wait", || waiting(&status(&world, "case")) == 13);
    assert_eq!(status(&world, "case")["state"], "paused");
    assert_eq!(lines(out.path()), 0);
    world.deliver(&["resume", "case"]);
    eventually("they are delivered", || lines(out.path()) == 13);
    eventually("a replay repeats them", || {
        world.try_deliver(&["replay", "case", "--since", "1h"]).1
    });
    eventually("they are delivered again", || lines(out.path()) == 26);
    let shown = world.deliver(&["status", "case"]);
    assert!(shown.contains("case (jsonl): running"), "{shown}");
}

#[test]
fn sighup_changes_the_connectors_that_changed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let staying = section("staying", one.path(), "accounts = [\"10005\"]\n");
    let mut world = World::new(&staying);
    world.start();
    world.send(&Crowd::of(200));
    eventually("the first is done", || lines(one.path()) == 13);
    let starts = || starts_of_staying(&world);
    let before = starts();
    let added = section(
        "added",
        two.path(),
        "accounts = [\"10006\"]\nstart_at = \"oldest\"\n",
    );
    world.configure(&(staying.clone() + &added));
    world.reload();
    eventually("the new one has caught up", || lines(two.path()) == 13);
    // The other one was not touched: its command was started once.
    assert_eq!(starts(), before);
    // Off, and on again: it goes on where it was.
    world.configure(&(staying.clone() + &added.replace("start_at", "enabled = false\nstart_at")));
    world.reload();
    eventually("it is off", || {
        status(&world, "added")["state"] == "disabled"
    });
    world.send(&Crowd::of(200));
    world.configure(&(staying + &added));
    world.reload();
    eventually("it has caught up again", || lines(two.path()) == 26);
    let (told, good) = world.try_deliver(&["status", "nobody"]);
    assert!(!good && told.contains("there are added, staying"), "{told}");
}

/// How often the connector `staying` was started.
fn starts_of_staying(world: &World) -> usize {
    let log = world.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("connector started"));
    lines.filter(|line| line.contains("staying")).count()
}
