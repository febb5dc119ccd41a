//! Frames in great number, all alike but for account, sequence number, tag and time: for load
//! generators and for the least that a receiver can do.
//!
//! ```text
//! head = sequence(4) "L0#" account
//! tag  = bytes of a fixed place in the data, which tell one message from all others
//! ```
use alloc::vec::Vec;

use larm_carrier::Key;
use larm_wire::{crc::crc16_arc, hex};

use crate::crypto;
use crate::frame::CrcForm;
use crate::reply;

/// Longest account of DC-09.
const ACCOUNT_LEN_MAX: usize = 16;

/// Bytes in front of the body: LF, checksum, length.
const ENVELOPE_LEN: usize = 9;

/// Sequence number, line and account, as they stand in a message and in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; 7 + ACCOUNT_LEN_MAX],
    /// `7 < len <= bytes.len()`.
    len: usize,
}

impl Head {
    /// `account` has 1 to 16 characters; what is longer is cut. `sequence` is 0 to 9999.
    #[must_use]
    pub fn new(sequence: u16, account: &[u8]) -> Self {
        let mut bytes = [0; 7 + ACCOUNT_LEN_MAX];
        let digit = |value: u16| b'0' + (value % 10).to_le_bytes()[0];
        let lead = [
            digit(sequence / 1000),
            digit(sequence / 100),
            digit(sequence / 10),
            digit(sequence),
            b'L',
            b'0',
            b'#',
        ];
        for (to, from) in bytes.iter_mut().zip(lead.iter().chain(account)) {
            *to = *from;
        }
        let len = (7 + account.len()).min(bytes.len());
        Self { bytes, len }
    }

    /// `0001L0#1234`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The account alone.
    #[must_use]
    pub fn account(&self) -> &[u8] {
        self.bytes.get(7..self.len).unwrap_or_default()
    }
}

/// What all frames of one kind share.
#[derive(Clone, Debug)]
pub struct Stencil {
    id: Vec<u8>,
    /// Data in front of the tag, without the account; empty for a link test.
    before: Vec<u8>,
    /// Data behind the tag.
    after: Vec<u8>,
}

impl Stencil {
    /// A link test: no data and no tag.
    #[must_use]
    pub fn link_test() -> Self {
        Self {
            id: b"NULL".to_vec(),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// A message with `id` and the payload `before TAG after`.
    #[must_use]
    pub fn new(id: &str, before: &[u8], after: &[u8]) -> Self {
        Self {
            id: id.as_bytes().to_vec(),
            before: before.to_vec(),
            after: after.to_vec(),
        }
    }

    /// Appends a frame in clear; `stamp` is a time as [`larm_wire::stamp::format`] writes it.
    pub fn write(&self, head: &Head, tag: &[u8], stamp: Option<&[u8]>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"\n00000000\"");
        out.extend_from_slice(&self.id);
        out.push(b'"');
        out.extend_from_slice(head.as_bytes());
        out.push(b'[');
        self.write_data(head, tag, out);
        out.push(b']');
        out.extend_from_slice(stamp.unwrap_or_default());
        finish(start, out);
    }

    /// Appends an encrypted frame; `noise` are fresh random bytes for the padding.
    pub fn write_sealed(
        &self,
        head: &Head,
        tag: &[u8],
        stamp: &[u8],
        (key, noise): (&Key, &[u8; 32]),
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(b"\n00000000\"*");
        out.extend_from_slice(&self.id);
        out.push(b'"');
        out.extend_from_slice(head.as_bytes());
        out.push(b'[');
        let mut data = Vec::with_capacity(96);
        self.write_data(head, tag, &mut data);
        let mut rest = Vec::with_capacity(24);
        rest.push(b']');
        rest.extend_from_slice(stamp);
        crypto::seal(key, &data, &rest, noise, out);
        finish(start, out);
    }

    fn write_data(&self, head: &Head, tag: &[u8], out: &mut Vec<u8>) {
        if self.before.is_empty() {
            return;
        }
        out.push(b'#');
        out.extend_from_slice(head.account());
        out.push(b'|');
        out.extend_from_slice(&self.before);
        out.extend_from_slice(tag);
        out.extend_from_slice(&self.after);
    }
}

/// Writes checksum and length of the frame that starts at `start`, and the CR behind it.
///
/// The body has at most 4095 bytes: id, head and tag are short, and stencils are ours.
fn finish(start: usize, out: &mut Vec<u8>) {
    if let Some((envelope, body)) = out
        .get_mut(start..)
        .and_then(|frame| frame.split_first_chunk_mut::<ENVELOPE_LEN>())
    {
        let [_, crc_to @ .., a, b, c, d] = envelope;
        *crc_to = hex::word_upper(crc16_arc(body));
        let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
        [*a, *b, *c, *d] = hex::word_upper(len);
    }
    out.push(b'\r');
}

/// Appends the acknowledgement of a frame whose header between id and `[` is `head`.
pub fn write_ack(head: &[u8], form: CrcForm, out: &mut Vec<u8>) {
    let start = out.len();
    if form == CrcForm::Ascii {
        out.extend_from_slice(b"\n00000000\"ACK\"");
        out.extend_from_slice(head);
        out.extend_from_slice(b"[]");
        finish(start, out);
    } else {
        reply::frame(form, out, |body| {
            for part in [b"\"ACK\"", head, b"[]"] {
                body.extend_from_slice(part);
            }
        });
    }
}

/// The cipher text of an encrypted acknowledgement, which tells neither sequence number nor
/// account: good for every answer of the same second.
#[must_use]
pub fn sealed_ack(key: &Key, stamp: &[u8], noise: &[u8; 32]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(24);
    rest.push(b']');
    rest.extend_from_slice(stamp);
    let mut cipher = Vec::with_capacity(128);
    crypto::seal(key, &[], &rest, noise, &mut cipher);
    cipher
}

/// Appends an encrypted acknowledgement with this cipher text.
pub fn write_sealed_ack(head: &[u8], cipher: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b"\n00000000\"*ACK\"");
    out.extend_from_slice(head);
    out.push(b'[');
    out.extend_from_slice(cipher);
    finish(start, out);
}

/// What stands at the front of what came back, seen at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// The acknowledgement, with this many bytes.
    Ack(usize),
    /// Its beginning; more bytes are needed.
    More,
    /// Something else, to be read with care.
    Other,
}

/// Whether `input` starts with the acknowledgement of the message with this head: right length,
/// right checksum, `ACK`, sequence number, line and account, in clear or encrypted as the message
/// was. The content of an encrypted one is not opened.
#[must_use]
pub fn glance(input: &[u8], head: &Head, encrypted: bool) -> Glance {
    let id: &[u8] = if encrypted { b"\"*ACK\"" } else { b"\"ACK\"" };
    let Some((envelope, rest)) = input.split_first_chunk::<ENVELOPE_LEN>() else {
        return if input.first().is_none_or(|first| *first == b'\n') {
            Glance::More
        } else {
            Glance::Other
        };
    };
    let [b'\n', crc @ .., b'0', b'0', high, low] = envelope else {
        return Glance::Other;
    };
    let (Some(high), Some(low)) = (hex::digit(*high), hex::digit(*low)) else {
        return Glance::Other;
    };
    let len = usize::from(high << 4 | low);
    let Some((body, behind)) = rest.split_at_checked(len) else {
        return Glance::More;
    };
    let Some(cr) = behind.first() else {
        return Glance::More;
    };
    let block = body
        .strip_prefix(id)
        .and_then(|rest| rest.strip_prefix(head.as_bytes()));
    let fits = match block {
        Some([b'[', b']']) => !encrypted,
        Some([b'[', ..]) => encrypted,
        _ => false,
    };
    if fits && *cr == b'\r' && *crc == hex::word_upper(crc16_arc(body)) {
        Glance::Ack(ENVELOPE_LEN + len + 1)
    } else {
        Glance::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outgoing, Reply, read_answer};
    use larm_event::Timestamp;
    use larm_wire::stamp;

    const STAMP_MS: i64 = 1_764_072_000_000;

    fn key() -> Key {
        Key::from_hex("00112233445566778899AABBCCDDEEFF").unwrap()
    }

    fn outgoing(sequence: u16) -> Outgoing {
        Outgoing::new("SIA-DCS", sequence, "00001234").with_payload(b"Nri1/BA01^x 000F^")
    }

    #[test]
    fn writes_what_the_encoder_writes() {
        let head = Head::new(42, b"00001234");
        let stencil = Stencil::new("SIA-DCS", b"Nri1/BA01^x ", b"^");
        let stamp = stamp::format(STAMP_MS);
        let mut expected = outgoing(42);
        let mut out = Vec::new();
        stencil.write(&head, b"000F", None, &mut out);
        assert_eq!(out, expected.encode(None).unwrap());
        expected.timestamp = Some(Timestamp::from_millis(STAMP_MS));
        out.clear();
        stencil.write(&head, b"000F", Some(&stamp), &mut out);
        assert_eq!(out, expected.encode(None).unwrap());
        out.clear();
        stencil.write_sealed(&head, b"000F", &stamp, (&key(), &[7; 32]), &mut out);
        assert_eq!(out, expected.encode(Some((&key(), &[7; 32]))).unwrap());
        out.clear();
        Stencil::link_test().write(&head, b"", None, &mut out);
        let test = Outgoing::link_test(42, "00001234");
        assert_eq!(out, test.encode(None).unwrap());
    }

    #[test]
    fn its_acknowledgements_are_read_as_such() {
        let head = Head::new(9_999, b"00001234");
        let mut out = Vec::new();
        write_ack(head.as_bytes(), CrcForm::Ascii, &mut out);
        assert_eq!(glance(&out, &head, false), Glance::Ack(out.len()));
        assert_eq!(read_answer(&out, None).unwrap().reply, Reply::Ack);
        out.clear();
        let cipher = sealed_ack(&key(), &stamp::format(STAMP_MS), &[9; 32]);
        write_sealed_ack(head.as_bytes(), &cipher, &mut out);
        assert_eq!(glance(&out, &head, true), Glance::Ack(out.len()));
        let read = read_answer(&out, Some(&key())).unwrap();
        assert_eq!((read.reply, read.encrypted), (Reply::Ack, true));
        assert_eq!(read.sequence, "9999");
    }

    #[test]
    fn a_glance_takes_nothing_else_for_an_acknowledgement() {
        let head = Head::new(1, b"1234");
        let right = b"\n1BC10012\"ACK\"0001L0#1234[]\r";
        assert_eq!(glance(right, &head, false), Glance::Ack(right.len()));
        for cut in 0..right.len() {
            assert_eq!(glance(&right[..cut], &head, false), Glance::More, "{cut}");
        }
        for at in 0..right.len() {
            let mut wrong = *right;
            wrong[at] ^= 1;
            let seen = glance(&wrong, &head, false);
            assert!(!matches!(seen, Glance::Ack(_)), "byte {at} damaged");
        }
        assert_eq!(glance(right, &head, true), Glance::Other);
        assert_eq!(glance(right, &Head::new(2, b"1234"), false), Glance::Other);
        assert_eq!(glance(right, &Head::new(1, b"1235"), false), Glance::Other);
        assert_eq!(glance(b"\n1BC1", &head, false), Glance::More);
        assert_eq!(glance(b"x", &head, false), Glance::Other);
    }
}
