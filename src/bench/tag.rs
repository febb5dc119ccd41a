//! What tells one message of a load from all others, in the text of the event.
//!
//! ```text
//! text = "BENCH " run(8 hex digits) " " serial(12 hex digits)
//! ```
const LEN: usize = 21;

/// In front of the tag in the event's text.
pub const LEAD: &str = "BENCH ";

/// One message of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// Drawn once for each run.
    pub run: u32,
    /// Below 2^48.
    pub serial: u64,
}

impl Tag {
    /// The two numbers in upper-case hex digits.
    #[must_use]
    pub fn write(self) -> [u8; LEN] {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut out = [b' '; LEN];
        let (run, serial) = (u64::from(self.run), self.serial);
        let places = (0..8).map(|place| (place, run >> (28 - 4 * place)));
        let further = (0..12).map(|place| (9 + place, serial >> (44 - 4 * place)));
        for (place, nibble) in places.chain(further) {
            if let (Some(to), Some(digit)) = (
                out.get_mut(place),
                DIGITS.get(usize::from(nibble.to_le_bytes()[0] & 0xF)),
            ) {
                *to = *digit;
            }
        }
        out
    }

    /// The tag in an event's text, lead included.
    #[must_use]
    pub fn in_text(text: &str) -> Option<Self> {
        Self::read(text.strip_prefix(LEAD)?)
    }

    /// Reads what [`Tag::write`] wrote.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (run, serial) = text.split_once(' ')?;
        if (run.len(), serial.len()) != (8, 12) {
            return None;
        }
        Some(Self {
            run: u32::from_str_radix(run, 16).ok()?,
            serial: u64::from_str_radix(serial, 16).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_went() {
        for (run, serial) in [(0, 0), (0x9F3A_01C2, 42), (u32::MAX, (1 << 48) - 1)] {
            let tag = Tag { run, serial };
            let text = format!("{LEAD}{}", std::str::from_utf8(&tag.write()).unwrap());
            assert_eq!(Tag::in_text(&text), Some(tag));
        }
        assert_eq!(Tag::in_text("BENCH 1 2"), None);
        assert_eq!(Tag::in_text("Window"), None);
    }
}
