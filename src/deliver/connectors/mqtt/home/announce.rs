//! What Home Assistant is told: one announcement and one state per account, both retained, and its
//! events, which are not.
//!
//! Form: device-based MQTT discovery, `PREFIX/device/ID/config`, of Home Assistant 2024.11 and later.
//! The ids of entities are made of gateway, receiver, line, account and zone alone, so that they are
//! the same after every restart.
use std::fmt::Write as _;

use larm_event::{Category, Event, Kind};
use serde_json::{Map, Value, json};

use super::device::{Device, Zone};

/// Where an account's topics stand.
pub(super) struct Places<'p> {
    /// Where Home Assistant looks.
    pub(super) discovery: &'p str,
    /// Below which states stand.
    pub(super) state: &'p str,
    /// Where the gateway says whether it is there.
    pub(super) status: &'p str,
    pub(super) node: &'p str,
}

impl Places<'_> {
    pub(super) fn config(&self, key: &str) -> String {
        format!("{}/device/{}/config", self.discovery, self.id(key))
    }

    pub(super) fn state(&self, key: &str) -> String {
        format!("{}/{key}/state", self.state)
    }

    pub(super) fn event(&self, key: &str) -> String {
        format!("{}/{key}/event", self.state)
    }

    fn id(&self, key: &str) -> String {
        let mut id = String::from("larm_");
        plain(&mut id, self.node);
        id.push('_');
        id.push_str(key);
        id
    }

    /// The announcement of an account with all that it has.
    pub(super) fn announcement(&self, key: &str, device: &Device) -> Value {
        let id = self.id(key);
        let mut parts = Map::new();
        parts.insert("event".to_owned(), self.events(key, &id));
        let about =
            json!({ "platform": "binary_sensor", "name": "Alarm", "device_class": "safety" });
        parts.insert(
            "alarm".to_owned(),
            part(about, &id, "alarm", "{{ value_json.alarm }}"),
        );
        let about = json!({
            "platform": "sensor", "name": "State", "device_class": "enum",
            "options": ["unknown", "disarmed", "armed", "alarm"],
        });
        parts.insert(
            "mode".to_owned(),
            part(about, &id, "mode", "{{ value_json.mode }}"),
        );
        let about = json!({
            "platform": "binary_sensor", "name": "Connection", "device_class": "connectivity",
            "entity_category": "diagnostic",
        });
        parts.insert(
            "connected".to_owned(),
            part(about, &id, "connected", "{{ value_json.connected }}"),
        );
        for (name, zone) in &device.zones {
            let (own, about) = zone_part(&id, name, zone);
            parts.insert(own, about);
        }
        json!({
            "device": {
                "identifiers": [id],
                "name": format!("Alarm {}", device.account),
                "manufacturer": "larm",
                "model": "Alarm transmitter",
            },
            "origin": {
                "name": "larm",
                "sw_version": env!("CARGO_PKG_VERSION"),
                "support_url": env!("CARGO_PKG_REPOSITORY"),
            },
            "availability": [{ "topic": self.status }],
            "state_topic": self.state(key),
            "qos": 1,
            "components": parts,
        })
    }

    fn events(&self, key: &str, id: &str) -> Value {
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        json!({
            "platform": "event",
            "name": "Event",
            "unique_id": format!("{id}_event"),
            "state_topic": self.event(key),
            "event_types": kinds,
        })
    }
}

/// The state of an account with all of its zones.
pub(super) fn state(device: &Device) -> Value {
    let mode = match (device.alarm, device.armed) {
        (true, _) => "alarm",
        (false, Some(true)) => "armed",
        (false, Some(false)) => "disarmed",
        (false, None) => "unknown",
    };
    let zones: Map<String, Value> = device
        .zones
        .iter()
        .map(|(name, zone)| (zone_key(name), on(zone.alarm).into()))
        .collect();
    json!({
        "alarm": on(device.alarm),
        "mode": mode,
        "connected": on(!device.lost),
        "zones": zones,
    })
}

/// One event, for the event entity: its kind is the type, the rest are attributes.
pub(super) fn happening(event: &Event) -> Value {
    let mut told = Map::new();
    told.insert("event_type".to_owned(), event.kind.as_str().into());
    told.insert("id".to_owned(), event.id.to_string().into());
    told.insert(
        "received_at".to_owned(),
        event.received_at.to_string().into(),
    );
    told.insert("category".to_owned(), event.category.as_str().into());
    told.insert("priority".to_owned(), event.priority.get().into());
    let code = event.code.as_ref();
    let texts = [
        ("code", code.map(|code| &code.code)),
        ("name", code.map(|code| &code.name)),
        ("partition", event.partition.as_ref()),
        ("zone", event.zone.as_ref()),
        ("user", event.user.as_ref()),
        ("text", event.text.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            told.insert(name.to_owned(), text.as_str().into());
        }
    }
    if event.test {
        told.insert("test".to_owned(), true.into());
    }
    Value::Object(told)
}

/// The key of an account: `RECEIVER_LINE_ACCOUNT`, each in plain letters, digits and `-`.
pub(super) fn key(device: &Device) -> String {
    let mut key = String::new();
    plain(&mut key, device.receiver.as_deref().unwrap_or(""));
    key.push('_');
    plain(&mut key, device.line.as_deref().unwrap_or(""));
    key.push('_');
    plain(&mut key, &device.account);
    key
}

fn zone_part(id: &str, name: &str, zone: &Zone) -> (String, Value) {
    let key = zone_key(name);
    let class = match zone.category {
        Category::Fire => "smoke",
        Category::Gas => "gas",
        Category::Water => "moisture",
        Category::Temperature => "heat",
        Category::Tamper => "tamper",
        Category::Power | Category::Technical | Category::Communication => "problem",
        _ => "safety",
    };
    let own = format!("zone_{key}");
    let about = json!({ "platform": "binary_sensor", "name": format!("Zone {name}"), "device_class": class });
    let template = format!("{{{{ value_json.zones['{key}'] }}}}");
    let part = part(about, id, &own, &template);
    (own, part)
}

fn part(mut about: Value, id: &str, own: &str, template: &str) -> Value {
    about["unique_id"] = format!("{id}_{own}").into();
    about["value_template"] = template.into();
    about
}

fn zone_key(name: &str) -> String {
    let mut key = String::new();
    plain(&mut key, name);
    key
}

fn on(yes: bool) -> &'static str {
    if yes { "ON" } else { "OFF" }
}

/// A text in letters and digits, other bytes as `-` and two hexadecimal digits: no two texts become
/// the same, and none can end a template, a topic's level or an id.
pub(super) fn plain(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "-{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.account = Some("12 34".to_owned());
        event.receiver = Some("1".to_owned());
        event.kind = Kind::Alarm;
        event.category = Category::Fire;
        event.zone = Some("5'] }}".to_owned());
        let mut device = Device::of(&event).unwrap();
        device.take(&event);
        device
    }

    #[test]
    fn an_account_is_announced_with_its_zones() {
        let places = Places {
            discovery: "homeassistant",
            state: "s",
            status: "s/up",
            node: "väst",
        };
        let device = device();
        let key = key(&device);
        assert_eq!(
            places.config(&key),
            "homeassistant/device/larm_v-c3-a4st_1__12-2034/config"
        );
        let told = places.announcement(&key, &device);
        assert_eq!(told["device"]["name"], "Alarm 12 34");
        let zone = &told["components"]["zone_5-27-5d-20-7d-7d"];
        assert_eq!(zone["device_class"], "smoke");
        assert_eq!(
            zone["value_template"],
            "{{ value_json.zones['5-27-5d-20-7d-7d'] }}"
        );
        assert_eq!(
            zone["unique_id"],
            "larm_v-c3-a4st_1__12-2034_zone_5-27-5d-20-7d-7d"
        );
        assert_eq!(state(&device)["zones"]["5-27-5d-20-7d-7d"], "ON");
        assert_eq!(state(&device)["mode"], "alarm");
        let parts = told["components"].as_object().unwrap();
        assert!(
            parts
                .values()
                .all(|part| part["platform"].is_string() && part["unique_id"].is_string())
        );
    }

    #[test]
    fn different_accounts_have_different_keys() {
        let of = |receiver: Option<&str>, line: Option<&str>, account: &str| {
            key(&Device {
                receiver: receiver.map(str::to_owned),
                line: line.map(str::to_owned),
                account: account.to_owned(),
                ..Device::default()
            })
        };
        assert_ne!(of(Some("1"), None, "2"), of(None, Some("1"), "2"));
        assert_ne!(of(None, None, "1_2"), of(None, Some("1"), "2"));
        assert_ne!(of(None, None, "a-20b"), of(None, None, "a b"));
    }
}
