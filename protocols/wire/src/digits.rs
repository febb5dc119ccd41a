//! Numbers of a fixed count of decimal or hex digits.
use core::fmt;

use crate::hex;

/// Why the front of the input is not a number of that width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitsError {
    /// The input ends before the number does.
    Short {
        /// Digits wanted.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// Not a digit.
    NotDigit {
        /// Where, from the start of the input.
        offset: usize,
        /// What stands there.
        found: u8,
    },
    /// More digits asked for than 32 bits can always hold (9 decimal, 8 hex). The caller's fault.
    TooWide {
        /// Digits asked for.
        width: usize,
    },
}

impl fmt::Display for DigitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { need, have } => write!(f, "{need} digits needed, {have} bytes there"),
            Self::NotDigit { offset, found } => {
                write!(
                    f,
                    "byte {offset} is `{}`, not a digit",
                    found.escape_ascii()
                )
            }
            Self::TooWide { width } => write!(f, "{width} digits do not fit a 32-bit number"),
        }
    }
}

impl core::error::Error for DigitsError {}

/// Reads exactly `width` decimal digits (at most 9); returns the value and what follows.
///
/// No sign, no space, no underscore: `0012` with width 4 is 12.
pub fn decimal(input: &[u8], width: usize) -> Result<(u32, &[u8]), DigitsError> {
    if width > 9 {
        return Err(DigitsError::TooWide { width });
    }
    fold(input, width, 10, |byte| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        _ => None,
    })
}

/// Reads exactly `width` hex digits of either case (at most 8); returns the value and what follows.
pub fn hexadecimal(input: &[u8], width: usize) -> Result<(u32, &[u8]), DigitsError> {
    if width > 8 {
        return Err(DigitsError::TooWide { width });
    }
    fold(input, width, 16, hex::digit)
}

fn fold(
    input: &[u8],
    width: usize,
    base: u32,
    digit: impl Fn(u8) -> Option<u8>,
) -> Result<(u32, &[u8]), DigitsError> {
    let (field, rest) = input.split_at_checked(width).ok_or(DigitsError::Short {
        need: width,
        have: input.len(),
    })?;
    let mut value = 0u32;
    for (offset, found) in field.iter().copied().enumerate() {
        let digit = digit(found).ok_or(DigitsError::NotDigit { offset, found })?;
        value = value * base + u32::from(digit);
    }
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_width_and_leaves_the_rest() {
        assert_eq!(decimal(b"0012L0", 4), Ok((12, &b"L0"[..])));
        assert_eq!(hexadecimal(b"02bF\"", 4), Ok((0x2BF, &b"\""[..])));
        assert_eq!(decimal(b"", 0), Ok((0, &b""[..])));
    }

    #[test]
    fn says_where_it_is_wrong() {
        assert_eq!(
            decimal(b"12", 4),
            Err(DigitsError::Short { need: 4, have: 2 })
        );
        assert_eq!(
            decimal(b"+123", 4),
            Err(DigitsError::NotDigit {
                offset: 0,
                found: b'+'
            })
        );
        assert_eq!(
            hexadecimal(b"12_3", 4),
            Err(DigitsError::NotDigit {
                offset: 2,
                found: b'_'
            })
        );
        assert_eq!(decimal(b"0", 10), Err(DigitsError::TooWide { width: 10 }));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read(value in 0u32..=999_999_999) {
            let text = format!("{value:09}");
            prop_assert_eq!(decimal(text.as_bytes(), 9), Ok((value, &b""[..])));
        }

        #[test]
        fn whatever_is_written_in_hex_is_read(value: u32) {
            let text = format!("{value:08x}");
            prop_assert_eq!(hexadecimal(text.as_bytes(), 8), Ok((value, &b""[..])));
        }
    }
}
