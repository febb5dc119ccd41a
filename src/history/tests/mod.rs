//! Tests of the history, by question; here: invented journals.
mod feeding;
mod filling;
mod forgetting;
mod reading;
mod rebuilding;
mod repeating;
mod replaying;

use std::sync::{Arc, Mutex};

use larm_event::{Category, Code, Event, Kind, Scheme, Timestamp};

use super::{Filter, Order, Query, Source, SourceError, event_of};
use crate::journal::Entry;

/// 2026-11-30T23:59:50Z, ten seconds before a month ends.
const LATE_NOVEMBER_MS: i64 = 1_796_083_190_000;

/// An invented event; `n` decides account, kind and code.
fn event(n: u64, received_at_ms: i64) -> Event {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    event.id = uuid::Uuid::from_u128(u128::from(n) + 1);
    "gateway-1".clone_into(&mut event.node);
    event.received_at = Timestamp::from_millis(received_at_ms);
    event.account = Some(format!("{:04}", 1000 + n % 3));
    let (kind, category, code) = match n % 4 {
        0 => (Kind::Alarm, Category::Intrusion, "BA"),
        1 => (Kind::Alarm, Category::Fire, "FA"),
        2 => (Kind::Restoral, Category::Fire, "FR"),
        _ => (Kind::Test, Category::Test, "RP"),
    };
    event.kind = kind;
    event.category = category;
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: code.to_owned(),
        qualifier: None,
        address: Some(n.to_string()),
        name: String::new(),
        name_sv: String::new(),
    });
    event.account_known = n.is_multiple_of(5);
    event.text = Some(format!("event {n}: å \"quoted\" ; DROP TABLE event"));
    event
}

fn entry(position: u64, event: &Event) -> Entry {
    Entry {
        position,
        at_ms: event.received_at.as_millis(),
        payload: crate::record::encode(event, None),
    }
}

/// Entries `from..to` of an invented journal, one each `step_ms`. Entry 0 is of `start_ms` and has
/// position 1.
fn entries(from: u64, to: u64, start_ms: i64, step_ms: i64) -> Vec<Entry> {
    (from..to)
        .map(|n| {
            entry(
                n + 1,
                &event(n, start_ms + i64::try_from(n).unwrap() * step_ms),
            )
        })
        .collect()
}

/// A journal in memory that can grow while it is read.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<Entry>>>);

impl Journal {
    fn of(entries: Vec<Entry>) -> Self {
        Self(Arc::new(Mutex::new(entries)))
    }

    fn extend(&self, entries: Vec<Entry>) {
        self.0.lock().unwrap().extend(entries);
    }

    fn last(&self) -> u64 {
        let entries = self.0.lock().unwrap();
        entries.last().map_or(0, |entry| entry.position)
    }

    fn read_from(&self, position: u64) -> Reading {
        Reading(self.clone(), position)
    }
}

struct Reading(Journal, u64);

impl Source for Reading {
    fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        let entries = self.0.0.lock().unwrap();
        let found = entries.iter().find(|entry| entry.position >= self.1);
        if let Some(entry) = found {
            self.1 = entry.position + 1;
        }
        Ok(found.cloned())
    }
}

/// Everything in the history, in time order.
fn all(directory: &std::path::Path) -> Vec<Event> {
    select(directory, &Filter::default(), Order::Rising)
}

fn select(directory: &std::path::Path, filter: &Filter, order: Order) -> Vec<Event> {
    let query = Query::open(directory).unwrap();
    query
        .select(filter, order, None)
        .collect::<Result<_, _>>()
        .unwrap()
}

fn positions(events: &[Event]) -> Vec<u64> {
    events.iter().filter_map(|event| event.position).collect()
}

/// What the history must hold after these entries.
fn expected(entries: &[Entry]) -> Vec<Event> {
    entries.iter().map(event_of).collect()
}
