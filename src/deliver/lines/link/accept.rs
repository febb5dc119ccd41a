//! The role in which the case system connects.
//!
//! There is one seat. Whoever takes it is handed to the link's owner together with the seat, and
//! the seat is free again when the owner lets go of both. Who finds it taken is refused, or waits
//! for it with heartbeats.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::conn::{Answer, Conn, Stream};
use super::pause;
use super::peers::Network;
use super::settings::{LinkSettings, Second};
use crate::deliver::Link;
use crate::deliver::lines::receipt::Receipt;
use crate::tls;

/// Connections at a time, waiting ones and those in their handshake; the next one is closed.
const CONNECTIONS_MAX: usize = 8;

/// A connection that holds the seat.
pub(super) struct Seated {
    pub(super) conn: Conn,
    /// Freed when it is dropped.
    pub(super) seat: OwnedSemaphorePermit,
}

/// What acceptor and owner share.
#[derive(Clone)]
pub(super) struct Door {
    seat: Arc<Semaphore>,
    seated: mpsc::Sender<Seated>,
    /// Why the last handshake failed, until somebody has the seat.
    refused: Arc<Mutex<Option<String>>>,
    /// Somebody was refused: is the one on the seat still alive?
    pub(super) knock: Arc<Notify>,
}

impl Door {
    /// A door, and where those come out who were let in.
    pub(super) fn new() -> (Self, mpsc::Receiver<Seated>) {
        let (seated, arrivals) = mpsc::channel(1);
        let door = Self {
            seat: Arc::new(Semaphore::new(1)),
            seated,
            refused: Arc::default(),
            knock: Arc::default(),
        };
        (door, arrivals)
    }

    /// Why the last handshake failed; `None`: none did since somebody had the seat.
    pub(super) fn refused(&self) -> Option<String> {
        self.last().clone()
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        // One value, set whole.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the listening side needs.
pub(super) struct Acceptor<'a> {
    pub(super) address: SocketAddr,
    pub(super) peers: &'a [Network],
    pub(super) second: Second,
    pub(super) tls: Option<&'a TlsAcceptor>,
    pub(super) settings: &'a LinkSettings,
    pub(super) heartbeat: &'a [u8],
    pub(super) link: &'a Link,
}

impl Acceptor<'_> {
    /// Accepts until it is dropped.
    pub(super) async fn run(&self, door: &Door) {
        let listener = self.bind().await;
        let mut visits = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) if self.may_enter(peer.ip(), visits.len()) => {
                        let visit = self.visit(door.clone());
                        visits.spawn(visit.run(stream));
                    }
                    Ok(_) => {}
                    // Out of descriptors, or the other side was gone before it was let in.
                    Err(error) => {
                        tracing::debug!(%error, "a connection was not accepted");
                        sleep(self.settings.wait / 16).await;
                    }
                },
                Some(ended) = visits.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a visit ended in a panic");
                    }
                }
            }
        }
    }

    async fn bind(&self) -> TcpListener {
        let mut failures = 0;
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return listener,
                Err(error) => {
                    self.link
                        .down(format!("cannot listen on {}: {error}", self.address));
                    failures += 1;
                    sleep(pause(failures, self.settings.wait)).await;
                }
            }
        }
    }

    fn may_enter(&self, peer: IpAddr, visits: usize) -> bool {
        let listed = self.peers.iter().any(|network| network.holds(peer));
        if !listed {
            tracing::debug!(%peer, "a peer that is not in the list was refused");
        }
        listed && visits < CONNECTIONS_MAX
    }

    fn visit(&self, door: Door) -> Visit {
        Visit {
            door,
            tls: self.tls.cloned(),
            second: self.second,
            settings: self.settings.clone(),
            heartbeat: self.heartbeat.to_vec(),
        }
    }
}

/// One connection before it has the seat.
struct Visit {
    door: Door,
    tls: Option<TlsAcceptor>,
    second: Second,
    settings: LinkSettings,
    heartbeat: Vec<u8>,
}

impl Visit {
    async fn run(self, stream: TcpStream) {
        let opened = timeout(self.settings.connect_timeout, self.open(stream)).await;
        let mut conn = match opened {
            Ok(Ok(stream)) => Conn::new(stream, &self.settings),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a case system's handshake failed");
                *self.door.last() = Some(tls::advised(error.to_string()));
                return;
            }
            Err(_) => return,
        };
        let Some(seat) = self.seat(&mut conn).await else {
            return conn.close(&self.settings).await;
        };
        *self.door.last() = None;
        // The owner is gone: so is the connector.
        let _ = self.door.seated.send(Seated { conn, seat }).await;
    }

    async fn open(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(acceptor) => Ok(Box::new(acceptor.accept(stream).await?)),
        }
    }

    /// The seat, now or in its turn; `None`: this visit is over.
    async fn seat(&self, conn: &mut Conn) -> Option<OwnedSemaphorePermit> {
        let seat = self.door.seat.clone();
        if let Ok(free) = seat.clone().try_acquire_owned() {
            return Some(free);
        }
        // One that is only half gone is found out, and the next visit has the seat.
        self.door.knock.notify_one();
        match self.second {
            Second::Refuse => None,
            Second::Heartbeats => tokio::select! {
                free = seat.acquire_owned() => free.ok(),
                () = self.heartbeats(conn) => None,
            },
        }
    }

    /// Ends when the other side does not answer any more.
    ///
    /// The seat may fall to this connection while a heartbeat is on its way: its receipt is then
    /// thrown away by the owner, who listens first.
    async fn heartbeats(&self, conn: &mut Conn) {
        loop {
            let next = Instant::now() + self.settings.heartbeat.unwrap_or(self.settings.wait);
            tokio::select! {
                _ = conn.unasked() => return,
                () = sleep_until(next) => {}
            }
            if self.settings.heartbeat.is_none() {
                continue;
            }
            let answer = conn.exchange(&self.heartbeat, true, &self.settings).await;
            if !matches!(answer, Ok(Answer::Receipt(Receipt::Ack))) {
                return;
            }
        }
    }
}
