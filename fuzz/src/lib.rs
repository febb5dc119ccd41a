//! What the fuzz targets share: a register, a clock that stands, and a caller of a session that
//! does what the gateway does.
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{
    Accounts, CloseReason, Delivery, FrameVerdict, Intent, Key, Mode, Moment, Policy, Proof,
    Session, Step, Verdict,
};
use larm_dc09::{Dc09, Limits};
use larm_event::{Event, Timestamp};

/// The journal's room itself: it is written as if it were its own crate, and building it here
/// alone spares the fuzzer the rest of the gateway.
#[path = "../../src/journal/mod.rs"]
pub mod journal;

pub mod memory;

pub mod ademco685;
pub mod surgard;

/// Records on a byte stream.
#[path = "../../src/deliver/lines/frame.rs"]
pub mod frame;

/// Receipts on a byte stream.
#[path = "../../src/deliver/lines/receipt.rs"]
pub mod receipt;

/// The key of every account that has one.
pub const KEY: [u8; 32] = *b"0123456789abcdef0123456789ABCDEF";

/// One policy for every account.
pub struct Register(Arc<Policy>);

impl Register {
    /// With the first `key_len` bytes of [`KEY`]; 0 for none.
    pub fn new(key_len: usize, mode: Mode) -> Self {
        let key = Key::from_bytes(&KEY[..key_len]).ok();
        Self(Arc::new(Policy {
            mode: Some(mode),
            keys: [key, None],
            ..Policy::default()
        }))
    }
}

impl Accounts for Register {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        Some(self.0.clone())
    }
}

/// 2026-11-25, 12:00:00 UTC: the time that most vectors carry.
pub fn noon() -> Moment {
    let utc = Timestamp::from_millis(1_795_608_000_000);
    Moment {
        mono: Duration::from_secs(1),
        utc,
    }
}

/// What a session made of a conversation, without the noise in it.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A frame and what it says.
    Request {
        /// The frame.
        frame: Vec<u8>,
        /// How sound it is.
        verdict: FrameVerdict,
        /// What is to be answered.
        intent: Intent,
        /// A sign of life.
        link_test: bool,
        /// The records.
        events: Vec<Event>,
        /// The reply, had the records become durable.
        reply: Vec<u8>,
    },
    /// The end.
    Close(CloseReason),
}

impl Heard {
    /// What is needed to see what happened.
    pub fn brief(&self) -> String {
        match self {
            Self::Request {
                frame,
                verdict,
                intent,
                ..
            } => format!("{verdict:?} {intent:?} {}", frame.escape_ascii()),
            Self::Close(reason) => format!("{reason:?}"),
        }
    }
}

/// Stands for a durable record.
struct Durable;

impl Proof for Durable {
    fn position(&self) -> u64 {
        1
    }
}

/// Feeds `pieces` to a new session, then ends the stream; checks on the way that the session keeps
/// the contract: it makes progress, and never asks for more than it said it would.
pub fn converse<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    accounts: &Register,
    mode: Mode,
) -> Vec<Heard> {
    let mut session = Dc09::new(mode, Limits::default());
    let mut heard = Vec::new();
    let mut buffer: Vec<u8> = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if !drain(
            &mut session,
            &mut buffer,
            Delivery::Stream,
            accounts,
            &mut heard,
        ) {
            return heard;
        }
    }
    drain(
        &mut session,
        &mut buffer,
        Delivery::StreamEnd,
        accounts,
        &mut heard,
    );
    heard
}

/// One datagram.
pub fn datagram(bytes: &[u8], accounts: &Register, mode: Mode) -> Vec<Heard> {
    let mut session = Dc09::new(mode, Limits::default());
    let mut heard = Vec::new();
    drain(
        &mut session,
        &mut bytes.to_vec(),
        Delivery::Datagram,
        accounts,
        &mut heard,
    );
    heard
}

/// False when the session closed.
fn drain(
    session: &mut Dc09,
    buffer: &mut Vec<u8>,
    delivery: Delivery,
    accounts: &Register,
    heard: &mut Vec<Heard>,
) -> bool {
    loop {
        let (consumed, more) = match session.receive(buffer, delivery, noon(), accounts) {
            Step::More { consumed, .. } => (consumed, true),
            Step::Skip { consumed, .. } => {
                assert!(consumed > 0, "skips nothing");
                (consumed, false)
            }
            Step::Request { consumed, request } => {
                assert!(consumed >= request.frame.len() && !request.frame.is_empty());
                let (frame, verdict) = (request.frame.to_vec(), request.verdict);
                let (intent, link_test) = (request.intent, request.link_test);
                let events = request.events;
                let mut reply = Vec::new();
                let proof = Verdict::Committed(Durable);
                session.reply(request.ticket, proof, noon(), || [0x5A; 32], &mut reply);
                sound(&reply, intent);
                heard.push(Heard::Request {
                    frame,
                    verdict,
                    intent,
                    link_test,
                    events,
                    reply,
                });
                (consumed, false)
            }
            Step::Close { reason } => {
                heard.push(Heard::Close(reason));
                return false;
            }
        };
        assert!(consumed <= buffer.len(), "drops more than there is");
        buffer.drain(..consumed);
        if more {
            let whole = delivery != Delivery::Stream;
            assert!(
                !whole || buffer.is_empty(),
                "wants more where there is none"
            );
            let most = session.frame_len_max();
            assert!(
                buffer.len() <= most,
                "{} bytes kept, at most {most} announced",
                buffer.len()
            );
            return true;
        }
    }
}

/// A reply is there exactly where one is intended, and is itself a frame without a fault.
fn sound(reply: &[u8], intent: Intent) {
    assert_eq!(reply.is_empty(), intent == Intent::Withhold);
    if !reply.is_empty() {
        let message = larm_dc09::decode(reply).expect("a reply is a frame");
        assert_eq!(
            message.frame.bytes.len(),
            reply.len(),
            "one frame and no more"
        );
        assert!(
            message.frame.check().is_ok(),
            "with the standard's checksum and length"
        );
    }
}

/// LF, checksum, length, body, CR; cut to the longest body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(larm_dc09::frame::BODY_LEN_MAX)];
    let crc = body.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xA001 * (crc & 1))
        })
    });
    let mut out = format!("\n{crc:04X}{:04X}", body.len()).into_bytes();
    out.extend_from_slice(body);
    out.push(b'\r');
    out
}
