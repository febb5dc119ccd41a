//! The session: bytes in, steps out; a verdict in, reply bytes out.
use alloc::vec::Vec;
use core::time::Duration;

use larm_event::{Event, Timestamp};

use crate::accounts::Accounts;

/// One reading of both clocks, taken once by the caller and passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic time since an arbitrary start.
    pub mono: Duration,
    /// Wall clock.
    pub utc: Timestamp,
}

/// How the bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Part of a stream; more may follow.
    Stream,
    /// The last bytes of a stream.
    StreamEnd,
    /// One datagram, whole.
    Datagram,
}

/// One side of one conversation of one protocol.
///
/// After every step but [`Step::More`] and [`Step::Close`] the caller drops `consumed` bytes from
/// the front of its buffer and asks again with what is left (also when nothing is left and
/// `delivery` is not `Stream`: it gets `More` then).
pub trait Session: Send + Sync + Unpin + 'static {
    /// What must be kept to answer one request. Neither `Copy` nor `Clone`; dropped means silence.
    type Ticket: Send + 'static;

    /// Looks at the buffered bytes from the start of the buffer.
    ///
    /// `now` was read when the last byte came. The same bytes cut at other places give the same
    /// requests.
    fn receive<'b>(
        &mut self,
        input: &'b [u8],
        delivery: Delivery,
        now: Moment,
        accounts: &dyn Accounts,
    ) -> Step<'b, Self::Ticket>;

    /// Appends the reply bytes for `ticket` to `out` and tells what they say.
    ///
    /// `now` is the receiver's time for the reply's own stamp; `noise` are fresh random bytes for
    /// padding. A positive reply is written only for a verdict that carries a [`Proof`].
    fn reply<P: Proof>(
        &self,
        ticket: Self::Ticket,
        verdict: Verdict<P>,
        now: Moment,
        noise: impl FnOnce() -> [u8; 32],
        out: &mut Vec<u8>,
    ) -> Answer;

    /// The largest number of bytes that a caller ever has to buffer for one frame.
    fn frame_len_max(&self) -> usize;
}

/// What a session made of the bytes at the front of the buffer.
#[derive(Debug)]
#[must_use]
pub enum Step<'b, T> {
    /// No whole frame yet: drop `consumed` bytes and come back with more.
    More {
        /// Bytes at the front that are of no further use (filler between frames).
        consumed: usize,
        /// A frame has begun: its rest has to come within the time for a frame. False where what
        /// is left may as well be filler that the sender puts behind each frame.
        begun: bool,
    },
    /// Bytes that are no frame: drop and count them, never answer.
    Skip {
        /// How many, at least one.
        consumed: usize,
        /// What they seem to be.
        noise: Noise,
    },
    /// A frame.
    Request {
        /// Bytes up to and with the frame's last one.
        consumed: usize,
        /// What it asks.
        request: Request<'b, T>,
    },
    /// End the connection without a reply.
    Close {
        /// Why, for the counter and the log.
        reason: CloseReason,
    },
}

/// One frame and what the protocol makes of it.
#[derive(Debug)]
pub struct Request<'b, T> {
    /// Needed for the reply.
    pub ticket: T,
    /// The frame as received, from its start mark to its end mark.
    pub frame: &'b [u8],
    /// Receiver number as sent.
    pub receiver: Option<&'b str>,
    /// Line prefix as sent.
    pub line: Option<&'b str>,
    /// Account as sent.
    pub account: Option<&'b str>,
    /// The account is in the register.
    pub known: bool,
    /// How well formed the frame is.
    pub verdict: FrameVerdict,
    /// A sign of life without content; `events` is empty.
    pub link_test: bool,
    /// What is to be answered once everything that must be durable is.
    pub intent: Intent,
    /// The records; their gateway fields are not filled yet. Empty for link tests and for frames
    /// that are themselves replies. A frame that is refused yields one suspect event, so that it
    /// can be found afterwards.
    pub events: Vec<Event>,
    /// By what a repeat is recognised.
    pub identity: Identity,
}

/// What the protocol wants to say to a sound frame once its records are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Acknowledge.
    Accept,
    /// Ask to send again with the right time, which the reply carries.
    Correct,
    /// Say that this cannot be handled.
    Decline,
    /// Say nothing.
    Withhold,
}

/// By what a repeat is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Digest of account, receiver, line and content, without sequence and time of sending.
    pub content: [u8; 16],
    /// Digest of account, receiver and line alone.
    pub account: [u8; 16],
    /// The sequence number.
    pub sequence: Option<u32>,
    /// The transmitter's own time of sending.
    pub sent_at: Option<Timestamp>,
    /// The transmitter gives each retry a new number: the number is no evidence against a repeat.
    pub renumbers: bool,
    /// The transmitter uses one number for everything: the number is no evidence for a repeat.
    pub constant_sequence: bool,
}

/// How well formed a frame is. The protocol's crate has its own words for them in explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameVerdict {
    /// Integrity holds and the content is readable.
    Ok,
    /// The checksum does not fit.
    BadCrc,
    /// The length does not fit.
    BadLength,
    /// Neither fits.
    BadCrcLength,
    /// The end is missing.
    Truncated,
    /// Integrity holds, but header or data cannot be read.
    BadSyntax,
    /// Framed well, but no key opens it.
    Undecryptable,
}

impl FrameVerdict {
    /// Every value, for counters.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::BadCrc,
        Self::BadLength,
        Self::BadCrcLength,
        Self::Truncated,
        Self::BadSyntax,
        Self::Undecryptable,
    ];

    /// The word in counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BadCrc => "bad-crc",
            Self::BadLength => "bad-length",
            Self::BadCrcLength => "bad-crc-length",
            Self::Truncated => "truncated",
            Self::BadSyntax => "bad-syntax",
            Self::Undecryptable => "undecryptable",
        }
    }
}

/// What bytes that are no frame seem to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Nothing that is recognised.
    Unknown,
    /// The start of a frame whose rest never came, or was cut off.
    Cut,
    /// A TLS hello on a plain port.
    Tls,
    /// An HTTP request.
    Http,
    /// Another alarm protocol.
    Foreign,
}

impl Noise {
    /// Every value, for counters.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Cut,
        Self::Tls,
        Self::Http,
        Self::Foreign,
    ];

    /// The word in counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Cut => "cut",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Foreign => "foreign-protocol",
        }
    }
}

/// Why a session ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A frame is longer than its limit.
    FrameTooLong,
    /// Too many bytes that are no frame.
    TooMuchNoise,
    /// A TLS hello or an HTTP request: this will never become a frame.
    ForeignProtocol,
}

impl CloseReason {
    /// Every value, for counters.
    pub const ALL: [Self; 3] = [
        Self::FrameTooLong,
        Self::TooMuchNoise,
        Self::ForeignProtocol,
    ];

    /// The word in counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrameTooLong => "frame-too-long",
            Self::TooMuchNoise => "too-much-noise",
            Self::ForeignProtocol => "foreign-protocol",
        }
    }
}

/// Shows that a record is durable. Only the journal's commit token implements it; a test of the
/// sources sees to that.
pub trait Proof {
    /// Place of the record in the journal.
    fn position(&self) -> u64;
}

/// What became of a request.
#[derive(Debug)]
pub enum Verdict<P> {
    /// Its records are durable. For a link test: the journal is able to take alarms.
    Committed(P),
    /// It repeats a request whose records are durable.
    Repeat(P),
    /// It is not to be acknowledged, by policy.
    Refused,
    /// There is no room for it now.
    Overloaded,
    /// It did not become durable before the deadline.
    Late,
}

/// What the reply bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Responsibility has passed to the receiver.
    Positive,
    /// Send again with the right time.
    Correct,
    /// Cannot be handled.
    Declined,
    /// No bytes were written.
    Silence,
}

impl Answer {
    /// Every value, for counters.
    pub const ALL: [Self; 4] = [Self::Positive, Self::Correct, Self::Declined, Self::Silence];

    /// The word in counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "ack",
            Self::Correct => "nak",
            Self::Declined => "duh",
            Self::Silence => "none",
        }
    }
}
