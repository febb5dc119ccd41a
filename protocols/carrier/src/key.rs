//! A secret key of an account: never printed, never serialised, wiped when dropped.
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An AES key of 16, 24 or 32 bytes.
#[derive(Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; 32],
    /// `len` is 16, 24 or 32.
    len: usize,
}

/// Why a text is no key. Never carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A character that is no hex digit, at this place (from 0).
    NotHex {
        /// Place of the character.
        at: usize,
    },
    /// The number of bytes is not 16, 24 or 32.
    Length {
        /// Bytes found (half the digits for hex).
        found: usize,
    },
    /// An odd number of hex digits.
    OddDigits {
        /// Digits found.
        found: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHex { at } => write!(
                f,
                "the key has a character at place {at} that is no hex digit; write 32, 48 or 64 of 0-9 A-F"
            ),
            Self::Length { found } => write!(
                f,
                "the key has {found} bytes; AES takes 16, 24 or 32 (32, 48 or 64 hex digits)"
            ),
            Self::OddDigits { found } => write!(
                f,
                "the key has {found} hex digits, an odd number; write 32, 48 or 64"
            ),
        }
    }
}

impl core::error::Error for KeyError {}

impl Key {
    /// From 32, 48 or 64 hex digits of either case.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits = text.as_bytes();
        if let Some(at) = digits.iter().position(|digit| !digit.is_ascii_hexdigit()) {
            return Err(KeyError::NotHex { at });
        }
        if digits.len() % 2 == 1 {
            return Err(KeyError::OddDigits {
                found: digits.len(),
            });
        }
        let found = digits.len() / 2;
        if !matches!(found, 16 | 24 | 32) {
            return Err(KeyError::Length { found });
        }
        let mut bytes = [0u8; 32];
        for (slot, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *slot = pair
                .iter()
                .fold(0, |value, digit| (value << 4) | nibble(*digit));
        }
        Ok(Self { bytes, len: found })
    }

    /// From 16, 24 or 32 raw bytes (a key that a panel takes as text).
    pub fn from_bytes(raw: &[u8]) -> Result<Self, KeyError> {
        if !matches!(raw.len(), 16 | 24 | 32) {
            return Err(KeyError::Length { found: raw.len() });
        }
        let mut bytes = [0u8; 32];
        for (slot, byte) in bytes.iter_mut().zip(raw) {
            *slot = *byte;
        }
        Ok(Self {
            bytes,
            len: raw.len(),
        })
    }

    /// The key's bytes, for the cipher and the key store alone.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn reads_both_cases_and_all_three_lengths() {
        for digits in [32usize, 48, 64] {
            let text = "aB".repeat(digits / 2);
            assert_eq!(
                Key::from_hex(&text).unwrap().expose(),
                &[0xAB; 32][..digits / 2]
            );
        }
    }

    #[test]
    fn errors_say_where_and_never_what() {
        assert_eq!(Key::from_hex("0x"), Err(KeyError::NotHex { at: 1 }));
        assert_eq!(Key::from_hex("abc"), Err(KeyError::OddDigits { found: 3 }));
        assert_eq!(Key::from_hex("abcd"), Err(KeyError::Length { found: 2 }));
    }

    #[test]
    fn never_prints() {
        let key = Key::from_bytes(b"0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "Key(hidden)");
    }
}
