//! The JSON form of an explanation: the fields and words that `larm decode --json` promises.
use larm_carrier::Inspection;
use larm_event::Event;
use serde_json::{Map, Value, json};

/// Fields of a record that only a gateway can fill; a decoded file has none of them.
const NOT_OF_THE_FRAME: [&str; 7] = [
    "id",
    "node",
    "received_at",
    "account_known",
    "raw",
    "path",
    "test",
];

/// One object for one piece found in line `input` (from 1) of the input. Absent values are left
/// out; lists are always there.
#[must_use]
pub fn to_json(input: usize, found: &Inspection) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::String);
    put("input", Some(json!(input)));
    put("verdict", Some(json!(found.verdict)));
    put("error", text(&found.error));
    put(
        "protocol",
        Some(json!(found.protocol)).filter(|_| !found.protocol.is_empty()),
    );
    put("crc_form", found.crc_form.map(|form| json!(form)));
    put("encrypted", found.encrypted.map(Value::Bool));
    put("id", text(&found.id));
    put("sequence", text(&found.sequence));
    put("receiver", text(&found.receiver));
    put("line", text(&found.line));
    put("account", text(&found.account));
    put("payload", text(&found.payload));
    let extended: Vec<Value> = found
        .extended
        .iter()
        .map(|block| json!({ "id": block.id, "value": block.value }))
        .collect();
    put("extended", Some(Value::Array(extended)));
    put("timestamp", text(&found.timestamp));
    put("deviations", Some(json!(found.deviations)));
    put("link_test", found.link_test.then_some(Value::Bool(true)));
    put(
        "events",
        Some(Value::Array(found.events.iter().map(event).collect())),
    );
    put("reply", Some(json!(found.reply)));
    put("lenient_reply", text(&found.lenient_reply));
    Value::Object(object)
}

fn event(event: &Event) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !NOT_OF_THE_FRAME.contains(&name.as_str()));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_values_are_left_out_and_lists_stay() {
        let found = Inspection {
            verdict: "not-dc09".to_owned(),
            protocol: "dc09".to_owned(),
            reply: "none".to_owned(),
            ..Inspection::default()
        };
        assert_eq!(
            to_json(3, &found),
            json!({ "input": 3, "verdict": "not-dc09", "protocol": "dc09", "extended": [],
                "deviations": [], "events": [], "reply": "none" })
        );
    }

    #[test]
    fn events_carry_what_the_frame_says_and_nothing_else() {
        let mut draft = Event::draft("dc09/SIA-DCS".to_owned());
        draft.account = Some("1234".to_owned());
        let found = Inspection {
            events: vec![draft],
            ..Inspection::default()
        };
        let value = to_json(1, &found);
        let event = &value["events"][0];
        assert_eq!(event["account"], "1234");
        assert!(
            NOT_OF_THE_FRAME
                .iter()
                .all(|name| event.get(name).is_none()),
            "{event}"
        );
    }
}
