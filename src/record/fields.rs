//! The fields of an event in the journal: how they are written, and how they are walked through.
//!
//! ```text
//! fields = *field
//! field  = tag(u8) length(varint) bytes          ; each tag at most once
//! varint = *(7 bits, high bit set) 7 bits         ; little-endian, at most 5 bytes
//! list   = *(length(varint) item)                 ; an item is a list again, of texts
//! ```
//!
//! Texts are UTF-8 without an end mark; whole numbers are little-endian, 8 bytes, signed where they
//! may be negative; angles and metres are IEEE 754 doubles, little-endian; words are the words of the
//! JSON form. A field that is absent from the event is not written. A reader passes over tags that it
//! does not know, so that further fields can come; what changes the meaning of a known one takes
//! another version of the payload.

/// Which field. Numbers are for ever: a field that goes leaves its number unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Id = 1,
    Node = 2,
    ReceivedAt = 3,
    OccurredAt = 4,
    ClockOffset = 5,
    Protocol = 6,
    PathListener = 7,
    PathTransport = 8,
    PathPeer = 9,
    PathRole = 10,
    PathNumber = 11,
    Receiver = 12,
    Line = 13,
    Account = 14,
    AccountKnown = 15,
    DataAccount = 16,
    Sequence = 17,
    Part = 18,
    CodeScheme = 19,
    CodeCode = 20,
    CodeQualifier = 21,
    CodeAddress = 22,
    CodeName = 23,
    CodeNameSv = 24,
    Kind = 25,
    Category = 26,
    Priority = 27,
    Partition = 28,
    Zone = 29,
    User = 30,
    Peripheral = 31,
    Text = 32,
    ValueNumber = 33,
    ValueUnit = 34,
    Latitude = 35,
    Longitude = 36,
    Altitude = 37,
    Accuracy = 38,
    LocationSource = 39,
    Media = 40,
    Modifiers = 41,
    Extended = 42,
    Grade = 43,
    Reasons = 44,
    Deviations = 45,
    RepeatSeen = 46,
    RepeatPaths = 47,
    RepeatPossible = 48,
    Test = 49,
    Raw = 50,
    Shadow = 51,
}

/// Appends fields to a payload.
pub(super) struct Fields<'o>(pub(super) &'o mut Vec<u8>);

impl Fields<'_> {
    pub(super) fn bytes(&mut self, tag: Tag, bytes: &[u8]) {
        if let Ok(len @ ..=0x7F) = u8::try_from(bytes.len()) {
            // Nearly every field: tag and length in one go.
            self.0.extend_from_slice(&[tag as u8, len]);
        } else {
            self.0.push(tag as u8);
            varint(self.0, bytes.len());
        }
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, tag: Tag, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    pub(super) fn maybe(&mut self, tag: Tag, text: Option<&String>) {
        if let Some(text) = text {
            self.text(tag, text);
        }
    }

    /// Empty texts are left out.
    pub(super) fn filled(&mut self, tag: Tag, text: &str) {
        if !text.is_empty() {
            self.text(tag, text);
        }
    }

    pub(super) fn whole(&mut self, tag: Tag, number: i64) {
        self.bytes(tag, &number.to_le_bytes());
    }

    pub(super) fn real(&mut self, tag: Tag, number: f64) {
        self.bytes(tag, &number.to_le_bytes());
    }

    /// Present or absent: the field has no bytes.
    pub(super) fn flag(&mut self, tag: Tag, set: bool) {
        if set {
            self.bytes(tag, &[]);
        }
    }

    /// A list of items, each of which is a list of texts. Without items nothing is written.
    pub(super) fn list<'t, const N: usize>(
        &mut self,
        tag: Tag,
        items: impl ExactSizeIterator<Item = [Option<&'t str>; N]>,
    ) {
        if items.len() == 0 {
            return;
        }
        let mut body = Vec::with_capacity(items.len() * 32);
        let mut one = Vec::with_capacity(64);
        for item in items {
            one.clear();
            for text in item.into_iter().flatten() {
                varint(&mut one, text.len());
                one.extend_from_slice(text.as_bytes());
            }
            varint(&mut body, one.len());
            body.extend_from_slice(&one);
        }
        self.bytes(tag, &body);
    }
}

fn varint(out: &mut Vec<u8>, value: usize) {
    // A record is far below 4 GiB; what were longer would be refused by the journal.
    let mut left = u32::try_from(value).unwrap_or(u32::MAX);
    while left > 0x7F {
        out.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
}

/// Takes one varint off the front.
fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0u32;
    for shift in [0u32, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

/// Takes one piece with its length off the front.
pub(super) fn take_piece<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut rest = *bytes;
    let len = take_varint(&mut rest)?;
    let (piece, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(piece)
}

/// Takes one field off the front: its tag and its bytes. `None` where it is cut.
pub(super) fn take_field<'b>(bytes: &mut &'b [u8]) -> Option<(u8, &'b [u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let piece = take_piece(&mut rest)?;
    *bytes = rest;
    Some((*tag, piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size_come_back() {
        for len in [
            0usize,
            1,
            127,
            128,
            129,
            16_383,
            16_384,
            2_097_151,
            2_097_152,
            300_000_000,
        ] {
            let mut out = Vec::new();
            varint(&mut out, len);
            let mut rest = out.as_slice();
            assert_eq!(take_varint(&mut rest), Some(len));
            assert!(rest.is_empty());
        }
        assert_eq!(take_varint(&mut &[0x80u8, 0x80][..]), None);
        assert_eq!(take_varint(&mut &[0xFFu8; 6][..]), None);
    }
}
