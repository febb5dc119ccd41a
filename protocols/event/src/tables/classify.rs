//! From a code as sent to what it means, known or not.
use super::{AddressKind, Form, cid, sia};
use crate::words::{Category, Kind, Priority};

/// What a protocol crate writes into the record for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What kind of thing happened.
    pub kind: Kind,
    /// What it is about.
    pub category: Category,
    /// Urgency.
    pub priority: Priority,
    /// Plain English name; empty for an unknown code.
    pub name: &'static str,
    /// Plain Swedish name; empty for an unknown code.
    pub name_sv: &'static str,
    /// What the number that comes with the code counts.
    pub address: AddressKind,
}

impl Meaning {
    /// A code that is in no table. It may be an alarm, so it is as urgent as a burglary.
    pub const UNKNOWN: Self = Self {
        kind: Kind::Unknown,
        category: Category::Other,
        priority: Priority::PROPERTY,
        name: "",
        name_sv: "",
        address: AddressKind::Other,
    };

    const fn new(form: &Form, category: Category, address: AddressKind) -> Self {
        Self {
            kind: form.kind,
            category,
            priority: form.priority,
            name: form.name,
            name_sv: form.name_sv,
            address,
        }
    }
}

/// The meaning of a SIA code, without the `N` or `O` that may stand before it.
#[must_use]
pub fn classify_sia(code: &str) -> Meaning {
    sia(code).map_or(Meaning::UNKNOWN, |row| {
        Meaning::new(&row.form, row.category, row.address)
    })
}

/// The meaning of a Contact ID code under a qualifier: 1 new or opening, 3 over or closing, 6 still
/// there.
///
/// 2 is not in the standard, but is sent for 3. Any other qualifier counts as new: that reading
/// cannot hide an alarm.
#[must_use]
pub fn classify_cid(code: &str, qualifier: u8) -> Meaning {
    cid(code).map_or(Meaning::UNKNOWN, |row| {
        let form = match qualifier {
            2 | 3 => &row.restore,
            6 => &row.still,
            _ => &row.new,
        };
        Meaning::new(form, row.category, row.address)
    })
}
