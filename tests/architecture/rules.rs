//! The rules themselves: who may import whom, what no source may hold, where the proof is made.
use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::finding::Finding;
use crate::scan::{self, Named, Source};
use crate::tracked::{self, Text};

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
    // Between event and bytes, and nothing else.
    Room {
        name: "record",
        crates: Some(&[
            "alloc",
            "core",
            "larm_event",
            "serde",
            "serde_json",
            "std",
            "thiserror",
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

/// What no source may hold, wherever it stands.
pub(crate) fn habits(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.text.starts_with("//! ") {
        let found = "the first line is no //! comment";
        findings.push(Finding::new(
            &source.file,
            1,
            found,
            "//! and the one purpose of the file",
        ));
    }
    for (at, token) in source.all_tokens.iter().enumerate() {
        let before = |back: usize| {
            at.checked_sub(back)
                .and_then(|at| source.all_tokens.get(at))
                .map_or("", |t| t.text.as_str())
        };
        let after = source
            .all_tokens
            .get(at + 1)
            .map_or("", |token| token.text.as_str());
        let allowed = match token.text.as_str() {
            "unsafe" => "no unsafe code",
            "unsafe_code" if before(2) != "forbid" => "forbid(unsafe_code) only",
            "todo" | "unimplemented" if after == "!" => "code that does it",
            "ignore" if before(1) == "[" && before(2) == "#" => "tests that run",
            "global_allocator" if source.file != "src/main.rs" && !source.test => {
                "the allocator in src/main.rs only"
            }
            _ => continue,
        };
        findings.push(Finding::new(
            &source.file,
            token.line,
            token.text.as_str(),
            allowed,
        ));
    }
    findings
}

/// `impl … Proof for …` stands exactly once outside of tests: in `src/sink`.
pub(crate) fn proof(sources: &[Source]) -> Vec<Finding> {
    const ALLOWED: &str = "exactly one impl of Proof, in src/sink";
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !source.test) {
        for two in source.tokens.windows(2) {
            if two[0].text == "Proof" && two[1].text == "for" {
                places.push((source.file.as_str(), two[0].line));
            }
        }
    }
    let at_home = places
        .iter()
        .filter(|(file, _)| file.starts_with("src/sink"))
        .count();
    let strays = places
        .iter()
        .filter(|(file, _)| !file.starts_with("src/sink") || at_home > 1);
    let mut findings: Vec<Finding> = strays
        .map(|(file, line)| Finding::new(file, *line, "impl of Proof", ALLOWED))
        .collect();
    if at_home == 0 {
        findings.push(Finding::new("src/sink", 0, "no impl of Proof", ALLOWED));
    }
    findings
}

/// Every crate under `protocols` is `no_std`, without a condition.
pub(crate) fn no_std(sources: &[Source]) -> Vec<Finding> {
    let roots = sources.iter().filter(|source| {
        source.file.starts_with("protocols/") && source.file.ends_with("/src/lib.rs")
    });
    roots
        .filter(|source| {
            !source.tokens.windows(5).any(|five| {
                five.iter()
                    .map(|token| token.text.as_str())
                    .eq(["#", "!", "[", "no_std", "]"])
            })
        })
        .map(|source| Finding::new(&source.file, 1, "not #![no_std]", "#![no_std] with alloc"))
        .collect()
}

/// Absolute paths of a machine, and addresses of a package mirror.
pub(crate) fn machine(text: &Text) -> Vec<Finding> {
    // Put together here, so that this file does not hold them.
    const MARKS: [&str; 6] = [
        concat!("/wo", "rk/"),
        concat!("/fa", "rm/"),
        concat!("/ro", "ot/"),
        concat!("/tmp", "/wt"),
        concat!("/opt", "/wheels"),
        concat!("index", "-url"),
    ];
    let lock = text.file.ends_with("Cargo.lock");
    let mut findings = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        let marked = MARKS.iter().find(|mark| {
            line.match_indices(*mark)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()))
        });
        if let Some(mark) = marked {
            findings.push(Finding::new(
                &text.file,
                index + 1,
                *mark,
                "paths inside the repository",
            ));
        }
        let source = line.strip_prefix("source = ").filter(|_| lock);
        if source.is_some_and(|source| !source.contains("//github.com/rust-lang/crates.io-index\""))
        {
            findings.push(Finding::new(&text.file, index + 1, line, "crates.io"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{habits, imports, machine, no_std, proof};
    use crate::finding::Finding;
    use crate::scan::{Source, sources};
    use crate::tracked::Text;

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
    fn forbidden_words_are_found_in_code_alone() {
        let code = "//! x\n// unsafe todo!()\nconst A: &str = \"unsafe\";\nunsafe fn f() {}\n#[allow(unsafe_code)]\nfn g() { todo!() }\n#[ignore]\n#[test] fn h() { unimplemented!() }\n#[global_allocator]\n#[ignore = \"slow\"]\n";
        assert_eq!(
            lines(habits, "src/conn/tcp.rs", code),
            [4, 5, 6, 7, 8, 9, 10]
        );
        assert_eq!(
            lines(habits, "src/main.rs", "//! x\n#[global_allocator]\n"),
            NONE
        );
        assert_eq!(
            lines(habits, "src/lib.rs", "//! x\n#![forbid(unsafe_code)]\n"),
            NONE
        );
        assert_eq!(lines(habits, "src/lib.rs", "// x\n"), [1]);
    }

    #[test]
    fn a_second_proof_is_found() {
        let home = ("src/sink/proof.rs", "impl Proof for Commit {}");
        let stray = (
            "src/conn/tcp.rs",
            "impl<T> larm_carrier::Proof for Lie<T> {}",
        );
        let test = (
            "src/conn/udp.rs",
            "#[cfg(test)]\nmod tests { impl Proof for Fake {} }",
        );
        assert_eq!(proof(&sources(&[home, test])), []);
        assert_eq!(proof(&sources(&[home, stray])).len(), 1);
        assert_eq!(
            proof(&sources(&[home, ("src/sink/mod.rs", home.1)])).len(),
            2
        );
        assert_eq!(proof(&sources(&[test])).len(), 1);
    }

    #[test]
    fn a_protocol_with_std_is_found() {
        let good = (
            "protocols/a/src/lib.rs",
            "//! x\n#![no_std]\nextern crate alloc;",
        );
        let bad = (
            "protocols/b/src/lib.rs",
            "//! x\n#![cfg_attr(not(test), no_std)]",
        );
        let found = no_std(&sources(&[good, bad]));
        assert_eq!(
            found.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(),
            ["protocols/b/src/lib.rs"]
        );
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let text = |file: &str, text: &str| Text {
            file: file.to_owned(),
            text: text.to_owned(),
        };
        let bad = format!(
            "fine\nsee {}x\nhttps://a.example{}y\n",
            concat!("/ro", "ot/"),
            concat!("/wo", "rk/")
        );
        let found: Vec<_> = machine(&text("a.md", &bad))
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(found, [2]);
        let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"registry+https://mirror.example/index\"\n";
        let found: Vec<_> = machine(&text("Cargo.lock", lock))
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(found, [2]);
    }
}
