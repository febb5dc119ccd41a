//! The clear part in front of the data block.
//!
//! ```text
//! header   = id sequence [receiver] [line] [account]
//! id       = '"' ["*"] 1*32(any character but '"') '"'       ("*": the data block is encrypted)
//! sequence = 4 decimal digits
//! receiver = "R" 0*16 hex digits                             (standard: 1 to 6)
//! line     = "L" 0*16 hex digits                             (standard: present, 1 to 6)
//! account  = "#" 0*64 characters                             (standard: 3 to 16 hex digits)
//!          | "A" hex digits                                  (NAK alone)
//! ```
use nom::bytes::complete::{tag, take_while_m_n};
use nom::combinator::{map_res, opt};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use crate::deviation::{Deviation, Deviations};
use crate::error::Expected;
use crate::ids::Token;

/// The elements of a header as sent, without their marks. All are ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'b> {
    /// Message id without quotes and without `*`.
    pub id: &'b str,
    /// The id starts with `*`.
    pub encrypted: bool,
    /// What the id means.
    pub token: Token,
    /// Four decimal digits.
    pub sequence: &'b str,
    /// Hex digits behind `R`; `None` where they or the `R` are absent.
    pub receiver: Option<&'b str>,
    /// Hex digits behind `L`; `None` where they or the `L` are absent.
    pub line: Option<&'b str>,
    /// Account behind `#` (behind `A` in a NAK).
    pub account: Option<&'b str>,
    /// From the sequence number to the account with all marks: what a reply repeats.
    pub echo: &'b [u8],
    /// Bytes of the body up to the header's end.
    pub len: usize,
    /// What deviates.
    pub deviations: Deviations,
}

/// Where a header breaks off, in the body, and what belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError {
    /// Offset from the first quote.
    pub at: usize,
    /// What belongs there.
    pub expected: Expected,
}

type Text<'b> = IResult<&'b [u8], &'b str>;

/// `"` id `"`, with its `*`.
fn id(input: &[u8]) -> Text<'_> {
    let inner = take_while_m_n(1, 32, |byte: u8| {
        matches!(byte, b' '..=b'~') && byte != b'"'
    });
    map_res(
        delimited(tag(&b"\""[..]), inner, tag(&b"\""[..])),
        core::str::from_utf8,
    )
    .parse(input)
}

fn sequence(input: &[u8]) -> Text<'_> {
    map_res(
        take_while_m_n(4, 4, |byte: u8| byte.is_ascii_digit()),
        core::str::from_utf8,
    )
    .parse(input)
}

/// A mark and hex digits, of which there may be none.
fn element(mark: &'static [u8]) -> impl FnMut(&[u8]) -> Text<'_> {
    move |input| {
        let digits = take_while_m_n(0, 16, |byte: u8| byte.is_ascii_hexdigit());
        map_res(preceded(tag(mark), digits), core::str::from_utf8).parse(input)
    }
}

/// `#` and everything up to the data block.
fn account(input: &[u8]) -> Text<'_> {
    let inner = take_while_m_n(0, 64, |byte: u8| {
        matches!(byte, b'!'..=b'~') && !matches!(byte, b'[' | b']' | b'|' | b'#' | b'"')
    });
    map_res(preceded(tag(&b"#"[..]), inner), core::str::from_utf8).parse(input)
}

impl<'b> Header<'b> {
    /// Reads the header at the front of a body; what follows it starts with `[`.
    pub fn read(body: &'b [u8]) -> Result<(Self, &'b [u8]), HeaderError> {
        let fail = |rest: &[u8], expected| HeaderError {
            at: body.len() - rest.len(),
            expected,
        };
        let (rest, quoted) = id(body).map_err(|_| fail(body, Expected::Id))?;
        let (encrypted, id) = quoted
            .strip_prefix('*')
            .map_or((false, quoted), |inner| (true, inner));
        let token = Token::read(id);
        let from = rest;
        let (rest, sequence) = sequence(rest).map_err(|_| fail(rest, Expected::Sequence))?;
        let (rest, receiver) = optional(element(b"R"), rest);
        let (rest, line) = optional(element(b"L"), rest);
        let (rest, account) = optional(account, rest);
        let (line, account) = match (line, account) {
            (Some(digits), None) if token == Token::Reply => nak_account(digits),
            found => found,
        };
        if rest.first() != Some(&b'[') {
            return Err(fail(rest, Expected::ElementOrData));
        }
        let header = Self {
            id,
            encrypted,
            token,
            sequence,
            receiver: receiver.filter(|digits| !digits.is_empty()),
            line: line.filter(|digits| !digits.is_empty()),
            account: account.filter(|text| !text.is_empty()),
            echo: from.get(..from.len() - rest.len()).unwrap_or_default(),
            len: body.len() - rest.len(),
            // What a receiver says is never answered, so nothing in it deviates.
            deviations: if token == Token::Reply {
                Deviations::NONE
            } else {
                deviations(receiver, line, account)
            },
        };
        Ok((header, rest))
    }

    /// The sequence number as a number, 0 to 9999.
    #[must_use]
    pub fn sequence_number(&self) -> Option<u32> {
        self.sequence.parse().ok()
    }
}

/// `A` is a hex digit, too: in `R0L0A0` the line is `0` and the account is `0`.
fn nak_account(digits: &str) -> (Option<&str>, Option<&str>) {
    match digits.rsplit_once('A') {
        Some((line, account)) => (Some(line), Some(account)),
        None => (Some(digits), None),
    }
}

fn optional<'b>(
    parser: impl FnMut(&'b [u8]) -> Text<'b>,
    input: &'b [u8],
) -> (&'b [u8], Option<&'b str>) {
    match opt(parser).parse(input) {
        Ok(found) => found,
        Err(_) => (input, None),
    }
}

fn deviations(receiver: Option<&str>, line: Option<&str>, account: Option<&str>) -> Deviations {
    let mut found = Deviations::NONE;
    found.add_if(receiver == Some(""), Deviation::EmptyReceiver);
    found.add_if(
        receiver.is_some_and(|digits| digits.len() > 6),
        Deviation::ReceiverLength,
    );
    found.add_if(line.is_none(), Deviation::NoLine);
    found.add_if(line == Some(""), Deviation::EmptyLine);
    found.add_if(
        line.is_some_and(|digits| digits.len() > 6),
        Deviation::LineLength,
    );
    let account = account.unwrap_or_default();
    if account.is_empty() {
        found.add(Deviation::NoAccount);
        return found;
    }
    let hex = account.bytes().all(|byte| byte.is_ascii_hexdigit());
    found.add_if(!hex, Deviation::AcctNonhex);
    found.add_if(
        hex && account.bytes().any(|byte| byte.is_ascii_lowercase()),
        Deviation::AcctLower,
    );
    found.add_if(
        hex && !(3..=16).contains(&account.len()),
        Deviation::AcctLength,
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Header<'_> {
        Header::read(body).unwrap().0
    }

    #[test]
    fn whole_header() {
        let header = read(b"\"*ADM-CID\"9876R579BDFL789ABC#12345A[");
        assert_eq!(
            (header.id, header.encrypted, header.token),
            ("ADM-CID", true, Token::AdmCid)
        );
        assert_eq!(header.receiver, Some("579BDF"));
        assert_eq!(header.line, Some("789ABC"));
        assert_eq!(header.account, Some("12345A"));
        assert_eq!(header.echo, b"9876R579BDFL789ABC#12345A");
        assert_eq!(header.sequence_number(), Some(9876));
        assert_eq!(header.deviations, Deviations::NONE);
    }

    #[test]
    fn absent_and_empty_elements() {
        let header = read(b"\"NULL\"0001R#1234[");
        assert_eq!((header.receiver, header.line), (None, None));
        assert!(header.deviations.has(Deviation::EmptyReceiver));
        assert!(header.deviations.has(Deviation::NoLine));
        let header = read(b"\"NULL\"0001L#1234[");
        assert!(header.deviations.has(Deviation::EmptyLine));
        let header = read(b"\"NAK\"0000R0L0A0[");
        assert_eq!(header.account, Some("0"));
    }

    #[test]
    fn errors_say_where() {
        let at = |body: &'static [u8]| Header::read(body).unwrap_err();
        assert_eq!(
            at(b"\"SIA-DCS\"016L0#1234["),
            HeaderError {
                at: 9,
                expected: Expected::Sequence
            }
        );
        assert_eq!(
            at(b"\"ACK\"0000NoneL0#1409[]"),
            HeaderError {
                at: 9,
                expected: Expected::ElementOrData
            }
        );
        assert_eq!(
            at(b"\"SIA-DCS\"0167L0R0#1234["),
            HeaderError {
                at: 15,
                expected: Expected::ElementOrData
            }
        );
    }
}
