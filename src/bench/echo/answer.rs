//! Answers to everything in a buffer.
use std::sync::{Arc, PoisonError, RwLock};

use larm_carrier::Key;

use crate::clock::utc_now;
use crate::entropy;
use crate::registry::bulk::{Framed, framed, sealed_ack, stamp, write_ack, write_sealed_ack};

/// Bytes that may gather without making a frame; what comes on top is thrown away.
pub(super) const PENDING_MAX: usize = 16 * 1024;

/// Makes acknowledgements.
#[derive(Debug)]
pub struct Answers {
    key: Option<Arc<Key>>,
    /// Second, and the cipher text of every encrypted answer in it.
    sealed: RwLock<(i64, Vec<u8>)>,
}

impl Answers {
    /// With a key, encrypted messages are answered as the standard says; without, in clear.
    #[must_use]
    pub fn new(key: Option<Arc<Key>>) -> Self {
        Self {
            key,
            sealed: RwLock::new((i64::MIN, Vec::new())),
        }
    }

    /// Appends an acknowledgement for each whole frame in `input` and tells how many bytes were
    /// used.
    pub fn to(&self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            match framed(rest) {
                Framed::Frame {
                    len,
                    head,
                    encrypted,
                } => {
                    match self.key.as_ref().filter(|_| encrypted) {
                        Some(key) => self.sealed(key, head, out),
                        None => write_ack(head, out),
                    }
                    at += len;
                }
                Framed::More if rest.len() < PENDING_MAX => break,
                Framed::More => at = input.len(),
                Framed::No => at += 1,
            }
        }
        at
    }

    fn sealed(&self, key: &Key, head: &[u8], out: &mut Vec<u8>) {
        let ms = utc_now().as_millis();
        {
            let sealed = self.sealed.read().unwrap_or_else(PoisonError::into_inner);
            if sealed.0 == ms / 1000 {
                return write_sealed_ack(head, &sealed.1, out);
            }
        }
        let cipher = sealed_ack(key, &stamp(ms), &entropy::bytes());
        write_sealed_ack(head, &cipher, out);
        *self.sealed.write().unwrap_or_else(PoisonError::into_inner) = (ms / 1000, cipher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::bulk::{Glance, Head, Stencil, glance};

    #[test]
    fn answers_every_whole_frame() {
        let key = Arc::new(Key::from_bytes(b"0123456789abcdef").unwrap());
        let answers = Answers::new(Some(Arc::clone(&key)));
        let (one, two) = (Head::new(1, b"0042"), Head::new(2, b"0042"));
        let mut input = b"xx".to_vec();
        Stencil::link_test().write(&one, b"", None, &mut input);
        let stencil = Stencil::new("SIA-DCS", b"NBA", b"");
        stencil.write_sealed(&two, b"1", &stamp(0), (&key, &[1; 32]), &mut input);
        let whole = input.len();
        input.extend_from_slice(b"\n0000");
        let mut out = Vec::new();
        assert_eq!(answers.to(&input, &mut out), whole);
        let Glance::Ack(first) = glance(&out, &one, false) else {
            panic!("{}", out.escape_ascii());
        };
        let second = &out[first..];
        assert_eq!(glance(second, &two, true), Glance::Ack(second.len()));
    }
}
