//! The code tables, compiled in: what every known SIA and Contact ID code means.
//!
//! The rows stand in `tables/*.csv` of this crate; look-up is a binary search in static memory.
//! [`classify_sia`] and [`classify_cid`] also answer for codes that are in no table.
//!
//! ```
//! use larm_event::{AddressKind, Kind, classify_cid, classify_sia};
//!
//! let burglary = classify_sia("BA");
//! assert_eq!((burglary.kind, burglary.priority.get()), (Kind::Alarm, 2));
//! assert_eq!(burglary.name_sv, "Inbrottslarm");
//! assert_eq!(burglary.address, AddressKind::Zone);
//!
//! // 1 is disarmed, 3 is armed.
//! assert_eq!(classify_cid("401", 1).kind, Kind::Open);
//! assert_eq!(classify_cid("401", 3).kind, Kind::Close);
//!
//! // It may be an alarm.
//! assert_eq!(classify_sia("QQ").priority.get(), 2);
//! ```
mod cid;
mod classify;
mod sia;

#[cfg(test)]
mod tests;

pub use cid::{CidCode, cid, cid_codes};
pub use classify::{Meaning, classify_cid, classify_sia};
pub use sia::{SiaCode, sia, sia_codes};

use crate::words::{Kind, Priority};

/// What one form of a code (new, over, still present) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Plain English name; never empty.
    pub name: &'static str,
    /// Plain Swedish name; never empty.
    pub name_sv: &'static str,
    /// What kind of thing happened.
    pub kind: Kind,
    /// Urgency.
    pub priority: Priority,
}

/// What the number that comes with a code counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    /// Nothing; the code stands for the whole system.
    None,
    /// A zone, sensor or point.
    Zone,
    /// A user.
    User,
    /// An area, partition or group.
    Area,
    /// A door or access point.
    Door,
    /// A module, expander, printer, radio receiver or network of the system.
    Device,
    /// A telephone line or line card.
    Line,
    /// An output or relay.
    Output,
    /// Something else (a condition, function or message number), or not known.
    Other,
}
