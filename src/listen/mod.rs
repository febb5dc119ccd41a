//! Listeners: sockets opened with clear errors, connections accepted with backoff, every
//! conversation in a set that is waited for.
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use larm_carrier::Session;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::conn::{self, Admission, Shared};
use crate::metrics::Link;

/// Connections that may wait to be accepted while the gateway is busy; the kernel caps it further.
const BACKLOG: i32 = 4_096;

/// When a silent peer is asked whether it is still there, and how often.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(2))
    .with_interval(Duration::from_secs(30));

/// Room for datagrams that come faster than they are read; the kernel caps it further.
const UDP_BUFFER_LEN: usize = 8 << 20;

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error(
        "{address} is in use by another program: stop it, or give this listener another port (`ss -lnp` shows who has it)"
    )]
    InUse {
        /// The wanted address.
        address: SocketAddr,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "not allowed to listen on {address}: ports below 1024 need the capability CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The wanted address.
        address: SocketAddr,
    },
    /// The address belongs to no interface of this machine.
    #[error(
        "{address} is no address of this machine: write one of its own, or 0.0.0.0 or [::] for all"
    )]
    NotOurs {
        /// The wanted address.
        address: SocketAddr,
    },
    /// Anything else that the system said.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The wanted address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
}

impl ListenError {
    fn from_io(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address },
            _ => Self::Other { address, source },
        }
    }
}

/// Opens a TCP listener, and tells where it is bound. Port 0 takes a free one.
pub fn open_tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        only_v6(&socket, address)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // What is set here holds for every accepted connection, and is not set for each anew.
        // Without it a reply could wait for the acknowledgement of the one before.
        socket.set_tcp_nodelay(true)?;
        // Finds out about peers that vanished without a word, long before the idle time is over.
        socket.set_tcp_keepalive(&KEEPALIVE)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(|source| ListenError::from_io(address, source))
}

/// Opens a UDP socket, and tells where it is bound. Port 0 takes a free one.
pub fn open_udp(address: SocketAddr) -> Result<(UdpSocket, SocketAddr), ListenError> {
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        only_v6(&socket, address)?;
        socket.set_nonblocking(true)?;
        // A smaller buffer than wished for is no reason not to start.
        drop(socket.set_recv_buffer_size(UDP_BUFFER_LEN));
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let bound = socket.local_addr()?;
        Ok((socket, bound))
    };
    open().map_err(|source| ListenError::from_io(address, source))
}

/// An IPv6 listener takes IPv6 only, so that `0.0.0.0` and `[::]` can stand side by side.
fn only_v6(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)
    } else {
        Ok(())
    }
}

/// Accepts connections until the gateway drains, then waits for the conversations to end.
pub async fn serve_tcp<S: Session>(
    listener: TcpListener,
    make: impl Fn() -> S + Send + 'static,
    admission: Arc<Admission>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let conversations = TaskTracker::new();
    let mut backoff = Backoff::default();
    let mut rounds = tokio::time::interval(round(&shared));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(shared.stop.cancelled());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            _ = rounds.tick() => {
                admission.look(shared.clock.now().mono);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                backoff = Backoff::default();
                admit(stream, peer, &make, &admission, &shared, &conversations);
            }
            Err(error) => {
                shared.intake.metrics().link(Link::AcceptFailed);
                tracing::error!(listener = %shared.name, %error, "cannot accept connections");
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
    drop(listener);
    admission.drain();
    conversations.close();
    loop {
        tokio::select! {
            biased;
            () = conversations.wait() => return Ok(()),
            // Deadlines of replies hold to the end.
            _ = rounds.tick() => admission.look(shared.clock.now().mono),
        }
    }
}

/// Time between two looks for connections whose time is over: an eighth of the shortest time that
/// is measured by it, but no more often than makes sense.
fn round(shared: &Shared) -> Duration {
    let shortest = shared
        .first_byte_timeout
        .min(shared.frame_timeout)
        .min(shared.idle_timeout)
        .min(shared.intake.ack_deadline());
    (shortest / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

fn admit<S: Session>(
    stream: TcpStream,
    peer: SocketAddr,
    make: &impl Fn() -> S,
    admission: &Arc<Admission>,
    shared: &Arc<Shared>,
    conversations: &TaskTracker,
) {
    let place = admission.admit(peer.ip());
    let metrics = shared.intake.metrics();
    metrics.link(Link::Accepted);
    metrics.connections_open(1);
    let counted = Open(Arc::clone(shared));
    let conversation =
        conn::tcp::Conversation::new(stream, peer, make(), place, Arc::clone(shared));
    conversations.spawn(Counted {
        conversation,
        _open: counted,
    });
}

/// A conversation that is counted as open.
struct Counted<S: Session> {
    // Fields are dropped in this order: the place is given back before the count goes down.
    conversation: conn::tcp::Conversation<S>,
    _open: Open,
}

impl<S: Session> Future for Counted<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.conversation).poll(cx)
    }
}

/// Counts a connection for as long as its task lives, and tells how the task ended.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        let metrics = self.0.intake.metrics();
        metrics.connections_open(-1);
        if std::thread::panicking() {
            metrics.link(Link::Panicked);
            tracing::error!(listener = %self.0.name, "a connection's task panicked; it was closed without a reply");
        }
    }
}

/// Waits longer after each failure, up to a second: descriptors come back when connections end.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(5 << self.failures.min(8)).min(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let (_first, address) = open_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = open_tcp(address).unwrap_err();
        assert!(matches!(error, ListenError::InUse { address: named } if named == address));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        let error = open_udp("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, ListenError::NotOurs { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn both_families_share_a_port() {
        let (_v4, bound) = open_tcp("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = bound.port();
        assert!(open_tcp(format!("[::]:{port}").parse().unwrap()).is_ok());
    }

    #[test]
    fn backoff_grows_and_is_capped() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(), Duration::from_millis(10));
        assert_eq!(backoff.next(), Duration::from_millis(20));
        for _ in 0..100 {
            assert!(backoff.next() <= Duration::from_secs(1));
        }
    }
}
