//! The JSON Schema of the record, generated from its types.
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};

use crate::Event;

/// JSON Schema (2020-12) of [`Event`] as larm writes it; published as `docs/event.schema.json`.
///
/// It allows further fields, because the record grows.
#[must_use]
pub fn event() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings
        .with_transform(AbsentNotNull)
        .into_generator()
        .into_root_schema_for::<Event>()
}

/// Absent values are left out of the JSON, so nothing is ever null.
#[derive(Clone, Debug)]
struct AbsentNotNull;

impl Transform for AbsentNotNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        drop_null_type(schema);
        drop_null_choice(schema);
    }
}

/// `"type": ["string", "null"]` becomes `"type": "string"`.
fn drop_null_type(schema: &mut Schema) {
    let Some(types) = schema
        .get_mut("type")
        .and_then(|types| types.as_array_mut())
    else {
        return;
    };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        schema.insert("type".into(), only);
    }
}

/// `"anyOf": [{"$ref": …}, {"type": "null"}]` becomes `"$ref": …`.
fn drop_null_choice(schema: &mut Schema) {
    let Some(choices) = schema
        .get_mut("anyOf")
        .and_then(|choices| choices.as_array_mut())
    else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [only] = choices.as_mut_slice() {
        let only = only.take();
        schema.remove("anyOf");
        for (key, value) in only.as_object().into_iter().flatten() {
            schema.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_may_be_null() {
        let text = std::string::ToString::to_string(event().as_value());
        assert!(!text.contains("\"null\""), "{text}");
        assert!(!text.contains("anyOf"), "{text}");
    }
}
