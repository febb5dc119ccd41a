//! What is known of one account: its zones, whether it is armed, whether there is an alarm, whether
//! its path works.
//!
//! Rules
//! - An alarm sets the alarm and its zone; a restoral resets its zone, and the alarm when no zone is
//!   left. Disarming resets both: many transmitters never restore a burglary.
//! - A communication trouble, and a supervision event whose code ends in `lost`, say that the path
//!   is down; everything else from the account shows that it works.
//! - Events in test mode change no state.
//!
//! Each rule applied twice gives the same, so an event that is delivered again changes nothing.
use std::collections::BTreeMap;

use larm_event::{Category, Event, Kind};
use serde::{Deserialize, Serialize};

/// Most zones of an account; further ones are in events, but have no entity.
pub(super) const ZONES_MAX: usize = 64;

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) receiver: Option<String>,
    pub(super) line: Option<String>,
    pub(super) account: String,
    /// It is in the register.
    pub(super) known: bool,
    /// When it was last heard, in milliseconds since 1970.
    pub(super) heard_ms: i64,
    pub(super) armed: Option<bool>,
    pub(super) alarm: bool,
    /// Its path does not work.
    pub(super) lost: bool,
    pub(super) zones: BTreeMap<String, Zone>,
}

/// One zone that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Zone {
    pub(super) category: Category,
    pub(super) alarm: bool,
}

/// What an event changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// There is a zone more: the announcement changes.
    pub(super) shape: bool,
    /// A state is another one.
    pub(super) state: bool,
}

impl Device {
    /// An account that nothing is known of yet; `None` for an event without one.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(Self {
            receiver: event.receiver.clone(),
            line: event.line.clone(),
            account: event.account.clone()?,
            ..Self::default()
        })
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &Event) -> Changed {
        self.known |= event.account_known;
        self.heard_ms = self.heard_ms.max(event.received_at.as_millis());
        if event.test {
            return Changed::default();
        }
        let before = (self.armed, self.alarm, self.lost);
        let shape = self.learn_zone(event);
        let zone = self.take_zone(event);
        match event.kind {
            Kind::Alarm => self.alarm = true,
            Kind::Restoral => self.alarm &= self.zones.values().any(|zone| zone.alarm),
            Kind::Open => {
                self.armed = Some(false);
                self.alarm = false;
            }
            Kind::Close => self.armed = Some(true),
            _ => {}
        }
        self.lost = says_lost(event);
        Changed {
            shape,
            state: zone || shape || before != (self.armed, self.alarm, self.lost),
        }
    }

    /// A zone becomes known by its first alarm or restoral.
    fn learn_zone(&mut self, event: &Event) -> bool {
        let Some(zone) = event.zone.as_deref().filter(|zone| !zone.is_empty()) else {
            return false;
        };
        let new = matches!(event.kind, Kind::Alarm | Kind::Restoral)
            && !self.zones.contains_key(zone)
            && self.zones.len() < ZONES_MAX;
        if new {
            self.zones.insert(
                zone.to_owned(),
                Zone {
                    category: event.category,
                    alarm: false,
                },
            );
        }
        new
    }

    fn take_zone(&mut self, event: &Event) -> bool {
        let mut changed = false;
        let mut set = |zone: &mut Zone, alarm: bool| {
            changed |= zone.alarm != alarm;
            zone.alarm = alarm;
        };
        match event.kind {
            Kind::Alarm | Kind::Restoral => {
                if let Some(zone) = event
                    .zone
                    .as_ref()
                    .and_then(|zone| self.zones.get_mut(zone))
                {
                    set(zone, event.kind == Kind::Alarm);
                }
            }
            Kind::Open => self.zones.values_mut().for_each(|zone| set(zone, false)),
            _ => {}
        }
        changed
    }
}

fn says_lost(event: &Event) -> bool {
    let trouble = event.kind == Kind::Trouble && event.category == Category::Communication;
    let code = event.code.as_ref().map_or("", |code| code.code.as_str());
    trouble || (event.kind == Kind::Supervision && code.ends_with("lost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, zone: Option<&str>) -> Event {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.account = Some("1234".to_owned());
        event.kind = kind;
        event.category = Category::Intrusion;
        event.zone = zone.map(str::to_owned);
        event
    }

    fn device() -> Device {
        Device::of(&event(Kind::Test, None)).unwrap()
    }

    const SHAPE: Changed = Changed {
        shape: true,
        state: true,
    };
    const STATE: Changed = Changed {
        shape: false,
        state: true,
    };
    const NOTHING: Changed = Changed {
        shape: false,
        state: false,
    };

    #[test]
    fn an_alarm_stays_until_its_last_zone_is_restored() {
        let mut device = device();
        assert_eq!(device.take(&event(Kind::Alarm, Some("5"))), SHAPE);
        assert_eq!(
            device.take(&event(Kind::Alarm, Some("5"))),
            NOTHING,
            "a repeat"
        );
        assert_eq!(device.take(&event(Kind::Alarm, Some("6"))), SHAPE);
        assert_eq!(device.take(&event(Kind::Restoral, Some("5"))), STATE);
        assert!(device.alarm && !device.zones["5"].alarm && device.zones["6"].alarm);
        assert_eq!(device.take(&event(Kind::Restoral, Some("6"))), STATE);
        assert!(!device.alarm);
    }

    #[test]
    fn disarming_ends_the_alarm() {
        let mut device = device();
        device.take(&event(Kind::Close, None));
        device.take(&event(Kind::Alarm, Some("5")));
        assert_eq!((device.armed, device.alarm), (Some(true), true));
        device.take(&event(Kind::Open, None));
        assert_eq!(
            (device.armed, device.alarm, device.zones["5"].alarm),
            (Some(false), false, false)
        );
    }

    #[test]
    fn the_path_is_down_until_something_is_heard() {
        let mut device = device();
        let mut trouble = event(Kind::Trouble, None);
        trouble.category = Category::Communication;
        assert_eq!(device.take(&trouble), STATE);
        assert!(device.lost);
        assert_eq!(device.take(&event(Kind::Test, None)), STATE);
        assert!(!device.lost);
    }

    #[test]
    fn test_mode_changes_nothing_and_zones_are_bounded() {
        let mut device = device();
        let mut test = event(Kind::Alarm, Some("5"));
        test.test = true;
        assert_eq!(device.take(&test), NOTHING);
        for zone in 0..2 * ZONES_MAX {
            device.take(&event(Kind::Alarm, Some(&zone.to_string())));
        }
        assert_eq!(device.zones.len(), ZONES_MAX);
    }
}
