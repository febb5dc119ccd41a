//! Looks at the copies: reads both sides as larm would, hands on the events as shadow, and holds the
//! receiver's answers against larm's own.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{Accounts, Delivery, FrameVerdict, Intent, Moment, Request, Session, Step};
use larm_event::Transport;

use super::compare::{Asked, Compared, Waiting};
use super::report::{Difference, Sums, Writer};
use super::tap::{Direction, Piece, Tapped, Watch};
use crate::clock::Clock;
use crate::intake::Origin;
use crate::metrics::ShadowCount;
use crate::registry::{self, Protocol, ReplyLook, Word};

/// Frames taken from one datagram; a datagram is meant to hold one.
const FRAMES_PER_DATAGRAM_MAX: usize = 8;

/// Bytes of a receiver's answer that is not whole; more are not looked at.
const ANSWER_LEN_MAX: usize = 16 * 1024;

/// Ticks between two lines of sums.
const SUMS_EVERY: u32 = 60;

/// What stands behind a watcher: a gateway, or a register alone.
pub trait Behind: Send + 'static {
    /// Who sends, and under which keys.
    fn accounts(&self) -> &dyn Accounts;

    /// Frames of accounts that are not in the register are not acknowledged.
    fn holds_unknown(&self) -> bool;

    /// One request with its events.
    fn take<T>(&self, request: Request<'_, T>, origin: &Origin<'_>, now: Moment);

    /// One more comparison of this kind.
    fn count(&self, count: ShadowCount);

    /// One more difference, for the log.
    fn difference(&self, shadow: &str, peer: SocketAddr, larm: &str, receiver: &str);

    /// Pieces that nobody could look at.
    fn missed(&self) -> u64;
}

/// What a watcher works with.
pub struct WatcherParts<B> {
    /// Name of the shadow.
    pub name: Arc<str>,
    /// What the transmitters speak.
    pub protocol: Protocol,
    /// Stream or datagrams.
    pub transport: Transport,
    /// How long the receiver may take to answer.
    pub answer_timeout: Duration,
    /// Connections that are looked at; the one that was silent longest goes when there are more.
    pub flows_max: usize,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Where the report goes.
    pub reports: PathBuf,
    /// What stands behind it.
    pub behind: B,
}

/// One watcher for all connections of a shadow.
pub struct Watcher<S, M, B> {
    parts: WatcherParts<B>,
    make: M,
    flows: HashMap<u64, Flow<S>>,
    writer: Option<Writer>,
    sums: Sums,
    told: Sums,
    ticks: u32,
}

struct Flow<S> {
    peer: SocketAddr,
    session: S,
    requests: Vec<u8>,
    answers: Vec<u8>,
    waiting: Waiting,
    /// What comes is none of the protocol's: nothing more is read.
    blind: bool,
    last: Duration,
}

impl<S: Session, M: Fn() -> S + Send + 'static, B: Behind> Watcher<S, M, B> {
    /// A watcher whose sessions come from `make`.
    #[must_use]
    pub fn new(parts: WatcherParts<B>, make: M) -> Self {
        let writer = match Writer::open(&parts.reports, &parts.name) {
            Ok(writer) => Some(writer),
            Err(error) => {
                tracing::error!(shadow = %parts.name, %error, "no report of differences can be written");
                None
            }
        };
        let run = parts.clock.now().utc.to_string();
        Self {
            writer,
            sums: Sums {
                run,
                ..Sums::default()
            },
            told: Sums::default(),
            parts,
            make,
            flows: HashMap::new(),
            ticks: 0,
        }
    }

    fn take(&mut self, tapped: Tapped) {
        let now = self.parts.clock.now();
        let known = self.flows.remove(&tapped.flow).filter(|_| !tapped.gap);
        let mut flow = known.unwrap_or_else(|| Flow {
            peer: tapped.peer,
            session: (self.make)(),
            requests: Vec::new(),
            answers: Vec::new(),
            waiting: Waiting::default(),
            blind: false,
            last: now.mono,
        });
        flow.last = now.mono;
        match tapped.piece {
            Piece::End => {
                for compared in flow.waiting.end() {
                    self.compared(flow.peer, compared);
                }
                return;
            }
            Piece::Bytes(..) if flow.blind => {}
            Piece::Bytes(Direction::ToReceiver, bytes) => self.requests(&mut flow, &bytes, now),
            Piece::Bytes(Direction::ToTransmitter, bytes) => self.answers(&mut flow, &bytes, now),
        }
        self.make_room();
        self.flows.insert(tapped.flow, flow);
    }

    /// The end of a connection may have been missed: the table stays bounded all the same.
    fn make_room(&mut self) {
        if self.flows.len() >= self.parts.flows_max.max(1) {
            let longest = self.flows.iter().min_by_key(|(_, flow)| flow.last);
            if let Some(number) = longest.map(|(number, _)| *number) {
                self.flows.remove(&number);
            }
        }
    }

    fn requests(&mut self, flow: &mut Flow<S>, bytes: &[u8], now: Moment) {
        if self.parts.transport == Transport::Udp {
            flow.session = (self.make)();
            flow.requests.clear();
        }
        flow.requests.extend_from_slice(bytes);
        let input = std::mem::take(&mut flow.requests);
        let used = self.steps(flow, &input, now);
        if self.parts.transport == Transport::Tcp && !flow.blind {
            flow.requests
                .extend_from_slice(input.get(used..).unwrap_or_default());
        }
    }

    /// Takes every frame out of the bytes, and tells how many bytes are done with.
    fn steps(&mut self, flow: &mut Flow<S>, input: &[u8], now: Moment) -> usize {
        let (delivery, mut frames) = match self.parts.transport {
            Transport::Tcp => (Delivery::Stream, usize::MAX),
            Transport::Udp => (Delivery::Datagram, FRAMES_PER_DATAGRAM_MAX),
        };
        let mut used = 0;
        while frames > 0 {
            let rest = input.get(used..).unwrap_or_default();
            let accounts = self.parts.behind.accounts();
            match flow.session.receive(rest, delivery, now, accounts) {
                Step::More { consumed, .. } => return used + consumed,
                Step::Skip { consumed, .. } => used += consumed.max(1),
                Step::Request { consumed, request } => {
                    self.request(flow, request, now);
                    used += consumed.max(1);
                    frames -= 1;
                }
                Step::Close { .. } => {
                    flow.blind = self.parts.transport == Transport::Tcp;
                    return input.len();
                }
            }
            if used >= input.len() {
                break;
            }
        }
        used
    }

    fn request(&mut self, flow: &mut Flow<S>, request: Request<'_, S::Ticket>, now: Moment) {
        // Answers that come from the transmitter's side ask for none.
        if !request.events.is_empty() || request.link_test {
            let asked = self.asked(&request, now);
            if let Some(compared) = flow.waiting.ask(asked) {
                self.compared(flow.peer, compared);
            }
        }
        let origin = Origin {
            listener: &self.parts.name,
            transport: self.parts.transport,
            peer: flow.peer,
            role: None,
            shadow: true,
        };
        self.parts.behind.take(request, &origin, now);
    }

    fn asked(&self, request: &Request<'_, S::Ticket>, now: Moment) -> Asked {
        let held = !request.known && self.parts.behind.holds_unknown();
        let ours = match request.intent {
            _ if held => Word::None,
            Intent::Accept => Word::Ack,
            Intent::Correct => Word::Nak,
            Intent::Decline => Word::Duh,
            Intent::Withhold => Word::None,
        };
        let event = request.events.first();
        let reasons = || {
            let reasons = event.iter().flat_map(|event| &event.authenticity.reasons);
            let words: Vec<&str> = reasons.map(|reason| reason.as_str()).collect();
            words.join(", ")
        };
        let why = if ours == Word::Ack {
            None
        } else if held {
            Some("the account is not in the register, and unknown ones are held".to_owned())
        } else if request.verdict == FrameVerdict::Ok {
            Some(reasons()).filter(|reasons| !reasons.is_empty())
        } else {
            Some(request.verdict.as_str().to_owned())
        };
        Asked {
            mono: now.mono,
            at: now.utc,
            sequence: request.identity.sequence,
            receiver: request.receiver.map(str::to_owned),
            line: request.line.map(str::to_owned),
            account: request.account.map(str::to_owned),
            ours,
            why,
            deviations: event.map_or_else(Vec::new, |event| event.deviations.clone()),
        }
    }

    fn answers(&mut self, flow: &mut Flow<S>, bytes: &[u8], now: Moment) {
        let whole = self.parts.transport == Transport::Udp;
        flow.answers.extend_from_slice(bytes);
        let input = std::mem::take(&mut flow.answers);
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let accounts = self.parts.behind.accounts();
            match registry::look_at_reply(self.parts.protocol, rest, whole, accounts) {
                ReplyLook::More => break,
                ReplyLook::Skip(len) => used += len.max(1),
                ReplyLook::Reply(len, replied) => {
                    used += len.max(1);
                    if let Some(compared) = flow.waiting.answer(&replied, now.mono) {
                        self.compared(flow.peer, compared);
                    } else {
                        self.sums.unasked += 1;
                        self.count(ShadowCount::Unasked);
                    }
                }
            }
        }
        let rest = input.get(used..).unwrap_or_default();
        if !whole && rest.len() <= ANSWER_LEN_MAX {
            flow.answers.extend_from_slice(rest);
        }
    }

    fn compared(&mut self, peer: SocketAddr, compared: Compared) {
        self.sums.compared += 1;
        if compared.same() {
            self.sums.same += 1;
            self.count(ShadowCount::Same);
            return;
        }
        self.count(ShadowCount::Different);
        let (ours, theirs) = (compared.asked.ours.as_str(), compared.theirs.as_str());
        self.parts
            .behind
            .difference(&self.parts.name, peer, ours, theirs);
        let Compared {
            asked, form, took, ..
        } = compared;
        let difference = Difference {
            at: asked.at.to_string(),
            shadow: self.parts.name.to_string(),
            peer: peer.to_string(),
            account: asked.account,
            sequence: asked.sequence,
            larm: ours.to_owned(),
            receiver: theirs.to_owned(),
            form: form.map(str::to_owned),
            why: asked.why,
            deviations: asked.deviations,
            took_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        };
        self.write(&difference);
    }

    fn write(&mut self, line: &impl serde::Serialize) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = writer.write(line) {
            tracing::error!(
                shadow = %self.parts.name, %error,
                "the report of differences cannot be written; it is given up until the next start"
            );
            self.writer = None;
        }
    }

    fn tell_sums(&mut self) {
        self.sums.missed = self.parts.behind.missed();
        if self.sums != self.told {
            self.told = self.sums.clone();
            let sums = self.sums.clone();
            self.write(&sums);
        }
    }

    fn count(&self, count: ShadowCount) {
        self.parts.behind.count(count);
    }
}

impl<S: Session, M: Fn() -> S + Send + 'static, B: Behind> Watch for Watcher<S, M, B> {
    /// A panic costs the connection that it happened on, no more.
    fn saw(&mut self, tapped: Tapped) {
        let number = tapped.flow;
        if catch_unwind(AssertUnwindSafe(|| self.take(tapped))).is_err() {
            self.flows.remove(&number);
            self.sums.faults += 1;
            self.count(ShadowCount::Fault);
            tracing::error!(
                shadow = %self.parts.name,
                "a fault of larm's own: this connection is passed on, and no longer looked at"
            );
        }
    }

    fn tick(&mut self) {
        let now = self.parts.clock.now().mono;
        let limit = self.parts.answer_timeout;
        let mut late = Vec::new();
        for flow in self.flows.values_mut() {
            let peer = flow.peer;
            let expired = flow.waiting.expire(now, limit);
            late.extend(expired.into_iter().map(|compared| (peer, compared)));
        }
        for (peer, compared) in late {
            self.compared(peer, compared);
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(SUMS_EVERY) {
            self.tell_sums();
        }
    }

    fn end(&mut self) {
        self.tell_sums();
    }
}
