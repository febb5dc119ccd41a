//! An existing receiver's traffic out of a capture file: the same comparison as a live shadow, later.
//!
//! ```text
//! file ──► packet ──► streams ──► watcher ──► report of differences
//! ```
//! The clocks are those of the capture: a time stamp is judged as it was when it came. Nothing is
//! journaled. A file is read once, from its beginning; memory does not grow with its length.
mod file;
mod packet;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use larm_carrier::{Accounts, Moment, Request, Session};
use larm_event::{Timestamp, Transport};

use self::packet::{Carries, Unread};
use self::streams::{Streams, Told};
use super::tap::{Direction, Piece, Tapped, Watch};
use super::watcher::{Behind, Watcher, WatcherParts};
use crate::accounts::Snapshot;
use crate::clock::Clock;
use crate::intake::Origin;
use crate::metrics::ShadowCount;
use crate::registry::{self, Protocol, WithSession};

pub use file::{CaptureError, End};

/// Connections, and senders of datagrams, that are followed at one time.
const FLOWS_MAX: usize = 10_000;

/// How often unanswered requests are looked for, in the time of the capture.
const TICK: Duration = Duration::from_secs(1);

/// What a capture is held against.
pub struct CaptureParts {
    /// Where the existing receiver is reached.
    pub receiver: ReceiverAt,
    /// What the transmitters speak.
    pub protocol: Protocol,
    /// How larm's sessions behave.
    pub settings: registry::Settings,
    /// Who sends, and under which keys.
    pub accounts: Arc<Snapshot>,
    /// Frames of accounts that are not in the register are not acknowledged.
    pub holds_unknown: bool,
    /// How long the receiver may take to answer.
    pub answer_timeout: Duration,
    /// The directory that the reports `tcp` and `udp` are written into.
    pub reports: PathBuf,
}

/// The existing receiver in the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverAt {
    /// Its address; `None`: whoever has the port.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

impl ReceiverAt {
    fn is(self, address: SocketAddr) -> bool {
        self.port == address.port() && self.address.is_none_or(|wanted| wanted == address.ip())
    }
}

/// What was in a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Packets of the file.
    pub packets: u64,
    /// Those to and from the receiver.
    pub of_receiver: u64,
    /// Parts of IP packets, which are not put together.
    pub fragments: u64,
    /// Packets whose first header larm does not know.
    pub unknown_link: u64,
    /// How the file ended.
    pub end: End,
}

/// Reads a capture and writes the reports of what differs.
pub fn compare_capture(file: &Path, parts: &CaptureParts) -> Result<Captured, CaptureError> {
    let clock = Arc::new(CaptureClock::default());
    let missed = Arc::new(AtomicU64::new(0));
    let watcher = |transport: Transport| {
        let settings = parts.settings;
        let make = Make(WatcherParts {
            name: transport.as_str().into(),
            protocol: parts.protocol,
            transport,
            answer_timeout: parts.answer_timeout,
            flows_max: FLOWS_MAX,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            reports: parts.reports.clone(),
            behind: Alone {
                accounts: Arc::clone(&parts.accounts),
                holds_unknown: parts.holds_unknown,
                missed: Arc::clone(&missed),
            },
        });
        registry::with_session(parts.protocol, move || settings, make)
    };
    let mut reading = Reading {
        receiver: parts.receiver,
        clock: Arc::clone(&clock),
        ticked: Duration::ZERO,
        tcp: watcher(Transport::Tcp),
        udp: watcher(Transport::Udp),
        streams: Streams::new(FLOWS_MAX),
        senders: HashMap::new(),
        missed: Arc::clone(&missed),
        used: (false, false),
        captured: Captured::default(),
    };
    let end = file::each(file, |packet| reading.packet(packet))?;
    reading.tcp.tick();
    reading.udp.tick();
    reading.tcp.end();
    reading.udp.end();
    // A transport that nobody used has no report.
    for (transport, used) in [
        (Transport::Tcp, reading.used.0),
        (Transport::Udp, reading.used.1),
    ] {
        if !used {
            let _ = std::fs::remove_file(parts.reports.join(format!("{transport}.jsonl")));
        }
    }
    Ok(Captured {
        end,
        ..reading.captured
    })
}

struct Reading {
    receiver: ReceiverAt,
    clock: Arc<CaptureClock>,
    ticked: Duration,
    tcp: Box<dyn Watch>,
    udp: Box<dyn Watch>,
    streams: Streams,
    /// Numbers of the senders of datagrams.
    senders: HashMap<SocketAddr, u64>,
    missed: Arc<AtomicU64>,
    /// There was TCP, there was UDP.
    used: (bool, bool),
    captured: Captured,
}

impl Reading {
    fn packet(&mut self, packet: file::Packet<'_>) {
        self.captured.packets += 1;
        if let Some(at_us) = packet.at_us {
            self.clock.set(at_us);
        }
        let now = self.clock.now().mono;
        if now.saturating_sub(self.ticked) >= TICK {
            self.ticked = now;
            self.tcp.tick();
            self.udp.tick();
        }
        match packet::read(packet) {
            Ok(read) => self.read(&read),
            Err(Unread::Fragment) => self.captured.fragments += 1,
            Err(Unread::Link) => self.captured.unknown_link += 1,
            Err(Unread::Other) => {}
        }
    }

    fn read(&mut self, read: &packet::Read<'_>) {
        let (direction, transmitter, receiver) = if self.receiver.is(read.to) {
            (Direction::ToReceiver, read.from, read.to)
        } else if self.receiver.is(read.from) {
            (Direction::ToTransmitter, read.to, read.from)
        } else {
            return;
        };
        self.captured.of_receiver += 1;
        match &read.carries {
            Carries::Udp(payload) => {
                self.used.1 = true;
                self.datagram(transmitter, direction, payload);
            }
            Carries::Tcp(segment) => {
                self.used.0 = true;
                let told = self
                    .streams
                    .piece(transmitter, receiver, direction, segment);
                for told in told {
                    self.told(transmitter, told);
                }
            }
        }
    }

    fn told(&mut self, peer: SocketAddr, told: Told) {
        let (flow, piece, gap) = match told {
            Told::End { flow } => (flow, Piece::End, false),
            Told::Bytes {
                flow,
                direction,
                bytes,
                gap,
            } => (flow, Piece::Bytes(direction, bytes.into()), gap),
        };
        self.missed.fetch_add(gap.into(), Ordering::Relaxed);
        self.tcp.saw(Tapped {
            flow,
            peer,
            piece,
            gap,
        });
    }

    fn datagram(&mut self, peer: SocketAddr, direction: Direction, payload: &[u8]) {
        // The watcher forgets those that were silent longest; here all go at once, and each of them
        // begins anew.
        if self.senders.len() >= FLOWS_MAX && !self.senders.contains_key(&peer) {
            self.senders.clear();
        }
        let next = self.captured.packets;
        let flow = *self.senders.entry(peer).or_insert(next);
        self.udp.saw(Tapped {
            flow,
            peer,
            piece: Piece::Bytes(direction, payload.into()),
            gap: false,
        });
    }
}

struct Make(WatcherParts<Alone>);

impl WithSession for Make {
    type Output = Box<dyn Watch>;

    fn run<S: Session>(self, make: impl Fn() -> S + Send + 'static) -> Self::Output {
        Box::new(Watcher::new(self.0, make))
    }
}

/// A register, and nothing else.
struct Alone {
    accounts: Arc<Snapshot>,
    holds_unknown: bool,
    missed: Arc<AtomicU64>,
}

impl Behind for Alone {
    fn accounts(&self) -> &dyn Accounts {
        self.accounts.as_ref()
    }

    fn holds_unknown(&self) -> bool {
        self.holds_unknown
    }

    fn take<T>(&self, _: Request<'_, T>, _: &Origin<'_>, _: Moment) {}

    fn count(&self, _: ShadowCount) {}

    fn difference(&self, _: &str, _: SocketAddr, _: &str, _: &str) {}

    fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// The time of the packet that is being read. It never goes back, as a capture's may.
#[derive(Debug)]
struct CaptureClock {
    first_us: AtomicI64,
    now_us: AtomicI64,
}

impl Default for CaptureClock {
    fn default() -> Self {
        Self {
            first_us: AtomicI64::new(i64::MIN),
            now_us: AtomicI64::new(0),
        }
    }
}

impl CaptureClock {
    fn set(&self, at_us: i64) {
        // Only this thread writes.
        if self.first_us.load(Ordering::Relaxed) == i64::MIN {
            self.first_us.store(at_us, Ordering::Relaxed);
            self.now_us.store(at_us, Ordering::Relaxed);
        } else {
            self.now_us.fetch_max(at_us, Ordering::Relaxed);
        }
    }
}

impl Clock for CaptureClock {
    fn now(&self) -> Moment {
        let now_us = self.now_us.load(Ordering::Relaxed);
        let since = now_us.saturating_sub(self.first_us.load(Ordering::Relaxed).max(0));
        Moment {
            mono: Duration::from_micros(u64::try_from(since).unwrap_or(0)),
            utc: Timestamp::from_millis(now_us.div_euclid(1_000)),
        }
    }
}
