//! The two-letter codes of SIA DC-03.
use super::{AddressKind, Form};
use crate::words::{Category, Kind, Priority};

include!(concat!(env!("OUT_DIR"), "/sia.rs"));

/// One code of SIA DC-03, or one that vendors send beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiaCode {
    /// Two capital letters.
    pub code: &'static str,
    /// Names, kind and urgency.
    pub form: Form,
    /// What it is about.
    pub category: Category,
    /// What the number behind the code counts.
    pub address: AddressKind,
}

/// The row of a code as sent (two capital letters), where it is known.
#[must_use]
pub fn sia(code: &str) -> Option<&'static SiaCode> {
    let row = TABLE.binary_search_by(|row| row.code.cmp(code)).ok()?;
    TABLE.get(row)
}

/// Every known code, in alphabetic order.
#[must_use]
pub fn sia_codes() -> &'static [SiaCode] {
    &TABLE
}
