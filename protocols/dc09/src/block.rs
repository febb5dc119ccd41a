//! The data block with what follows it: data, extended blocks, time stamp.
//!
//! ```text
//! tail      = data "]" *extended ["_" time]
//! extended  = "[" letter value "]"           (value: no brackets)
//! time      = HH:MM:SS,MM-DD-YYYY            (may be empty)
//! ```
//! It is read from its end, because texts in the data may hold brackets and underscores.
use memchr::memchr2;

use crate::deviation::{Deviation, Deviations};
use crate::xdata::Blocks;

/// What stands between the `[` of the data and the CR, in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'b> {
    /// The data without its brackets.
    pub data: &'b [u8],
    /// Extended blocks.
    pub extended: Blocks<'b>,
    /// Text behind `_`; `None` where there is no `_` or nothing behind it.
    pub timestamp: Option<&'b str>,
    /// The data is closed by `]`.
    pub closed: bool,
    /// What deviates.
    pub deviations: Deviations,
}

impl<'b> Block<'b> {
    /// Reads everything behind the `[` of the data block.
    #[must_use]
    pub fn read(tail: &'b [u8]) -> Self {
        let (before, time) = split_time(tail);
        let mut deviations = Deviations::NONE;
        let timestamp = time.filter(|text| !text.is_empty());
        deviations.add_if(
            timestamp.is_some_and(|text| larm_wire::stamp::parse(text.as_bytes()).is_err()),
            Deviation::TimestampBad,
        );
        let trimmed = before.trim_ascii_end();
        let spaced = trimmed.len() < before.len();
        let (inner, extended) = split_extended(trimmed);
        let open = Self {
            data: inner,
            extended,
            timestamp,
            closed: false,
            deviations,
        };
        match inner.strip_suffix(b"]") {
            Some(data) => open.close(data, spaced),
            None => open.stray(before),
        }
    }

    /// `data` is everything up to the last `]` that closes no extended block.
    fn close(mut self, data: &'b [u8], spaced: bool) -> Self {
        self.closed = true;
        self.deviations.add_if(spaced, Deviation::TrailingData);
        if memchr2(b'[', b']', data).is_none() {
            self.data = data;
            return self;
        }
        let (front, behind) = split_at_end(data);
        if behind.contains(&b'[') {
            self.data = front;
            self.deviations.add(Deviation::TrailingData);
            let (extended, _) = Blocks::leading(behind);
            self.extended = if extended.is_empty() {
                self.extended
            } else {
                extended
            };
        } else {
            self.data = data;
        }
        let brackets = self.data.iter().any(|byte| matches!(byte, b'[' | b']'));
        self.deviations.add_if(brackets, Deviation::BracketInData);
        self
    }

    /// Something stands between the last `]` and the time stamp, or there is no `]` at all.
    fn stray(mut self, before: &'b [u8]) -> Self {
        self.deviations.add(Deviation::TrailingData);
        self.closed = before.contains(&b']');
        let (data, behind) = split_at_end(before);
        self.data = data;
        (self.extended, _) = Blocks::leading(behind);
        self
    }
}

/// Splits `_` and a time off the end. A text may hold `_`: only signs of a time may follow it.
pub(crate) fn split_time(tail: &[u8]) -> (&[u8], Option<&str>) {
    let is_time = |byte: &u8| {
        byte.is_ascii_digit() || matches!(byte, b':' | b',' | b'-' | b'/' | b' ' | b'.')
    };
    let Some(at) = tail.iter().rposition(|byte| *byte == b'_') else {
        return (tail, None);
    };
    let (before, after) = tail.split_at(at);
    let after = after.get(1..).unwrap_or_default();
    match core::str::from_utf8(after) {
        Ok(text) if after.iter().all(is_time) && after.len() <= 32 => (before, Some(text)),
        _ => (tail, None),
    }
}

/// Splits extended blocks off the end: each must follow a `]` directly.
pub(crate) fn split_extended(before: &[u8]) -> (&[u8], Blocks<'_>) {
    let mut inner = before;
    while let Some(open) = inner
        .strip_suffix(b"]")
        .and_then(|content| content.iter().rposition(|byte| matches!(byte, b'[' | b']')))
    {
        let (front, block) = inner.split_at(open);
        let lettered = block.get(1).is_some_and(u8::is_ascii_uppercase);
        if block.first() != Some(&b'[') || !lettered || front.last() != Some(&b']') {
            break;
        }
        inner = front;
    }
    let blocks = before.get(inner.len()..).unwrap_or_default();
    (inner, Blocks::new(blocks))
}

/// Splits at the first `]` that stands in no `^text^`; the `]` itself is dropped.
fn split_at_end(data: &[u8]) -> (&[u8], &[u8]) {
    let mut in_text = false;
    for (at, byte) in data.iter().enumerate() {
        match byte {
            b'^' => in_text = !in_text,
            b']' if !in_text => {
                let (front, behind) = data.split_at(at);
                return (front, behind.get(1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (data, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(tail: &'static [u8]) -> &'static [u8] {
        Block::read(tail).data
    }

    #[test]
    fn plain_and_bracket_in_text() {
        assert_eq!(data(b"#1234|NBA1]_12:00:00,11-25-2026"), b"#1234|NBA1");
        let block = Block::read(b"#1234|Nri1/BA01^a]b^][V2]_12:00:00,11-25-2026");
        assert_eq!(block.data, b"#1234|Nri1/BA01^a]b^");
        assert_eq!(block.extended.count(), 1);
        assert!(block.deviations.iter().eq([Deviation::BracketInData]));
        assert_eq!(data(b"#1|NBA1^a[Zb^]"), b"#1|NBA1^a[Zb^");
        assert_eq!(data(b"#1|NBA1^a_1^]"), b"#1|NBA1^a_1^");
    }

    #[test]
    fn trailing_data() {
        let block = Block::read(b"#12345678|1130 00 007]345678[] 2345678[] ");
        assert_eq!(block.data, b"#12345678|1130 00 007");
        assert!(block.deviations.has(Deviation::TrailingData) && block.closed);
        let block = Block::read(b"#1234|NBA1] _12:00:00,11-25-2026");
        assert_eq!(
            (block.data, block.timestamp),
            (&b"#1234|NBA1"[..], Some("12:00:00,11-25-2026"))
        );
        let block = Block::read(b"#1234|NBA1_12:00:00,11-25-2026");
        assert!(!block.closed && block.deviations.has(Deviation::TrailingData));
    }
}
