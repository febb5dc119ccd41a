//! Why a frame cannot be read: what, at which byte, and what is answered.
use core::fmt;

/// What is wrong with a frame. Offsets count from the frame's LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes do not start with LF, checksum, length and a quote.
    NoHeader {
        /// Where the header breaks off.
        at: usize,
    },
    /// The end is missing.
    Truncated {
        /// Bytes there.
        have: usize,
        /// Bytes that the length field asks for, CR included; `None` where it cannot be read.
        need: Option<usize>,
    },
    /// The checksum does not fit.
    Crc {
        /// Checksum over the body.
        computed: u16,
        /// Checksum as sent; `None` where it is not made of hex digits.
        sent: Option<u16>,
    },
    /// The length does not fit.
    Length {
        /// Where the length field starts.
        at: usize,
        /// Bytes from the first quote to the byte before CR.
        counted: usize,
        /// Length as sent; `None` where it is not `0` and three hex digits.
        sent: Option<usize>,
    },
    /// Neither the checksum nor the length fits.
    CrcLength {
        /// Checksum over the bytes up to the CR.
        computed: u16,
        /// Checksum as sent.
        sent: Option<u16>,
        /// Bytes from the first quote to the byte before CR.
        counted: usize,
        /// Length as sent.
        sent_length: Option<usize>,
    },
    /// Checksum and length fit, but an element of the header is not where it belongs.
    Header {
        /// First byte that does not fit.
        at: usize,
        /// What belongs there.
        expected: Expected,
    },
    /// Checksum and length fit, but the data block is not closed by `]`.
    DataNotClosed {
        /// Where the data starts.
        at: usize,
    },
}

/// What a header parser waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The message id in quotes.
    Id,
    /// Four decimal digits.
    Sequence,
    /// `R`, `L`, `#` or `[`.
    ElementOrData,
}

/// What a receiver says to a frame that it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorAnswer {
    /// Nothing: the transmitter tries again.
    Silence,
    /// DUH: the frame arrived whole, but cannot be handled.
    Duh,
}

impl DecodeError {
    /// What is answered, by the standard.
    #[must_use]
    pub const fn answer(&self) -> ErrorAnswer {
        match self {
            Self::NoHeader { .. }
            | Self::Truncated { .. }
            | Self::Crc { .. }
            | Self::Length { .. }
            | Self::CrcLength { .. }
            | Self::Header { .. } => ErrorAnswer::Silence,
            Self::DataNotClosed { .. } => ErrorAnswer::Duh,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "the message id in quotes",
            Self::Sequence => "four decimal digits of the sequence number",
            Self::ElementOrData => {
                "`R` and up to 6 hex digits, `L` and up to 6 hex digits, `#` and the account, in this order, then `[`"
            }
        })
    }
}

/// A checksum or length as sent, or words for one that cannot be read.
struct Sent<T>(Option<T>);

impl fmt::Display for Sent<u16> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(crc) => write!(f, "{crc:04X}"),
            None => f.write_str("no hex number"),
        }
    }
}

impl fmt::Display for Sent<usize> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(length) => write!(f, "{length:04X} ({length} bytes)"),
            None => f.write_str("not `0` and three hex digits"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoHeader { at } => write!(
                f,
                "byte {at}: no frame header; a frame starts with LF, 4 hex digits (or 2 raw bytes) of CRC, `0` and 3 hex digits of length, and a quote"
            ),
            Self::Truncated {
                have,
                need: Some(need),
            } => write!(
                f,
                "byte {have}: the frame ends here, but its length asks for {need} bytes and CR as the last one"
            ),
            Self::Truncated { have, need: None } => {
                write!(f, "byte {have}: the frame ends here, before its CR")
            }
            Self::Crc { computed, sent } => write!(
                f,
                "byte 1: the CRC is {}, but the bytes from the first quote to the one before CR give {computed:04X}",
                Sent(sent)
            ),
            Self::Length { at, counted, sent } => write!(
                f,
                "byte {at}: the length field is {}, but from the first quote to the byte before CR there are {counted:04X} ({counted} bytes); the CRC fits",
                Sent(sent)
            ),
            Self::CrcLength {
                computed,
                sent,
                counted,
                sent_length,
            } => write!(
                f,
                "byte 1: the CRC is {}, but the bytes up to the CR give {computed:04X}; and the length field is {}, but there are {counted:04X} ({counted} bytes)",
                Sent(sent),
                Sent(sent_length)
            ),
            Self::Header { at, expected } => write!(f, "byte {at}: expected {expected}"),
            Self::DataNotClosed { at } => write!(
                f,
                "byte {at}: the data block that starts here has no closing `]`"
            ),
        }
    }
}

impl core::error::Error for DecodeError {}
