//! Log lines about what peers send: limited per kind and peer, explained, without contents.
use std::net::SocketAddr;
use std::sync::Arc;

use larm_carrier::{CloseReason, FrameVerdict, Noise};

use crate::clock::Clock;
use crate::logging::{Allowance, Limiter, clean};
use crate::metrics::Metrics;

/// Explains a refused frame in one sentence without its content: what is wrong, at which byte, and
/// which setting would accept it.
pub type Explain = fn(&[u8]) -> Option<String>;

/// The explanation knows no keys; what it would say of this one is this.
const UNDECRYPTABLE: &str = "no key of this account opens it: compare the keys in the transmitter \
    and in the register (`larm accounts show`), and their length";

/// The one place where conversations log about peers.
pub struct Notice {
    limiter: Limiter,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    explain: Explain,
}

impl Notice {
    /// Lets `per_minute` lines of each kind and peer pass.
    #[must_use]
    pub fn new(
        per_minute: u32,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        explain: Explain,
    ) -> Self {
        Self {
            limiter: Limiter::new(per_minute),
            clock,
            metrics,
            explain,
        }
    }

    /// Lets another number of lines pass from now on.
    pub fn set_rate(&self, per_minute: u32) {
        self.limiter.set_rate(per_minute);
    }

    /// A frame that is not sound, with its bytes; says why and what would accept it.
    pub fn refused(&self, listener: &str, peer: SocketAddr, verdict: FrameVerdict, frame: &[u8]) {
        let Some(held_back) = self.may_write(verdict.as_str(), peer) else {
            return;
        };
        let why = match verdict {
            FrameVerdict::Undecryptable => UNDECRYPTABLE.to_owned(),
            _ => (self.explain)(frame).map_or_else(String::new, |text| clean(&text)),
        };
        tracing::warn!(
            listener,
            %peer,
            verdict = verdict.as_str(),
            why,
            frame_len = frame.len(),
            held_back,
            "frame refused"
        );
    }

    /// Bytes that are no frame.
    pub fn noise(&self, listener: &str, peer: SocketAddr, noise: Noise, len: usize) {
        let Some(held_back) = self.may_write(noise.as_str(), peer) else {
            return;
        };
        let hint = match noise {
            Noise::Tls => "a TLS hello on a plain port: switch TLS off in the transmitter",
            Noise::Http => "an HTTP request: this port speaks an alarm protocol",
            Noise::Foreign => "another alarm protocol: it needs a listener of its own",
            Noise::Cut => "a frame was begun and its end never came",
            Noise::Unknown => "no frame of this listener's protocol",
        };
        tracing::warn!(listener, %peer, kind = noise.as_str(), hint, len, held_back, "bytes dropped");
    }

    /// A connection that its session ended.
    pub fn closed(&self, listener: &str, peer: SocketAddr, reason: CloseReason) {
        let Some(held_back) = self.may_write(reason.as_str(), peer) else {
            return;
        };
        tracing::warn!(listener, %peer, reason = reason.as_str(), held_back, "connection ended");
    }

    /// A receiver beside larm that answered otherwise than larm would have.
    pub fn difference(&self, shadow: &str, peer: SocketAddr, ours: &str, theirs: &str) {
        let Some(held_back) = self.may_write("shadow-difference", peer) else {
            return;
        };
        tracing::warn!(shadow, %peer, larm = ours, receiver = theirs, held_back, "answers differ");
    }

    /// Something about a connection that somebody may want to know; `kind` is a constant.
    pub fn link(&self, listener: &str, peer: SocketAddr, kind: &'static str) {
        let Some(held_back) = self.may_write(kind, peer) else {
            return;
        };
        tracing::info!(listener, %peer, kind, held_back, "connection");
    }

    fn may_write(&self, kind: &'static str, peer: SocketAddr) -> Option<u64> {
        match self.limiter.ask(kind, peer.ip(), self.clock.now().mono) {
            Allowance::Write { held_back } => Some(held_back),
            Allowance::HoldBack => {
                self.metrics.log_suppressed(1);
                None
            }
        }
    }
}
