//! Datagrams: each sender gets a socket of its own towards the receiver, so that answers find back.
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UdpSocket, lookup_host};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::super::Settings;
use super::super::tap::{Direction, Flow, Tap};

/// Longest datagram.
const DATAGRAM_LEN_MAX: usize = 65_536;

/// A sender that was silent for this long is forgotten.
const SILENT_MAX: Duration = Duration::from_mins(2);

/// How often the silent ones are looked for.
const SWEEP: Duration = Duration::from_secs(10);

struct Sender {
    socket: Arc<UdpSocket>,
    flow: Arc<Flow>,
    last: Instant,
    answers: AbortHandle,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

struct Senders<'s> {
    settings: &'s Settings,
    tap: &'s Tap,
    outside: Arc<UdpSocket>,
    /// At most `settings.connections_max`.
    known: HashMap<SocketAddr, Sender>,
    answers: JoinSet<()>,
}

/// Passes datagrams on until `stop`.
pub(super) async fn serve(
    socket: UdpSocket,
    settings: &Settings,
    tap: &Tap,
    stop: &CancellationToken,
) {
    let mut senders = Senders {
        settings,
        tap,
        outside: Arc::new(socket),
        known: HashMap::new(),
        answers: JoinSet::new(),
    };
    let outside = Arc::clone(&senders.outside);
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(_) = senders.answers.join_next(), if !senders.answers.is_empty() => continue,
            _ = sweep.tick() => {
                senders.known.retain(|_, sender| sender.last.elapsed() < SILENT_MAX);
                continue;
            }
            received = outside.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((len, peer)) => {
                let datagram = buffer.get(..len).unwrap_or_default();
                senders.pass(peer, datagram).await;
            }
            Err(error) => {
                tracing::debug!(shadow = settings.name, %error, "datagram not received");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Senders<'_> {
    async fn pass(&mut self, peer: SocketAddr, datagram: &[u8]) {
        if !self.known.contains_key(&peer) {
            match self.meet(peer).await {
                Ok(sender) => drop(self.known.insert(peer, sender)),
                Err(error) => {
                    tracing::debug!(shadow = self.settings.name, %error, "the receiver cannot be reached");
                    return;
                }
            }
        }
        if let Some(sender) = self.known.get_mut(&peer) {
            sender.last = Instant::now();
            sender.flow.copy(Direction::ToReceiver, datagram);
            // The network loses datagrams, too: what cannot be sent now is sent again by its sender.
            drop(sender.socket.send(datagram).await);
        }
    }

    async fn meet(&mut self, peer: SocketAddr) -> std::io::Result<Sender> {
        if self.known.len() >= self.settings.connections_max.max(1) {
            let longest = self.known.iter().min_by_key(|(_, sender)| sender.last);
            if let Some(peer) = longest.map(|(peer, _)| *peer) {
                self.known.remove(&peer);
            }
        }
        let mut found = lookup_host(&self.settings.receiver).await?;
        let receiver = found.next().ok_or(std::io::ErrorKind::NotFound)?;
        let any: SocketAddr = if receiver.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(receiver).await?;
        let (socket, flow) = (Arc::new(socket), Arc::new(self.tap.flow(peer)));
        let answers = self.answers.spawn(answers(
            Arc::clone(&socket),
            Arc::clone(&self.outside),
            peer,
            Arc::clone(&flow),
        ));
        Ok(Sender {
            socket,
            flow,
            last: Instant::now(),
            answers,
        })
    }
}

/// Passes the receiver's datagrams back; ends when it is aborted.
async fn answers(
    socket: Arc<UdpSocket>,
    outside: Arc<UdpSocket>,
    peer: SocketAddr,
    flow: Arc<Flow>,
) {
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(len) => {
                let datagram = buffer.get(..len).unwrap_or_default();
                flow.copy(Direction::ToTransmitter, datagram);
                drop(outside.send_to(datagram, peer).await);
            }
            // Nobody listens there at the moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
