//! All `[[connector]]` sections of a file: each read, and held against itself and the others.
use std::collections::HashMap;

use super::super::problem::ProblemKind;
use super::super::reader::{Document, Table};
use super::super::units::show_duration;
use super::Connector;

/// Says what is wrong with the settings of a connector that are sound one by one: the key, and what
/// to do about it. `None`: it can be built.
pub type Judge<'j> = &'j dyn Fn(&Connector) -> Option<(&'static str, String)>;

/// Reads all of them; what cannot be read is reported and left out.
pub(in super::super) fn read_all(document: &Document<'_>, judge: Judge<'_>) -> Vec<Connector> {
    let mut read = Vec::new();
    for mut table in document.tables(&super::SECTION) {
        let before = table.problems();
        let Some(connector) = Connector::read(&mut table) else {
            continue;
        };
        pauses(&connector, &table);
        // What is wrong in single values would only be said again in other words.
        if table.problems() == before
            && let Some((key, problem)) = judge(&connector)
        {
            let name = connector.name.clone();
            table.report(key, ProblemKind::Connector { name, key, problem });
        }
        read.push((connector, table));
    }
    names(document, &read);
    for (connector, table) in &read {
        other_side(connector, table, &read);
    }
    read.into_iter().map(|(connector, _)| connector).collect()
}

fn pauses(connector: &Connector, table: &Table<'_>) {
    if connector.retry_min > connector.retry_max {
        let max = show_duration(connector.retry_max);
        let min = show_duration(connector.retry_min);
        let kind = ProblemKind::Conflict {
            what: format!("retry_min = \"{min}\" is longer than retry_max = \"{max}\""),
            right: format!("retry_min of at most \"{max}\""),
        };
        table.report("retry_min", kind);
    }
}

fn names(document: &Document<'_>, read: &[(Connector, Table<'_>)]) {
    let mut seen = HashMap::new();
    for (connector, table) in read.iter().filter(|(one, _)| !one.name.is_empty()) {
        let place = table.place("name");
        match seen.get(&connector.name.to_ascii_lowercase()) {
            Some(first) => {
                let kind = ProblemKind::Twice {
                    what: format!("the connector name \"{}\"", connector.name),
                    first: std::ops::Range::clone(first),
                };
                document.report(place, kind);
            }
            // A directory goes by the name, and not every file system tells cases apart.
            None => {
                seen.insert(connector.name.to_ascii_lowercase(), place);
            }
        }
    }
}

fn other_side(connector: &Connector, table: &Table<'_>, all: &[(Connector, Table<'_>)]) {
    let Some(other) = connector.annunciate_to.as_deref() else {
        return;
    };
    let what = if other == connector.name {
        format!("annunciate_to = \"{other}\" is the connector itself")
    } else if !all.iter().any(|(one, _)| one.name == other) {
        format!("annunciate_to = \"{other}\" is no connector of this file")
    } else {
        return;
    };
    let right = "the name of another [[connector]]".to_owned();
    table.report("annunciate_to", ProblemKind::Conflict { what, right });
}
