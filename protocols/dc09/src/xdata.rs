//! Extended data blocks: a letter and a value in brackets, any number, read where they stand.
//!
//! ```text
//! blocks = *("[" letter value "]")
//! ```
//! Letters that nobody has defined are kept. `K` carries a key: its value never leaves this file.
use nom::bytes::complete::{tag, take_while};
use nom::character::complete::satisfy;
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// A run of extended blocks. Iterating allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks<'b> {
    bytes: &'b [u8],
}

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended<'b> {
    /// The letter.
    pub letter: char,
    /// The value, raw; empty for `K`.
    pub value: &'b [u8],
}

impl Extended<'_> {
    /// The block carries a key (`K`): its value was left out.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        self.letter == 'K'
    }
}

fn block(input: &[u8]) -> IResult<&[u8], (char, &[u8])> {
    let letter = satisfy(|letter| letter.is_ascii_uppercase());
    let value = take_while(|byte| !matches!(byte, b'[' | b']'));
    delimited(tag(&b"["[..]), (letter, value), tag(&b"]"[..])).parse(input)
}

impl<'b> Blocks<'b> {
    /// `bytes` holds nothing but blocks.
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The blocks at the front, and what follows them.
    pub(crate) fn leading(bytes: &'b [u8]) -> (Self, &'b [u8]) {
        let mut rest = bytes;
        while let Ok((behind, _)) = block(rest) {
            rest = behind;
        }
        let len = bytes.len() - rest.len();
        (
            Self {
                bytes: bytes.get(..len).unwrap_or_default(),
            },
            rest,
        )
    }

    /// No block at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes with all brackets, for digests and explanations.
    pub(crate) const fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The value of the first block with this letter.
    #[must_use]
    pub fn find(&self, letter: char) -> Option<&'b [u8]> {
        self.into_iter()
            .find(|found| found.letter == letter)
            .map(|found| found.value)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.into_iter().count()
    }
}

impl<'b> IntoIterator for Blocks<'b> {
    type Item = Extended<'b>;
    type IntoIter = Iter<'b>;
    fn into_iter(self) -> Iter<'b> {
        Iter { rest: self.bytes }
    }
}

/// Iterator over [`Blocks`].
#[derive(Clone, Debug)]
pub struct Iter<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Iter<'b> {
    type Item = Extended<'b>;
    fn next(&mut self) -> Option<Extended<'b>> {
        let (rest, (letter, value)) = block(self.rest).ok()?;
        self.rest = rest;
        let value = if letter == 'K' { &[] } else { value };
        Some(Extended { letter, value })
    }
}

/// The number of the network path: `G`, or `J` where it holds digits only (older lists).
#[must_use]
pub(crate) fn path_number(blocks: Blocks<'_>) -> Option<u16> {
    let number = |letter| {
        core::str::from_utf8(blocks.find(letter)?)
            .ok()
            .and_then(|text| text.trim().parse().ok())
    };
    number('G').or_else(|| number('J'))
}

/// Degrees from `X006E07.77777`, `Y49N06.66666`: degrees, hemisphere, decimal minutes.
#[must_use]
pub(crate) fn degrees(value: &[u8]) -> Option<f64> {
    let text = core::str::from_utf8(value).ok()?.trim();
    let at = text.find(['N', 'S', 'E', 'W', 'n', 's', 'e', 'w'])?;
    let (whole, rest) = text.split_at(at);
    let (hemisphere, minutes) = rest.split_at(1);
    let whole: u16 = whole.parse().ok()?;
    let minutes: f64 = if minutes.is_empty() {
        0.0
    } else {
        plain_number(minutes)?
    };
    let south_or_west = matches!(hemisphere, "S" | "s" | "W" | "w");
    let limit = if matches!(hemisphere, "N" | "S" | "n" | "s") {
        90.0
    } else {
        180.0
    };
    let degrees = f64::from(whole) + minutes / 60.0;
    if !(0.0..60.0).contains(&minutes) || degrees > limit {
        return None;
    }
    Some(if south_or_west { -degrees } else { degrees })
}

/// Metres from `123.2M`.
#[must_use]
pub(crate) fn metres(value: &[u8]) -> Option<f64> {
    let text = core::str::from_utf8(value).ok()?.trim();
    let text = text.strip_suffix(['M', 'm']).unwrap_or(text);
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or((1.0, text), |digits| (-1.0, digits));
    plain_number(digits).map(|number| sign * number)
}

/// Digits with at most one point: no sign, exponent, infinity.
fn plain_number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_unknown_letters_stay_and_keys_go() {
        let (blocks, rest) = Blocks::leading(b"[Va][Vb][U1][K0011][][x]");
        let all: alloc::vec::Vec<_> = blocks
            .into_iter()
            .map(|found| (found.letter, found.value))
            .collect();
        assert_eq!(
            all,
            [('V', &b"a"[..]), ('V', b"b"), ('U', b"1"), ('K', b"")]
        );
        assert_eq!(rest, b"[][x]");
    }

    #[test]
    fn positions() {
        assert!((degrees(b"006E07.7777777").unwrap() - 6.129_629).abs() < 1e-5);
        assert!((degrees(b"093W23.456").unwrap() + 93.390_933).abs() < 1e-5);
        assert_eq!(degrees(b"91N00.0"), None);
        assert_eq!(degrees(b"10N61.0"), None);
        assert_eq!(degrees(b"12.5"), None);
        assert_eq!(metres(b"-3.5M"), Some(-3.5));
        assert_eq!(metres(b"1e9"), None);
    }

    #[test]
    fn path_numbers() {
        assert_eq!(path_number(Blocks::leading(b"[J2]").0), Some(2));
        assert_eq!(
            path_number(Blocks::leading(b"[J{\"a\":1}][G10]").0),
            Some(10)
        );
    }
}
