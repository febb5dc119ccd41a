//! One UDP socket: a datagram is a frame; the reply goes to the sender's address from the address
//! that the datagram was sent to. What is no valid frame is never answered.
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use larm_carrier::{Delivery, FrameVerdict, Moment, Session, Step};
use larm_event::Transport;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Shared;
use crate::intake::{Origin, Outcome, Settling, Taken, Waiting};
use crate::metrics::Link;

/// Datagrams of one sender may come merged into one buffer of up to this size (GRO).
const BUFFER_LEN: usize = 65_536;

/// Buffers read in one system call.
const BATCH: usize = 32;

/// Frames taken from one datagram; a datagram is meant to hold one.
const FRAMES_PER_DATAGRAM_MAX: usize = 8;

struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
}

impl Socket {
    async fn send(&self, to: SocketAddr, from: Option<IpAddr>, reply: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: reply,
            segment_size: None,
            src_ip: from,
        };
        self.io
            .async_io(Interest::WRITABLE, || {
                self.state.try_send(UdpSockRef::from(&self.io), &transmit)
            })
            .await
    }

    async fn recv(
        &self,
        buffers: &mut [Vec<u8>; BATCH],
        meta: &mut [RecvMeta; BATCH],
    ) -> io::Result<usize> {
        self.io
            .async_io(Interest::READABLE, || {
                let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
                self.state
                    .recv(UdpSockRef::from(&self.io), &mut slices, meta)
            })
            .await
    }
}

/// Serves the socket until the gateway drains; then answers what is already taken.
pub async fn serve<S: Session>(
    io: UdpSocket,
    make: impl Fn() -> S + Send + 'static,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let state = UdpSocketState::new(UdpSockRef::from(&io))?;
    let socket = Arc::new(Socket { io, state });
    let places = Arc::new(Semaphore::new(shared.datagrams_max));
    let mut waiting = JoinSet::new();
    let mut buffers: [Vec<u8>; BATCH] = std::array::from_fn(|_| vec![0; BUFFER_LEN]);
    let mut meta = [RecvMeta::default(); BATCH];
    let mut stopped = std::pin::pin!(shared.stop.cancelled());
    loop {
        let count = tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(done) = waiting.join_next(), if !waiting.is_empty() => {
                count_panic(&shared, done);
                continue;
            }
            received = socket.recv(&mut buffers, &mut meta) => match received {
                Ok(count) => count,
                // An ICMP error of an earlier reply, or a passing shortage: the socket lives on.
                Err(error) => {
                    shared.intake.metrics().link(Link::Failed);
                    tracing::debug!(listener = %shared.name, %error, "datagram not received");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let mut batch = Batch {
            session: make(),
            shared: Arc::clone(&shared),
            socket: Arc::clone(&socket),
            unanswered: Vec::new(),
            room: places.available_permits(),
        };
        for (buffer, meta) in buffers.iter().zip(&meta).take(count) {
            let bytes = buffer.get(..meta.len).unwrap_or_default();
            for datagram in bytes.chunks(meta.stride.max(1)) {
                batch.take(datagram, meta);
            }
        }
        shared.intake.send_on(batch.is_one_frame());
        // Silence needs no task; a flood of what is not answered makes none.
        if !batch.unanswered.is_empty() {
            let places = Arc::clone(&places);
            // The last datagram may have brought more frames than there were places.
            let count = batch.unanswered.len().min(batch.room);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // Only this task takes places, so there are still as many.
            let held = places.try_acquire_many_owned(count);
            waiting.spawn(async move {
                let _held = held;
                batch.answer().await;
            });
        }
    }
    while let Some(done) = waiting.join_next().await {
        count_panic(&shared, done);
    }
    Ok(())
}

fn count_panic(shared: &Shared, done: Result<(), tokio::task::JoinError>) {
    if done.is_err_and(|error| error.is_panic()) {
        shared.intake.metrics().link(Link::Panicked);
        tracing::error!(listener = %shared.name, "a task for datagrams panicked; they were not answered");
    }
}

/// The datagrams of one system call: taken together, so that they share a commit, and answered by
/// one task.
struct Batch<S: Session> {
    session: S,
    shared: Arc<Shared>,
    socket: Arc<Socket>,
    unanswered: Vec<Unanswered<S::Ticket>>,
    /// Datagrams that may still wait for the disk. `unanswered.len() <= room` but for the further
    /// frames of a datagram.
    room: usize,
}

struct Unanswered<T> {
    request: Taken<T>,
    to: SocketAddr,
    /// The address that the datagram was sent to.
    from: Option<IpAddr>,
}

impl<S: Session> Batch<S> {
    fn take(&mut self, datagram: &[u8], meta: &RecvMeta) {
        let shared = Arc::clone(&self.shared);
        shared.intake.metrics().link(Link::Datagram);
        if self.unanswered.len() >= self.room {
            shared.intake.metrics().link(Link::DatagramOverload);
            return;
        }
        let origin = shared.origin(Transport::Udp, meta.addr);
        let now = shared.clock.now();
        let mut rest = datagram;
        for _ in 0..FRAMES_PER_DATAGRAM_MAX {
            let Some(consumed) = self.step(rest, &origin, meta, now) else {
                break;
            };
            rest = rest.get(consumed.max(1)..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
    }

    /// Takes one frame, or noise, off the front; `None` at the end of what can be read.
    fn step(
        &mut self,
        rest: &[u8],
        origin: &Origin<'_>,
        meta: &RecvMeta,
        now: Moment,
    ) -> Option<usize> {
        let shared = &self.shared;
        let (metrics, notice) = (shared.intake.metrics(), &shared.notice);
        let accounts = shared.intake.as_ref();
        match self
            .session
            .receive(rest, Delivery::Datagram, now, accounts)
        {
            Step::More { .. } => None,
            Step::Skip { consumed, noise } => {
                metrics.noise(noise, consumed);
                notice.noise(&shared.name, meta.addr, noise, consumed);
                Some(consumed)
            }
            Step::Request { consumed, request } => {
                if request.verdict != FrameVerdict::Ok {
                    notice.refused(&shared.name, meta.addr, request.verdict, request.frame);
                }
                let request = shared.intake.take(request, origin, now);
                if !matches!(request.outcome, Outcome::Silence) {
                    self.unanswered.push(Unanswered {
                        request,
                        to: meta.addr,
                        from: meta.dst_ip,
                    });
                }
                Some(consumed)
            }
            Step::Close { reason } => {
                metrics.close(reason);
                notice.closed(&shared.name, meta.addr, reason);
                None
            }
        }
    }

    /// One frame came, and nothing but the disk stands between it and its answer.
    fn is_one_frame(&self) -> bool {
        matches!(self.unanswered.as_slice(), [one] if one.request.is_new())
    }

    /// Answers all of them, each when it is durable, none behind its deadline.
    async fn answer(self) {
        let intake = &*self.shared.intake;
        let _counted = Waiting::on(
            Arc::clone(&self.shared.intake),
            self.unanswered.len() as u64,
        );
        let mut late = std::pin::pin!(tokio::time::sleep(intake.ack_deadline()));
        let mut reply = Vec::new();
        for Unanswered { request, to, from } in self.unanswered {
            let verdict = match intake.begin(request.outcome) {
                Settling::Now(verdict) => verdict,
                Settling::Waits { committed, then } => {
                    let state = tokio::select! {
                        biased;
                        state = committed => Some(state),
                        () = &mut late => None,
                    };
                    Some(intake.conclude(state, then))
                }
            };
            let now = self.shared.clock.now();
            reply.clear();
            let (ticket, received) = (request.ticket, request.received);
            intake.reply(&self.session, ticket, verdict, received, now, &mut reply);
            if reply.is_empty() {
                continue;
            }
            if let Err(error) = self.socket.send(to, from, &reply).await {
                intake.metrics().link(Link::Failed);
                tracing::debug!(listener = %self.shared.name, %error, "reply not sent");
            }
        }
    }
}
