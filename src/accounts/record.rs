//! One account as the register keeps it. Keys are no part of it: they stand in their own store.
use std::fmt;
use std::time::Duration;

use larm_carrier::{Charset, Encryption, Mode};
use larm_event::{Priority, Timestamp};

pub use super::snapshot::Supervision;

/// What identifies an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    /// The number as the transmitter sends it; text, never a number.
    pub account: String,
    /// The receiver number it sends, where the account is told apart by it.
    pub receiver: Option<String>,
    /// The line prefix it sends, where the account is told apart by it.
    pub line: Option<String>,
}

/// One account without its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// What identifies it.
    pub number: Number,
    /// Protocols it may speak; empty: any.
    pub protocols: Vec<String>,
    /// What its clear frames are worth; `None`: as the configuration says.
    pub encryption: Option<Encryption>,
    /// How often it must be heard.
    pub supervision: Supervision,
    /// Names of quirks.
    pub quirks: Vec<String>,
    /// How its departures are answered; `None`: as the listener says.
    pub mode: Option<Mode>,
    /// Which times are accepted, where it differs from the configuration.
    pub window: WindowOverride,
    /// How its text is read; `None`: Windows-1252.
    pub charset: Option<Charset>,
    /// In test mode until then.
    pub test_until: Option<Timestamp>,
    /// Free words to find it by.
    pub tags: Vec<String>,
    /// Zones with plain names.
    pub zones: Vec<Zone>,
    /// The owner's priority per code.
    pub priorities: Vec<(String, Priority)>,
    /// Whose it is and where; personal data.
    pub person: Person,
}

/// Which times are accepted; what is `None` is as the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowOverride {
    /// How old.
    pub past: Option<Duration>,
    /// How far ahead.
    pub future: Option<Duration>,
    /// Whether a time outside is refused.
    pub enforce: Option<bool>,
}

/// One zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Zone {
    /// Its number as sent; leading zeros do not matter.
    pub zone: String,
    /// Its plain name.
    pub name: Option<String>,
    /// In test mode until then.
    pub test_until: Option<Timestamp>,
}

/// Personal data; kept in a table of its own, so that it can be erased alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Name of the site.
    pub site: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// Apartment number.
    pub apartment: Option<String>,
    /// The customer.
    pub customer: Option<String>,
    /// Who is to be called, in order.
    pub contacts: Vec<String>,
}

impl Person {
    /// Nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Says whether there is something, never what: a log line is no place for a name.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "Person(empty)"
        } else {
            "Person(hidden)"
        })
    }
}

impl fmt::Display for Number {
    /// `1234`, or `1234 (receiver 9, line 5)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.account)?;
        match (&self.receiver, &self.line) {
            (None, None) => Ok(()),
            (Some(receiver), None) => write!(f, " (receiver {receiver})"),
            (None, Some(line)) => write!(f, " (line {line})"),
            (Some(receiver), Some(line)) => write!(f, " (receiver {receiver}, line {line})"),
        }
    }
}
