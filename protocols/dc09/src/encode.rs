//! The sending side: frames of every kind, for transmitters, tests and onward links.
//!
//! What [`Outgoing::encode`] writes, [`crate::decode`] reads back as the same values.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use larm_carrier::Key;
use larm_event::Timestamp;
use larm_wire::stamp;

use crate::crypto;
use crate::frame::{BODY_LEN_MAX, CrcForm};
use crate::reply;

/// One frame to be written. The account is repeated in the data by the caller, if at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Message id without quotes and without `*`, such as `SIA-DCS`.
    pub id: String,
    /// 0 to 9999.
    pub sequence: u16,
    /// Up to 6 hex digits; `None`: no `R`.
    pub receiver: Option<String>,
    /// Up to 6 hex digits; `None`: no `L`, which the standard does not allow.
    pub line: Option<String>,
    /// 1 to 16 characters; `None`: no `#`, which the standard does not allow.
    pub account: Option<String>,
    /// The inside of the data brackets: `#1234|NBA01`.
    pub data: Vec<u8>,
    /// Letters and values of extended blocks, in order.
    pub extended: Vec<(char, Vec<u8>)>,
    /// Time of sending; whole seconds. Encrypted frames need one.
    pub timestamp: Option<Timestamp>,
    /// How the checksum is written.
    pub form: CrcForm,
}

/// Why a frame cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The id is empty, longer than 31 characters, or holds a quote or unprintable characters.
    Id,
    /// The sequence number is above 9999.
    Sequence {
        /// The number.
        found: u16,
    },
    /// Receiver or line are no 1 to 6 hex digits.
    Prefix {
        /// `R` or `L`.
        element: char,
    },
    /// The account is no 1 to 16 printable characters without `[ ] | # "`.
    Account,
    /// A bracket in the data, or in the value of an extended block.
    Bracket {
        /// Place in the data or the value.
        at: usize,
    },
    /// The letter of an extended block is no capital.
    Letter {
        /// The letter.
        found: char,
    },
    /// An encrypted frame without a time stamp.
    NoTimestamp,
    /// The body is longer than 4095 bytes.
    TooLong {
        /// Its bytes.
        len: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str(
                "the message id must have 1 to 31 printable characters and no quote, such as SIA-DCS",
            ),
            Self::Sequence { found } => {
                write!(f, "the sequence number is {found}; it must be 0 to 9999")
            }
            Self::Prefix { element } => {
                write!(f, "{element} must have 1 to 6 hex digits, such as {element}0")
            }
            Self::Account => f.write_str(
                "the account must have 1 to 16 printable characters and none of [ ] | # \", such as 1234",
            ),
            Self::Bracket { at } => write!(
                f,
                "character {at} of the content is a bracket; use round ones, since square ones end the block"
            ),
            Self::Letter { found } => {
                write!(f, "an extended block starts with a capital letter, not with `{found}`")
            }
            Self::NoTimestamp => {
                f.write_str("an encrypted frame needs a time stamp; set one, or send in clear")
            }
            Self::TooLong { len } => {
                write!(f, "the frame would have {len} bytes; the most that DC-09 can tell is 4095")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

impl Outgoing {
    /// A frame with `L0` and nothing else but id, sequence number and account.
    #[must_use]
    pub fn new(id: &str, sequence: u16, account: &str) -> Self {
        Self {
            id: id.into(),
            sequence,
            receiver: None,
            line: Some("0".into()),
            account: Some(account.into()),
            data: Vec::new(),
            extended: Vec::new(),
            timestamp: None,
            form: CrcForm::Ascii,
        }
    }

    /// A link test.
    #[must_use]
    pub fn link_test(sequence: u16, account: &str) -> Self {
        Self::new("NULL", sequence, account)
    }

    /// Sets the data to `#account|payload`. A payload is what [`crate::sia::SiaEvent::write`] and
    /// [`crate::cid::CidEvent::write`] make.
    #[must_use]
    pub fn with_payload(mut self, payload: &[u8]) -> Self {
        let account = self.account.as_deref().unwrap_or_default();
        self.data = [b"#", account.as_bytes(), b"|", payload].concat();
        self
    }

    /// The frame from LF to CR: in clear, or encrypted with a key and fresh random bytes.
    pub fn encode(&self, key: Option<(&Key, &[u8; 32])>) -> Result<Vec<u8>, EncodeError> {
        self.check()?;
        let mut body = Vec::with_capacity(256);
        body.push(b'"');
        if key.is_some() {
            body.push(b'*');
        }
        body.extend_from_slice(self.id.as_bytes());
        body.push(b'"');
        self.write_header(&mut body);
        body.push(b'[');
        let rest = self.rest();
        match key {
            Some(_) if self.timestamp.is_none() => return Err(EncodeError::NoTimestamp),
            Some((key, noise)) => crypto::seal(key, &self.data, &rest, noise, &mut body),
            None => {
                body.extend_from_slice(&self.data);
                body.extend_from_slice(&rest);
            }
        }
        if body.len() > BODY_LEN_MAX {
            return Err(EncodeError::TooLong { len: body.len() });
        }
        let mut out = Vec::with_capacity(body.len() + 10);
        reply::frame(self.form, &mut out, |out| out.extend_from_slice(&body));
        Ok(out)
    }

    fn write_header(&self, body: &mut Vec<u8>) {
        let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or(0);
        let number = self.sequence;
        body.extend([number / 1000, number / 100, number / 10, number].map(digit));
        let marked = [
            (b'R', &self.receiver),
            (b'L', &self.line),
            (b'#', &self.account),
        ];
        for (mark, value) in marked {
            if let Some(value) = value {
                body.push(mark);
                body.extend_from_slice(value.as_bytes());
            }
        }
    }

    /// `]`, extended blocks, time.
    fn rest(&self) -> Vec<u8> {
        let mut rest = Vec::from(*b"]");
        for (letter, value) in &self.extended {
            rest.push(b'[');
            rest.extend(u8::try_from(*letter));
            rest.extend_from_slice(value);
            rest.push(b']');
        }
        if let Some(at) = self.timestamp {
            rest.extend_from_slice(&stamp::format(at.as_millis()));
        }
        rest
    }

    fn check(&self) -> Result<(), EncodeError> {
        let printable = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'"';
        if !(1..=31).contains(&self.id.len())
            || !self.id.bytes().all(printable)
            || self.id.starts_with('*')
        {
            return Err(EncodeError::Id);
        }
        if self.sequence > 9999 {
            return Err(EncodeError::Sequence {
                found: self.sequence,
            });
        }
        for (element, value) in [('R', &self.receiver), ('L', &self.line)] {
            let fits = |digits: &String| {
                (1..=6).contains(&digits.len())
                    && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            };
            if !value.as_ref().is_none_or(fits) {
                return Err(EncodeError::Prefix { element });
            }
        }
        let account = |text: &String| {
            (1..=16).contains(&text.len())
                && text.bytes().all(printable)
                && !text.contains(['[', ']', '|', '#'])
        };
        if !self.account.as_ref().is_none_or(account) {
            return Err(EncodeError::Account);
        }
        no_bracket(&self.data)?;
        for (letter, value) in &self.extended {
            if !letter.is_ascii_uppercase() {
                return Err(EncodeError::Letter { found: *letter });
            }
            no_bracket(value)?;
        }
        Ok(())
    }
}

fn no_bracket(content: &[u8]) -> Result<(), EncodeError> {
    match content.iter().position(|byte| matches!(byte, b'[' | b']')) {
        Some(at) => Err(EncodeError::Bracket { at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_reference_frames() {
        let mut frame = Outgoing::new("SIA-DCS", 1, "1234").with_payload(b"Nri1/BA12");
        assert_eq!(
            frame.encode(None).unwrap(),
            b"\n68AF0025\"SIA-DCS\"0001L0#1234[#1234|Nri1/BA12]\r"
        );
        frame.form = CrcForm::Binary;
        assert_eq!(
            frame.encode(None).unwrap().get(..7),
            Some(&b"\n\x68\xAF0025"[..])
        );
        assert_eq!(
            Outgoing::link_test(0, "1234").encode(None).unwrap(),
            b"\n1EF20013\"NULL\"0000L0#1234[]\r"
        );
    }

    #[test]
    fn refuses_what_would_not_be_read_back() {
        let with = |change: fn(&mut Outgoing)| {
            let mut frame = Outgoing::new("SIA-DCS", 1, "1234");
            change(&mut frame);
            frame.encode(None).unwrap_err()
        };
        assert_eq!(with(|frame| frame.id = "A\"B".into()), EncodeError::Id);
        assert_eq!(
            with(|frame| frame.sequence = 10_000),
            EncodeError::Sequence { found: 10_000 }
        );
        assert_eq!(
            with(|frame| frame.line = Some("G".into())),
            EncodeError::Prefix { element: 'L' }
        );
        assert_eq!(
            with(|frame| frame.account = Some("1#2".into())),
            EncodeError::Account
        );
        assert_eq!(
            with(|frame| frame.data = b"a]".to_vec()),
            EncodeError::Bracket { at: 1 }
        );
        assert_eq!(
            with(|frame| frame.extended.push(('v', Vec::new()))),
            EncodeError::Letter { found: 'v' }
        );
        assert_eq!(
            with(|frame| frame.data = alloc::vec![b'x'; 4096]),
            EncodeError::TooLong { len: 4118 }
        );
        let key = Key::from_bytes(b"0123456789abcdef").unwrap();
        let frame = Outgoing::new("NULL", 1, "1");
        assert_eq!(
            frame.encode(Some((&key, &[0; 32]))),
            Err(EncodeError::NoTimestamp)
        );
    }
}
