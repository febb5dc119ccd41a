//! Conversations: one task per TCP connection, one per UDP socket, generic over the session.
//!
//! A conversation knows sockets, the session contract and the intake; it knows no protocol, no
//! journal format, and nothing of what happens to events downstream.
mod admission;
mod notice;
mod seat;
pub mod tcp;
mod turns;
pub mod udp;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use larm_event::{PathRole, Transport};
use tokio_util::sync::CancellationToken;

pub use admission::{Admission, Limits as AdmissionLimits, Place};
pub use notice::{Explain, Notice};
pub use turns::Turns;

use crate::clock::Clock;
use crate::intake::{Intake, Origin};

/// What one listener's conversations share.
pub struct Shared {
    /// The listener's name.
    pub name: Arc<str>,
    /// The role of its path, where configured.
    pub role: Option<PathRole>,
    /// Time for the first byte of a connection.
    pub first_byte_timeout: Duration,
    /// Time for the rest of a frame once it has begun.
    pub frame_timeout: Duration,
    /// How long a connection may say nothing between frames.
    pub idle_timeout: Duration,
    /// Datagrams that may wait for the disk at a time.
    pub datagrams_max: usize,
    /// The way to the journal.
    pub intake: Arc<Intake>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Whose link test is answered when.
    pub turns: Arc<Turns>,
    /// Limited log lines about peers.
    pub notice: Arc<Notice>,
    /// Set when the gateway drains: no further frame is read.
    pub stop: CancellationToken,
}

impl Shared {
    fn origin(&self, transport: Transport, peer: std::net::SocketAddr) -> Origin<'_> {
        Origin {
            listener: &self.name,
            transport,
            peer,
            role: self.role,
            shadow: false,
        }
    }
}
