//! What must hold when everything is over.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::mark::Mark;
use super::peers::Arrival;
use crate::gateway::larm_command;

/// One event of the journal that a transmitter sent.
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) position: u64,
    pub(crate) mark: Mark,
}

/// Reads the journal line by line, since it may be a large one. The gateway must stand.
pub(crate) fn journal(data: &Path) -> Vec<Entry> {
    let mut command = larm_command();
    command.args(["journal", "export", "--data"]).arg(data);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the larm binary starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let entries = lines
        .filter_map(|line| {
            let event: Value = serde_json::from_str(&line.unwrap()).expect("an event");
            Some(Entry {
                mark: Mark::of(&event)?,
                id: event["id"].as_str().expect("an id").to_owned(),
                position: event["position"].as_u64().expect("a position"),
            })
        })
        .collect();
    assert!(child.wait().unwrap().success(), "the journal is sound");
    entries
}

/// Further arrivals of events that had arrived before.
pub(crate) type Repeats = usize;

/// Holds the three against each other: what was acknowledged is in the journal once, and arrived
/// or is a dead letter; nothing else arrived; and the first arrivals of each account are in order.
pub(crate) fn hold(
    acknowledged: &[Mark],
    journal: &[Entry],
    arrived: &[Arrival],
    dead: &HashSet<u64>,
) -> Repeats {
    let by_mark: HashMap<&Mark, &Entry> = journal.iter().map(|one| (&one.mark, one)).collect();
    assert_eq!(by_mark.len(), journal.len(), "an event is there twice");
    for mark in acknowledged {
        assert!(by_mark.contains_key(mark), "{mark:?} is in no journal");
    }
    let by_id: HashMap<&str, &Entry> = journal.iter().map(|one| (&*one.id, one)).collect();
    let (mut seen, mut last, mut repeats) = (HashSet::new(), BTreeMap::new(), 0);
    for arrival in arrived {
        let entry = match arrival {
            // What larm says itself.
            Arrival::Id(_, None) => continue,
            Arrival::Id(id, Some(account)) => {
                let entry = by_id.get(&**id);
                let entry = entry.unwrap_or_else(|| panic!("{arrival:?} is in no journal"));
                assert_eq!(entry.mark.account, *account, "{arrival:?}");
                entry
            }
            Arrival::Mark(mark) => by_mark
                .get(mark)
                .unwrap_or_else(|| panic!("{arrival:?} is in no journal")),
        };
        if !seen.insert(entry.position) {
            repeats += 1;
            continue;
        }
        let before = last.insert(&entry.mark.account, entry.position);
        assert!(
            before.is_none_or(|before| before < entry.position),
            "{arrival:?} at {} came after {before:?}",
            entry.position
        );
    }
    for entry in journal {
        let there = seen.contains(&entry.position) || dead.contains(&entry.position);
        assert!(there, "lost: {:?} at {}", entry.mark, entry.position);
    }
    repeats
}

/// Different events among what arrived; larm's own are left out.
pub(crate) fn distinct(arrived: &[Arrival]) -> usize {
    let (mut ids, mut marks) = (HashSet::new(), HashSet::new());
    for arrival in arrived {
        match arrival {
            Arrival::Id(_, None) => false,
            Arrival::Id(id, Some(_)) => ids.insert(id),
            Arrival::Mark(mark) => marks.insert(mark),
        };
    }
    ids.len() + marks.len()
}
