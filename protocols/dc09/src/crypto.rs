//! The encrypted envelope: AES-CBC with a zero initial vector, as hex, padded in front.
//!
//! ```text
//! cipher = hex(AES-CBC(pad ["|" data] "]" *extended ["_" time]))
//! ```
//! It gives secrecy only. Nothing tells a wrong key from garbage but the shape of the end, so that
//! shape is demanded before anything is believed.
use aes::{Aes128, Aes192, Aes256};
use alloc::vec::Vec;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use larm_carrier::Key;
use larm_wire::hex;
use zeroize::Zeroize as _;

use crate::block::{split_extended, split_time};
use crate::deviation::{Deviation, Deviations};
use crate::xdata::Blocks;

const BLOCK_LEN: usize = 16;
const ZERO_IV: [u8; BLOCK_LEN] = [0; BLOCK_LEN];

/// What lies in a decrypted envelope. Borrows from the decrypted bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner<'d> {
    /// The data, from the account on; empty for a link test.
    pub data: &'d [u8],
    /// Extended blocks.
    pub extended: Blocks<'d>,
    /// Text behind `_`.
    pub timestamp: Option<&'d str>,
    /// What deviates.
    pub deviations: Deviations,
}

/// The bytes of cipher text; `None` where it is no hex, empty, or no whole number of blocks.
pub(crate) fn cipher_bytes(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2 * BLOCK_LEN) {
        return None;
    }
    let mut bytes = alloc::vec![0; text.len() / 2];
    hex::decode(text, &mut bytes).ok()?;
    Some(bytes)
}

/// Splits the `]` that one brand puts behind its cipher text, and tells what deviates.
pub(crate) fn cipher_text(tail: &[u8]) -> (&[u8], Deviations) {
    let mut deviations = Deviations::NONE;
    let text = match tail.strip_suffix(b"]") {
        Some(text) => {
            deviations.add(Deviation::CipherClosingBracket);
            text
        }
        None => tail,
    };
    let lower = text.iter().any(|byte| matches!(byte, b'a'..=b'f'));
    deviations.add_if(lower, Deviation::CipherLowerHex);
    (text, deviations)
}

/// Decrypts in place. `bytes.len()` is a multiple of 16.
pub(crate) fn decrypt(key: &Key, bytes: &mut [u8]) {
    macro_rules! run {
        ($cipher:ty, $key:expr) => {
            if let Ok(mut mode) = cbc::Decryptor::<$cipher>::new_from_slices($key, &ZERO_IV) {
                for block in bytes.as_chunks_mut::<BLOCK_LEN>().0 {
                    mode.decrypt_block(block.into());
                }
            }
        };
    }
    match key.expose() {
        short if short.len() == 16 => run!(Aes128, short),
        middle if middle.len() == 24 => run!(Aes192, middle),
        long => run!(Aes256, long),
    }
}

/// Encrypts in place. `bytes.len()` is a multiple of 16.
fn encrypt(key: &Key, bytes: &mut [u8]) {
    macro_rules! run {
        ($cipher:ty, $key:expr) => {
            if let Ok(mut mode) = cbc::Encryptor::<$cipher>::new_from_slices($key, &ZERO_IV) {
                for block in bytes.as_chunks_mut::<BLOCK_LEN>().0 {
                    mode.encrypt_block(block.into());
                }
            }
        };
    }
    match key.expose() {
        short if short.len() == 16 => run!(Aes128, short),
        middle if middle.len() == 24 => run!(Aes192, middle),
        long => run!(Aes256, long),
    }
}

/// Reads decrypted bytes; `None` where their shape says that the key was another one.
pub(crate) fn open<'d>(plain: &'d [u8], account: Option<&str>) -> Option<Inner<'d>> {
    let (before, time) = split_time(plain);
    let timestamp = time.filter(|text| (8..=21).contains(&text.len()));
    let mut deviations = Deviations::NONE;
    let bad = |text: &str| larm_wire::stamp::parse(text.as_bytes()).is_err();
    deviations.add_if(timestamp.is_some_and(bad), Deviation::TimestampBad);
    deviations.add_if(timestamp.is_none(), Deviation::NoTimestampEncrypted);
    let before = if timestamp.is_some() { before } else { plain };
    let (inner, extended) = split_extended(before);
    let inner = inner.strip_suffix(b"]")?;
    let start = data_start(inner, account);
    let pad_len =
        start.saturating_sub(usize::from(inner.get(start.wrapping_sub(1)) == Some(&b'|')));
    let (pad, data) = (inner.get(..pad_len)?, inner.get(start..)?);
    // Without a time only readable data shows that the key was right.
    if timestamp.is_none()
        && (data.is_empty() || !data.iter().all(|byte| matches!(byte, b' '..=b'~')))
    {
        return None;
    }
    deviations.add_if(
        pad.iter().any(|byte| matches!(byte, b'[' | b']' | b'|')),
        Deviation::PadReservedChar,
    );
    deviations.add_if(
        pad.iter().any(|byte| !matches!(byte, b' '..=b'~')),
        Deviation::PadBinary,
    );
    Some(Inner {
        data,
        extended,
        timestamp,
        deviations,
    })
}

/// Where the data starts: at the last `|#account|`, at the last `#account|`, behind the first bar,
/// or nowhere.
fn data_start(inner: &[u8], account: Option<&str>) -> usize {
    let last = |lead: &[u8]| {
        let account = account?.as_bytes();
        let len = lead.len() + account.len() + 1;
        inner
            .windows(len)
            .rposition(|window| {
                window
                    .strip_prefix(lead)
                    .and_then(|rest| rest.strip_prefix(account))
                    == Some(b"|")
            })
            .map(|at| at + lead.len() - 1)
    };
    last(b"|#")
        .or_else(|| last(b"#"))
        .or_else(|| {
            inner
                .iter()
                .position(|byte| *byte == b'|')
                .map(|bar| bar + 1)
        })
        .unwrap_or(inner.len())
}

/// Appends the cipher text of `pad ["|" data] rest` to `out`. `rest` starts with `]`.
///
/// The pad has 16 to 31 bytes, so that its random first block makes up for the zero vector. It is
/// made of letters and digits: within the older rule, which forbids `[ ] |`, and kind to receivers
/// that decode before they cut.
pub(crate) fn seal(key: &Key, data: &[u8], rest: &[u8], noise: &[u8; 32], out: &mut Vec<u8>) {
    const SIGNS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+=";
    let bar = usize::from(!data.is_empty());
    let content = bar + data.len() + rest.len();
    let pad_len = 2 * BLOCK_LEN - content % BLOCK_LEN;
    let pad_len = if pad_len == 2 * BLOCK_LEN {
        BLOCK_LEN
    } else {
        pad_len
    };
    let mut plain = Vec::with_capacity(pad_len + content);
    let signs = noise
        .iter()
        .filter_map(|byte| SIGNS.get(usize::from(byte % 64)));
    plain.extend(signs.take(pad_len));
    if bar == 1 {
        plain.push(b'|');
    }
    plain.extend_from_slice(data);
    plain.extend_from_slice(rest);
    encrypt(key, &mut plain);
    hex::encode_upper(&plain, out);
    plain.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from_hex("00112233445566778899AABBCCDDEEFF").unwrap()
    }

    #[test]
    fn seals_and_opens_at_every_length() {
        for len in 0..40 {
            let data = alloc::vec![b'x'; len];
            let mut text = Vec::new();
            seal(&key(), &data, b"]_12:00:00,11-25-2026", &[7; 32], &mut text);
            let mut bytes = cipher_bytes(&text).unwrap();
            decrypt(&key(), &mut bytes);
            let inner = open(&bytes, None).unwrap();
            assert_eq!(inner.data, data);
            assert_eq!(inner.deviations, Deviations::NONE);
            assert!(bytes.len() - len >= BLOCK_LEN);
        }
    }

    #[test]
    fn padding_may_hold_what_it_should_not() {
        let inner = open(b"]|[ab|#1234|NBA1]_12:00:00,11-25-2026", Some("1234")).unwrap();
        assert_eq!(inner.data, b"#1234|NBA1");
        assert!(inner.deviations.iter().eq([Deviation::PadReservedChar]));
    }

    #[test]
    fn bars_missing_or_first() {
        let data = |plain: &'static [u8]| open(plain, Some("1234")).map(|inner| inner.data);
        let time = b"_12:00:00,11-25-2026";
        assert_eq!(time.len(), 20);
        assert_eq!(
            data(b"000#1234|NBA1]_12:00:00,11-25-2026"),
            Some(&b"#1234|NBA1"[..])
        );
        assert_eq!(data(b"xx|NBA1]_12:00:00,11-25-2026"), Some(&b"NBA1"[..]));
        assert_eq!(data(b"xxyy]_12:00:00,11-25-2026"), Some(&b""[..]));
        assert_eq!(data(b"xxyy|]_12:00:00,11-25-2026"), Some(&b""[..]));
        assert_eq!(data(b"xx|NBA1_12:00:00,11-25-2026"), None);
        assert_eq!(data(b"\x01\x02|\x03]"), None);
    }
}
