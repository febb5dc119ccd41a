//! How records are parted on a byte stream, and how they are found again.
//!
//! ```text
//! stream = *( start record end )      start = "" | LF      end = DC4 | CR | CR LF
//! ```
//! TCP splits and joins: only the end mark tells where a record ends.

/// Most bytes of a record with its marks; more than that without an end is thrown away.
pub const RECORD_LEN_MAX: usize = 256;

/// What stands before and behind each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Before it.
    pub start: &'static [u8],
    /// Behind it. Empty: the other side knows records by their length.
    pub end: &'static [u8],
}

impl Marks {
    /// Sur-Gard's own: DC4 behind.
    pub const DC4: Self = Self {
        start: b"",
        end: b"\x14",
    };
    /// A line with CR.
    pub const CR: Self = Self {
        start: b"",
        end: b"\r",
    };
    /// A line with CR and LF.
    pub const CR_LF: Self = Self {
        start: b"",
        end: b"\r\n",
    };
    /// No mark.
    pub const NONE: Self = Self {
        start: b"",
        end: b"",
    };
    /// Ademco 685: LF before, CR behind.
    pub const LF_CR: Self = Self {
        start: b"\n",
        end: b"\r",
    };

    /// The bytes of a record on the stream.
    #[must_use]
    pub fn wrap(self, record: &str) -> Vec<u8> {
        [self.start, record.as_bytes(), self.end].concat()
    }
}

/// Takes a stream apart, for the side that reads records.
#[derive(Debug)]
pub struct Records {
    marks: Marks,
    waiting: Vec<u8>,
}

impl Records {
    /// For a stream with these marks, which must have an end.
    #[must_use]
    pub const fn new(marks: Marks) -> Self {
        Self {
            marks,
            waiting: Vec::new(),
        }
    }

    /// Takes bytes in, and gives the records that they complete, without their marks.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for byte in bytes {
            self.waiting.push(*byte);
            if self.waiting.ends_with(self.marks.end) {
                let len = self.waiting.len() - self.marks.end.len();
                self.waiting.truncate(len);
                let record = self.waiting.strip_prefix(self.marks.start);
                found.push(record.unwrap_or(&self.waiting).to_vec());
                self.waiting.clear();
            } else if self.waiting.len() > RECORD_LEN_MAX {
                self.waiting.clear();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_the_stream_gives_the_same_records() {
        for (marks, stream, records) in [
            (Marks::DC4, "one\u{14}two\u{14}thr", vec!["one", "two"]),
            (Marks::LF_CR, "\none\r\ntwo\r", vec!["one", "two"]),
            (Marks::CR_LF, "one\r\ntwo\r\n", vec!["one", "two"]),
        ] {
            for cut in 0..=stream.len() {
                let mut reader = Records::new(marks);
                let (left, right) = stream.as_bytes().split_at(cut);
                let mut found = reader.push(left);
                found.extend(reader.push(right));
                let found: Vec<_> = found.iter().map(Vec::as_slice).collect();
                let records: Vec<_> = records.iter().map(|record| record.as_bytes()).collect();
                assert_eq!(found, records, "{cut}");
            }
        }
    }

    #[test]
    fn what_has_no_end_is_thrown_away() {
        let mut reader = Records::new(Marks::DC4);
        assert!(reader.push(&[b'x'; 10_000]).is_empty());
        assert!(reader.waiting.len() <= RECORD_LEN_MAX);
        let rest = reader.push(b"\x14good\x14");
        assert_eq!(rest.last().map(Vec::as_slice), Some(&b"good"[..]));
    }
}
