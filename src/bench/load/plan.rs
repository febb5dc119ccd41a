//! What a load consists of.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::Key;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Connections that stay.
    Tcp,
    /// A new connection for each message.
    Reconnect,
    /// Datagrams.
    Udp,
}

impl Way {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Reconnect => "reconnect",
            Self::Udp => "udp",
        }
    }
}

/// Shares of the messages, each from 0 to 1. What is neither link test nor rest is an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mix {
    /// Signs of life.
    pub link_tests: f64,
    /// Openings: events that are no alarms.
    pub rest: f64,
    /// Events that are sent once more after their acknowledgement, as if it had been lost.
    pub repeats: f64,
    /// Accounts that encrypt.
    pub encrypted: f64,
}

/// The accounts that send: eight decimal digits, from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The lowest one.
    pub first: u32,
    /// How many, at least one.
    pub count: u32,
}

/// When a load ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// After this time, without the warm-up.
    Time(Duration),
    /// After so many messages, without those of the warm-up.
    Messages(u64),
}

/// One load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The receiver.
    pub to: SocketAddr,
    /// How messages travel.
    pub way: Way,
    /// Transmitters, each with a socket of its own; at least one.
    pub connections: usize,
    /// Messages of one transmitter that may wait for their answers; at least one.
    pub depth: usize,
    /// Threads that generate; at least one.
    pub threads: usize,
    /// What is sent.
    pub mix: Mix,
    /// Who sends.
    pub accounts: Accounts,
    /// The key of the accounts that encrypt.
    pub key: Option<Arc<Key>>,
    /// Messages in clear carry their time of sending too.
    pub stamp: bool,
    /// When it ends.
    pub length: Length,
    /// Time before anything counts.
    pub warm_up: Duration,
    /// Messages in a second whatever the receiver does (open loop); `None`: each transmitter sends
    /// when it has its answer (closed loop).
    pub rate: Option<f64>,
    /// Messages that a busy transmitter keeps for later (open loop); what comes on top is not
    /// sent, and counted.
    pub held_max: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Every acknowledged event is appended to this file.
    pub acknowledged: Option<PathBuf>,
    /// Tells the events of this run from those of another.
    pub run: u32,
}

impl Plan {
    /// A closed loop of alarms over one connection for five seconds, half a second of warm-up.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        Self {
            to,
            way: Way::Tcp,
            connections: 1,
            depth: 1,
            threads: 1,
            mix: Mix::default(),
            accounts: Accounts { first: 0, count: 1 },
            key: None,
            stamp: false,
            length: Length::Time(Duration::from_secs(5)),
            warm_up: Duration::from_millis(500),
            rate: None,
            held_max: 64,
            timeout: Duration::from_secs(10),
            acknowledged: None,
            run: u32::from_le_bytes(crate::entropy::bytes()),
        }
    }

    /// Threads that have something to do.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.clamp(1, self.connections.max(1))
    }
}
