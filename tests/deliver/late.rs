//! Events that wait for too long: the receiver event, its end, and who hears of both.
#![expect(clippy::unwrap_used, reason = "a test says what broke by panicking")]
use std::path::Path;

use serde_json::Value;

use crate::harness::{Crowd, World, eventually};
use crate::receiver::SECRET;

fn sections(case: &Path, duty: &Path) -> String {
    section("case", case, "annunciate_to = \"duty\"\n")
        // This account never sends: what arrives there arrives for `annunciate_to` alone.
        + &section("duty", duty, "accounts = [\"0\"]\n")
}

fn section(name: &str, folder: &Path, more: &str) -> String {
    format!(
        "[[connector]]\nname = \"{name}\"\nkind = \"jsonl\"\npath = \"{}\"\n\
         retry_min = \"20ms\"\nretry_max = \"100ms\"\nannunciate_after = \"300ms\"\n{more}",
        folder.join("events.jsonl").display()
    )
}

/// Kinds of the receiver events in a file, in order, and whom they are about.
fn told(folder: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    let events = text.lines().filter(|line| line.ends_with('}'));
    events
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["protocol"] == "larm/receiver")
        .map(|event| {
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            (text("kind"), text("peripheral"))
        })
        .collect()
}

/// A connector that cannot be built is told through another one, also after a restart only once, and
/// so is its start when the cause is gone.
#[test]
fn a_connector_that_cannot_be_built_is_told() {
    let out = tempfile::tempdir().unwrap();
    let duty = out.path().join("duty");
    std::fs::create_dir(&duty).unwrap();
    let secret = out.path().join("secret");
    let hook = format!(
        "[[connector]]\nname = \"case\"\nkind = \"webhook\"\nurl = \"https://127.0.0.1:1/\"\n\
         secret_file = \"{}\"\nannunciate_to = \"duty\"\n",
        secret.display()
    );
    let mut world = World::new(&(hook + &section("duty", &duty, "accounts = [\"0\"]\n")));
    world.start();
    let trouble = ("trouble".to_owned(), "case".to_owned());
    let over = ("trouble_restoral".to_owned(), "case".to_owned());
    eventually("the trouble is told", || told(&duty) == [trouble.clone()]);
    world.stop();
    world.start();
    world.send(&Crowd::of(50));
    eventually("its state is told", || {
        let status = world.deliver(&["status", "case"]);
        status.contains("failed") && status.contains("secret_file")
    });
    assert_eq!(told(&duty), std::slice::from_ref(&trouble));
    std::fs::write(&secret, SECRET).unwrap();
    eventually("the start is told", || {
        told(&duty) == [trouble.clone(), over.clone()]
    });
    let journal = world.journal();
    let own: Vec<&Value> = journal
        .iter()
        .filter(|event| event["protocol"] == "larm/receiver")
        .collect();
    assert_eq!(own.len(), 2, "{own:?}");
    assert_eq!(own[0]["code"]["code"], "not-started");
    let text = own[0]["text"].as_str().unwrap();
    assert!(text.contains("secret_file"), "{text}");
}

#[test]
fn somebody_else_is_told_once_and_told_the_end() {
    let out = tempfile::tempdir().unwrap();
    let (case, duty) = (out.path().join("case"), out.path().join("duty"));
    std::fs::create_dir(&case).unwrap();
    std::fs::create_dir(&duty).unwrap();
    let mut world = World::new(&sections(&case, &duty));
    world.start();
    std::fs::remove_dir(&case).unwrap();
    world.send(&Crowd::of(50));
    let trouble = ("trouble".to_owned(), "case".to_owned());
    let over = ("trouble_restoral".to_owned(), "case".to_owned());
    eventually("the trouble is told", || told(&duty) == [trouble.clone()]);
    // A restart in the middle of it: it is not told again, and its end still is.
    world.stop();
    world.start();
    world.send(&Crowd::of(50));
    eventually("it waits again", || {
        let figures = world.gateway().figures();
        figures["larm_connector_late{connector=\"case\"}"] == 1
    });
    assert_eq!(told(&duty), std::slice::from_ref(&trouble));
    std::fs::create_dir(&case).unwrap();
    eventually("the end is told", || {
        told(&duty) == [trouble.clone(), over.clone()]
    });
    let own: Vec<Value> = world
        .journal()
        .into_iter()
        .filter(|event| event["protocol"] == "larm/receiver")
        .collect();
    // Nothing was said about what was said.
    assert_eq!(own.len(), 2, "{own:?}");
    assert_eq!(own[0]["code"]["scheme"], "LARM");
    assert_eq!(own[0]["category"], "communication");
    assert!(told(&case).is_empty());
}
