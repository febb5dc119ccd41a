//! One TCP connection: reads frames, answers them in order, never closes first while all is well.
//!
//! A buffer exists only while a frame is in progress: an idle connection holds none. Everything
//! that one read brought is handed to the intake before the first answer is waited for, so that
//! pipelined frames share a commit; the answers leave together, in the order of their frames.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use larm_carrier::{CloseReason, Delivery, FrameVerdict, Moment, Session, Step};
use larm_event::Transport;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Place, Shared};
use crate::intake::{Origin, Taken};
use crate::metrics::Link;

/// Read in one go; several frames fit.
const READ_LEN: usize = 4_096;

/// How long a peer may take to read its replies.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

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
        buffer: BytesMut::new(),
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

struct Conversation<S> {
    stream: TcpStream,
    peer: SocketAddr,
    session: S,
    place: Place,
    shared: Arc<Shared>,
    origin: Origin,
    /// Bytes of a frame in progress; without capacity between frames.
    buffer: BytesMut,
}

impl<S: Session> Conversation<S> {
    async fn run(&mut self) -> End {
        // When the frame in progress began; one byte at a time does not prolong it.
        let mut begun: Option<Instant> = None;
        loop {
            if let Err(end) = self.wait_for_bytes(begun).await {
                // A frame that came before the order to go is still answered.
                if end == End::Evicted && matches!(self.read(), Ok(Some(1..))) {
                    return self.work(Delivery::Stream).await.err().unwrap_or(end);
                }
                return end;
            }
            let read = match self.read() {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err(_) => return End::Failed,
            };
            let delivery = if read == 0 {
                Delivery::StreamEnd
            } else {
                Delivery::Stream
            };
            let worked = match self.work(delivery).await {
                Ok(worked) => worked,
                Err(end) => return end,
            };
            if read == 0 {
                return End::PeerClosed;
            }
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            } else if !worked.begun {
                // A byte of filler does not keep a whole buffer.
                self.buffer = BytesMut::from(self.buffer.as_ref());
            }
            begun = match begun {
                _ if !worked.begun => None,
                Some(at) if !worked.consumed => Some(at),
                _ => Some(Instant::now()),
            };
        }
    }

    async fn wait_for_bytes(&self, begun: Option<Instant>) -> Result<(), End> {
        let (deadline, expired) = match begun {
            Some(at) => (at + self.shared.frame_timeout, End::HalfFrame),
            None if self.place.is_proven() => {
                (Instant::now() + self.shared.idle_timeout, End::Idle)
            }
            None => (Instant::now() + self.shared.first_byte_timeout, End::Silent),
        };
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Err(End::Draining),
            () = self.place.evicted() => Err(End::Evicted),
            ready = timeout_at(deadline, self.stream.readable()) => match ready {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Failed),
                Err(_) => Err(expired),
            },
        }
    }

    /// Appends what is there to the buffer. `None`: nothing was there after all.
    fn read(&mut self) -> io::Result<Option<usize>> {
        let room = self.session.frame_len_max().max(READ_LEN) + READ_LEN;
        let wanted = READ_LEN.min(room.saturating_sub(self.buffer.len())).max(1);
        self.buffer.reserve(wanted);
        match self.stream.try_read_buf(&mut self.buffer) {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes every frame out of the buffer, then answers them in order.
    async fn work(&mut self, delivery: Delivery) -> Result<Worked, End> {
        let now = self.shared.clock.now();
        let mut taken = Vec::new();
        let mut used = 0;
        let mut begun = false;
        let mut end = None;
        while end.is_none() {
            match self.step(used, delivery, now) {
                Progress::Frame { consumed, request } => {
                    used += consumed;
                    taken.push(request);
                }
                Progress::Dropped { consumed } => used += consumed,
                Progress::Wait {
                    consumed,
                    begun: waits,
                } => {
                    used += consumed;
                    begun = waits;
                    break;
                }
                Progress::End(reason) => end = Some(End::Session(reason)),
            }
        }
        self.buffer.advance(used.min(self.buffer.len()));
        self.answer(taken).await?;
        let consumed = used > 0;
        end.map_or(Ok(Worked { consumed, begun }), Err)
    }

    fn step(&mut self, used: usize, delivery: Delivery, now: Moment) -> Progress<S::Ticket> {
        let input = self.buffer.get(used..).unwrap_or_default();
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

    async fn answer(&mut self, taken: Vec<Taken<S::Ticket>>) -> Result<(), End> {
        let mut replies = Vec::new();
        for request in taken {
            let shared = &self.shared;
            shared
                .intake
                .settle(&self.session, request, shared.clock.as_ref(), &mut replies)
                .await;
        }
        if replies.is_empty() {
            return Ok(());
        }
        match timeout(WRITE_TIMEOUT, self.stream.write_all(&replies)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Failed),
            Err(_) => Err(End::SlowReader),
        }
    }
}

/// What one look at the buffer came to.
#[derive(Clone, Copy)]
struct Worked {
    /// Something was taken out: whatever is in progress now is another frame than before.
    consumed: bool,
    /// A frame has begun and is not whole.
    begun: bool,
}

/// One step's effect on the loop.
enum Progress<T> {
    Frame { consumed: usize, request: Taken<T> },
    Dropped { consumed: usize },
    Wait { consumed: usize, begun: bool },
    End(CloseReason),
}
