//! Home Assistant: each account appears as a device with its zones, by itself.
//!
//! The records with the broker are bounded: two retained messages per account, at most
//! `devices_max` accounts, at most 64 zones each. With each connection all of them are published
//! again, beside the deliveries, so that a broker that forgot them has them again.
//!
//! Order: an account's messages are put into the connection under the lock that made them, so an
//! older state never overtakes a newer one.
mod announce;
mod device;
mod store;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use larm_event::Event;

use self::announce::Places;
use self::device::Device;
use self::store::Store;
use super::receipt::Receipt;
use super::session::{Message, Session};
use super::topic;
use crate::config::connector::Mqtt as Settings;
use crate::deliver::connector::{BuildError, Context};

/// Accounts that are announced at a time after connecting.
const GREETINGS: usize = 16;

/// Pause while the connection has no room for a message.
const FULL: Duration = Duration::from_millis(2);

/// The accounts, and where they are told of.
pub(super) struct Home {
    discovery: String,
    state: String,
    status: String,
    node: String,
    devices_max: usize,
    devices: Mutex<Devices>,
    store: Arc<Store>,
    /// Keeps the log from being flooded: said once.
    full_said: AtomicBool,
}

/// The accounts by key.
#[derive(Debug, Default)]
struct Devices {
    map: HashMap<String, Entry>,
    /// Keys of those that are to be forgotten.
    gone: Vec<String>,
}

/// What taking an event in led to.
enum Taken {
    /// Its account has no place.
    NoPlace,
    /// The broker has everything of the account.
    Same,
    /// The account as it is to be kept now.
    Changed(Device),
}

/// One account, and what of it the broker does not have yet.
#[derive(Debug, Default)]
struct Entry {
    device: Device,
    announce: bool,
    show: bool,
    /// It is to be forgotten, once the broker has forgotten it.
    gone: bool,
}

/// A topic prefix with the gateway's name in it.
pub(super) fn prefix(key: &'static str, template: &str, node: &str) -> Result<String, BuildError> {
    topic::check(key, template)?;
    let mut level = String::new();
    topic::level(&mut level, Some(node));
    Ok(template
        .replace("{node}", &level)
        .trim_end_matches('/')
        .to_owned())
}

impl Home {
    /// Reads what was kept.
    pub(super) fn new(
        settings: &Settings,
        context: &Context,
        state: String,
        status: String,
    ) -> Result<Self, BuildError> {
        topic::check("discovery_prefix", &settings.discovery_prefix)?;
        let store = Store::new(&context.directory);
        let mut devices = Devices::default();
        for (key, device) in store.read()?.into_iter().take(settings.devices_max) {
            let entry = Entry {
                device,
                ..Entry::default()
            };
            devices.map.insert(key, entry);
        }
        Ok(Self {
            discovery: settings.discovery_prefix.trim_end_matches('/').to_owned(),
            state,
            status,
            node: context.node.to_string(),
            devices_max: settings.devices_max,
            devices: Mutex::new(devices),
            store: Arc::new(store),
            full_said: AtomicBool::new(false),
        })
    }

    /// Publishes every account again, beside the deliveries, for as long as the session lives.
    pub(super) fn greet(self: &Arc<Self>, session: &Arc<Session>) {
        let keys: Vec<String> = {
            let mut devices = self.lock();
            for entry in devices.map.values_mut() {
                entry.announce = true;
                entry.show = true;
            }
            devices.map.keys().cloned().collect()
        };
        let greeting = tokio::spawn(greetings(Arc::clone(self), Arc::clone(session), keys));
        session.keep(greeting);
    }

    /// Shows an event: announces what is new about its account, sets its state, tells the event.
    /// `Nobody` also where the event has no account, or the account no place.
    pub(super) async fn show(&self, session: &Session, event: &Event) -> Receipt {
        let Some(key) = self.take(event).await else {
            return Receipt::Nobody;
        };
        match self.publish(session, &key).await {
            Receipt::Taken | Receipt::Nobody => {}
            other => return other,
        }
        let told = Message {
            topic: self.places().event(&key),
            payload: text(&announce::happening(event)),
            retain: false,
            properties: None,
        };
        session.publish(told).await
    }

    /// Takes the event into its account, and keeps what changed. `None`: it has no account, or the
    /// account no place.
    async fn take(&self, event: &Event) -> Option<String> {
        let new = Device::of(event)?;
        let key = announce::key(&new);
        let changed = self.lock().take(&key, new, event, self.devices_max);
        match changed {
            Taken::NoPlace => {
                self.say_full();
                return None;
            }
            Taken::Same => {}
            Taken::Changed(device) => {
                let (store, key) = (Arc::clone(&self.store), key.clone());
                let write = move || store.write(&key, &device);
                let written = tokio::task::spawn_blocking(write).await;
                if !matches!(written, Ok(Ok(()))) {
                    tracing::warn!(?written, "an account for home assistant cannot be kept");
                }
            }
        }
        Some(key)
    }

    fn say_full(&self) {
        if !self.full_said.swap(true, Ordering::Relaxed) {
            let most = self.devices_max;
            tracing::warn!(
                most,
                "further accounts are not announced to home assistant; see `devices_max`"
            );
        }
    }

    /// Publishes what the broker does not have yet of an account, and forgets those that are gone.
    async fn publish(&self, session: &Session, key: &str) -> Receipt {
        let gone = self.lock().gone.first().cloned();
        if let Some(gone) = gone {
            match self.send(session, &gone).await {
                Receipt::Taken | Receipt::Nobody => self.forget(&gone),
                other => return other,
            }
        }
        self.send(session, key).await
    }

    fn forget(&self, key: &str) {
        let forgotten = self.lock().forget(key);
        if forgotten && let Err(error) = self.store.remove(key) {
            tracing::warn!(%error, "an account for home assistant cannot be forgotten");
        }
    }

    /// Puts the messages of an account in, in order, and waits for their confirmation.
    async fn send(&self, session: &Session, key: &str) -> Receipt {
        let mut notices = Vec::with_capacity(2);
        loop {
            let put = {
                let mut devices = self.lock();
                let Some(entry) = devices.map.get_mut(key) else {
                    break;
                };
                let Some((message, flag)) = self.next(key, entry) else {
                    break;
                };
                match session.put(message) {
                    Some(Ok(notice)) => {
                        *flag = false;
                        Ok(Some(notice))
                    }
                    Some(Err(receipt)) => Err(receipt),
                    None => Ok(None),
                }
            };
            match put {
                Ok(Some(notice)) => notices.push(notice),
                Ok(None) => tokio::time::sleep(FULL).await,
                Err(receipt) => return receipt,
            }
        }
        for notice in notices {
            match session.confirmed(notice).await {
                Receipt::Taken | Receipt::Nobody => {}
                other => {
                    self.owe(key);
                    return other;
                }
            }
        }
        Receipt::Taken
    }

    /// The next message that an account owes, with the flag that it answers.
    fn next<'e>(&self, key: &str, entry: &'e mut Entry) -> Option<(Message, &'e mut bool)> {
        let places = self.places();
        let payload = |gone: bool, value: &dyn Fn() -> serde_json::Value| {
            if gone { Bytes::new() } else { text(&value()) }
        };
        if entry.announce {
            let value = || places.announcement(key, &entry.device);
            let message = Message::retained(places.config(key), payload(entry.gone, &value));
            return Some((message, &mut entry.announce));
        }
        if entry.show {
            let value = || announce::state(&entry.device);
            let message = Message::retained(places.state(key), payload(entry.gone, &value));
            return Some((message, &mut entry.show));
        }
        None
    }

    fn owe(&self, key: &str) {
        if let Some(entry) = self.lock().map.get_mut(key) {
            entry.announce = true;
            entry.show = true;
        }
    }

    fn places(&self) -> Places<'_> {
        Places {
            discovery: &self.discovery,
            state: &self.state,
            status: &self.status,
            node: &self.node,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Devices> {
        // Entries are changed field by field, each of them right by itself.
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(value: &serde_json::Value) -> Bytes {
    Bytes::from(value.to_string())
}

/// Announces the accounts of these keys, some at a time, until all are or the session ends.
async fn greetings(home: Arc<Home>, session: Arc<Session>, keys: Vec<String>) {
    let (home, session) = (&home, &session);
    let greetings = futures_util::stream::iter(keys)
        .map(|key| async move { home.publish(session, &key).await })
        .buffer_unordered(GREETINGS);
    let lost = greetings.any(|receipt| async move { receipt == Receipt::Lost });
    if !lost.await {
        tracing::debug!("every account is announced to home assistant");
    }
}

impl Devices {
    /// Takes an event into its account.
    fn take(&mut self, key: &str, new: Device, event: &Event, most: usize) -> Taken {
        if !self.map.contains_key(key) {
            if !self.has_room(event.account_known, most) {
                return Taken::NoPlace;
            }
            let entry = Entry {
                device: new,
                announce: true,
                ..Entry::default()
            };
            self.map.insert(key.to_owned(), entry);
        }
        let Some(entry) = self.map.get_mut(key) else {
            return Taken::NoPlace;
        };
        let changed = entry.device.take(event);
        if std::mem::take(&mut entry.gone) {
            self.gone.retain(|gone| gone != key);
            entry.announce = true;
        }
        entry.announce |= changed.shape;
        entry.show |= changed.state | entry.announce;
        if entry.show {
            Taken::Changed(entry.device.clone())
        } else {
            Taken::Same
        }
    }

    /// Whether one more account has a place; one of the register may take the place of one that is
    /// in none.
    fn has_room(&mut self, known: bool, most: usize) -> bool {
        if self.map.len() - self.gone.len() < most {
            return true;
        }
        if !known {
            return false;
        }
        let strangers = self
            .map
            .iter_mut()
            .filter(|(_, entry)| !entry.device.known && !entry.gone);
        let Some((key, entry)) = strangers.min_by_key(|(_, entry)| entry.device.heard_ms) else {
            return false;
        };
        entry.gone = true;
        entry.announce = true;
        entry.show = true;
        self.gone.push(key.clone());
        true
    }

    /// Forgets an account that is still to be forgotten.
    fn forget(&mut self, key: &str) -> bool {
        self.gone.retain(|gone| gone != key);
        let gone = self.map.get(key).is_some_and(|entry| entry.gone);
        gone && self.map.remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(devices: &mut Devices, account: &str, known: bool) -> bool {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.account = Some(account.to_owned());
        event.account_known = known;
        let new = Device::of(&event).unwrap();
        let key = announce::key(&new);
        !matches!(devices.take(&key, new, &event, 2), Taken::NoPlace)
    }

    #[test]
    fn accounts_of_the_register_take_the_place_of_strangers() {
        let mut devices = Devices::default();
        assert!(take(&mut devices, "a", false) && take(&mut devices, "b", true));
        assert!(
            !take(&mut devices, "c", false),
            "a stranger pushes nobody out"
        );
        assert!(take(&mut devices, "d", true));
        assert_eq!(devices.gone, ["__a"]);
        assert!(
            !take(&mut devices, "e", true),
            "nor does the register its own"
        );
        assert!(devices.forget("__a") && !devices.forget("__b"));
        assert_eq!(devices.map.len(), 2);
    }

    #[test]
    fn an_account_that_comes_back_is_not_forgotten() {
        let mut devices = Devices::default();
        take(&mut devices, "a", false);
        take(&mut devices, "b", false);
        take(&mut devices, "c", true);
        let gone = devices.gone.first().cloned().unwrap();
        assert!(take(&mut devices, gone.trim_start_matches('_'), false));
        assert!(!devices.forget(&gone));
        assert!(devices.map.contains_key(&gone));
    }

    #[test]
    fn the_gateways_name_stands_in_the_prefix() {
        assert_eq!(
            prefix("state_prefix", "larm/{node}/state/", "a/b").unwrap(),
            "larm/a%2Fb/state"
        );
        assert!(prefix("state_prefix", "larm/#", "a").is_err());
    }
}
