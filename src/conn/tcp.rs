//! One TCP connection: reads frames, answers them in order, never closes first while all is well.
//!
//! An idle connection holds no buffer: bytes are read into one that its thread keeps, and only the
//! beginning of a frame whose rest is still to come stays with the connection. Everything that one
//! read brought is handed to the intake before the first answer is waited for, so that pipelined
//! frames share a commit; the answers leave together, in the order of their frames.
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use larm_carrier::{CloseReason, Delivery, FrameVerdict, Moment, Session, Step, Verdict};
use larm_event::Transport;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::seat::Order;
use super::{Place, Shared};
use crate::intake::{Origin, Settling, Taken, Waiting};
use crate::journal::Commit;
use crate::metrics::Link;
use crate::sink::{Committed, State};

/// Read in one go; many pipelined frames fit.
const READ_LEN: usize = 16_384;

/// Room for one reply; a longer one makes its buffer grow.
const REPLY_LEN: usize = 64;

/// How long a peer may take to read its replies.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// What is read goes here first; nothing of it outlives one call of [`Conversation::read`].
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_LEN].into_boxed_slice());
}

/// Serves a connection to its end and counts how it ended.
pub async fn serve<S: Session>(
    stream: TcpStream,
    peer: SocketAddr,
    session: S,
    place: Place,
    shared: Arc<Shared>,
) {
    let origin = shared.origin(Transport::Tcp, peer);
    let mut conversation = Conversation {
        stream,
        peer,
        session,
        place,
        shared,
        origin,
        rest: Vec::new(),
        taken: Vec::new(),
        begun: None,
    };
    let end = conversation.run().await;
    let shared = &conversation.shared;
    if let Some(link) = end.counted() {
        shared.intake.metrics().link(link);
        if link != Link::PeerClosed {
            shared.notice.link(&shared.name, peer, link.as_str());
        }
    }
    tracing::debug!(listener = %shared.name, %peer, ?end, "connection closed");
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

struct Conversation<S: Session> {
    stream: TcpStream,
    peer: SocketAddr,
    session: S,
    place: Place,
    shared: Arc<Shared>,
    origin: Origin,
    /// The beginning of a frame in progress; without capacity between frames.
    rest: Vec<u8>,
    /// Frames that are not answered yet.
    taken: Vec<Taken<S::Ticket>>,
    /// When the frame in progress began, in monotonic time; one byte at a time does not prolong it.
    begun: Option<Duration>,
}

/// What a read came to.
enum Came {
    /// Bytes came, and were looked at; the session may have ended the conversation.
    Bytes(Option<End>),
    /// The peer has closed its side; what it left was looked at.
    Closed(Option<End>),
}

impl<S: Session> Conversation<S> {
    async fn run(&mut self) -> End {
        let mut now = self.shared.clock.now().mono;
        loop {
            let expired = self.set_time(now);
            let came = match poll_fn(|cx| self.poll_came(cx, expired)).await {
                Ok(came) => came,
                Err(end) => return end,
            };
            if let Err(end) = self.answer().await {
                return end;
            }
            now = match came {
                Came::Bytes(Some(end)) | Came::Closed(Some(end)) => return end,
                Came::Closed(None) => return End::PeerClosed,
                Came::Bytes(None) => self.shared.clock.now().mono,
            };
        }
    }

    /// Sets when the wait for bytes is over, and tells what it ends with then.
    fn set_time(&self, now: Duration) -> End {
        let (at, expired) = match self.begun {
            Some(begun) => (begun + self.shared.frame_timeout, End::HalfFrame),
            None if self.place.is_proven() => (now + self.shared.idle_timeout, End::Idle),
            None => (now + self.shared.first_byte_timeout, End::Silent),
        };
        self.place.seat().wake_at(at);
        expired
    }

    /// Waits for bytes or for the end. Who has to go is still answered what it sent before.
    fn poll_came(&mut self, cx: &mut Context<'_>, expired: End) -> Poll<Result<Came, End>> {
        let seat = self.place.seat();
        seat.register(cx.waker());
        let order = seat.order();
        if order == Order::Drain {
            return Poll::Ready(Err(End::Draining));
        }
        match self.poll_read(cx) {
            Poll::Ready(Ok(Came::Bytes(None))) if order == Order::Leave => {
                Poll::Ready(Ok(Came::Bytes(Some(End::Evicted))))
            }
            Poll::Ready(Ok(came)) => Poll::Ready(Ok(came)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(End::Failed)),
            Poll::Pending if order == Order::Leave => Poll::Ready(Err(End::Evicted)),
            Poll::Pending if self.is_due() => Poll::Ready(Err(expired)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_due(&self) -> bool {
        let clock = &self.shared.clock;
        self.place.seat().is_due(|| clock.now().mono)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Came>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut fresh = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut fresh))?;
            let fresh = fresh.filled();
            Poll::Ready(Ok(if fresh.is_empty() {
                Came::Closed(self.look(&[], Delivery::StreamEnd))
            } else {
                Came::Bytes(self.look(fresh, Delivery::Stream))
            }))
        })
    }

    /// Takes every whole frame out of what was left and what is fresh, and keeps the rest.
    fn look(&mut self, fresh: &[u8], delivery: Delivery) -> Option<End> {
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
        looked.end.map(End::Session)
    }

    fn take_frames(&mut self, input: &[u8], delivery: Delivery, now: Moment) -> Looked {
        let mut looked = Looked::default();
        loop {
            let front = input.get(looked.used..).unwrap_or_default();
            match self.step(front, delivery, now) {
                Progress::Frame { consumed, request } => {
                    looked.used += consumed;
                    self.taken.push(request);
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
                let request = shared.intake.take(request, &self.origin, now);
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

    /// Answers what was taken, in order.
    async fn answer(&mut self) -> Result<(), End> {
        let taken = std::mem::take(&mut self.taken);
        let Some(received) = taken.first().map(|first| first.received) else {
            return Ok(());
        };
        let shared = Arc::clone(&self.shared);
        let intake = &*shared.intake;
        let _counted = Waiting::on(intake, taken.len() as u64);
        self.place
            .seat()
            .wake_at(received.mono + intake.ack_deadline());
        let mut replies = Vec::with_capacity(taken.len() * REPLY_LEN);
        let mut now = None;
        for request in taken {
            let verdict = match intake.begin(request.outcome) {
                Settling::Now(verdict) => verdict,
                Settling::Waits { committed, repeat } => {
                    now = None;
                    Some(self.wait(committed, repeat).await)
                }
            };
            let now = *now.get_or_insert_with(|| shared.clock.now());
            let (ticket, received) = (request.ticket, request.received);
            intake.reply(&self.session, ticket, verdict, received, now, &mut replies);
        }
        self.send(&replies).await
    }

    /// Waits for the sink, but not beyond the deadline.
    async fn wait(&mut self, mut committed: Committed, repeat: bool) -> Verdict<Commit> {
        let state = poll_fn(|cx| self.poll_committed(cx, &mut committed)).await;
        self.shared.intake.conclude(state, repeat)
    }

    fn poll_committed(
        &mut self,
        cx: &mut Context<'_>,
        committed: &mut Committed,
    ) -> Poll<Option<State>> {
        self.place.seat().register(cx.waker());
        match Pin::new(committed).poll(cx) {
            Poll::Ready(state) => Poll::Ready(Some(state)),
            Poll::Pending if self.is_due() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    async fn send(&mut self, replies: &[u8]) -> Result<(), End> {
        if replies.is_empty() {
            return Ok(());
        }
        let sent = self.stream.try_write(replies).unwrap_or(0);
        if sent == replies.len() {
            return Ok(());
        }
        let now = self.shared.clock.now().mono;
        self.place.seat().wake_at(now + WRITE_TIMEOUT);
        let mut left = replies.get(sent..).unwrap_or_default();
        poll_fn(|cx| self.poll_send(cx, &mut left)).await
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, left: &mut &[u8]) -> Poll<Result<(), End>> {
        self.place.seat().register(cx.waker());
        while !left.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, left) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(End::Failed)),
                Poll::Ready(Ok(sent)) => *left = left.get(sent..).unwrap_or_default(),
                Poll::Pending if self.is_due() => return Poll::Ready(Err(End::SlowReader)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What one look at the bytes came to.
#[derive(Default)]
struct Looked {
    /// Bytes at the front that are done with.
    used: usize,
    /// A frame has begun and is not whole.
    begun: bool,
    /// The session ended the conversation.
    end: Option<CloseReason>,
}

/// One step's effect on the loop.
enum Progress<T> {
    Frame { consumed: usize, request: Taken<T> },
    Dropped { consumed: usize },
    Wait { consumed: usize, begun: bool },
    End(CloseReason),
}
