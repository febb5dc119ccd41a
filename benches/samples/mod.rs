//! What the benches feed: frames about as panels send them, keys, clock readings, identities and one
//! event as the intake makes it. Everything is invented and the same in each run.
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{
    Accounts, Delivery, Identity, Key, Mode, Moment, NoAccounts, Policy, Proof, Session as _, Step,
};
use larm_dc09::{Dc09, Limits, Outgoing, Ticket};
use larm_event::{Event, Path, Timestamp, Transport};
use uuid::Uuid;

/// Bytes in front of what is encrypted.
pub(crate) const NOISE: [u8; 32] = [0x5A; 32];

/// A register in which everybody has the same key.
pub(crate) struct OneKey(Arc<Policy>);

impl OneKey {
    /// AES with [`key`].
    pub(crate) fn new() -> Self {
        Self(Arc::new(Policy {
            keys: [Some(key()), None],
            ..Policy::default()
        }))
    }
}

impl Accounts for OneKey {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        Some(Arc::clone(&self.0))
    }
}

/// Stands for the journal's token where there is no journal.
pub(crate) struct Durable;

impl Proof for Durable {
    fn position(&self) -> u64 {
        1
    }
}

/// 128 bits.
pub(crate) fn key() -> Key {
    Key::from_bytes(b"0123456789abcdef").expect("16 bytes")
}

/// When everything is received.
pub(crate) fn moment() -> Moment {
    Moment {
        mono: Duration::from_secs(1),
        utc: Timestamp::from_millis(1_790_000_000_000),
    }
}

/// A burglary alarm with a text and the time of sending.
pub(crate) fn sia(sequence: u16) -> Outgoing {
    let mut frame =
        Outgoing::new("SIA-DCS", sequence, "1234").with_payload(b"Nri1/BA012^Window in the hall^");
    frame.timestamp = Some(moment().utc);
    frame
}

/// A burglary alarm in Contact ID.
pub(crate) fn cid(sequence: u16) -> Outgoing {
    Outgoing::new("ADM-CID", sequence, "1234").with_payload(b"1131 01 012")
}

/// The bytes of `frame`, in clear.
pub(crate) fn clear(frame: &Outgoing) -> Vec<u8> {
    frame.encode(None).expect("a frame")
}

/// The bytes of `frame`, encrypted with [`key`].
pub(crate) fn closed(frame: &Outgoing) -> Vec<u8> {
    frame.encode(Some((&key(), &NOISE))).expect("a frame")
}

/// A session as each connection has one.
pub(crate) fn session() -> Dc09 {
    Dc09::new(Mode::Tolerant, Limits::default())
}

/// What `session` makes of one sound frame.
pub(crate) fn receive<'b>(
    session: &mut Dc09,
    frame: &'b [u8],
    accounts: &dyn Accounts,
) -> larm_carrier::Request<'b, Ticket> {
    match session.receive(frame, Delivery::Stream, moment(), accounts) {
        Step::Request { request, .. } => request,
        step => unreachable!("a sound frame is a request, not {step:?}"),
    }
}

/// The event of [`sia`], with what the intake adds, and the identity of its frame.
pub(crate) fn event() -> (Event, Identity) {
    let frame = clear(&sia(7));
    let mut request = receive(&mut session(), &frame, &NoAccounts);
    let mut event = request.events.pop().expect("a frame has an event");
    event.id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    "north".clone_into(&mut event.node);
    event.received_at = moment().utc;
    event.clock_offset_ms = Some(0);
    event.path = Some(Path {
        listener: "panels".to_owned(),
        transport: Transport::Tcp,
        peer: "192.0.2.17:49152".to_owned(),
        role: None,
        number: None,
    });
    event.raw = larm_event::Raw(request.frame.to_vec());
    (event, request.identity)
}

/// The identity of the frame number `index`: another content each time, of one of 4,096 accounts.
pub(crate) fn identity(index: u64) -> Identity {
    let digest = |value: u64| {
        // Odd, so that no two numbers become the same; large, so that all bytes differ.
        u128::from(value)
            .wrapping_add(1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
            .to_le_bytes()
    };
    Identity {
        content: digest(index),
        account: digest(index % 4_096),
        sequence: Some(u32::try_from(index % 9_999).expect("below 9,999") + 1),
        sent_at: None,
        renumbers: false,
        constant_sequence: false,
    }
}
