//! Intake: stamps what a session received, recognises repeats, and queues it for the journal.
//!
//! The way through: quota and policy, then identity, then a lane. Whatever happens, the caller gets
//! an [`Outcome`] and later turns it into a verdict with [`Intake::reply`]; a ticket that is
//! dropped on the way means silence.
mod identify;
mod peer;
mod quota;
mod settle;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use larm_carrier::{Accounts, FrameVerdict, Identity, Intent, Moment, Request};
use larm_event::{Event, Kind, Part, Path, PathRole, Priority, Timestamp, Transport};
use uuid::Uuid;

pub use identify::{Finding, Repeats, Serial};
pub use quota::{Quota, QuotaLimits};
pub use settle::{Settling, Then, Waiting};

use settle::Remembered;

use crate::accounts::Snapshot;
use crate::entropy;
use crate::journal::Published;
use crate::metrics::{Fate, Metrics};
use crate::record;
use crate::sink::{Entry, Here, Lane, Lanes, Slot, State};

/// Windows of repeats are kept apart by account, so that connections seldom wait for each other.
const SHARDS: usize = 16;

/// What the owner may change while the gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Frames of accounts that are not in the register are recorded but not acknowledged.
    pub hold_unknown: bool,
    /// How long a frame may wait for the disk before its answer is silence.
    pub ack_deadline: Duration,
    /// How long a repeat is recognised.
    pub repeat_window: Duration,
    /// What is recorded of frames that nobody vouches for.
    pub quota: QuotaLimits,
}

/// Where a frame came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The listener's name.
    pub listener: &'a str,
    /// Stream or datagram.
    pub transport: Transport,
    /// The sender's address.
    pub peer: SocketAddr,
    /// The role of this listener's path, where configured.
    pub role: Option<PathRole>,
    /// Somebody else answers: what is journaled is marked as shadow, and queued behind alarms.
    pub shadow: bool,
}

/// What has to happen before a request can be answered.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing will be said.
    Silence,
    /// A link test: answered as long as the journal is able to take alarms.
    Pulse,
    /// Answered once this is durable.
    Wait {
        /// What makes it durable.
        on: Awaited,
        /// What is done then.
        then: Then,
    },
    /// There was no room.
    Overloaded,
}

/// What an answer waits for.
#[derive(Clone, Debug)]
pub enum Awaited {
    /// Completed by the sink.
    Slot(Arc<Slot>),
    /// Durable since before this gateway started, at this position.
    Durable(u64),
}

impl Awaited {
    fn has_failed(&self) -> bool {
        matches!(self, Self::Slot(slot) if slot.state() == State::Failed)
    }
}

/// A request on its way to its answer.
#[derive(Debug)]
pub struct Taken<T> {
    /// The session's ticket.
    pub ticket: T,
    /// What the answer waits for.
    pub outcome: Outcome,
    /// When the last byte was read.
    pub received: Moment,
}

impl<T> Taken<T> {
    /// It was put into a lane and is to be answered once it is durable.
    pub fn is_new(&self) -> bool {
        matches!(self.outcome, Outcome::Wait { then, .. } if !then.repeat)
    }
}

/// A repeat that was recognised, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The event that was repeated.
    pub event: Uuid,
    /// When the repeat came.
    pub at: Timestamp,
    /// The path it came on, as `listener/transport`.
    pub path: String,
}

/// Told about repeats; must not block.
pub type RepeatHook = Box<dyn Fn(Seen) + Send + Sync>;

/// Holds an answer back until somebody beyond the disk has confirmed as well.
pub trait Gate: Send + Sync {
    /// What the answer to a frame with these events waits for beyond its commit; `None`: nothing.
    /// Must not block.
    fn wanted(&self, events: &[Event]) -> Option<Held>;
}

/// Turns what makes a frame durable into what its answer waits for.
pub type Held = Box<dyn FnOnce(Awaited) -> Awaited + Send>;

/// What the intake works with.
pub struct Parts {
    /// Name of this gateway.
    pub node: String,
    /// Towards the sink.
    pub lanes: Lanes,
    /// The sink's work, for frames that come alone; `None`: always by the sink's thread.
    pub here: Option<Here>,
    /// What is durable.
    pub published: Published,
    /// The register as it is now.
    pub accounts: Arc<ArcSwap<Snapshot>>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Told about each repeat.
    pub on_repeat: RepeatHook,
    /// Most frames that the windows of repeats hold.
    pub repeats_max: usize,
}

/// The way from a session to the queue; one for the whole gateway.
pub struct Intake {
    parts: Parts,
    rules: ArcSwap<Rules>,
    /// Absent in nearly every gateway.
    gate: ArcSwapOption<Box<dyn Gate>>,
    repeats: [Mutex<Repeats<Awaited>>; SHARDS],
    quota: Quota,
    /// Frames whose answer is being waited for.
    waiting: AtomicU64,
}

impl Intake {
    /// An intake with empty windows; see [`Intake::remember`] for filling them at start.
    #[must_use]
    pub fn new(parts: Parts, rules: Rules) -> Self {
        let each = parts.repeats_max.div_ceil(SHARDS);
        Self {
            repeats: std::array::from_fn(|_| Mutex::new(Repeats::new(rules.repeat_window, each))),
            rules: ArcSwap::from_pointee(rules),
            gate: ArcSwapOption::empty(),
            parts,
            quota: Quota::default(),
            waiting: AtomicU64::new(0),
        }
    }

    /// Applies new rules to everything that comes from now on.
    pub fn set_rules(&self, rules: Rules) {
        for shard in &self.repeats {
            lock(shard).resize(rules.repeat_window);
        }
        self.rules.store(Arc::new(rules));
    }

    /// From now on answers wait for this gate as well; `None`: for the disk alone.
    pub fn set_gate(&self, gate: Option<Box<dyn Gate>>) {
        self.gate.store(gate.map(Arc::new));
    }

    /// Puts an event that is already durable into the window, as when the gateway starts.
    pub fn remember(&self, identity: &Identity, at: Duration, id: Uuid, position: u64) {
        self.shard(identity)
            .remember(identity, at, id, Awaited::Durable(position));
    }

    /// Frames of accounts that are not in the register are not acknowledged.
    pub fn holds_unknown(&self) -> bool {
        self.rules.load().hold_unknown
    }

    /// How long a repeat is recognised.
    pub fn repeat_window(&self) -> Duration {
        self.rules.load().repeat_window
    }

    /// Frames in the windows of repeats.
    pub fn repeats_len(&self) -> usize {
        self.repeats.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Frames whose answer is being waited for.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// Sends on what was taken since the last call; to be called once for all that came together,
    /// before any of it is waited for. `alone`: it is one frame. Where nobody else waits either and
    /// the disk is quick, the calling thread commits it itself and blocks for one sync; a frame
    /// that nobody shares the disk with need not wait for other threads to wake up.
    pub fn send_on(&self, alone: bool) {
        let here = self
            .parts
            .here
            .as_ref()
            .filter(|_| alone && self.waiting() == 0);
        if !here.is_some_and(Here::commit) {
            self.parts.lanes.ring();
        }
    }

    /// Takes one request in. Never waits; [`Intake::send_on`] is to be called afterwards.
    pub fn take<T>(
        &self,
        mut request: Request<'_, T>,
        origin: &Origin<'_>,
        now: Moment,
    ) -> Taken<T> {
        let (outcome, fate) = self.decide(&mut request, origin, now);
        self.parts.metrics.frame(request.verdict);
        self.parts.metrics.fate(fate);
        Taken {
            ticket: request.ticket,
            outcome,
            received: now,
        }
    }

    fn decide<T>(
        &self,
        request: &mut Request<'_, T>,
        origin: &Origin<'_>,
        now: Moment,
    ) -> (Outcome, Fate) {
        let rules = self.rules.load();
        if request.events.is_empty() {
            return self.without_record(request, &rules);
        }
        let vouched = request.verdict == FrameVerdict::Ok && request.intent != Intent::Withhold;
        if !vouched && !self.quota.take(rules.quota, origin.peer.ip(), now.mono) {
            return (Outcome::Silence, Fate::OverQuota);
        }
        let held = rules.hold_unknown && !request.known;
        // Asked before the events go to the journal.
        let gate = self.gate.load();
        let gated = gate.as_ref().and_then(|gate| gate.wanted(&request.events));
        let (on, fate) = self.identify_and_queue(request, origin, now);
        let Some((on, remembered)) = on else {
            return (Outcome::Overloaded, fate);
        };
        let repeat = fate == Fate::Repeat;
        let withheld = if request.intent == Intent::Withhold {
            Some(Fate::Withheld)
        } else {
            held.then_some(Fate::Held)
        };
        if let Some(withheld) = withheld {
            return (Outcome::Silence, if repeat { fate } else { withheld });
        }
        // Behind a gate it is not the commit that the answer waits for.
        let then = Then {
            repeat,
            remembered: remembered.filter(|_| gated.is_none()),
        };
        let on = match gated {
            Some(gated) => gated(on),
            None => on,
        };
        (Outcome::Wait { on, then }, fate)
    }

    fn without_record<T>(&self, request: &Request<'_, T>, rules: &Rules) -> (Outcome, Fate) {
        if !request.link_test && request.intent == Intent::Withhold {
            (Outcome::Silence, Fate::ForeignReply)
        } else if request.intent == Intent::Withhold {
            (Outcome::Silence, Fate::Withheld)
        } else if rules.hold_unknown && !request.known {
            (Outcome::Silence, Fate::Held)
        } else if self.parts.published.healthy() {
            (Outcome::Pulse, Fate::LinkTest)
        } else {
            (Outcome::Silence, Fate::JournalDown)
        }
    }

    /// Looks the frame up and queues it when it is new, under one short lock: between look-up and
    /// remembering no other connection may find the same frame new.
    fn identify_and_queue<T>(
        &self,
        request: &mut Request<'_, T>,
        origin: &Origin<'_>,
        now: Moment,
    ) -> (Option<(Awaited, Option<Remembered>)>, Fate) {
        let identity = answered_alike(&request.identity, request.intent, origin.shadow);
        let shard = shard_of(&identity);
        let mut repeats = lock(&self.repeats[shard]);
        let may_repeat = match repeats.find(&identity, now.mono) {
            // What did not become durable, because the disk was full, was never acknowledged: its
            // retry must get another try, not join the failure.
            Finding::Repeat { of, earlier } if of.has_failed() => {
                repeats.forget(&identity, earlier);
                None
            }
            Finding::Repeat { of, earlier } => {
                drop(repeats);
                self.tell_repeat(earlier, origin, now);
                return (Some((of, None)), Fate::Repeat);
            }
            Finding::MayRepeat { earlier } => Some(earlier),
            Finding::New => None,
        };
        if !self.parts.published.healthy() {
            return (None, Fate::JournalDown);
        }
        let id = entropy::event_id(now.utc);
        let slot = Slot::new();
        let memo = Awaited::Slot(Arc::clone(&slot));
        let serial = repeats.remember(&identity, now.mono, id, memo);
        drop(repeats);
        let accounts = self.parts.accounts.load();
        let stamp = Stamp {
            node: &self.parts.node,
            accounts: &accounts,
            id,
            may_repeat,
            origin,
            now,
        };
        let (records, lane) = stamp.records(request, &identity);
        if self
            .parts
            .lanes
            .put(Entry::new(records, Arc::clone(&slot)), lane)
            .is_err()
        {
            // The entry that came back fails its slot, so a repeat that joined meanwhile does not
            // wait for ever.
            self.shard(&identity).forget(&identity, id);
            return (None, Fate::Overloaded);
        }
        let remembered = Remembered { shard, serial };
        (
            Some((Awaited::Slot(slot), Some(remembered))),
            if may_repeat.is_some() {
                Fate::PossibleRepeat
            } else {
                Fate::New
            },
        )
    }

    fn tell_repeat(&self, event: Uuid, origin: &Origin<'_>, now: Moment) {
        let path = format!("{}/{}", origin.listener, origin.transport);
        (self.parts.on_repeat)(Seen {
            event,
            at: now.utc,
            path,
        });
    }

    fn shard(&self, identity: &Identity) -> MutexGuard<'_, Repeats<Awaited>> {
        lock(&self.repeats[shard_of(identity)])
    }
}

impl Accounts for Intake {
    fn find(
        &self,
        receiver: Option<&str>,
        line: Option<&str>,
        account: &str,
    ) -> Option<Arc<larm_carrier::Policy>> {
        self.parts.accounts.load().find(receiver, line, account)
    }
}

/// Which window an account's frames are in. The packed account starts with lengths, so all of it counts.
fn shard_of(identity: &Identity) -> usize {
    let sum = |sum: u8, byte: &u8| sum.wrapping_mul(31).wrapping_add(*byte);
    usize::from(identity.account.iter().fold(0, sum)) % SHARDS
}

/// A window is plain data: a panic while it was held leaves at worst one entry too many.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A frame that was refused and the same frame that is accepted later (its clock was set, its key
/// was entered) are not each other's repeats: the digest takes the intent in.
///
/// Nor is a frame that was seen in the shadow of another receiver the repeat of one that larm has to
/// answer itself, or an alarm that comes over the second path would be taken for delivered.
fn answered_alike(identity: &Identity, intent: Intent, shadow: bool) -> Identity {
    let mut content = identity.content;
    content[15] ^= match intent {
        Intent::Accept => 0,
        Intent::Correct => 1,
        Intent::Decline => 2,
        Intent::Withhold => 3,
    };
    content[14] ^= u8::from(shadow);
    Identity {
        content,
        ..*identity
    }
}

/// What the gateway knows of a frame and the frame does not.
struct Stamp<'a> {
    node: &'a str,
    accounts: &'a Snapshot,
    id: Uuid,
    may_repeat: Option<Uuid>,
    origin: &'a Origin<'a>,
    now: Moment,
}

impl Stamp<'_> {
    /// The records of a request, in order, and the lane they belong in.
    fn records<T>(
        &self,
        request: &mut Request<'_, T>,
        identity: &Identity,
    ) -> (Vec<Vec<u8>>, Lane) {
        let mut drafts = std::mem::take(&mut request.events);
        let of = u16::try_from(drafts.len()).unwrap_or(u16::MAX);
        let mut lane = Lane::Rest;
        let mut records = Vec::with_capacity(drafts.len());
        for (index, event) in (1u16..).zip(&mut drafts) {
            self.fill(event, request, identity);
            event.id = if index == 1 {
                self.id
            } else {
                entropy::event_id(self.now.utc)
            };
            event.part = (of > 1).then_some(Part { index, of });
            if is_urgent(event) && !event.shadow {
                lane = Lane::Alarms;
            }
            records.push(record::encode(
                event,
                (index == 1).then_some((identity, of)),
            ));
        }
        (records, lane)
    }

    fn fill<T>(&self, event: &mut Event, request: &Request<'_, T>, identity: &Identity) {
        self.node.clone_into(&mut event.node);
        event.received_at = self.now.utc;
        event.clock_offset_ms = identity
            .sent_at
            .map(|sent| sent.as_millis() - self.now.utc.as_millis());
        event.account_known = request.known;
        event.shadow = self.origin.shadow;
        let number = event.path.take().and_then(|path| path.number);
        event.path = Some(Path {
            listener: self.origin.listener.to_string(),
            transport: self.origin.transport,
            peer: peer::text(self.origin.peer),
            role: self.origin.role,
            number,
        });
        if let Some(earlier) = self.may_repeat {
            event.repeat = Some(larm_event::Repeat {
                seen: None,
                paths: Vec::new(),
                possible_repeat_of: Some(earlier),
            });
        }
        self.apply_register(event, request);
        if event.raw.is_empty() {
            event.raw = larm_event::Raw(request.frame.to_vec());
        }
    }
}

impl Stamp<'_> {
    /// What the owner said about this account: test mode, and priorities of its own.
    fn apply_register<T>(&self, event: &mut Event, request: &Request<'_, T>) {
        let Some(number) = request.account.filter(|_| request.known) else {
            return;
        };
        let Some(entry) = self.accounts.entry(request.receiver, request.line, number) else {
            return;
        };
        event.test = entry.in_test(event.zone.as_deref(), self.now.utc);
        let code = event.code.as_ref().map(|code| code.code.as_str());
        if let Some(priority) = code.and_then(|code| entry.priority(code)) {
            event.priority = priority;
        }
    }
}

/// Whether an event goes ahead of the rest: alarms, what may be one, and everything of the two
/// highest priorities.
fn is_urgent(event: &Event) -> bool {
    matches!(event.kind, Kind::Alarm | Kind::Unknown) || event.priority <= Priority::PROPERTY
}
