//! Receipts: what the other side says about the one record that is outstanding.
//!
//! ```text
//! byte = ACK (0x06) | NAK (0x15)                  everything else is noise
//! text = ("ACK" | "NAK") [CR] LF                  any case; other lines are noise
//! ```
//! A receipt has no number. Which record it is for is known from the order alone: that is the
//! link's care, not this reader's.

/// What the other side says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It has taken the record.
    Ack,
    /// It has not.
    Nak,
}

/// How receipts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiptForm {
    /// One byte.
    #[default]
    Byte,
    /// A line.
    Text,
}

/// Longest line that is kept while its end has not come.
const LINE_LEN_MAX: usize = 16;

/// Finds receipts in the bytes of a connection.
#[derive(Debug)]
pub struct Receipts {
    form: ReceiptForm,
    line: Vec<u8>,
}

impl Receipts {
    /// For one connection.
    #[must_use]
    pub const fn new(form: ReceiptForm) -> Self {
        Self {
            form,
            line: Vec::new(),
        }
    }

    /// The receipts that these bytes complete, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Receipt> {
        bytes.iter().filter_map(|byte| self.one(*byte)).collect()
    }

    /// Forgets a line that has begun.
    pub fn clear(&mut self) {
        self.line.clear();
    }

    fn one(&mut self, byte: u8) -> Option<Receipt> {
        match (self.form, byte) {
            (ReceiptForm::Byte, 0x06) => Some(Receipt::Ack),
            (ReceiptForm::Byte, 0x15) => Some(Receipt::Nak),
            (ReceiptForm::Byte, _) => None,
            (ReceiptForm::Text, b'\n') => {
                let word = self.line.trim_ascii().to_ascii_uppercase();
                self.line.clear();
                match word.as_slice() {
                    b"ACK" => Some(Receipt::Ack),
                    b"NAK" => Some(Receipt::Nak),
                    _ => None,
                }
            }
            (ReceiptForm::Text, _) => {
                // Too long for a receipt already: one byte more keeps it so.
                if self.line.len() <= LINE_LEN_MAX {
                    self.line.push(byte);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Receipt::{Ack, Nak};

    fn read(form: ReceiptForm, stream: &[u8]) -> Vec<Receipt> {
        let mut whole = Receipts::new(form);
        let found = whole.push(stream);
        for cut in 0..=stream.len() {
            let mut split = Receipts::new(form);
            let (left, right) = stream.split_at(cut);
            let mut parts = split.push(left);
            parts.extend(split.push(right));
            assert_eq!(parts, found);
        }
        found
    }

    #[test]
    fn bytes() {
        assert_eq!(read(ReceiptForm::Byte, b"\x06"), [Ack]);
        assert_eq!(
            read(ReceiptForm::Byte, b"\r\x15\n\x06\x06x"),
            [Nak, Ack, Ack]
        );
        assert_eq!(read(ReceiptForm::Byte, b"ACK\r\n"), []);
    }

    #[test]
    fn lines() {
        assert_eq!(read(ReceiptForm::Text, b"ACK\r\n"), [Ack]);
        assert_eq!(read(ReceiptForm::Text, b"ack\nNAK \r\nACK"), [Ack, Nak]);
        assert_eq!(read(ReceiptForm::Text, b"\x06BACK\r\nACKACK\r\n"), []);
        let long = [&[b'x'; 1_000][..], b"ACK\r\nACK\r\n"].concat();
        assert_eq!(read(ReceiptForm::Text, &long), [Ack]);
    }
}
