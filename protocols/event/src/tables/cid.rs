//! The three-digit codes of Contact ID (SIA DC-05).
use super::{AddressKind, Form};
use crate::words::{Category, Kind, Priority};

include!(concat!(env!("OUT_DIR"), "/cid.rs"));

/// The vendors' block: all of 750 to 789 share the row 750.
const VENDOR_BLOCK: core::ops::RangeInclusive<&str> = "750"..="789";

/// One code of Contact ID; what it says depends on the qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidCode {
    /// Three digits.
    pub code: &'static str,
    /// Qualifier 1: a new event; for arming codes, disarmed.
    pub new: Form,
    /// Qualifier 3: the condition is over; for arming codes, armed. Equal to `new` where a code
    /// has no such form.
    pub restore: Form,
    /// Qualifier 6: reported before and still there.
    pub still: Form,
    /// What it is about.
    pub category: Category,
    /// What the group CCC counts.
    pub address: AddressKind,
}

/// The row of a code as sent (three digits), where it is known.
#[must_use]
pub fn cid(code: &str) -> Option<&'static CidCode> {
    let in_block = code.len() == 3 && VENDOR_BLOCK.contains(&code);
    let digits = code.bytes().all(|digit| digit.is_ascii_digit());
    let wanted = if in_block && digits { "750" } else { code };
    let row = TABLE.binary_search_by(|row| row.code.cmp(wanted)).ok()?;
    TABLE.get(row)
}

/// Every known code, in numeric order.
#[must_use]
pub fn cid_codes() -> &'static [CidCode] {
    &TABLE
}
