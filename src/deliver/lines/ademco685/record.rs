//! One Ademco 685 record as a value, and its text.
use std::fmt;

use super::super::surgard::Qualifier;

/// Most characters of an account.
pub const ACCOUNT_LEN_MAX: usize = 16;

/// One line, without LF and CR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Receiver digit, hexadecimal.
    pub receiver: char,
    /// Line or group digit, hexadecimal.
    pub line: char,
    /// What it says.
    pub body: Body,
    /// A space stands before CR.
    pub space: bool,
}

/// What a record says. Texts have the lengths and the characters of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A Contact ID event.
    ContactId {
        /// Four digits, or wider where both sides agree.
        account: String,
        /// New, restored or still there.
        qualifier: Qualifier,
        /// Three digits.
        event: String,
        /// Two digits.
        group: String,
        /// What the number counts.
        address: Address,
        /// Three digits.
        number: String,
    },
    /// An event of the old pulse formats.
    LowSpeed {
        /// Account.
        account: String,
        /// The event digit.
        event: char,
        /// The zone digit of 4x2.
        zone: Option<char>,
    },
    /// Eight channels of the old high-speed format, and the status digit.
    HighSpeed {
        /// Account.
        account: String,
        /// Eight channels and the status digit.
        channels: [char; 9],
    },
    /// The link is alive.
    Heartbeat,
}

/// What the number of a Contact ID event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// `C`: a zone.
    Zone,
    /// `U`: a user.
    User,
}

impl Address {
    /// The letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Zone => 'C',
            Self::User => 'U',
        }
    }
}

/// The record's characters between LF and CR.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {}", self.receiver, self.line, self.body)?;
        f.write_str(if self.space { " " } else { "" })
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContactId {
                account,
                qualifier,
                event,
                group,
                address,
                number,
            } => {
                let (sign, counts) = (qualifier.letter(), address.letter());
                write!(f, "{account} 18 {sign}{event} {group} {counts}{number}")
            }
            Self::LowSpeed {
                account,
                event,
                zone,
            } => {
                write!(f, "{account} {event}")?;
                zone.map_or(Ok(()), |zone| write!(f, " {zone}"))
            }
            Self::HighSpeed { account, channels } => {
                f.write_str(account)?;
                for (at, channel) in channels.iter().enumerate() {
                    let gap = if at % 4 == 0 { " " } else { "" };
                    write!(f, "{gap}{channel}")?;
                }
                Ok(())
            }
            Self::Heartbeat => f.write_str("OKAY @"),
        }
    }
}
