//! What the receiver says: ACK, NAK, DUH, in the form of the request.
//!
//! Sequence, receiver, line and account are repeated byte for byte as they came; what was absent
//! stays absent.
use alloc::sync::Arc;
use alloc::vec::Vec;

use larm_carrier::{Key, Policy, Quirks};
use larm_event::Timestamp;
use larm_wire::crc::crc16_arc;
use larm_wire::{hex, stamp};

use crate::crypto;
use crate::frame::CrcForm;
use crate::quirks;

/// What is needed to answer one request.
#[derive(Debug)]
pub(crate) struct Echo {
    /// The checksum's form of the request.
    pub(crate) form: CrcForm,
    /// From the sequence number to the account, as received.
    pub(crate) head: Vec<u8>,
    /// Where the key of an encrypted request is.
    pub(crate) key: Option<KeyPlace>,
    /// Switches of the account.
    pub(crate) quirks: Quirks,
}

/// A key inside a policy: keys are never copied.
#[derive(Debug)]
pub(crate) struct KeyPlace {
    pub(crate) policy: Arc<Policy>,
    pub(crate) index: usize,
}

impl KeyPlace {
    fn key(&self) -> Option<&Key> {
        self.policy.live_keys().nth(self.index)
    }
}

/// `"ACK"…[]`, or `"*ACK"…[` cipher of `pad ] _time` with the key that opened the request.
pub(crate) fn ack(
    echo: &Echo,
    now: Timestamp,
    noise: impl FnOnce() -> [u8; 32],
    out: &mut Vec<u8>,
) {
    frame(echo.form, out, |body| ack_body(echo, now, noise, body));
}

fn ack_body(echo: &Echo, now: Timestamp, noise: impl FnOnce() -> [u8; 32], body: &mut Vec<u8>) {
    if let Some(key) = echo.key.as_ref().and_then(KeyPlace::key) {
        body.extend_from_slice(b"\"*ACK\"");
        body.extend_from_slice(&echo.head);
        body.push(b'[');
        let mut rest = [0u8; 21];
        rest[0] = b']';
        rest[1..].copy_from_slice(&stamp::format(now.as_millis()));
        crypto::seal(key, &[], &rest, &noise(), body);
    } else {
        body.extend_from_slice(b"\"ACK\"");
        body.extend_from_slice(&echo.head);
        body.extend_from_slice(b"[]");
        if echo.quirks.has(quirks::ACK_WITH_TIME) {
            body.extend_from_slice(&stamp::format(now.as_millis()));
        }
    }
}

/// `"NAK"0000R0L0A0[]_time`: never encrypted, always with the receiver's time.
pub(crate) fn nak(echo: &Echo, now: Timestamp, out: &mut Vec<u8>) {
    let account: &[u8] = if echo.quirks.has(quirks::NAK_ACCOUNT_ZEROS) {
        b"#000"
    } else {
        b"A0"
    };
    let time = stamp::format(now.as_millis());
    frame(echo.form, out, |body| {
        for part in [b"\"NAK\"0000R0L0", account, b"[]", &time] {
            body.extend_from_slice(part);
        }
    });
}

/// `"DUH"…[]`: never encrypted.
pub(crate) fn duh(echo: &Echo, out: &mut Vec<u8>) {
    frame(echo.form, out, |body| {
        for part in [b"\"DUH\"", echo.head.as_slice(), b"[]"] {
            body.extend_from_slice(part);
        }
    });
}

/// Puts LF, checksum and length in front of a body, and CR behind it.
///
/// The body is at most 4095 bytes; a longer one has no frame and nothing is written.
pub(crate) fn frame(form: CrcForm, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let body_start = start + form.body_start();
    out.resize(body_start, b'\n');
    write(out);
    let body = out.get(body_start..).unwrap_or_default();
    let Some(len) = u16::try_from(body.len()).ok().filter(|len| *len <= 0xFFF) else {
        out.truncate(start);
        return;
    };
    let crc = crc16_arc(body);
    let (ascii, binary) = (hex::word_upper(crc), crc.to_be_bytes());
    let crc: &[u8] = match form {
        CrcForm::Ascii => &ascii,
        CrcForm::Binary => &binary,
    };
    let length = hex::word_upper(len);
    let head = out.iter_mut().skip(start + 1);
    for (place, byte) in head.zip(crc.iter().chain(&length)) {
        *place = *byte;
    }
    out.push(b'\r');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(head: &[u8], form: CrcForm) -> Echo {
        Echo {
            form,
            head: head.to_vec(),
            key: None,
            quirks: Quirks::default(),
        }
    }

    #[test]
    fn bodies_of_the_reference() {
        let now = Timestamp::from_millis(0);
        let mut out = Vec::new();
        ack(
            &echo(b"0000L0#1409", CrcForm::Ascii),
            now,
            || [0; 32],
            &mut out,
        );
        assert_eq!(out, b"\n59890012\"ACK\"0000L0#1409[]\r");
        out.clear();
        nak(&echo(b"", CrcForm::Binary), now, &mut out);
        assert_eq!(out.get(3..7), Some(&b"0025"[..]));
        assert!(out.ends_with(b"\"NAK\"0000R0L0A0[]_00:00:00,01-01-1970\r"));
        out.clear();
        duh(&echo(b"0001R#ab", CrcForm::Ascii), &mut out);
        assert!(out.ends_with(b"\"DUH\"0001R#ab[]\r"));
    }
}
