//! Is the published schema the one of the types, and does it describe what is written?
use std::collections::BTreeSet;
use std::path::Path;

use larm_event::Event;
use serde_json::Value;

use crate::json::{SAMPLE, value};

const COMMAND: &str =
    "cargo run -q -p larm-event --example schema --features schema > docs/event.schema.json";

fn generated() -> Value {
    larm_event::schema::event().to_value()
}

#[test]
fn the_published_schema_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/event.schema.json");
    let published = std::fs::read_to_string(path).unwrap_or_default();
    // As values: the order of keys depends on features that other crates switch on.
    assert!(
        serde_json::from_str(&published).ok() == Some(generated()),
        "docs/event.schema.json is not the schema of the types. If the change only adds, run\n  {COMMAND}"
    );
}

/// The names under `keyword` of a schema: its properties, or those that are required.
fn names(schema: &Value, keyword: &str) -> BTreeSet<String> {
    match schema.get(keyword) {
        Some(Value::Object(properties)) => properties.keys().cloned().collect(),
        Some(Value::Array(required)) => {
            let names = required.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        }
        _ => BTreeSet::new(),
    }
}

fn keys(object: &Value) -> BTreeSet<String> {
    let fields = object.as_object().expect("an object");
    fields.keys().cloned().collect()
}

#[test]
fn a_record_with_everything_has_exactly_the_fields_of_the_schema() {
    let schema = generated();
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    assert_eq!(keys(&sample), names(&schema, "properties"));
    for (name, object) in [
        ("Path", &sample["path"]),
        ("Part", &sample["part"]),
        ("Code", &sample["code"]),
        ("Value", &sample["value"]),
        ("Location", &sample["location"]),
        ("Media", &sample["media"][0]),
        ("Modifier", &sample["modifiers"][0]),
        ("Extended", &sample["extended"][0]),
        ("Authenticity", &sample["authenticity"]),
        ("Repeat", &sample["repeat"]),
    ] {
        let properties = names(&schema["$defs"][name], "properties");
        assert_eq!(keys(object), properties, "{name}");
    }
}

#[test]
fn a_record_with_nothing_has_exactly_the_required_fields() {
    let draft = value(&Event::draft("dc09/SIA-DCS".to_owned()));
    assert_eq!(keys(&draft), names(&generated(), "required"));
}
