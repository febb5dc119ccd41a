//! The one place that names protocols: sessions for listeners, explanations, quirks, and the
//! transmitter's side.
pub mod bulk;
mod onward;
mod outgoing;
mod replies;

use larm_carrier::{Inspection, Key, Mode, Quirks, Session};
use larm_dc09::Dc09;
use larm_event::Timestamp;

pub use onward::Onward;
pub use outgoing::{AnswerRead, ComposeError, Content, Outgoing, compose, read_answer};
pub use replies::{Replied, ReplyLook, Word, look_at_reply};

use crate::accounts::Rules;

/// A protocol of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SIA DC-09.
    Dc09,
}

impl Protocol {
    /// The protocol with this name in configurations and URLs.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "dc09" => Some(Self::Dc09),
            _ => None,
        }
    }
}

/// What the fields of an account are held against.
pub const ACCOUNT_RULES: Rules = Rules {
    quirks: larm_dc09::QUIRKS,
    protocols: &["dc09"],
};

/// How a listener's sessions behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For accounts that do not say otherwise.
    pub mode: Mode,
    /// Longest frame in bytes.
    pub frame_len_max: usize,
    /// Ids that larm does not support are acknowledged instead of declined.
    pub acknowledge_unsupported: bool,
}

/// Something that works with the sessions of one protocol, whichever it is.
pub trait WithSession {
    /// What comes of it.
    type Output;

    /// Does the work; `make` makes one session for each connection or datagram.
    fn run<S: Session>(self, make: impl Fn() -> S + Send + 'static) -> Self::Output;
}

/// Runs `work` with the sessions of `protocol`; `settings` are asked for each session.
pub fn with_session<W: WithSession>(
    protocol: Protocol,
    settings: impl Fn() -> Settings + Send + 'static,
    work: W,
) -> W::Output {
    match protocol {
        Protocol::Dc09 => work.run(move || dc09(settings())),
    }
}

/// Bytes of a frame besides its body: LF, checksum, length, CR.
const DC09_ENVELOPE_LEN: usize = 10;

fn dc09(settings: Settings) -> Dc09 {
    let limits = larm_dc09::Limits {
        body_len_max: settings.frame_len_max.saturating_sub(DC09_ENVELOPE_LEN),
        ..larm_dc09::Limits::default()
    };
    let quirks = if settings.acknowledge_unsupported {
        larm_dc09::quirks::DUH_AS_ACK
    } else {
        Quirks::default()
    };
    Dc09::new(settings.mode, limits).with_quirks(quirks)
}

/// Every piece found in `bytes`, explained. `clock` is the receiver's time for the time window;
/// without it each frame's own.
#[must_use]
pub fn inspect(bytes: &[u8], keys: &[Key], clock: Option<Timestamp>) -> Vec<Inspection> {
    larm_dc09::inspect(bytes, keys, clock)
}

/// Why a frame was refused, in one sentence without its content.
#[must_use]
pub fn explain_refused(frame: &[u8]) -> Option<String> {
    inspect(frame, &[], None)
        .iter()
        .find_map(crate::explain::to_sentence)
}

/// What keeps a connector from being built, for whoever loads a configuration: the key, and what to
/// do about it.
#[must_use]
pub fn judge(settings: &crate::config::Connector) -> Option<(&'static str, String)> {
    crate::deliver::connectors::judge(settings, &Onward::unused())
}
