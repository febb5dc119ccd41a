//! One UDP socket: a datagram is a frame; the reply goes to the sender's address from the address
//! that the datagram was sent to. What is no valid frame is never answered.
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use larm_carrier::{Delivery, FrameVerdict, Session, Step};
use larm_event::Transport;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Shared;
use crate::intake::{Outcome, Taken};
use crate::metrics::Link;

/// Datagrams of one sender may come merged into one buffer of up to this size (GRO).
const BUFFER_LEN: usize = 65_536;

/// Buffers read in one system call.
const BATCH: usize = 8;

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
    loop {
        let count = tokio::select! {
            biased;
            () = shared.stop.cancelled() => break,
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
        for (buffer, meta) in buffers.iter().zip(&meta).take(count) {
            let bytes = buffer.get(..meta.len).unwrap_or_default();
            for datagram in bytes.chunks(meta.stride.max(1)) {
                let task = Datagram {
                    socket: &socket,
                    places: &places,
                    shared: &shared,
                    meta,
                };
                task.take(datagram, make(), &mut waiting);
            }
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
        tracing::error!(listener = %shared.name, "a datagram's task panicked; it was not answered");
    }
}

struct Datagram<'a> {
    socket: &'a Arc<Socket>,
    places: &'a Arc<Semaphore>,
    shared: &'a Arc<Shared>,
    meta: &'a RecvMeta,
}

impl Datagram<'_> {
    /// Takes the frames out of the datagram and answers them from a task of their own.
    fn take<S: Session>(self, datagram: &[u8], mut session: S, waiting: &mut JoinSet<()>) {
        let shared = self.shared;
        shared.intake.metrics().link(Link::Datagram);
        let Ok(place) = Arc::clone(self.places).try_acquire_owned() else {
            shared.intake.metrics().link(Link::DatagramOverload);
            return;
        };
        let taken = self.frames(datagram, &mut session);
        if taken.is_empty() {
            return;
        }
        let (socket, shared) = (Arc::clone(self.socket), Arc::clone(shared));
        let (to, from) = (self.meta.addr, self.meta.dst_ip);
        waiting.spawn(async move {
            let _place = place;
            for request in taken {
                let mut reply = Vec::new();
                let clock = shared.clock.as_ref();
                shared
                    .intake
                    .settle(&session, request, clock, &mut reply)
                    .await;
                if reply.is_empty() {
                    continue;
                }
                if let Err(error) = socket.send(to, from, &reply).await {
                    shared.intake.metrics().link(Link::Failed);
                    tracing::debug!(listener = %shared.name, %error, "reply not sent");
                }
            }
        });
    }

    fn frames<S: Session>(&self, datagram: &[u8], session: &mut S) -> Vec<Taken<S::Ticket>> {
        let shared = self.shared;
        let metrics = shared.intake.metrics();
        let peer = self.meta.addr;
        let origin = shared.origin(Transport::Udp, peer);
        let now = shared.clock.now();
        let mut taken = Vec::new();
        let mut rest = datagram;
        for _ in 0..FRAMES_PER_DATAGRAM_MAX {
            let step = session.receive(rest, Delivery::Datagram, now, shared.intake.as_ref());
            let consumed = match step {
                Step::More { .. } => break,
                Step::Skip { consumed, noise } => {
                    metrics.noise(noise, consumed);
                    shared.notice.noise(&shared.name, peer, noise, consumed);
                    consumed
                }
                Step::Request { consumed, request } => {
                    if request.verdict != FrameVerdict::Ok {
                        let (verdict, frame) = (request.verdict, request.frame);
                        shared.notice.refused(&shared.name, peer, verdict, frame);
                    }
                    let request = shared.intake.take(request, &origin, now);
                    // Silence needs no task; a flood of what is not answered makes none.
                    if !matches!(request.outcome, Outcome::Silence) {
                        taken.push(request);
                    }
                    consumed
                }
                Step::Close { reason } => {
                    metrics.close(reason);
                    shared.notice.closed(&shared.name, peer, reason);
                    break;
                }
            };
            rest = rest.get(consumed.max(1)..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
        taken
    }
}
