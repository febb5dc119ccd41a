//! Who may import whom: the protocol crates, and the rooms of the gateway.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::finding::Finding;
use crate::scan::{self, Named, Source};
use crate::tracked;

/// What the contract consists of; everything else named `larm_…` is a protocol.
const CONTRACT: [&str; 3] = ["larm_carrier", "larm_event", "larm_wire"];

/// Crates with sockets, files, tasks, clocks or logs, as `Cargo.toml` writes them.
pub(crate) const NEVER_IN_A_PROTOCOL: [&str; 20] = [
    "anyhow",
    "bytes",
    "clap",
    "crossbeam",
    "csv",
    "getrandom",
    "hdrhistogram",
    "libc",
    "mimalloc",
    "mio",
    "rand",
    "rusqlite",
    "rustix",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-util",
    "toml",
    "tracing",
    "tracing-subscriber",
];

/// What one room of the gateway may name.
struct Room {
    name: &'static str,
    /// The only crates, or any that is no protocol.
    crates: Option<&'static [&'static str]>,
    /// The only rooms beside itself, or any but `not_rooms`.
    rooms: Option<&'static [&'static str]>,
    /// Rooms that it never knows.
    not_rooms: &'static [&'static str],
    /// Crates that it never knows.
    not_crates: &'static [&'static str],
}

const ANY: Room = Room {
    name: "",
    crates: None,
    rooms: None,
    not_rooms: &["cli"],
    not_crates: &[],
};

/// The rooms with rules of their own; for the rest, [`ANY`].
const ROOMS: [Room; 9] = [
    // Opaque bytes only: written as if it were its own crate.
    Room {
        name: "journal",
        crates: Some(&[
            "alloc",
            "blake3",
            "core",
            "crc32c",
            "rustix",
            "std",
            "thiserror",
        ]),
        rooms: Some(&[]),
        ..ANY
    },
    // Between event, with what identifies its frame, and bytes; nothing else.
    Room {
        name: "record",
        crates: Some(&[
            "alloc",
            "core",
            "larm_carrier",
            "larm_event",
            "serde",
            "serde_json",
            "std",
            "thiserror",
            "uuid",
        ]),
        rooms: Some(&[]),
        ..ANY
    },
    Room {
        name: "sink",
        not_rooms: &[
            "cli", "config", "conn", "deliver", "history", "listen", "registry", "serve",
        ],
        ..ANY
    },
    // Readers of the journal: they know events, not frames.
    Room {
        name: "history",
        not_rooms: FRAMES,
        not_crates: &["larm_carrier"],
        ..ANY
    },
    Room {
        name: "deliver",
        not_rooms: FRAMES,
        not_crates: &["larm_carrier"],
        ..ANY
    },
    Room {
        name: "live",
        not_rooms: FRAMES,
        not_crates: &["larm_carrier"],
        ..ANY
    },
    // Nothing behind the journal may hold up a reply.
    Room {
        name: "listen",
        not_rooms: READERS,
        ..ANY
    },
    Room {
        name: "conn",
        not_rooms: READERS,
        ..ANY
    },
    Room {
        name: "cli",
        not_rooms: &[],
        ..ANY
    },
];

const FRAMES: &[&str] = &[
    "cli", "conn", "explain", "intake", "listen", "registry", "serve",
];
const READERS: &[&str] = &["cli", "deliver", "history", "live"];

/// The packages of the workspace that `package` may depend on; `None` for the gateway, which may
/// know all of them (its rooms may not: see [`imports`]).
pub(crate) fn members_allowed(package: &str) -> Option<&'static [&'static str]> {
    match package {
        "larm" => None,
        "larm-event" | "larm-wire" => Some(&[]),
        "larm-carrier" => Some(&["larm-event", "larm-wire"]),
        _ => Some(&["larm-carrier", "larm-event", "larm-wire"]),
    }
}

/// Forbidden imports of one file.
pub(crate) fn imports(source: &Source) -> Vec<Finding> {
    if source.test {
        return Vec::new();
    }
    let parts: Vec<&str> = source.file.split('/').collect();
    let named = scan::named(&source.tokens);
    match parts.as_slice() {
        ["protocols", crate_name, "src", ..] => of_protocol(source, crate_name, &named),
        ["src", room, ..] => of_room(source, room.trim_end_matches(".rs"), &named),
        _ => Vec::new(),
    }
}

fn of_protocol(source: &Source, crate_name: &str, named: &[Named]) -> Vec<Finding> {
    let package = format!("larm-{crate_name}");
    let members: Vec<String> = members_allowed(&package)
        .unwrap_or_default()
        .iter()
        .map(|name| name.replace('-', "_"))
        .collect();
    let allowed = format!("core, alloc and {members:?}");
    let forbidden = |root: &str| {
        let other = root.starts_with("larm_")
            && root != format!("larm_{crate_name}")
            && !members.iter().any(|member| member == root);
        root == "std"
            || other
            || NEVER_IN_A_PROTOCOL
                .iter()
                .any(|name| name.replace('-', "_") == root)
    };
    let paths = named.iter().filter(|named| forbidden(&named.parts[0]));
    let paths = paths.map(|named| (named.line, named.parts.join("::")));
    let externs = source.tokens.windows(3).filter(|three| {
        three[0].text == "extern" && three[1].text == "crate" && forbidden(&three[2].text)
    });
    let externs = externs.map(|three| (three[2].line, format!("extern crate {}", three[2].text)));
    paths
        .chain(externs)
        .map(|(line, found)| Finding::new(&source.file, line, found, &*allowed))
        .collect()
}

/// What a path leads to.
enum Target<'n> {
    Crate(&'n str),
    Room(&'n str),
    Nearby,
}

fn of_room(source: &Source, room: &str, named: &[Named]) -> Vec<Finding> {
    let rule = ROOMS.iter().find(|rule| rule.name == room).unwrap_or(&ANY);
    // `lib` lists the rooms and `main` calls the command line.
    let rooms_free = matches!(room, "lib" | "main");
    let mut findings = Vec::new();
    for name in named {
        let allowed = match target(&source.file, &name.parts) {
            Target::Crate(outside) => crate_allowed(rule, room, outside),
            Target::Room(other) if other != room && !rooms_free => room_allowed(rule, other),
            _ => Ok(()),
        };
        if let Err(allowed) = allowed {
            findings.push(Finding::new(
                &source.file,
                name.line,
                name.parts.join("::"),
                allowed,
            ));
        }
    }
    findings
}

fn crate_allowed(rule: &Room, room: &str, outside: &str) -> Result<(), String> {
    let protocol = outside.starts_with("larm_") && !CONTRACT.contains(&outside);
    if protocol && room != "registry" {
        return Err(format!("{CONTRACT:?}; src/registry alone names protocols"));
    }
    match rule.crates {
        Some(only) if !only.contains(&outside) => Err(format!("the crates {only:?}")),
        _ if rule.not_crates.contains(&outside) => Err(format!(
            "any crate but the protocols and {:?}",
            rule.not_crates
        )),
        _ => Ok(()),
    }
}

fn room_allowed(rule: &Room, other: &str) -> Result<(), String> {
    match rule.rooms {
        Some([]) => Err("no other room".to_owned()),
        Some(only) if !only.contains(&other) => Err(format!("the rooms {only:?}")),
        _ if rule.not_rooms.contains(&other) => Err(format!("any room but {:?}", rule.not_rooms)),
        _ => Ok(()),
    }
}

fn target<'n>(file: &str, parts: &'n [String]) -> Target<'n> {
    let ups = parts.iter().take_while(|part| *part == "super").count();
    match parts[0].as_str() {
        "crate" | "larm" if parts.len() > 1 => Target::Room(&parts[1]),
        "super" if ups >= depth(file) => parts
            .get(ups)
            .map_or(Target::Nearby, |part| Target::Room(part)),
        root if CRATES.contains(root) => Target::Crate(root),
        _ => Target::Nearby,
    }
}

/// Rooms that know each other, directly or through others: then neither can be read alone.
pub(crate) fn cycles(sources: &[Source]) -> Vec<Finding> {
    let mut doors: BTreeMap<&str, BTreeMap<String, (&str, usize)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.test) {
        let Some(rest) = source.file.strip_prefix("src/") else {
            continue;
        };
        let room = rest
            .split('/')
            .next()
            .unwrap_or(rest)
            .trim_end_matches(".rs");
        if matches!(room, "lib" | "main") {
            continue;
        }
        for named in scan::named(&source.tokens) {
            if let Target::Room(other) = target(&source.file, &named.parts)
                && other != room
            {
                let place = (source.file.as_str(), named.line);
                doors
                    .entry(room)
                    .or_default()
                    .entry(other.to_owned())
                    .or_insert(place);
            }
        }
    }
    let mut findings = Vec::new();
    for (room, others) in &doors {
        for (other, (file, line)) in others {
            if reachable(&doors, other).contains(*room) {
                let found = format!("{room} knows {other}, and {other} leads back to {room}");
                findings.push(Finding::new(file, *line, found, "one direction"));
            }
        }
    }
    findings
}

fn reachable<'d, P>(
    doors: &'d BTreeMap<&str, BTreeMap<String, P>>,
    from: &str,
) -> BTreeSet<&'d str> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(room) = waiting.pop() {
        for other in doors.get(room).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(other.as_str()) {
                waiting.push(other);
            }
        }
    }
    seen
}

/// How many `super` lead from a file of `src` to the crate's root.
fn depth(file: &str) -> usize {
    let inside = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    inside.split('/').count()
}

/// What the gateway can name outside of itself, as its manifest lists it.
static CRATES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let path = tracked::root().join("Cargo.toml");
    let text = std::fs::read_to_string(path).expect("the manifest of the package under test");
    let manifest: toml::Table = toml::from_str(&text).expect("cargo has read it");
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let named = dependencies.into_iter().flat_map(|table| table.keys());
    let named = named.map(|name| name.replace('-', "_"));
    named
        .chain(["alloc", "core", "std"].map(str::to_owned))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::{cycles, imports};
    use crate::finding::Finding;
    use crate::scan::{Source, sources};

    const NONE: [usize; 0] = [];

    fn one(file: &str, code: &str) -> Source {
        sources(&[(file, code)]).remove(0)
    }

    /// The lines on which `rule` finds something.
    fn lines(rule: fn(&Source) -> Vec<Finding>, file: &str, code: &str) -> Vec<usize> {
        rule(&one(file, code))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn a_protocol_may_not_name_std_another_protocol_or_a_socket() {
        let code = "//! x\nuse core::fmt;\nuse std::io;\nuse larm_next::Frame;\nuse larm_carrier::Step;\nfn f() { tokio::spawn(g); }\nextern crate std;\n#[cfg(test)]\nmod tests { use std::vec; }\n";
        assert_eq!(
            lines(imports, "protocols/dc09/src/frame.rs", code),
            [3, 4, 6, 7]
        );
        let event = "use larm_wire::crc;\nuse serde::Serialize;\n";
        assert_eq!(lines(imports, "protocols/event/src/event.rs", event), [1]);
        assert_eq!(lines(imports, "protocols/carrier/src/lib.rs", event), NONE);
        assert_eq!(
            lines(imports, "protocols/event/build.rs", "use std::fs;"),
            NONE
        );
    }

    #[test]
    fn only_the_registry_names_a_protocol() {
        let code = "use larm_dc09::Dc09;\n";
        assert_eq!(lines(imports, "src/registry/mod.rs", code), NONE);
        assert_eq!(lines(imports, "src/conn/tcp.rs", code), [1]);
        assert_eq!(
            lines(
                imports,
                "src/cli/send.rs",
                "fn f() {\n larm_dc09::encode(1) }"
            ),
            [2]
        );
        let finding = imports(&one("src/conn/tcp.rs", code)).remove(0).to_string();
        assert!(
            finding.starts_with("src/conn/tcp.rs:1: larm_dc09::Dc09; allowed: "),
            "{finding}"
        );
    }

    #[test]
    fn the_journal_knows_nobody() {
        let code = "use std::fs;\nuse crate::record;\nuse super::reader;\nuse super::super::sink::Slot;\nuse larm_event::Event;\nuse tokio::fs;\nuse crate::journal::Position;\n";
        assert_eq!(lines(imports, "src/journal/writer.rs", code), [2, 4, 5, 6]);
        assert_eq!(
            lines(imports, "src/journal/mod.rs", "use super::clock::Clock;"),
            [1]
        );
        assert_eq!(lines(imports, "src/journal/tests/cut.rs", code), NONE);
    }

    #[test]
    fn readers_and_listeners_do_not_know_each_other() {
        let code = "use crate::{journal::Reader, listen::Listener};\nuse larm_carrier::Session;\n";
        assert_eq!(lines(imports, "src/history/fill.rs", code), [1, 2]);
        assert_eq!(
            lines(imports, "src/deliver/mod.rs", "use crate::registry::find;"),
            [1]
        );
        assert_eq!(
            lines(imports, "src/listen/tcp.rs", "use crate::history::Store;"),
            [1]
        );
        assert_eq!(
            lines(
                imports,
                "src/conn/mod.rs",
                "fn f() { crate::deliver::wake() }"
            ),
            [1]
        );
        assert_eq!(
            lines(
                imports,
                "src/serve/mod.rs",
                "use crate::{conn, history, cli::demo};"
            ),
            [1]
        );
    }

    #[test]
    fn rooms_that_know_each_other_are_found() {
        let one = ("src/a/mod.rs", "use crate::b::B;\nuse super::c;");
        let two = ("src/b.rs", "fn f() { crate::c::g() }");
        let three = ("src/c/d.rs", "use crate::a::{self, A};");
        let four = (
            "src/e/mod.rs",
            "use crate::a;\n#[cfg(test)]\nmod tests { use crate::f; }",
        );
        let five = ("src/f/mod.rs", "use crate::e;");
        assert_eq!(cycles(&sources(&[one, two, four, five])), []);
        let found: Vec<String> = cycles(&sources(&[one, two, three]))
            .iter()
            .map(|f| format!("{}:{}", f.file, f.line))
            .collect();
        assert_eq!(
            found,
            [
                "src/a/mod.rs:1",
                "src/a/mod.rs:2",
                "src/b.rs:1",
                "src/c/d.rs:1"
            ]
        );
    }
}
