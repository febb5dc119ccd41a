//! A frame read: header, data, extended blocks, time. Everything borrows from the buffer.
use crate::block::Block;
use crate::cid::{self, CidEvent, CidRules};
use crate::deviation::{Deviation, Deviations};
use crate::error::DecodeError;
use crate::frame::{BODY_LEN_MAX, Frame, Scan, scan};
use crate::header::Header;
use crate::ids::Token;
use crate::{crypto, sia};

/// One frame whose integrity holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'b> {
    /// The frame.
    pub frame: Frame<'b>,
    /// Its header.
    pub header: Header<'b>,
    /// Its content.
    pub body: Body<'b>,
}

/// What stands behind the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'b> {
    /// In clear.
    Clear(Block<'b>),
    /// Cipher text as hex digits, without the bracket that one brand puts behind it.
    Cipher(&'b [u8], Deviations),
}

/// Reads one whole frame, from LF to CR. Allocates nothing.
///
/// A checksum or length by a documented vendor's rule is accepted and stands in the deviations.
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let frame = match scan(bytes, true, BODY_LEN_MAX) {
        Scan::Frame(frame) => frame,
        Scan::Noise(_) | Scan::TooLong(_) => return Err(DecodeError::NoHeader { at: 0 }),
        Scan::More | Scan::Cut(..) => {
            return Err(DecodeError::Truncated {
                have: bytes.len(),
                need: None,
            });
        }
    };
    if !frame.holds() {
        frame.check()?;
    }
    let message = Message::read(frame)?;
    match message.body {
        Body::Clear(block) if !block.closed => {
            let at = frame.form.body_start() + message.header.len;
            Err(DecodeError::DataNotClosed { at })
        }
        Body::Clear(_) | Body::Cipher(..) => Ok(message),
    }
}

impl<'b> Message<'b> {
    /// Reads what a frame holds, whether its integrity holds or not.
    pub fn read(frame: Frame<'b>) -> Result<Self, DecodeError> {
        let (header, tail) = Header::read(frame.body).map_err(|error| DecodeError::Header {
            at: frame.form.body_start() + error.at,
            expected: error.expected,
        })?;
        let tail = tail.get(1..).unwrap_or_default();
        let body = if header.encrypted {
            let (text, deviations) = crypto::cipher_text(tail);
            Body::Cipher(text, deviations)
        } else {
            Body::Clear(Block::read(tail))
        };
        Ok(Self {
            frame,
            header,
            body,
        })
    }

    /// Account and payload of a clear frame.
    #[must_use]
    pub fn content(&self) -> Option<Content<'b>> {
        match self.body {
            Body::Clear(block) => Some(Content::read(
                self.header.token,
                block.data,
                self.header.account,
            )),
            Body::Cipher(..) => None,
        }
    }
}

/// The data taken apart: the account that it repeats, and the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'d> {
    /// What kind of payload.
    pub token: Token,
    /// The account in the data.
    pub account: Option<&'d str>,
    /// What follows the account.
    pub payload: &'d [u8],
    /// What deviates.
    pub deviations: Deviations,
}

impl<'d> Content<'d> {
    /// Reads `data`, the inside of the data brackets. `header`: the account of the header.
    #[must_use]
    pub fn read(token: Token, data: &'d [u8], header: Option<&str>) -> Self {
        let mut deviations = Deviations::NONE;
        let (front, behind) = match data.iter().position(|byte| *byte == b'|') {
            Some(bar) => (data.get(..bar), data.get(bar + 1..)),
            None => (None, None),
        };
        let front = front.and_then(|front| core::str::from_utf8(front).ok());
        let (account, payload) = match (front, behind) {
            (Some(front), Some(behind)) => match front.strip_prefix('#') {
                Some("") => (None, behind),
                Some(account) => {
                    deviations.add_if(
                        header.is_some_and(|header| !header.eq_ignore_ascii_case(account)),
                        Deviation::DataAcctDiffers,
                    );
                    (Some(account), behind)
                }
                None if front.is_empty() => (None, behind),
                None if is_bare_account(token, front, header) => {
                    deviations.add(Deviation::DataAcctNoHash);
                    (Some(front), behind)
                }
                None => (None, data),
            },
            _ => without_bar(data, header),
        };
        deviations.add_if(account.is_none(), Deviation::DataAcctMissing);
        if !token.is_event() {
            deviations = Deviations::NONE;
        }
        Self {
            token,
            account,
            payload,
            deviations,
        }
    }

    /// The Contact ID event, where there is one.
    #[must_use]
    pub fn cid(&self, header: Option<&str>, rules: CidRules) -> Option<CidEvent<'d>> {
        if self.token == Token::AdmCid {
            cid::read(self.payload, self.account.or(header), rules)
        } else {
            None
        }
    }

    /// The SIA events; none for other payloads.
    #[must_use]
    pub fn sia(&self) -> sia::Events<'d> {
        sia::events(if self.token == Token::SiaDcs {
            self.payload
        } else {
            &[]
        })
    }

    /// There is something in it that reads as an event of either kind.
    #[must_use]
    pub fn holds_event(data: &[u8], header: Option<&str>) -> bool {
        let cid = Content::read(Token::AdmCid, data, header);
        let sia = Content::read(Token::SiaDcs, data, header);
        cid.cid(header, CidRules { restore_2: true }).is_some() || sia.sia().next().is_some()
    }
}

/// Data without a bar: `#1234NBA1`, or no account at all.
fn without_bar<'d>(data: &'d [u8], header: Option<&str>) -> (Option<&'d str>, &'d [u8]) {
    let Some(rest) = data.strip_prefix(b"#") else {
        return (None, data);
    };
    let len = header.map_or(0, str::len);
    match rest.split_at_checked(len).filter(|_| len > 0) {
        Some((account, payload)) if Some(account) == header.map(str::as_bytes) => {
            (core::str::from_utf8(account).ok(), payload)
        }
        _ => (None, data),
    }
}

/// A first block that is the account without its `#`, and not an event.
fn is_bare_account(token: Token, front: &str, header: Option<&str>) -> bool {
    if header == Some(front) {
        return true;
    }
    let hex = front.len() <= 16 && front.bytes().all(|byte| byte.is_ascii_hexdigit());
    let event = match token {
        Token::AdmCid => cid::read(front.as_bytes(), None, CidRules::default()).is_some(),
        _ => sia::starts_event(front.as_bytes()),
    };
    hex && !event
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(data: &'static [u8]) -> (Option<&'static str>, &'static [u8], Deviations) {
        let content = Content::read(Token::SiaDcs, data, Some("1234"));
        (content.account, content.payload, content.deviations)
    }

    #[test]
    fn accounts_in_data() {
        assert_eq!(
            content(b"#1234|NBA1"),
            (Some("1234"), &b"NBA1"[..], Deviations::NONE)
        );
        let (account, payload, deviations) = content(b"1234|NBA1");
        assert_eq!((account, payload), (Some("1234"), &b"NBA1"[..]));
        assert!(deviations.iter().eq([Deviation::DataAcctNoHash]));
        let (account, payload, deviations) = content(b"Nri1/BA01|AText");
        assert_eq!((account, payload), (None, &b"Nri1/BA01|AText"[..]));
        assert!(deviations.iter().eq([Deviation::DataAcctMissing]));
        assert_eq!(content(b"|NBA1").1, b"NBA1");
        assert!(content(b"#9876|NBA1").2.has(Deviation::DataAcctDiffers));
        assert_eq!(content(b"#1234NBA1").1, b"NBA1");
    }

    #[test]
    fn decode_reads_a_standard_frame() {
        let message = decode(b"\n68AF0025\"SIA-DCS\"0001L0#1234[#1234|Nri1/BA12]\r").unwrap();
        let event = message.content().unwrap().sia().next().unwrap();
        assert_eq!((event.code, event.address), ("BA", Some("12")));
        assert_eq!(event.modifiers.find("ri").unwrap().value, "1");
    }
}
