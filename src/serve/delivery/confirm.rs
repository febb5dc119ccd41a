//! Acknowledgements that wait for a connector: `[[acknowledge]]` of the configuration.
//!
//! The intake asks for each frame; where a rule fits, the answer waits for a slot of its own in
//! place of the sink's. A task fills that slot once the frame is committed and each of its events
//! was confirmed. It never fills it before the commit, so an acknowledgement still means durable.
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use larm_event::Event;
use tokio::time::{Instant, timeout_at};

use super::super::Live;
use super::roster::Roster;
use crate::accounts::Snapshot;
use crate::config::acknowledge::{AckWhen, Otherwise};
use crate::config::{Acknowledge, Config};
use crate::deliver::engine::Outcome;
use crate::intake::{Awaited, Gate, Held};
use crate::sink::{Slot, State};

/// An acknowledgement without confirmation leaves this much before the deadline, at which it would
/// not be sent any more.
const MARGIN: Duration = Duration::from_millis(50);

/// The rules, with what they need.
pub(in crate::serve) struct Gates {
    rules: Vec<Arc<Acknowledge>>,
    roster: Roster,
    accounts: Arc<ArcSwap<Snapshot>>,
    live: Live,
}

impl Gates {
    /// The gate that the configuration asks for; `None`: it asks for none.
    pub(in crate::serve) fn of(
        config: &Config,
        roster: &Roster,
        accounts: &Arc<ArcSwap<Snapshot>>,
        live: &Live,
    ) -> Option<Box<dyn Gate>> {
        let asks = |rule: &Acknowledge| rule.when == AckWhen::Delivered;
        if !config.acknowledge.iter().any(asks) {
            return None;
        }
        let rules = config.acknowledge.iter().cloned().map(Arc::new);
        Some(Box::new(Self {
            rules: rules.collect(),
            roster: roster.clone(),
            accounts: Arc::clone(accounts),
            live: Arc::clone(live),
        }))
    }

    /// The first rule that fits one of the events.
    fn rule(&self, events: &[Event]) -> Option<&Arc<Acknowledge>> {
        let accounts = self.accounts.load();
        let fits = |rule: &Acknowledge, event: &Event| {
            rule.fits(event, |tag| {
                let account = event.account.as_deref();
                let (receiver, line) = (event.receiver.as_deref(), event.line.as_deref());
                account
                    .and_then(|account| accounts.entry(receiver, line, account))
                    .is_some_and(|entry| entry.has_tag(tag))
            })
        };
        let mut rules = self.rules.iter();
        rules.find(|rule| events.iter().any(|event| fits(rule, event)))
    }
}

impl Gate for Gates {
    fn wanted(&self, events: &[Event]) -> Option<Held> {
        let rule = self.rule(events)?;
        if rule.when == AckWhen::Journaled {
            return None;
        }
        let (rule, roster) = (Arc::clone(rule), self.roster.clone());
        let limit = self.live.load().gateway.ack_deadline;
        let until = Instant::now() + limit.saturating_sub(MARGIN.min(limit / 4));
        Some(Box::new(move |on| {
            let slot = Slot::new();
            let filled = Arc::clone(&slot);
            tokio::spawn(async move {
                let Some((first, last)) = committed(on).await else {
                    filled.complete(State::Failed);
                    return;
                };
                let all = confirmed(&roster, &rule.connector, first, last);
                let good = timeout_at(until, all).await.unwrap_or(false);
                filled.complete(if good || rule.otherwise == Otherwise::Journaled {
                    State::Committed { first, last }
                } else {
                    State::Failed
                });
            });
            Awaited::Slot(slot)
        }))
    }
}

/// The positions of a frame once they are durable; `None`: they never will be.
async fn committed(on: Awaited) -> Option<(u64, u64)> {
    match on {
        Awaited::Durable(position) => Some((position, position)),
        Awaited::Slot(slot) => match slot.committed().await {
            State::Committed { first, last } => Some((first, last)),
            State::Failed | State::Pending => None,
        },
    }
}

/// Whether the connector's other side confirmed each of them. Anything else, such as a connector
/// that does not run, or a route that does not pass the event, is no confirmation.
async fn confirmed(roster: &Roster, connector: &str, first: u64, last: u64) -> bool {
    let Some(engine) = roster.engine(connector) else {
        return false;
    };
    for position in first..=last {
        if engine.outcome(position).await != Outcome::Delivered {
            return false;
        }
    }
    true
}
