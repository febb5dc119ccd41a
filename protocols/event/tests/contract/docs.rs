//! Do the pages about the record and the codes say what the types and tables say?
use std::path::Path;

use larm_event::{
    Category, Event, Grade, Kind, Meaning, MediaKind, PathRole, Scheme, SuspectReason, Transport,
    classify_cid, classify_sia, tables,
};
use serde_json::Value;

fn page(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    std::fs::read_to_string(docs.join(name)).expect("the page exists")
}

#[test]
fn every_field_and_every_word_is_explained() {
    let page = page("event.md");
    let schema = larm_event::schema::event().to_value();
    let defined = schema["$defs"].as_object().into_iter().flatten();
    let objects = defined.map(|(_, object)| object).chain([&schema]);
    let fields = objects.filter_map(|object| object["properties"].as_object());
    let fields = fields.flat_map(|fields| fields.keys().map(String::as_str));
    for word in fields.chain(words()) {
        let explained = page.contains(&format!("`{word}`"));
        assert!(explained, "docs/src/event.md does not explain `{word}`");
    }
}

/// Every word of every vocabulary.
fn words() -> Vec<&'static str> {
    macro_rules! all {
        ($($vocabulary:ty),+) => {
            [$(<$vocabulary>::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>()),+]
        };
    }
    all!(
        Kind,
        Category,
        Grade,
        SuspectReason,
        Scheme,
        Transport,
        PathRole,
        MediaKind
    )
    .concat()
}

#[test]
fn the_example_is_an_event() {
    let page = page("event.md");
    let (_, rest) = page.split_once("```json").expect("a JSON block");
    let (example, _) = rest.split_once("```").expect("its end");
    let written: Value = serde_json::from_str(example).expect("JSON");
    let event: Event = serde_json::from_value(written.clone()).expect("an event");
    assert_eq!(serde_json::to_value(event).expect("JSON"), written);
}

/// The meaning of `BA` or `1130`, and the row that it should have in the page.
fn row(code: &str) -> String {
    let meaning: Meaning = match code.split_at(1) {
        (qualifier, code) if code.len() == 3 => {
            classify_cid(code, qualifier.parse().expect("a digit"))
        }
        _ => classify_sia(code),
    };
    format!(
        "| `{code}` | `{}` | `{}` | {} | {} | {} |",
        meaning.kind,
        meaning.category,
        meaning.priority.get(),
        meaning.name,
        meaning.name_sv
    )
}

#[test]
fn the_codes_mean_what_the_page_says() {
    let page = page("codes.md");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert!(rows.len() > 30);
    for found in rows {
        let code = found.split('`').nth(1).expect("a code");
        assert_eq!(found, row(code));
    }
    let (sia, cid) = (tables::sia_codes().len(), tables::cid_codes().len());
    assert!(page.contains(&format!("{sia} codes of SIA DC-03 and {cid} of Contact ID")));
}
