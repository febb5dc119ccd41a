//! Forming batches, starting deliveries, and what their answers lead to.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larm_event::Timestamp;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::commands::Skipping;
use super::core::{Core, now_ms};
use super::handle::Outcome;
use super::index::Waiting;
use super::keeping::{Job, Mail};
use super::letters::{Cause, DeadLetter};
use super::notice::Notice;
use super::payload::{AMONG_LETTERS, Payload, unpack};
use super::reader::Ask;
use super::status::State;
use crate::deliver::{Delivery, LinkState, Verdict};

/// Batches that are loaded ahead of their turn while something waits without payload.
const AHEAD: usize = 2;
/// What an event's text is taken to be longer than twice its journal record: names of fields.
const JSON_MORE: usize = 600;
/// A whole batch that fails is the connector's trouble after this many in a row, also where each
/// had one account alone and the link is said to be up.
const FAILED_IN_A_ROW: u32 = 8;

/// One batch, from the moment when its events are taken out of the index.
pub(super) struct Batch {
    items: Vec<Item>,
    /// In the order of `items`.
    deliveries: Arc<Vec<Delivery>>,
    /// When the delivery was started.
    started: Option<Instant>,
    /// These events are not delivered; one is moved to the dead letters.
    pub(super) skipping: Option<Skipping>,
}

/// Whether events of an account are to be tried again, and the longest pause that was asked for.
#[derive(Default)]
struct Failed {
    any: bool,
    after: Option<Duration>,
}

/// One event of a batch.
pub(super) struct Item {
    account: u32,
    pub(super) event: Waiting,
    payload: Option<Payload>,
    at_ms: i64,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn holds(&self, position: u64) -> bool {
        let mut items = self.items.iter();
        items.any(|item| item.event.position == position)
    }

    /// Of one event that is only loaded.
    pub(super) fn to_skip(event: Waiting, skipping: Skipping) -> Self {
        let item = Item {
            account: 0,
            event,
            payload: None,
            at_ms: 0,
        };
        Self {
            items: vec![item],
            deliveries: Arc::default(),
            started: None,
            skipping: Some(skipping),
        }
    }
}

impl Core {
    /// Whether anything new may go out.
    fn may_take(&self) -> bool {
        self.state == State::Running
            && !self.draining
            && self.hold.is_none()
            && !self.mail_is_full()
    }

    /// Deliveries that may be under way; one alone after a failure, to see whether it works again.
    fn flights_max(&self) -> usize {
        if self.failures > 0 {
            1
        } else {
            self.limits.in_flight.max(1)
        }
    }

    /// Takes batches out of the index, as many as may go now or soon.
    pub(super) fn take_batches(&mut self) {
        while self.may_take() {
            let bare = self.room.bare.load(Ordering::Acquire) > 0;
            let most = self.flights_max() + if bare { AHEAD } else { 0 };
            if self.batches.len() >= most || !self.take_batch() {
                return;
            }
        }
    }

    /// One batch; false where nothing is ready.
    fn take_batch(&mut self) -> bool {
        let (bytes_max, mut bytes) = (self.limits.batch_bytes, 0);
        let taken = self.index.take(self.limits.batch_events.max(1), |event| {
            bytes += bytes_of(event);
            bytes <= bytes_max
        });
        if taken.is_empty() {
            return false;
        }
        let items: Vec<Item> = (taken.into_iter())
            .map(|(account, event)| {
                let payload = self.ready.remove(&event.position);
                let at_ms = payload.as_ref().map_or(0, |payload| payload.at_ms);
                Item {
                    account,
                    event,
                    payload,
                    at_ms,
                }
            })
            .collect();
        let wanted: Vec<(u64, u64)> = (items.iter())
            .filter(|item| item.payload.is_none())
            .map(|item| (item.event.position, item.event.at))
            .collect();
        let batch = Batch {
            items,
            deliveries: Arc::default(),
            started: None,
            skipping: None,
        };
        self.begin(batch, wanted);
        true
    }

    /// Loads what a batch lacks.
    pub(super) fn begin(&mut self, batch: Batch, wanted: Vec<(u64, u64)>) {
        let id = self.next_batch;
        self.next_batch += 1;
        self.batches.insert(id, batch);
        if wanted.is_empty() {
            self.loaded.push_back(id);
            return;
        }
        self.bare(-i64::try_from(wanted.len()).unwrap_or(0));
        if self.asks.try_send(Ask::Load { batch: id, wanted }).is_ok() {
            self.waker.wake();
        } else if let Some(batch) = self.batches.remove(&id) {
            // More was asked than the thread can ever be asked for, or it is gone.
            self.put_back_all(batch);
        }
    }

    /// The payloads that a batch lacked.
    pub(super) fn payloads(&mut self, id: u64, payloads: Result<Vec<Payload>, String>) {
        let Some(mut batch) = self.batches.remove(&id) else {
            return;
        };
        let payloads = match payloads {
            Ok(payloads) => payloads,
            Err(why) => {
                tracing::error!(
                    connector = &*self.name,
                    why,
                    "deliver: events cannot be loaded; trying again"
                );
                self.fail(&why);
                self.pause_all(None);
                self.put_back_all(batch);
                return;
            }
        };
        let lacking = batch.items.iter_mut().filter(|item| item.payload.is_none());
        for (item, payload) in lacking.zip(payloads) {
            self.room.bytes.fetch_add(payload.bytes(), Ordering::AcqRel);
            item.at_ms = payload.at_ms;
            item.payload = Some(payload);
        }
        let whole = batch.items.iter().all(|item| item.payload.is_some());
        if batch.skipping.is_some() && whole {
            self.skip_loaded(batch);
        } else if whole && self.may_take() {
            self.batches.insert(id, batch);
            self.loaded.push_back(id);
        } else {
            self.put_back_all(batch);
        }
    }

    /// Moves the one event of the batch to the dead letters.
    fn skip_loaded(&mut self, batch: Batch) {
        let Some(skipping) = batch.skipping else {
            return;
        };
        for item in batch.items {
            let Some(payload) = item.payload else {
                continue;
            };
            self.drop_payload(&payload);
            self.send_mail(Mail {
                letter: letter(&item.event, &payload, Cause::Skipped, &skipping.reason),
                json: payload.json,
                answer: None,
            });
        }
        self.answer_last_mail(skipping.answer);
    }

    /// Starts what is loaded.
    pub(super) fn fly(&mut self) {
        while self.may_take() && self.flights.len() < self.flights_max() {
            let Some(id) = self.loaded.pop_front() else {
                return;
            };
            let Some(batch) = self.batches.get_mut(&id) else {
                continue;
            };
            let deliveries: Vec<Delivery> = (batch.items.iter_mut())
                .filter_map(|item| {
                    let payload = item.payload.take()?;
                    Some(Delivery {
                        position: item.event.position,
                        event: payload.event,
                        json: payload.json,
                        tries: item.event.tries,
                    })
                })
                .collect();
            batch.deliveries = Arc::new(deliveries);
            batch.started = Some(Instant::now());
            let (connector, deliveries) =
                (Arc::clone(&self.connector), Arc::clone(&batch.deliveries));
            let flight = (self.flying).spawn(async move { connector.deliver(&deliveries).await });
            self.flights.insert(flight.id(), id);
        }
    }

    /// Puts back what is loaded and has not started, so that it does not go before what is more
    /// urgent when things go on.
    pub(super) fn unpick(&mut self) {
        while let Some(id) = self.loaded.pop_back() {
            if let Some(batch) = self.batches.remove(&id) {
                self.put_back_all(batch);
            }
        }
    }

    fn put_back_all(&mut self, batch: Batch) {
        if let Some(skipping) = batch.skipping {
            for item in batch.items {
                self.index.push(skipping.key, item.event);
                self.bare(1);
            }
            // Whoever asked may have given up.
            let why = "the event cannot be loaded".to_owned();
            let _ = skipping.answer.send(Err(super::CommandError::Failed(why)));
            return;
        }
        let accounts: Vec<u32> = batch.items.iter().map(|item| item.account).collect();
        for item in batch.items {
            self.put_back(item.account, item.event, item.payload);
        }
        self.release_each(&accounts);
    }

    /// An account that stands here several times is released once.
    fn release_each(&mut self, accounts: &[u32]) {
        let mut accounts = accounts.to_vec();
        accounts.sort_unstable();
        accounts.dedup();
        for account in accounts {
            self.index.release(account);
        }
    }

    /// Into the index again; the payload stays ready where there is room.
    fn put_back(&mut self, account: u32, event: Waiting, payload: Option<Payload>) {
        let room = self.room.bytes.load(Ordering::Acquire) <= self.settings.ready_bytes_max;
        match payload {
            Some(payload) if room => {
                self.ready.insert(event.position, payload);
            }
            other => {
                if let Some(payload) = other {
                    self.drop_payload(&payload);
                }
                self.bare(1);
            }
        }
        self.index.put_back(account, event);
    }

    pub(super) fn drop_payload(&self, payload: &Payload) {
        (self.room.bytes).fetch_sub(payload.bytes(), Ordering::AcqRel);
    }

    /// A delivery ended.
    pub(super) fn land(&mut self, landed: Result<(tokio::task::Id, Vec<Verdict>), JoinError>) {
        let (flight, verdicts) = match landed {
            Ok((flight, verdicts)) => (flight, Ok(verdicts)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(batch) = (self.flights.remove(&flight)).and_then(|id| self.batches.remove(&id))
        else {
            return;
        };
        let verdicts = verdicts.unwrap_or_else(|error| {
            if error.is_panic() {
                tracing::error!(
                    connector = &*self.name,
                    "deliver: a delivery panicked; its events are tried again"
                );
            }
            Vec::new()
        });
        self.settle(batch, verdicts);
    }

    /// What the answers lead to.
    fn settle(&mut self, batch: Batch, verdicts: Vec<Verdict>) {
        let no_answer = || Verdict::Retry {
            after: None,
            why: "no answer for this event".to_owned(),
        };
        let verdicts = verdicts
            .into_iter()
            .map(Some)
            .chain(std::iter::repeat_with(|| None));
        let verdicts: Vec<Verdict> = (verdicts.take(batch.items.len()))
            .map(|verdict| verdict.unwrap_or_else(no_answer))
            .collect();
        let whole = self.judge(&batch, &verdicts);
        let deliveries = Arc::try_unwrap(batch.deliveries).unwrap_or_else(|kept| (*kept).clone());
        let mut accounts: BTreeMap<u32, Failed> = BTreeMap::new();
        let now = now_ms();
        for ((item, delivery), verdict) in batch.items.into_iter().zip(deliveries).zip(verdicts) {
            let failed = accounts.entry(item.account).or_default();
            if let Verdict::Retry { after, .. } = &verdict {
                failed.any = true;
                failed.after = failed.after.max(*after);
            }
            self.settle_one(&item, delivery, verdict, now);
        }
        for (account, failed) in accounts {
            self.let_go(account, &failed, whole);
        }
    }

    /// Whether the connector as a whole is in trouble, and what follows from that.
    fn judge(&mut self, batch: &Batch, verdicts: &[Verdict]) -> bool {
        let mut longest = None;
        for verdict in verdicts {
            match verdict {
                Verdict::Retry { after, .. } => longest = longest.max(*after),
                Verdict::Halt { .. } => return true,
                Verdict::Delivered | Verdict::Refused { .. } => {
                    self.failures = 0;
                    self.held_at = None;
                    self.in_a_row = 0;
                    return false;
                }
            }
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let first = batch.items.first().map(|item| item.account);
        let several = batch.items.iter().any(|item| Some(item.account) != first);
        let down = matches!(self.link.state(), LinkState::Down(_));
        if !(several || down || self.failures > 0 || self.in_a_row >= FAILED_IN_A_ROW) {
            return false;
        }
        // What was under way when the pause began fails for the same reason.
        let known = (self.held_at).is_some_and(|at| batch.started.is_some_and(|start| start <= at));
        if !known {
            self.pause_all(longest);
        }
        true
    }

    /// Nothing goes out for a while.
    fn pause_all(&mut self, after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.held_at = Some(now);
        self.hold = Some(now + self.jitter.pause(self.failures, after));
        self.unpick();
    }

    fn settle_one(&mut self, item: &Item, delivery: Delivery, verdict: Verdict, now: i64) {
        let payload = Payload {
            event: delivery.event,
            json: delivery.json,
            at_ms: item.at_ms,
        };
        let mut event = item.event;
        event.tries = event.tries.saturating_add(1);
        match verdict {
            Verdict::Delivered => {
                let waited = u64::try_from(now.saturating_sub(item.at_ms)).unwrap_or(0);
                self.figures.latency.note(waited);
                self.figures.delivered += 1;
                self.drop_payload(&payload);
                self.leave(1);
                self.finish(event.position, Outcome::Delivered);
                if event.at == AMONG_LETTERS {
                    self.jobs.push_back(Job::Remove(vec![event.position], None));
                }
            }
            Verdict::Retry { why, .. } => {
                self.figures.retried += 1;
                self.fail(&why);
                self.put_back(item.account, event, Some(payload));
            }
            Verdict::Refused { why } => {
                self.figures.refused += 1;
                self.fail(&why);
                self.drop_payload(&payload);
                self.send_mail(Mail {
                    letter: letter(&event, &payload, Cause::Refused, &why),
                    json: payload.json,
                    answer: None,
                });
            }
            Verdict::Halt { why } => {
                self.put_back(item.account, event, Some(payload));
                self.halt(&why);
            }
        }
    }

    /// The batch of an account is over.
    fn let_go(&mut self, account: u32, failed: &Failed, whole: bool) {
        if failed.any && !whole {
            let failures = self.index.failures(account);
            *failures = failures.saturating_add(1);
            let failures = *failures;
            let pause = self.jitter.pause(failures, failed.after);
            self.resting.push(account, Instant::now() + pause);
            self.index.rest(account);
            return;
        }
        if !failed.any {
            *self.index.failures(account) = 0;
        }
        self.index.release(account);
    }

    /// Stops until a person starts it again.
    pub(super) fn halt(&mut self, why: &str) {
        if matches!(self.state, State::Halted(_)) {
            return;
        }
        let why: Arc<str> = super::bounded(why, 256).into();
        tracing::error!(
            connector = &*self.name,
            why = &*why,
            "deliver: the connector halts until a person starts it"
        );
        self.state = State::Halted(Arc::clone(&why));
        self.save_soon();
        self.fail(&why);
        (self.notices)(Notice::Halted { why });
        self.unpick();
    }
}

fn bytes_of(event: &Waiting) -> usize {
    // Only a guess is needed, and dead letters are few.
    let (_, len) = unpack(event.at);
    if event.at == AMONG_LETTERS {
        1_024
    } else {
        2 * len + JSON_MORE
    }
}

fn letter(event: &Waiting, payload: &Payload, cause: Cause, reason: &str) -> DeadLetter {
    let account = payload.event.account.as_deref();
    DeadLetter {
        position: event.position,
        id: payload.event.id,
        account: account.map(|account| super::bounded(account, 128).to_owned()),
        cause,
        reason: super::bounded(reason, 256).to_owned(),
        at: Timestamp::from_millis(now_ms()),
        tries: event.tries,
    }
}
