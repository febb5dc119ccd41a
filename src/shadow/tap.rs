//! Where copies of the bytes go: a bounded queue that never makes the proxy wait.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

/// Pieces that may wait for the watcher.
const PIECES_MAX: usize = 8_192;

/// Bytes that may wait for the watcher.
const BYTES_MAX: usize = 32 << 20;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the transmitter.
    ToReceiver,
    /// From the receiver.
    ToTransmitter,
}

/// What happened on one connection, or with one sender of datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes, as one read brought them; for datagrams one whole datagram.
    Bytes(Direction, Box<[u8]>),
    /// The connection ended, or the sender of datagrams was silent for long.
    End,
}

/// A piece with where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// The connection, told apart from all others of this process.
    pub flow: u64,
    /// The transmitter's address.
    pub peer: SocketAddr,
    /// What happened.
    pub piece: Piece,
    /// Pieces of this connection before this one are missing.
    pub gap: bool,
}

/// Whoever looks at the copies. Called from the watcher's thread alone.
pub trait Watch: Send + 'static {
    /// One piece, in the order of the bytes of its connection.
    fn saw(&mut self, tapped: Tapped);

    /// Called about once a second, also while nothing happens.
    fn tick(&mut self);

    /// Called once, when nothing more is looked at.
    fn end(&mut self);
}

/// The proxy's end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tap {
    pieces: Sender<Tapped>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    missed: AtomicU64,
    flows: AtomicU64,
}

/// The watcher's end.
#[derive(Debug)]
pub struct Pieces {
    pieces: Receiver<Tapped>,
    shared: Arc<Shared>,
}

/// One connection's place at the tap. Says that it ended when it is dropped.
#[derive(Debug)]
pub struct Flow {
    tap: Tap,
    id: u64,
    peer: SocketAddr,
    gap: AtomicBool,
}

impl Tap {
    /// A tap and what comes out of it. While nobody takes the pieces, what does not fit is dropped.
    #[must_use]
    pub fn new() -> (Self, Pieces) {
        let (sender, receiver) = bounded(PIECES_MAX);
        let shared = Arc::new(Shared::default());
        let tap = Self {
            pieces: sender,
            shared: Arc::clone(&shared),
        };
        let pieces = Pieces {
            pieces: receiver,
            shared,
        };
        (tap, pieces)
    }

    /// A place for one connection.
    #[must_use]
    pub fn flow(&self, peer: SocketAddr) -> Flow {
        Flow {
            tap: self.clone(),
            id: self.shared.flows.fetch_add(1, Ordering::Relaxed),
            peer,
            gap: AtomicBool::new(false),
        }
    }

    /// Pieces that were dropped, since the watcher did not take them in time.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }
}

impl Flow {
    /// Copies what went one way. Never waits, never fails.
    pub fn copy(&self, direction: Direction, bytes: &[u8]) {
        let waiting = self.tap.shared.bytes.load(Ordering::Relaxed);
        if waiting.saturating_add(bytes.len()) > BYTES_MAX {
            self.miss();
            return;
        }
        self.put(Piece::Bytes(direction, bytes.into()), bytes.len());
    }

    fn put(&self, piece: Piece, len: usize) {
        let shared = &self.tap.shared;
        let tapped = Tapped {
            flow: self.id,
            peer: self.peer,
            piece,
            gap: self.gap.load(Ordering::Relaxed),
        };
        shared.bytes.fetch_add(len, Ordering::Relaxed);
        match self.tap.pieces.try_send(tapped) {
            Ok(()) => self.gap.store(false, Ordering::Relaxed),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                shared.bytes.fetch_sub(len, Ordering::Relaxed);
                self.miss();
            }
        }
    }

    fn miss(&self) {
        self.gap.store(true, Ordering::Relaxed);
        self.tap.shared.missed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.put(Piece::End, 0);
    }
}

impl Pieces {
    /// Hands every piece to `watch` until the proxy and all its connections are gone, or `stop` says
    /// so and nothing waits. A panic of `watch` ends this and nothing else.
    pub fn drain(&self, watch: &mut dyn Watch, stop: &AtomicBool) {
        self.hand_over(watch, stop);
        watch.end();
    }

    fn hand_over(&self, watch: &mut dyn Watch, stop: &AtomicBool) {
        const TICK: Duration = Duration::from_secs(1);
        // How often `stop` is looked at.
        const LOOK: Duration = Duration::from_millis(100);
        let mut ticked = std::time::Instant::now();
        loop {
            let rest = TICK.saturating_sub(ticked.elapsed());
            if stop.load(Ordering::Relaxed) && self.pieces.is_empty() {
                return;
            }
            match self.pieces.recv_timeout(rest.min(LOOK)) {
                Ok(tapped) => {
                    if let Piece::Bytes(_, bytes) = &tapped.piece {
                        self.shared.bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                    }
                    watch.saw(tapped);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if ticked.elapsed() >= TICK {
                ticked = std::time::Instant::now();
                watch.tick();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        "192.0.2.1:5".parse().unwrap()
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_the_gap_is_told() {
        let (tap, pieces) = Tap::new();
        let flow = tap.flow(peer());
        for _ in 0..PIECES_MAX + 10 {
            flow.copy(Direction::ToReceiver, b"x");
        }
        assert_eq!(tap.missed(), 10);
        assert!(!pieces.pieces.recv().unwrap().gap);
        flow.copy(Direction::ToReceiver, b"y");
        let last = pieces.pieces.try_iter().last().unwrap();
        assert!(last.gap);
        assert_eq!(
            last.piece,
            Piece::Bytes(Direction::ToReceiver, Box::from(&b"y"[..]))
        );
        flow.copy(Direction::ToReceiver, b"z");
        assert!(!pieces.pieces.recv().unwrap().gap);
    }

    #[test]
    fn bytes_are_bounded_and_a_watcher_that_is_gone_costs_nothing() {
        let (tap, pieces) = Tap::new();
        let flow = tap.flow(peer());
        let big = vec![0; 1 << 20];
        for _ in 0..40 {
            flow.copy(Direction::ToTransmitter, &big);
        }
        assert_eq!(tap.missed(), 8);
        drop(pieces);
        flow.copy(Direction::ToReceiver, b"x");
        assert_eq!(tap.missed(), 9);
    }

    #[test]
    fn every_connection_has_a_number_and_an_end() {
        let (tap, pieces) = Tap::new();
        let (one, two) = (tap.flow(peer()), tap.flow(peer()));
        drop(two);
        drop(one);
        let ends: Vec<u64> = pieces.pieces.try_iter().map(|piece| piece.flow).collect();
        assert_eq!(ends, [1, 0]);
    }
}
