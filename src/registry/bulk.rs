//! Frames and answers in great number, for `larm bench`.
use larm_carrier::Key;
use larm_dc09::frame::{self, CrcForm};
pub use larm_dc09::stencil::{Glance, Head, Stencil, glance, sealed_ack, write_sealed_ack};
use larm_wire::stamp;

pub use larm_dc09::Reply;

/// The time of sending as frames carry it; `ms` since 1970.
#[must_use]
pub fn stamp(ms: i64) -> [u8; 20] {
    stamp::format(ms)
}

/// What stands at the front of what a receiver sent, read with care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Too few bytes to tell.
    More,
    /// This many bytes are no frame.
    Noise(usize),
    /// A sound answer.
    Answer {
        /// Its bytes.
        len: usize,
        /// What it says.
        reply: Reply,
        /// It was encrypted, and the key opened it.
        encrypted: bool,
        /// As it stands there.
        sequence: String,
        /// As it stands there.
        account: Option<String>,
    },
    /// A frame that is no sound answer.
    Bad {
        /// Its bytes.
        len: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads the front of `bytes`.
#[must_use]
pub fn look(bytes: &[u8], key: Option<&Key>) -> Look {
    let frame = match frame::scan(bytes, false, frame::BODY_LEN_MAX) {
        frame::Scan::More => return Look::More,
        frame::Scan::Noise(len) | frame::Scan::Cut(len, _) | frame::Scan::TooLong(len) => {
            return Look::Noise(len.clamp(1, bytes.len().max(1)));
        }
        frame::Scan::Frame(frame) => frame,
    };
    let len = frame.bytes.len();
    let bad = |why: String| Look::Bad { len, why };
    if let Err(error) = frame.check() {
        return bad(error.to_string());
    }
    match larm_dc09::read_answer(frame.bytes, key) {
        Ok(answered) => Look::Answer {
            len,
            reply: answered.reply,
            encrypted: answered.encrypted,
            sequence: answered.sequence,
            account: answered.account,
        },
        Err(error) => bad(error.to_string()),
    }
}

/// A frame by its length field, as little as can be read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed<'b> {
    /// More bytes are needed.
    More,
    /// It cannot be a frame.
    No,
    /// A frame.
    Frame {
        /// Bytes from LF to CR.
        len: usize,
        /// From the sequence number to the bracket.
        head: &'b [u8],
        /// The id starts with `*`.
        encrypted: bool,
    },
}

/// LF, four digits of checksum that nobody looks at, four of length, `"id"`, head, `[`.
#[must_use]
pub fn framed(bytes: &[u8]) -> Framed<'_> {
    const ENVELOPE_LEN: usize = 9;
    let Some((envelope, rest)) = bytes.split_first_chunk::<ENVELOPE_LEN>() else {
        return Framed::More;
    };
    let [b'\n', _, _, _, _, digits @ ..] = envelope else {
        return Framed::No;
    };
    let Some(len) = digits.iter().try_fold(0usize, |sum, digit| {
        larm_wire::hex::digit(*digit).map(|digit| sum << 4 | usize::from(digit))
    }) else {
        return Framed::No;
    };
    let Some(body) = rest.get(..len).filter(|_| rest.len() > len) else {
        return Framed::More;
    };
    let Some((b'"', id)) = body.split_first() else {
        return Framed::No;
    };
    let Some(quote) = id.iter().position(|byte| *byte == b'"') else {
        return Framed::No;
    };
    let behind = id.get(quote + 1..).unwrap_or_default();
    let Some(bracket) = behind.iter().position(|byte| *byte == b'[') else {
        return Framed::No;
    };
    Framed::Frame {
        len: ENVELOPE_LEN + len + 1,
        head: behind.get(..bracket).unwrap_or_default(),
        encrypted: id.first() == Some(&b'*'),
    }
}

/// Appends an acknowledgement in clear.
pub fn write_ack(head: &[u8], out: &mut Vec<u8>) {
    larm_dc09::stencil::write_ack(head, CrcForm::Ascii, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_answers_with_care() {
        let ack = b"\n1BC10012\"ACK\"0001L0#1234[]\r";
        assert!(matches!(
            look(ack, None),
            Look::Answer { len: 28, reply: Reply::Ack, encrypted: false, ref sequence, .. } if sequence == "0001"
        ));
        assert_eq!(look(&ack[..20], None), Look::More);
        assert_eq!(look(b"xx\n", None), Look::Noise(2));
        let damaged = b"\n1BC20012\"ACK\"0001L0#1234[]\r";
        assert!(matches!(look(damaged, None), Look::Bad { len: 28, .. }));
    }

    #[test]
    fn frames_by_their_length_alone() {
        let frame = b"\nFFFF0025\"SIA-DCS\"0001L0#1234[#1234|Nri1/BA12]\r\n";
        assert_eq!(
            framed(frame),
            Framed::Frame {
                len: frame.len() - 1,
                head: b"0001L0#1234",
                encrypted: false
            }
        );
        assert_eq!(framed(&frame[..frame.len() - 2]), Framed::More);
        assert_eq!(framed(b"x12345678"), Framed::No);
    }
}
