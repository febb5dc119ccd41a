//! Connectors as they stand in a file: defaults, examples, and what is said about mistakes.
use super::super::{Change, Config, Connector, reload};
use super::{KINDS, KindConfig, SECTION};

fn problems(text: &str) -> String {
    match Config::parse("larm.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// The file with every key of a kind.
fn example(kind: &str) -> Vec<Connector> {
    let path = format!(
        "{}/docs/examples/connectors/{kind}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    match Config::load(path.as_ref(), &|_| None) {
        Ok(config) => config.connectors,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_schema_tells_the_defaults_of_every_kind() {
    for kind in KINDS {
        let connector = Connector::default_of(kind.name).unwrap();
        for key in connector.keys().filter(|key| key.name != "kind") {
            let real = connector.show(key.name).unwrap_or_default();
            assert_eq!(real, key.default, "kind {}: {}", kind.name, key.name);
        }
    }
}

/// Each key stands in the example of its kind, and at least once with another value than the
/// default.
#[test]
fn every_value_of_every_kind_is_read() {
    for kind in KINDS {
        let usual = KindConfig::default_of(kind.name).unwrap();
        let all = example(kind.name);
        let all: Vec<&Connector> = all
            .iter()
            .filter(|one| one.kind.name() == kind.name)
            .collect();
        for key in kind.keys {
            let read = all
                .iter()
                .any(|one| one.kind.show(key.name) != usual.show(key.name));
            assert!(read, "kind {}: {} is not read", kind.name, key.name);
        }
    }
    let usual = Connector::default_of("jsonl").unwrap();
    let all = example("jsonl");
    for key in SECTION.keys.iter().filter(|key| key.name != "kind") {
        let read = all
            .iter()
            .any(|one| one.show(key.name) != usual.show(key.name));
        assert!(read, "[connector] {} is not read", key.name);
    }
}

#[test]
fn what_is_printed_reads_back() {
    for kind in KINDS {
        let config = Config {
            connectors: example(kind.name),
            ..Config::default()
        };
        let text = config.to_toml();
        let read = Config::parse("printed", &text).unwrap();
        assert_eq!(read, config, "{text}");
    }
    let defaults = Config::default().to_toml();
    for kind in KINDS {
        let line = format!("# kind = \"{}\"", kind.name);
        assert!(defaults.contains(&line), "{line} is missing");
    }
}

/// A kind's key must not hide one of all kinds.
#[test]
fn no_key_has_two_meanings() {
    for kind in KINDS {
        let mut names: Vec<&str> = SECTION.keys.iter().map(|key| key.name).collect();
        names.extend(kind.keys.iter().map(|key| key.name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "kind {}", kind.name);
    }
}

#[test]
fn mistakes_are_told_with_the_remedy() {
    let told = problems(
        r#"
[[connector]]
name = "a b"
kind = "jsonl"
[[connector]]
name = "two"
kind = "jsonl"
categories = ["fire", "gass"]
accounts = []
annunciate_to = "nobody"
retry_min = "1m"
[[connector]]
name = "two"
kind = "jsnol"
[[connector]]
name = "TWO"
kind = "jsonl"
annunciate_to = "TWO"
rotate_sise = "1MiB"
priority_max = 6
[[connector]]
name = "three"
"#,
    );
    for says in [
        "`name` cannot be \"a b\": it has other characters",
        "write \"gas\" (takes",
        "`accounts` cannot be []: the list is empty",
        "annunciate_to = \"nobody\" is no connector of this file",
        "retry_min = \"1m\" is longer than retry_max = \"30s\"",
        "write \"jsonl\" (takes",
        "the connector name \"TWO\" stands here twice",
        "annunciate_to = \"TWO\" is the connector itself",
        "did you mean `rotate_size`?",
        "`priority_max` cannot be 6: it is out of range",
        "[[connector]] lacks the key `kind`",
        "11 problems",
    ] {
        assert!(told.contains(says), "lacks {says:?}:\n{told}");
    }
}

#[test]
fn a_key_of_a_kind_is_led_home() {
    let told = problems("[queue]\nrotate_size = \"1MiB\"\n");
    assert!(
        told.contains("`rotate_size` with kind = \"jsonl\""),
        "{told}"
    );
}

#[test]
fn what_cannot_be_built_is_told_at_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larm.toml");
    std::fs::write(
        &path,
        "[[connector]]\nname = \"x\"\nkind = \"jsonl\"\nkeep_files = 3\n",
    )
    .unwrap();
    let judge = |one: &Connector| {
        assert_eq!(one.name, "x");
        Some(("keep_files", "three are no good; write 4".to_owned()))
    };
    let told = Config::load(&path, &judge).unwrap_err().to_string();
    assert!(told.contains("larm.toml:4:14"), "{told}");
    assert!(
        told.contains("`keep_files` does not do for connector \"x\""),
        "{told}"
    );
    assert!(told.contains("three are no good; write 4"), "{told}");
}

#[test]
fn connectors_come_go_and_change_while_it_runs() {
    let parse = |text: &str| Config::parse("x", text).unwrap();
    let old = parse(
        "[[connector]]\nname = \"a\"\nkind = \"jsonl\"\n[[connector]]\nname = \"b\"\nkind = \"jsonl\"\n",
    );
    let new = parse(
        "[[connector]]\nname = \"c\"\nkind = \"jsonl\"\n[[connector]]\nname = \"b\"\nkind = \"jsonl\"\n",
    );
    let changes: Vec<Change> = reload(&old, &new);
    let told: Vec<(&str, bool)> = changes
        .iter()
        .map(|change| (change.what.as_str(), change.applied))
        .collect();
    assert_eq!(told, [("connector a", true), ("connector c", true)]);
}
