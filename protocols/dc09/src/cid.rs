//! The Contact ID payload: SIA DC-05 in the forms that DC-09 transmitters send.
//!
//! ```text
//! payload = Q XYZ " " GG " " CCC                        (the standard's form)
//!         | [[account] MT] QXYZ GG CCC [S]              (dialler's form; spaces anywhere between groups)
//! Q = "1" new or opening | "3" restored or closing | "6" still there
//! ```
//! 9 digits are `QXYZGGCCC`; 10 have the checksum behind; 11 have the message type `MT` before; 12
//! both; 15 and 16 have four digits of account in front of that. Letters E, R, P for 1, 3, 6 are
//! what receivers print; they are read, too.
use alloc::vec::Vec;

use larm_wire::hex;

use crate::deviation::{Deviation, Deviations};

/// What is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidQualifier {
    /// `1`: a new event, or an opening.
    New,
    /// `3`: restored, or a closing.
    Restored,
    /// `6`: reported before, still there.
    Still,
}

impl CidQualifier {
    /// The digit.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::New => 1,
            Self::Restored => 3,
            Self::Still => 6,
        }
    }

    /// The digit as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "1",
            Self::Restored => "3",
            Self::Still => "6",
        }
    }
}

/// One Contact ID event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidEvent<'b> {
    /// What is reported.
    pub qualifier: CidQualifier,
    /// Three hex digits.
    pub code: &'b str,
    /// Two hex digits; `00`: none.
    pub partition: &'b str,
    /// Three hex digits: zone or user; `000`: none.
    pub zone: &'b str,
    /// What deviates.
    pub deviations: Deviations,
}

impl CidEvent<'_> {
    /// Appends the event in the standard's form: `1131 01 015`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for part in [
            self.qualifier.as_str(),
            self.code,
            " ",
            self.partition,
            " ",
            self.zone,
        ] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// How the qualifier is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CidRules {
    /// Qualifier 2 means restored.
    pub restore_2: bool,
}

/// Reads a payload without its account. `account`: for the checksum of the dialler's form.
#[must_use]
pub fn read<'b>(payload: &'b [u8], account: Option<&str>, rules: CidRules) -> Option<CidEvent<'b>> {
    payload
        .split(|byte| *byte == b'|')
        .find_map(|block| read_block(block, account, rules))
}

fn read_block<'b>(block: &'b [u8], account: Option<&str>, rules: CidRules) -> Option<CidEvent<'b>> {
    let block = block.trim_ascii();
    let digits = block.iter().filter(|byte| **byte != b' ').count();
    let mut groups = Groups { rest: block };
    let inner_account = if digits >= 15 {
        Some(groups.take(4)?)
    } else {
        None
    };
    let message_type = if matches!(digits, 11 | 12 | 15 | 16) {
        Some(groups.take(2)?)
    } else {
        None
    };
    if !matches!(digits, 9 | 10 | 11 | 12 | 15 | 16)
        || message_type.is_some_and(|mt| !matches!(mt, "18" | "98" | "58"))
    {
        return None;
    }
    let qualifier = qualifier(groups.take(1)?, rules)?;
    let (code, partition, zone) = (groups.hex(3)?, groups.hex(2)?, groups.hex(3)?);
    let checksum = if matches!(digits, 10 | 12 | 16) {
        Some(groups.hex(1)?)
    } else {
        None
    };
    let mut deviations = Deviations::NONE;
    deviations.add_if(!is_standard(block), Deviation::CidFormat);
    if let (Some(_), Some(mt)) = (checksum, message_type)
        && let Some(account) = inner_account
            .or(account)
            .filter(|account| account.len() == 4)
    {
        let body = block.iter().filter(|byte| **byte != b' ').copied();
        let body = body.skip(if inner_account.is_some() { 4 } else { 0 });
        debug_assert_eq!(mt.len(), 2);
        let fits = account
            .bytes()
            .chain(body)
            .map(weight)
            .sum::<u32>()
            .is_multiple_of(15);
        deviations.add(if fits {
            Deviation::CidChecksumOk
        } else {
            Deviation::CidChecksumBad
        });
    }
    groups.rest.is_empty().then_some(CidEvent {
        qualifier,
        code,
        partition,
        zone,
        deviations,
    })
}

fn qualifier(digit: &str, rules: CidRules) -> Option<CidQualifier> {
    match digit {
        "1" | "E" => Some(CidQualifier::New),
        "3" | "R" => Some(CidQualifier::Restored),
        "2" if rules.restore_2 => Some(CidQualifier::Restored),
        "6" | "P" => Some(CidQualifier::Still),
        _ => None,
    }
}

/// `QXYZ GG CCC` with single spaces and a digit in front.
fn is_standard(block: &[u8]) -> bool {
    block.len() == 11
        && block.get(4) == Some(&b' ')
        && block.get(7) == Some(&b' ')
        && matches!(block.first(), Some(b'1' | b'3' | b'6'))
}

/// A digit in the checksum: 0 counts ten, A too (it is sent as 0).
fn weight(digit: u8) -> u32 {
    match hex::digit(digit) {
        Some(0) | None => 10,
        Some(value) => u32::from(value),
    }
}

/// The checksum digit for the 15 characters in front of it.
#[must_use]
pub fn checksum(digits: &[u8]) -> char {
    let rest = digits.iter().copied().map(weight).sum::<u32>() % 15;
    match 15 - rest {
        value @ 1..=9 => char::from_digit(value, 10).unwrap_or('F'),
        value => char::from_digit(value, 16)
            .unwrap_or('f')
            .to_ascii_uppercase(),
    }
}

/// Groups of digits, with spaces between them.
struct Groups<'b> {
    rest: &'b [u8],
}

impl<'b> Groups<'b> {
    fn take(&mut self, len: usize) -> Option<&'b str> {
        let (group, rest) = self.rest.trim_ascii_start().split_at_checked(len)?;
        self.rest = rest;
        let text = core::str::from_utf8(group).ok()?;
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric())
            .then_some(text)
    }

    fn hex(&mut self, len: usize) -> Option<&'b str> {
        self.take(len)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(payload: &[u8], account: &str) -> Option<(u8, &'static str, bool)> {
        let event = read(payload, Some(account), CidRules::default())?;
        assert_eq!((event.partition, event.zone), ("01", "015"));
        let checksum = if event.deviations.has(Deviation::CidChecksumOk) {
            "ok"
        } else if event.deviations.has(Deviation::CidChecksumBad) {
            "bad"
        } else {
            ""
        };
        Some((
            event.qualifier.digit(),
            checksum,
            event.deviations.has(Deviation::CidFormat),
        ))
    }

    #[test]
    fn all_forms_say_the_same() {
        assert_eq!(shown(b"1131 01 015", "1234"), Some((1, "", false)));
        assert_eq!(shown(b"113101015", "1234"), Some((1, "", true)));
        assert_eq!(shown(b"18 1 131 01 015", "1234"), Some((1, "", true)));
        assert_eq!(shown(b"181131010158", "1234"), Some((1, "ok", true)));
        assert_eq!(shown(b"981131010158", "1234"), Some((1, "bad", true)));
        assert_eq!(shown(b"1234181131010158", "9999"), Some((1, "ok", true)));
        assert_eq!(shown(b"E131 01 015", "1234"), Some((1, "", true)));
    }

    #[test]
    fn checksum_of_the_documented_examples() {
        assert_eq!(checksum(b"123418113101015"), '8');
        assert_eq!(checksum(b"682718160201000"), 'D');
    }

    #[test]
    fn qualifier_2_only_where_the_owner_says_so() {
        assert_eq!(read(b"2131 01 015", None, CidRules::default()), None);
        let event = read(b"2131 01 015", None, CidRules { restore_2: true }).unwrap();
        assert_eq!(event.qualifier, CidQualifier::Restored);
        assert!(event.deviations.has(Deviation::CidFormat));
    }

    #[test]
    fn what_is_no_contact_id() {
        for payload in [
            &b""[..],
            b"1 1",
            b"0000 00 000",
            b"1131 01 0151 2 3",
            b"131 01 015",
        ] {
            assert_eq!(read(payload, None, CidRules::default()), None);
        }
    }
}
