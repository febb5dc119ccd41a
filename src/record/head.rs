//! The fixed head of a frame's first record: by what a repeat of the frame is recognised.
//!
//! ```text
//! head = content(16) account(16) event-id(16) records(u16) flags(u8) sequence(u32) sent-at-ms(i64)
//! ```
//!
//! Numbers are little-endian; flags: 1 sequence is there, 2 time of sending is there, 4 retries are
//! renumbered, 8 the sequence is constant.
use larm_carrier::Identity;
use larm_event::Timestamp;
use uuid::Uuid;

/// Bytes of a head.
pub(super) const LEN: usize = 16 + 16 + 16 + 2 + 1 + 4 + 8;

const HAS_SEQUENCE: u8 = 1;
const HAS_SENT_AT: u8 = 2;
const RENUMBERS: u8 = 4;
const CONSTANT: u8 = 8;

/// What the journal keeps of a frame's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The frame's first event.
    pub id: Uuid,
    /// Records of the frame, this one included; they follow each other.
    pub records: u16,
    /// The evidence.
    pub identity: Identity,
}

pub(super) fn encode(stored: &Stored, out: &mut Vec<u8>) {
    let identity = &stored.identity;
    let flag = |bit: u8, set: bool| if set { bit } else { 0 };
    let flags = flag(HAS_SEQUENCE, identity.sequence.is_some())
        | flag(HAS_SENT_AT, identity.sent_at.is_some())
        | flag(RENUMBERS, identity.renumbers)
        | flag(CONSTANT, identity.constant_sequence);
    out.extend_from_slice(&identity.content);
    out.extend_from_slice(&identity.account);
    out.extend_from_slice(stored.id.as_bytes());
    out.extend_from_slice(&stored.records.to_le_bytes());
    out.push(flags);
    out.extend_from_slice(&identity.sequence.unwrap_or(0).to_le_bytes());
    let sent_at = identity.sent_at.map_or(0, Timestamp::as_millis);
    out.extend_from_slice(&sent_at.to_le_bytes());
}

/// `None` where the bytes are not as long as a head.
pub(super) fn decode(head: &[u8]) -> Option<Stored> {
    if head.len() != LEN {
        return None;
    }
    let (content, rest) = head.split_first_chunk::<16>()?;
    let (account, rest) = rest.split_first_chunk::<16>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (records, rest) = rest.split_first_chunk::<2>()?;
    let (flags, rest) = rest.split_first()?;
    let (sequence, rest) = rest.split_first_chunk::<4>()?;
    let (sent_at, _) = rest.split_first_chunk::<8>()?;
    let is = |bit: u8| flags & bit != 0;
    Some(Stored {
        id: Uuid::from_bytes(*id),
        records: u16::from_le_bytes(*records),
        identity: Identity {
            content: *content,
            account: *account,
            sequence: is(HAS_SEQUENCE).then(|| u32::from_le_bytes(*sequence)),
            sent_at: is(HAS_SENT_AT).then(|| Timestamp::from_millis(i64::from_le_bytes(*sent_at))),
            renumbers: is(RENUMBERS),
            constant_sequence: is(CONSTANT),
        },
    })
}
