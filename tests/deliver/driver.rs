//! Drives one connector by its contract, as simply as it can be done: one task per account, each
//! event until it is settled. What the engine does besides is not in question here.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larm::config::Config;
use larm::deliver::{
    BuildError, Connector, Context, Delivery, Link, LinkState, Verdict, connectors,
};
use larm::registry::Onward;
use larm_event::{Category, Code, Event, Kind, Priority, Scheme, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;

/// How often an event is tried before the test gives up.
const TRIES_MAX: usize = 2_000;

/// A connector with what it was built with.
pub(crate) struct Built {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) link: Link,
    _directory: Option<TempDir>,
}

/// Builds the only connector of a configuration, in a directory of its own.
pub(crate) fn build(text: &str) -> Result<Built, BuildError> {
    let directory = tempfile::tempdir().expect("a directory");
    let built = build_in(text, directory.path())?;
    Ok(Built {
        _directory: Some(directory),
        ..built
    })
}

/// Builds it in a directory that outlives it.
pub(crate) fn build_in(text: &str, directory: &std::path::Path) -> Result<Built, BuildError> {
    let config = Config::parse("test.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let [settings] = config.connectors.as_slice() else {
        panic!("one connector");
    };
    let link = Link::default();
    let context = Context {
        name: settings.name.as_str().into(),
        node: "west".into(),
        link: link.clone(),
        directory: directory.to_owned(),
    };
    Ok(Built {
        connector: connectors::build(settings, context, &Onward::unused())?,
        link,
        _directory: None,
    })
}

/// An event of an account; `position` tells it from others.
pub(crate) fn delivery(position: u64, account: &str) -> Delivery {
    event(position, account, Kind::Alarm, Some("5"))
}

/// An event of some kind.
pub(crate) fn event(position: u64, account: &str, kind: Kind, zone: Option<&str>) -> Delivery {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    event.id = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + u128::from(position));
    event.position = Some(position);
    "west".clone_into(&mut event.node);
    event.received_at =
        Timestamp::from_millis(1_764_000_000_000 + i64::try_from(position).unwrap_or(0));
    event.account = Some(account.to_owned());
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: "BA".to_owned(),
        qualifier: None,
        address: None,
        name: "Burglary alarm".to_owned(),
        name_sv: String::new(),
    });
    event.kind = kind;
    event.category = Category::Intrusion;
    event.priority = Priority::PROPERTY;
    event.zone = zone.map(str::to_owned);
    let json = serde_json::to_string(&event).expect("a record");
    Delivery {
        position,
        event: Arc::new(event),
        json: json.into(),
        tries: 0,
    }
}

/// `each` events of each account, in turn, with positions from 1.
pub(crate) fn backlog(accounts: usize, each: usize) -> Vec<Delivery> {
    let all = (0..each).flat_map(|_| 0..accounts);
    all.zip(1..)
        .map(|(account, position)| delivery(position, &format!("{}", 1000 + account)))
        .collect()
}

/// What became of the events that were driven.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) delivered: Vec<u64>,
    pub(crate) refused: Vec<(u64, String)>,
    pub(crate) halted: bool,
}

/// Delivers until every event is settled, accounts side by side.
pub(crate) async fn drive(connector: &Arc<dyn Connector>, deliveries: Vec<Delivery>) -> Outcome {
    drive_counting(connector, deliveries, &Arc::default()).await
}

/// The same, counting what was delivered so far.
pub(crate) async fn drive_counting(
    connector: &Arc<dyn Connector>,
    deliveries: Vec<Delivery>,
    count: &Arc<AtomicUsize>,
) -> Outcome {
    let mut accounts: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        let account = delivery.event.account.clone().unwrap_or_default();
        accounts.entry(account).or_default().push(delivery);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for events in accounts.into_values() {
        tasks.spawn(account(Arc::clone(connector), events, Arc::clone(count)));
    }
    let mut all = Outcome::default();
    while let Some(one) = tasks.join_next().await {
        let one = one.expect("no panic");
        all.delivered.extend(one.delivered);
        all.refused.extend(one.refused);
        all.halted |= one.halted;
    }
    all.delivered.sort_unstable();
    all
}

async fn account(
    connector: Arc<dyn Connector>,
    events: Vec<Delivery>,
    count: Arc<AtomicUsize>,
) -> Outcome {
    let most = connector.limits().batch_events.min(20);
    let mut outcome = Outcome::default();
    let mut waiting = events;
    for _ in 0..TRIES_MAX {
        if waiting.is_empty() {
            return outcome;
        }
        let batch: Vec<Delivery> = waiting.iter().take(most).cloned().collect();
        let verdicts = connector.deliver(&batch).await;
        assert_eq!(verdicts.len(), batch.len());
        let mut pause = None;
        let mut settled = Vec::new();
        for (delivery, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Verdict::Delivered => {
                    outcome.delivered.push(delivery.position);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Verdict::Refused { why } => outcome.refused.push((delivery.position, why)),
                Verdict::Halt { .. } => {
                    outcome.halted = true;
                    return outcome;
                }
                Verdict::Retry { after, .. } => {
                    pause = Some(after.unwrap_or(Duration::from_millis(20)));
                    continue;
                }
            }
            assert!(
                pause.is_none(),
                "an event overtook an earlier one of its account"
            );
            settled.push(delivery.position);
        }
        waiting.retain(|delivery| !settled.contains(&delivery.position));
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    panic!("{} events were never settled", waiting.len());
}

/// Waits until so many are delivered.
pub(crate) async fn until(count: &AtomicUsize, delivered: usize) {
    while count.load(Ordering::Relaxed) < delivered {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The one verdict of one event.
pub(crate) async fn once(connector: &Arc<dyn Connector>, delivery: &Delivery) -> Verdict {
    let verdicts = connector.deliver(std::slice::from_ref(delivery)).await;
    assert_eq!(verdicts.len(), 1);
    verdicts.into_iter().next().expect("one")
}

/// Why the link is down.
pub(crate) fn down(link: &Link) -> String {
    match link.state() {
        LinkState::Down(why) => why,
        other => panic!("the link is {other:?}"),
    }
}

/// Nothing lost, and every account in order: in what the other side got, the first appearance of
/// each event comes after those of the account's earlier ones.
pub(crate) fn whole_and_in_order(got: impl IntoIterator<Item = (String, u64)>, expected: &[u64]) {
    let mut latest: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for (account, position) in got {
        if seen.insert(position) {
            let before = latest.insert(account.clone(), position);
            assert!(
                before < Some(position),
                "{account}: {position} after {before:?}"
            );
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}
