//! Bytes to hex digits and back.
use alloc::vec::Vec;
use core::fmt;

const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Why a text is not hex for the given buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HexError {
    /// A byte needs two digits; `len` is odd.
    OddLength {
        /// Digits found.
        len: usize,
    },
    /// Not a hex digit.
    NotHex {
        /// Where, from the start of the text.
        offset: usize,
        /// What stands there.
        found: u8,
    },
    /// The buffer is too small.
    NoRoom {
        /// Bytes that the text would give.
        need: usize,
        /// Bytes that the buffer takes.
        room: usize,
    },
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OddLength { len } => {
                write!(f, "{len} hex digits, but two are needed for every byte")
            }
            Self::NotHex { offset, found } => write!(
                f,
                "byte {offset} is `{}`, not a hex digit 0-9, A-F or a-f",
                found.escape_ascii()
            ),
            Self::NoRoom { need, room } => {
                write!(f, "the text holds {need} bytes, but at most {room} fit")
            }
        }
    }
}

impl core::error::Error for HexError {}

/// Appends two upper-case digits per byte to `out`.
pub fn encode_upper(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.extend_from_slice(&pair_upper(*byte));
    }
}

/// The two upper-case digits of one byte.
#[must_use]
pub fn pair_upper(byte: u8) -> [u8; 2] {
    [
        UPPER[usize::from(byte >> 4)],
        UPPER[usize::from(byte & 0x0F)],
    ]
}

/// The four upper-case digits of a number, as in the CRC field of DC-09.
#[must_use]
pub fn word_upper(word: u16) -> [u8; 4] {
    let [high, low] = word.to_be_bytes();
    let ([a, b], [c, d]) = (pair_upper(high), pair_upper(low));
    [a, b, c, d]
}

/// Reads digits of either case into the front of `out` and returns the part that was filled.
///
/// `text.len()` is even and `out.len() >= text.len() / 2`; whatever lies behind stays untouched.
/// On an error the contents of `out` are not defined.
pub fn decode<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], HexError> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(HexError::OddLength { len: text.len() });
    }
    let room = out.len();
    let need = pairs.len();
    let filled = out.get_mut(..need).ok_or(HexError::NoRoom { need, room })?;
    for ((index, [high, low]), slot) in pairs.iter().enumerate().zip(filled.iter_mut()) {
        *slot = nibble(*high, index * 2)? << 4 | nibble(*low, index * 2 + 1)?;
    }
    Ok(filled)
}

/// The value of one digit of either case.
#[must_use]
pub const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn nibble(found: u8, offset: usize) -> Result<u8, HexError> {
    digit(found).ok_or(HexError::NotHex { offset, found })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_upper_and_reads_either_case() {
        let mut text = Vec::new();
        encode_upper(&[0x00, 0x5A, 0xFF], &mut text);
        assert_eq!(text, b"005AFF");
        let mut room = [0; 4];
        assert_eq!(decode(b"005aFf", &mut room).unwrap(), [0x00, 0x5A, 0xFF]);
        assert_eq!(word_upper(0x5989), *b"5989");
        assert_eq!(word_upper(0x00EF), *b"00EF");
    }

    #[test]
    fn says_where_it_is_wrong() {
        let mut room = [0; 2];
        assert_eq!(
            decode(b"00a", &mut room),
            Err(HexError::OddLength { len: 3 })
        );
        assert_eq!(
            decode(b"00\x0a0", &mut room),
            Err(HexError::NotHex {
                offset: 2,
                found: b'\n'
            })
        );
        assert_eq!(
            decode(b"000000", &mut room),
            Err(HexError::NoRoom { need: 3, room: 2 })
        );
        assert_eq!(
            decode(b"0g", &mut room).unwrap_err().to_string(),
            "byte 1 is `g`, not a hex digit 0-9, A-F or a-f"
        );
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in prop::collection::vec(any::<u8>(), 0..64), lower: bool) {
            let mut text = Vec::new();
            encode_upper(&bytes, &mut text);
            if lower {
                text.make_ascii_lowercase();
            }
            let mut room = [0; 64];
            prop_assert_eq!(decode(&text, &mut room).unwrap(), bytes);
        }

        #[test]
        fn any_bytes_give_a_value_or_an_offset_inside(text in prop::collection::vec(any::<u8>(), 0..32)) {
            let mut room = [0; 16];
            match decode(&text, &mut room) {
                Ok(bytes) => prop_assert_eq!(bytes.len() * 2, text.len()),
                Err(HexError::NotHex { offset, found }) => prop_assert_eq!(text[offset], found),
                Err(HexError::OddLength { len }) => prop_assert_eq!(len % 2, 1),
                Err(HexError::NoRoom { .. }) => prop_assert!(false, "16 bytes are enough"),
            }
        }
    }
}
