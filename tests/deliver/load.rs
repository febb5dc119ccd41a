//! Events to deliver, somebody who delivers them as the engine does, and what has to hold of what
//! arrived.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use larm::deliver::{Connector, Context, Delivery, Link, Verdict};
use larm_event::{Category, Code, Event, Kind, Priority, Scheme, Timestamp};
use uuid::Uuid;

/// How many events a case with a backlog has: 20,000, or `LARM_BACKLOG`.
pub(crate) fn backlog() -> u64 {
    std::env::var("LARM_BACKLOG").map_or(20_000, |text| {
        text.parse().expect("LARM_BACKLOG is a number")
    })
}

/// The event at `position`, of one of `accounts` accounts. The same position gives the same event.
pub(crate) fn delivery(position: u64, accounts: u64) -> Delivery {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    // A UUIDv7 whose time is the position's: it rises, as larm's own do.
    let mut id = [0_u8; 16];
    let (time, rest) = id.split_at_mut(6);
    let received = 1_795_608_000_000 + position;
    time.copy_from_slice(&received.to_be_bytes()[2..]);
    rest.copy_from_slice(&[0x70, 1, 0x80, 0, 0, 0, 0, 0, 0, 1]);
    event.id = Uuid::from_bytes(id);
    event.position = Some(position);
    "test".clone_into(&mut event.node);
    event.received_at = Timestamp::from_millis(i64::try_from(received).expect("a year we know"));
    event.occurred_at = Some(event.received_at);
    event.receiver = Some("01".to_owned());
    event.line = Some("1".to_owned());
    event.account = Some(format!("{:04}", position.wrapping_mul(7) % accounts));
    event.sequence = Some(format!("{:04}", position % 10_000));
    event.kind = Kind::Alarm;
    event.category = Category::Fire;
    event.priority = Priority::LIFE;
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: "FA".to_owned(),
        qualifier: Some("N".to_owned()),
        address: Some("012".to_owned()),
        name: "Fire alarm".to_owned(),
        name_sv: "Brandlarm".to_owned(),
    });
    event.partition = Some("1".to_owned());
    event.zone = Some("012".to_owned());
    event.text = Some("Smoke detector, stairs".to_owned());
    pack(event)
}

/// A record ready to be delivered.
pub(crate) fn pack(event: Event) -> Delivery {
    let json = serde_json::to_string(&event).expect("a record is JSON");
    Delivery {
        position: event.position.expect("a record that is durable"),
        event: Arc::new(event),
        json: json.into(),
        tries: 0,
    }
}

/// The same record with something changed.
pub(crate) fn changed(delivery: &Delivery, change: impl FnOnce(&mut Event)) -> Delivery {
    let mut event = (*delivery.event).clone();
    change(&mut event);
    pack(event)
}

/// What a connector is built with in a test.
pub(crate) fn context(link: &Link) -> Context {
    Context {
        name: "case-system".into(),
        node: "test".into(),
        link: link.clone(),
        directory: std::env::temp_dir().join("larm-test-unused"),
    }
}

/// What became of a queue.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) delivered: usize,
    pub(crate) refused: Vec<(u64, String)>,
    pub(crate) retries: usize,
}

/// Delivers until every event is delivered or refused, as the engine does: what is to be tried
/// again comes before what follows it.
pub(crate) async fn drive(connector: &dyn Connector, events: Vec<Delivery>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut waiting = std::collections::VecDeque::from(events);
    while !waiting.is_empty() {
        let most = connector.limits().batch_events.min(waiting.len());
        let batch: Vec<Delivery> = waiting.drain(..most).collect();
        let verdicts = connector.deliver(&batch).await;
        assert_eq!(verdicts.len(), batch.len(), "an answer for each event");
        let mut again = Vec::new();
        for (delivery, verdict) in batch.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Delivered => outcome.delivered += 1,
                Verdict::Refused { why } => outcome.refused.push((delivery.position, why)),
                Verdict::Retry { .. } => again.push(delivery),
                Verdict::Halt { why } => panic!("halted: {why}"),
            }
        }
        if !again.is_empty() {
            outcome.retries += again.len();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for delivery in again.into_iter().rev() {
            waiting.push_front(delivery);
        }
    }
    outcome
}

/// One record as the other side stored it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) json: String,
}

/// What has to hold of everything that was stored, in the order of storing: nothing is missing,
/// nothing is strange, each account is in order, and what is there twice is the same event.
pub(crate) fn check(stored: &[Stored], expected: &[Delivery]) {
    let wanted: HashMap<String, &Delivery> = expected
        .iter()
        .map(|delivery| (delivery.event.id.to_string(), delivery))
        .collect();
    let mut seen = HashSet::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for one in stored {
        let delivery = wanted
            .get(&one.id)
            .unwrap_or_else(|| panic!("{} was never sent", one.id));
        // Byte for byte, or the same JSON in another order: not all of them keep the text.
        if *one.json != *delivery.json {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            assert_eq!(value(&one.json), value(&delivery.json), "stored as sent");
        }
        if seen.insert(one.id.clone()) {
            let account = delivery.event.account.clone().unwrap_or_default();
            let before = last.insert(account.clone(), delivery.position);
            assert!(
                before.is_none_or(|before| before < delivery.position),
                "account {account}: {} came after {before:?}",
                delivery.position
            );
        }
    }
    let missing: Vec<u64> = expected
        .iter()
        .filter(|delivery| !seen.contains(&delivery.event.id.to_string()))
        .map(|delivery| delivery.position)
        .collect();
    assert!(missing.is_empty(), "lost: {missing:?}");
}
