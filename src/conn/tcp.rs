//! One TCP connection: reads frames, answers them in order, never closes first while all is well.
//!
//! An idle connection holds no buffer: bytes are read into one that its thread keeps, and only the
//! beginning of a frame whose rest is still to come stays with the connection. Everything that one
//! read brought is handed to the intake before the first answer is waited for, so that pipelined
//! frames share a commit; the answers leave together, in the order of their frames.
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use larm_carrier::{CloseReason, Delivery, FrameVerdict, Moment, Session, Step};
use larm_event::Transport;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::seat::Order;
use super::turns::Turn;
use super::{Place, Shared};
use crate::intake::{Intake, Outcome, Settling, Taken, Waiting};
use crate::metrics::Link;

/// Read in one go; dozens of pipelined frames fit.
const READ_LEN: usize = 4_096;

/// Room for one reply; a longer one makes its buffer grow.
const REPLY_LEN: usize = 64;

/// How long a peer may take to read its replies.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// What is read goes here first; nothing of it outlives one call of [`Conversation::read`].
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_LEN].into_boxed_slice());
}

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PeerClosed,
    Silent,
    HalfFrame,
    Idle,
    Evicted,
    Draining,
    SlowReader,
    Failed,
    Session(CloseReason),
}

impl End {
    /// The counter for this end; sessions' reasons and draining have been counted elsewhere.
    fn counted(self) -> Option<Link> {
        match self {
            Self::PeerClosed => Some(Link::PeerClosed),
            Self::Silent => Some(Link::SilentTimeout),
            Self::HalfFrame => Some(Link::HalfFrameTimeout),
            Self::Idle => Some(Link::IdleTimeout),
            Self::Evicted => Some(Link::Evicted),
            Self::SlowReader => Some(Link::SlowReader),
            Self::Failed => Some(Link::Failed),
            Self::Draining | Self::Session(_) => None,
        }
    }
}

/// The task of one connection: a future that is as small as what an idle connection needs.
pub struct Conversation<S: Session> {
    stream: TcpStream,
    peer: SocketAddr,
    session: S,
    place: Place,
    shared: Arc<Shared>,
    /// The beginning of a frame in progress; without capacity between frames.
    rest: Vec<u8>,
    /// When the frame in progress began, in monotonic time; one byte at a time does not prolong it.
    begun: Option<Duration>,
    /// What is being answered; nothing is read meanwhile.
    answering: Option<Box<Answering<S::Ticket>>>,
    /// How the conversation ends once that is answered.
    ending: Option<End>,
}

impl<S: Session> Conversation<S> {
    /// A conversation that begins now and counts how it ends.
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        session: S,
        place: Place,
        shared: Arc<Shared>,
    ) -> Self {
        let now = shared.clock.now().mono;
        let conversation = Self {
            stream,
            peer,
            session,
            place,
            shared,
            rest: Vec::new(),
            begun: None,
            answering: None,
            ending: None,
        };
        conversation.set_time(now);
        conversation
    }
}

impl<S: Session> Future for Conversation<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let end = loop {
            this.place.seat().register(cx.waker());
            let step = match &this.answering {
                Some(_) => ready!(this.poll_answer(cx)),
                None => ready!(this.poll_came(cx)),
            };
            if let Err(end) = step {
                break end;
            }
        };
        this.count(end);
        Poll::Ready(())
    }
}

impl<S: Session> Conversation<S> {
    fn count(&self, end: End) {
        let (shared, peer) = (&self.shared, self.peer);
        if let Some(link) = end.counted() {
            shared.intake.metrics().link(link);
            if link != Link::PeerClosed {
                shared.notice.link(&shared.name, peer, link.as_str());
            }
        }
        tracing::debug!(listener = %shared.name, %peer, ?end, "connection closed");
    }

    /// When the wait for bytes is over, and how the conversation ends then.
    fn limit(&self, now: Duration) -> (Duration, End) {
        match self.begun {
            Some(begun) => (begun + self.shared.frame_timeout, End::HalfFrame),
            None if self.place.is_proven() => (now + self.shared.idle_timeout, End::Idle),
            None => (now + self.shared.first_byte_timeout, End::Silent),
        }
    }

    fn set_time(&self, now: Duration) {
        self.place.seat().wake_at(self.limit(now).0);
    }

    /// Waits for bytes or for the end, and begins to answer what came. Who has to go is still
    /// answered what it sent before.
    fn poll_came(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let order = self.place.seat().order();
        if order == Order::Drain {
            return Poll::Ready(Err(End::Draining));
        }
        match self.poll_read(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Failed)),
            Poll::Pending if order == Order::Leave => return Poll::Ready(Err(End::Evicted)),
            Poll::Pending if self.is_due() => {
                return Poll::Ready(Err(self.limit(Duration::ZERO).1));
            }
            Poll::Pending => return Poll::Pending,
        }
        if order == Order::Leave {
            self.ending = self.ending.or(Some(End::Evicted));
        }
        Poll::Ready(match (&self.answering, self.ending) {
            (None, Some(end)) => Err(end),
            _ => Ok(()),
        })
    }

    fn is_due(&self) -> bool {
        let clock = &self.shared.clock;
        self.place.seat().is_due(|| clock.now().mono)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut fresh = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut fresh))?;
            match fresh.filled() {
                [] => {
                    self.look(&[], Delivery::StreamEnd);
                    self.ending = self.ending.or(Some(End::PeerClosed));
                }
                fresh => self.look(fresh, Delivery::Stream),
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Takes every whole frame out of what was left and what is fresh, and keeps the rest.
    fn look(&mut self, fresh: &[u8], delivery: Delivery) {
        let now = self.shared.clock.now();
        let mut kept = std::mem::take(&mut self.rest);
        let input = if kept.is_empty() {
            fresh
        } else {
            kept.extend_from_slice(fresh);
            &kept
        };
        let looked = self.take_frames(input, delivery, now);
        let rest = input.get(looked.used..).unwrap_or_default();
        // As long as the rest, so that a byte of filler does not keep a whole buffer.
        self.rest = rest.to_vec();
        self.begun = match self.begun {
            _ if !looked.begun => None,
            Some(at) if looked.used == 0 => Some(at),
            _ => Some(now.mono),
        };
        self.ending = looked.end.map(End::Session);
        let intake = &self.shared.intake;
        intake.send_on(matches!(looked.taken.as_slice(), [one] if one.is_new()));
        if looked.taken.is_empty() {
            self.set_time(now.mono);
        } else {
            self.place.seat().wake_at(now.mono + intake.ack_deadline());
            let counted = Waiting::on(Arc::clone(intake), looked.taken.len() as u64);
            self.answering = Some(Box::new(Answering::new(looked.taken, counted)));
        }
    }

    fn take_frames(&mut self, input: &[u8], delivery: Delivery, now: Moment) -> Looked<S::Ticket> {
        let mut looked = Looked::new();
        loop {
            let front = input.get(looked.used..).unwrap_or_default();
            match self.step(front, delivery, now) {
                Progress::Frame { consumed, request } => {
                    looked.used += consumed;
                    looked.taken.push(request);
                }
                Progress::Dropped { consumed } => looked.used += consumed,
                Progress::Wait { consumed, begun } => {
                    looked.used += consumed;
                    looked.begun = begun;
                    return looked;
                }
                Progress::End(reason) => {
                    looked.end = Some(reason);
                    return looked;
                }
            }
        }
    }

    fn step(&mut self, input: &[u8], delivery: Delivery, now: Moment) -> Progress<S::Ticket> {
        let shared = &self.shared;
        let metrics = shared.intake.metrics();
        match self
            .session
            .receive(input, delivery, now, shared.intake.as_ref())
        {
            Step::More { consumed, begun } => {
                // A session that never asks for more than its own limit cannot get here with
                // more than that; one that does must not make the buffer grow for ever.
                if consumed == 0 && input.len() > self.session.frame_len_max() + READ_LEN {
                    metrics.close(CloseReason::FrameTooLong);
                    return Progress::End(CloseReason::FrameTooLong);
                }
                Progress::Wait { consumed, begun }
            }
            Step::Skip { consumed, noise } => {
                metrics.noise(noise, consumed);
                shared
                    .notice
                    .noise(&shared.name, self.peer, noise, consumed);
                Progress::Dropped {
                    consumed: consumed.max(1),
                }
            }
            Step::Request { consumed, request } => {
                if request.verdict == FrameVerdict::Ok {
                    self.place.prove();
                } else {
                    shared
                        .notice
                        .refused(&shared.name, self.peer, request.verdict, request.frame);
                }
                let origin = shared.origin(Transport::Tcp, self.peer);
                let request = shared.intake.take(request, &origin, now);
                Progress::Frame {
                    consumed: consumed.max(1),
                    request,
                }
            }
            Step::Close { reason } => {
                metrics.close(reason);
                shared.notice.closed(&shared.name, self.peer, reason);
                Progress::End(reason)
            }
        }
    }

    /// Answers what was taken, in order, and sends the answers together.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Some(mut answering) = self.answering.take() else {
            return Poll::Ready(Ok(()));
        };
        let polled = match self.poll_replies(cx, &mut answering) {
            Poll::Ready(()) => self.poll_send(cx, &mut answering),
            Poll::Pending => Poll::Pending,
        };
        match polled {
            Poll::Pending => {
                self.answering = Some(answering);
                Poll::Pending
            }
            Poll::Ready(Err(end)) => Poll::Ready(Err(end)),
            Poll::Ready(Ok(())) => Poll::Ready(self.ending.map_or_else(
                || {
                    self.set_time(self.shared.clock.now().mono);
                    Ok(())
                },
                Err,
            )),
        }
    }

    /// Writes every reply, each once its frame is durable or its deadline is over.
    fn poll_replies(&self, cx: &mut Context<'_>, answering: &mut Answering<S::Ticket>) -> Poll<()> {
        let intake = &*self.shared.intake;
        if let Some(turn) = &mut answering.turn {
            match self.shared.turns.poll(turn, cx.waker()) {
                Poll::Ready(()) => answering.turn = None,
                // Written all the same, and then silenced as too late.
                Poll::Pending if self.is_due() => answering.turn = None,
                Poll::Pending => return Poll::Pending,
            }
        }
        while let Some(mut next) = answering.next.take().or_else(|| answering.advance(intake)) {
            let verdict = match &mut next.settling {
                Settling::Now(verdict) => verdict.take(),
                Settling::Waits { committed, then } => {
                    let state = match Pin::new(committed).poll(cx) {
                        Poll::Ready(state) => Some(state),
                        Poll::Pending if self.is_due() => None,
                        Poll::Pending => {
                            answering.now = None;
                            answering.next = Some(next);
                            return Poll::Pending;
                        }
                    };
                    Some(intake.conclude(state, *then))
                }
            };
            let clock = &self.shared.clock;
            let now = *answering.now.get_or_insert_with(|| clock.now());
            let replies = &mut answering.replies;
            intake.reply(
                &self.session,
                next.ticket,
                verdict,
                next.received,
                now,
                replies,
            );
        }
        Poll::Ready(())
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        answering: &mut Answering<S::Ticket>,
    ) -> Poll<Result<(), End>> {
        loop {
            let left = answering.replies.get(answering.sent..).unwrap_or_default();
            if left.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(cx, left) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(End::Failed)),
                Poll::Ready(Ok(sent)) => answering.sent += sent,
                Poll::Pending if !answering.blocked => {
                    answering.blocked = true;
                    let now = self.shared.clock.now().mono;
                    self.place.seat().wake_at(now + WRITE_TIMEOUT);
                    return Poll::Pending;
                }
                Poll::Pending if self.is_due() => return Poll::Ready(Err(End::SlowReader)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Frames on their way to their answers.
struct Answering<T> {
    left: std::vec::IntoIter<Taken<T>>,
    /// Link tests alone wait for their turn before they are answered.
    turn: Option<Turn>,
    /// The one that is waited for.
    next: Option<Next<T>>,
    /// The answers so far.
    replies: Vec<u8>,
    /// Bytes of them that are sent.
    sent: usize,
    /// The peer does not read its answers as fast as they come.
    blocked: bool,
    /// The time of the answers, until something is waited for again.
    now: Option<Moment>,
    _counted: Waiting,
}

struct Next<T> {
    ticket: T,
    settling: Settling,
    received: Moment,
}

impl<T> Answering<T> {
    fn new(taken: Vec<Taken<T>>, counted: Waiting) -> Self {
        Self {
            replies: Vec::with_capacity(taken.len() * REPLY_LEN),
            turn: (taken.iter())
                .all(|taken| matches!(taken.outcome, Outcome::Pulse))
                .then(Turn::default),
            left: taken.into_iter(),
            next: None,
            sent: 0,
            blocked: false,
            now: None,
            _counted: counted,
        }
    }

    fn advance(&mut self, intake: &Intake) -> Option<Next<T>> {
        self.left.next().map(|taken| Next {
            ticket: taken.ticket,
            settling: intake.begin(taken.outcome),
            received: taken.received,
        })
    }
}

/// What one look at the bytes came to.
struct Looked<T> {
    /// Bytes at the front that are done with.
    used: usize,
    /// A frame has begun and is not whole.
    begun: bool,
    /// The session ended the conversation.
    end: Option<CloseReason>,
    /// The frames, in order.
    taken: Vec<Taken<T>>,
}

impl<T> Looked<T> {
    fn new() -> Self {
        Self {
            used: 0,
            begun: false,
            end: None,
            taken: Vec::new(),
        }
    }
}

/// One step's effect on the loop.
enum Progress<T> {
    Frame { consumed: usize, request: Taken<T> },
    Dropped { consumed: usize },
    Wait { consumed: usize, begun: bool },
    End(CloseReason),
}
