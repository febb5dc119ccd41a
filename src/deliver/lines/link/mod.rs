//! A link that carries one record at a time, in either role, with receipts that have no number.
//!
//! Constraints
//! - One record is outstanding, a heartbeat or an event. A receipt counts for the record that was
//!   sent last, and for nothing that is sent later.
//! - A receipt that comes too late cannot be told from the next one. So a connection on which one
//!   is missing is closed, and the repeat goes out on a new one ([`Late::Reconnect`]); or, where
//!   the way there has a memory of its own (a serial converter), nothing new is sent until the
//!   receipts that are owed have come, or the line was quiet ([`Late::Quiet`]).
//! - What arrives on a new connection before its first record is thrown away.
//! - After the failure rule (first try and repeats) only heartbeats go out, to the next endpoint
//!   where there are several, until one of them is acknowledged.
//!
//! Operation: one owner (`owner`) holds the connection, the record in flight and the counts.
//! `deliver` hands it a batch and waits for the answers; neither shares state with the other.
mod accept;
mod conn;
mod dial;
mod job;
mod naks;
mod owner;
mod peers;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use larm_event::{Event, Kind};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::loss::Losses;
use crate::deliver::{Connector, Context, Delivery, Limits, Link, LinkState, Pending, Verdict};
use job::{Job, Outgoing};
use owner::Owner;

pub use peers::{Network, NetworkError};
pub use settings::{Late, LinkSettings, Role, Second};

/// Writes the records of one family of receivers, marks and all.
pub trait Printer: Send + Sync + 'static {
    /// The bytes for an event, and what they leave out.
    fn event(&self, event: &Event) -> (Vec<u8>, Losses);
    /// The bytes of a heartbeat.
    fn heartbeat(&self) -> Vec<u8>;
}

/// A connector that prints records over such a link.
pub struct LineConnector {
    settings: LinkSettings,
    printer: Arc<dyn Printer>,
    link: Link,
    jobs: mpsc::Sender<Job>,
    /// For the owner, which lives as long as `attend` runs.
    inbox: Mutex<mpsc::Receiver<Job>>,
}

impl LineConnector {
    /// A connector with nothing open yet.
    #[must_use]
    pub fn new(settings: LinkSettings, printer: Arc<dyn Printer>, context: &Context) -> Self {
        // One batch at a time: the link is no wider.
        let (jobs, inbox) = mpsc::channel(1);
        Self {
            settings,
            printer,
            link: context.link.clone(),
            jobs,
            inbox: Mutex::new(inbox),
        }
    }

    fn outgoing(&self, delivery: &Delivery) -> Outgoing {
        let event = &delivery.event;
        let (bytes, losses) = self.printer.event(event);
        if !losses.is_empty() {
            tracing::debug!(id = %event.id, left_out = %losses, "the record has no place for all of its event");
        }
        Outgoing {
            id: event.id,
            account: event.account.clone(),
            may_be_alarm: matches!(event.kind, Kind::Alarm | Kind::Unknown),
            bytes,
        }
    }

    async fn hand_over(&self, batch: &[Delivery]) -> Option<Vec<Verdict>> {
        let records = batch.iter().map(|delivery| self.outgoing(delivery));
        let (taken_sender, mut taken) = oneshot::channel();
        let (answer_sender, answer) = oneshot::channel();
        let job = Job {
            records: records.collect(),
            taken: taken_sender,
            answer: answer_sender,
        };
        let patience = self.settings.patience();
        timeout(patience, self.jobs.send(job)).await.ok()?.ok()?;
        // The owner may have taken it in the moment in which the wait ended.
        if timeout(patience, &mut taken).await.is_err() {
            taken.try_recv().ok()?;
        }
        let most = self.settings.batch_time_max(batch.len());
        timeout(most, answer).await.ok()?.ok()
    }

    fn nobody(&self, len: usize) -> Vec<Verdict> {
        let why = match self.link.state() {
            LinkState::Down(why) => why,
            LinkState::Up | LinkState::Unknown => "the link was not free in time".to_owned(),
        };
        vec![Verdict::Retry { after: None, why }; len]
    }
}

impl Connector for LineConnector {
    fn limits(&self) -> Limits {
        Limits {
            batch_events: self.settings.batch,
            batch_bytes: 1 << 20,
            in_flight: 1,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(async move {
            let answers = self.hand_over(batch).await;
            answers.unwrap_or_else(|| self.nobody(batch.len()))
        })
    }

    fn attend(&self, stop: CancellationToken) -> Pending<'_, ()> {
        Box::pin(async move {
            let mut inbox = self.inbox.lock().await;
            let heartbeat = self.printer.heartbeat();
            Owner::new(&self.settings, &self.link, heartbeat)
                .run(&mut inbox, &stop)
                .await;
        })
    }
}

/// Pause before the next try to connect: it doubles, from a sixteenth of the wait for a receipt to
/// twice that wait.
fn pause(failures: u32, wait: Duration) -> Duration {
    let first = wait / 16;
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(6));
    doubled.min(wait * 2)
}
