//! Drives a line connector as the engine does: batches, retries in order, verdicts kept.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use larm::config::Config;
use larm::deliver::connectors::build;
use larm::deliver::{Connector, Context, Delivery, Link, LinkState, Verdict};
use larm_event::{Category, Code, Event, Kind, Scheme};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest that anything here may take; only a fault comes near it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A connector that is attended.
pub(crate) struct Driven {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) link: Link,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Driven {
    /// The first connector of a configuration.
    pub(crate) fn start(section: &str) -> Self {
        let text = format!("[[connector]]\nname = \"case\"\n{section}\n");
        let config = Config::parse("larm.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let link = Link::default();
        let context = Context {
            name: "case".into(),
            node: "node".into(),
            link: link.clone(),
            directory: std::path::PathBuf::new(),
        };
        let connector = build(
            &config.connectors[0],
            context,
            &larm::registry::Onward::unused(),
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (attended, until) = (connector.clone(), stop.clone());
        tasks.spawn(async move { attended.attend(until).await });
        Self {
            connector,
            link,
            stop,
            tasks,
        }
    }

    /// One try for each event, in batches as the connector wants them.
    pub(crate) async fn try_once(&self, deliveries: &[Delivery]) -> Vec<Verdict> {
        let limits = self.connector.limits();
        let mut verdicts = Vec::new();
        let mut waiting: HashSet<Option<String>> = HashSet::new();
        for batch in deliveries.chunks(limits.batch_events) {
            // An account that waits is in no later batch.
            let (late, now): (Vec<_>, Vec<_>) = batch
                .iter()
                .cloned()
                .partition(|one| waiting.contains(&one.event.account));
            let mut answers = self.connector.deliver(&now).await.into_iter();
            for one in batch {
                let held = late.iter().any(|held| held.position == one.position);
                let retry = || Verdict::Retry {
                    after: None,
                    why: "held back".to_owned(),
                };
                let verdict = if held {
                    retry()
                } else {
                    answers.next().unwrap_or_else(retry)
                };
                if matches!(verdict, Verdict::Retry { .. }) {
                    waiting.insert(one.event.account.clone());
                }
                verdicts.push(verdict);
            }
        }
        verdicts
    }

    /// Tries until every event is delivered or refused; gives those that were delivered, in order.
    pub(crate) async fn deliver_all(&self, deliveries: &[Delivery]) -> Vec<u64> {
        let work = async {
            let (mut pending, mut done) = (deliveries.to_vec(), Vec::new());
            while !pending.is_empty() {
                let verdicts = self.try_once(&pending).await;
                let mut left = Vec::new();
                for (one, verdict) in pending.into_iter().zip(verdicts) {
                    match verdict {
                        Verdict::Delivered => done.push(one.position),
                        Verdict::Retry { .. } => left.push(one),
                        Verdict::Refused { .. } | Verdict::Halt { .. } => {}
                    }
                }
                pending = left;
            }
            done
        };
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.expect("everything is delivered in the end")
    }

    /// Waits until the link says so.
    pub(crate) async fn link_is(&self, wanted: impl Fn(&LinkState) -> bool) {
        eventually(|| wanted(&self.link.state())).await;
    }

    /// Ends it; a panic in there is one here.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.connector.close().await;
    }
}

/// Waits for something that comes about.
pub(crate) async fn eventually(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, waiting).await;
    ended.expect("it comes about");
}

/// Burglary alarms in Contact ID, numbered by their zone from 1 and dealt to `accounts` in turn.
pub(crate) fn alarms(count: u64, accounts: u64) -> Vec<Delivery> {
    (1..=count)
        .map(|position| {
            let mut event = Event::draft("dc09/ADM-CID".to_owned());
            event.id = Uuid::from_u128(position.into());
            event.position = Some(position);
            event.account = Some(format!("{}", 1000 + position % accounts));
            event.kind = Kind::Alarm;
            event.category = Category::Intrusion;
            event.zone = Some(format!("{position:03}"));
            event.code = Some(Code {
                scheme: Scheme::Cid,
                code: "130".to_owned(),
                qualifier: Some("1".to_owned()),
                address: event.zone.clone(),
                name: String::new(),
                name_sv: String::new(),
            });
            Delivery {
                position,
                json: serde_json::to_string(&event).unwrap().into(),
                event: Arc::new(event),
                tries: 0,
            }
        })
        .collect()
}

/// The Sur-Gard record of such an alarm.
pub(crate) fn record_of(delivery: &Delivery) -> String {
    let account = delivery.event.account.as_deref().unwrap();
    format!("5011 18{account}E13000{:03}", delivery.position)
}
