//! What a session asks of the register of accounts, and what it gets.
use alloc::sync::Arc;
use core::time::Duration;

use crate::key::Key;

/// Synchronous look-up in an immutable snapshot of the register.
pub trait Accounts {
    /// The policy of the account with this number behind this receiver and line prefix, all as
    /// sent. The register decides how far receiver, line and letter case matter. `None`: unknown.
    fn find(
        &self,
        receiver: Option<&str>,
        line: Option<&str>,
        account: &str,
    ) -> Option<Arc<Policy>>;
}

/// A register with nobody in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAccounts;

impl Accounts for NoAccounts {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        None
    }
}

/// How frames of one account are to be judged. Wire facts only: no site, no person.
#[derive(Debug, Default)]
pub struct Policy {
    /// Overrides the listener's mode where set.
    pub mode: Option<Mode>,
    /// What clear frames of this account are worth.
    pub encryption: Encryption,
    /// Live keys, the current one first; the second is the other one during a rotation.
    pub keys: [Option<Key>; 2],
    /// Switches for known departures of a brand.
    pub quirks: Quirks,
    /// How far a sender's time may lie from the receiver's.
    pub window: Window,
    /// How text that is no UTF-8 is read.
    pub charset: Charset,
}

impl Policy {
    /// The keys that are set, the current one first.
    pub fn live_keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().flatten()
    }
}

/// How departures from the standard are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Acknowledge wherever integrity holds, and record each deviation on the event.
    #[default]
    Tolerant,
    /// Answer as the standard says.
    Strict,
}

/// What clear frames of an account are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Acknowledged; graded suspect (`downgrade`) where the account has a key.
    #[default]
    Prefer,
    /// Recorded as suspect (`downgrade`) and not acknowledged.
    Require,
    /// Acknowledged and graded plain, with or without a key.
    Off,
}

/// Which times of an encrypted frame are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How old a frame may be, inclusive.
    pub past: Duration,
    /// How far ahead of the receiver a frame may be, inclusive.
    pub future: Duration,
    /// Outside the window: refuse with the receiver's time (true), or accept and grade the event
    /// suspect (`stale_time`).
    pub enforce: bool,
}

impl Default for Window {
    /// 40 s late to 20 s early, both ends included, enforced (DC-09; `dc09.md` section 7).
    fn default() -> Self {
        Self {
            past: Duration::from_secs(40),
            future: Duration::from_secs(20),
            enforce: true,
        }
    }
}

/// How bytes above 0x7F that are no valid UTF-8 are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Windows-1252, as the standard says.
    #[default]
    Windows1252,
    /// Windows-1251, Cyrillic.
    Windows1251,
}

/// A set of named switches of one protocol; the protocol's crate owns the meaning of each bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks(pub u32);

impl Quirks {
    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One named switch, for configuration, documentation and explanations.
#[derive(Clone, Copy, Debug)]
pub struct QuirkInfo {
    /// Name in the register, such as `renumbers-retries`.
    pub name: &'static str,
    /// Its bit.
    pub quirk: Quirks,
    /// The brand that it was seen on.
    pub brand: &'static str,
    /// Where that is documented.
    pub source: &'static str,
    /// What the switch changes, in one sentence.
    pub effect: &'static str,
}
