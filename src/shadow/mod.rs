//! Shadow: larm between transmitters and the receiver that they have had so far, answering nothing.
//!
//! ```text
//! transmitter ══► proxy ══► receiver          bytes, both ways, unchanged
//!                   │ copies
//!                   ▼
//!                  tap ──► watcher ──► journal (events marked as shadow), report of differences
//! ```
//! Constraints
//! - The proxy runs in a thread with a runtime of its own. It knows sockets and the tap, nothing
//!   else: no session, no journal, no register, no disk.
//! - The tap never waits: what the watcher does not take in time is dropped and counted, and the
//!   watcher starts anew on that connection.
//! - The watcher runs in another thread. When it panics, hangs or ends, bytes go on as before. So
//!   they do when the gateway behind it has ended, or never started.
mod capture;
mod compare;
mod proxy;
mod report;
mod tap;
mod watcher;

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Transport;

pub use capture::{CaptureError, CaptureParts, Captured, End, ReceiverAt, compare_capture};
pub use proxy::{Proxy, ProxyError};
pub use report::{Difference, Group, Line, Summary, Sums, directory, read_reports, summarise};
pub use tap::{Direction, Flow, Piece, Pieces, Tap, Tapped, Watch};
pub use watcher::{Behind, Watcher, WatcherParts};

/// One place between transmitters and a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name on events, in logs and in the report.
    pub name: String,
    /// Where transmitters connect.
    pub address: SocketAddr,
    /// Stream or datagrams.
    pub transport: Transport,
    /// `host:port` of the receiver.
    pub receiver: String,
    /// Connections, or senders of datagrams, at one time; a further one is turned away (stream), or
    /// takes the place of the one that was silent longest (datagrams).
    pub connections_max: usize,
    /// How long the receiver may take to answer before that counts as silence.
    pub answer_timeout: Duration,
}
