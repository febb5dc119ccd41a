//! One Sur-Gard record as a value, and its text.
//!
//! ```text
//! record    = contact-id | basic | sia-1 | sia-2 | high-speed | heartbeat | own        (end mark apart)
//! contact-id = "5" RR line " 18" account Q EEE GG CCC [clock]      Q = "E" | "R" | "P"
//! basic      = "1" RR line 4(" ") account{6} " " letter group user{3} [clock]
//! sia-1      = "3" RR line 4(" ") account{6} code{2} address{4} [clock]
//! sia-2      = "S" RR line "[#" account "|" data "]" [clock]       data = 1*63 characters
//! high-speed = "8" RR line account{4} " " status{4} " " status{4} " " status [clock]
//! heartbeat  = "1" RR line 11(" ") "@" 4(" ")
//! own        = "0" RR line "[#0000|" data "]" [clock]              the receiver's own events
//! clock      = HH ":" MM ":" SS "-" dd "/" mm                      the receiver's, without a year
//! RR         = 2 letters or digits            line = 1 or 3 letters or digits, by configuration
//! ```
//! `account{6}` is right aligned behind spaces. In `contact-id` an account has four digits; wider
//! ones are a setting of both sides, and are told by the fixed nine characters behind them. With a
//! one-digit line every record of fixed form has 20 characters, with a three-digit line 22.
//!
//! Sources: public operating manuals of MLR2-DG, MLR2000, System III and System 5.
use std::fmt;

/// Most characters of a `sia-2` block's data.
pub const DATA_LEN_MAX: usize = 63;
/// Most characters of an account.
pub const ACCOUNT_LEN_MAX: usize = 16;

/// One line that a receiver prints for its automation software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Receiver number, two characters.
    pub receiver: String,
    /// Line number, one or three characters.
    pub line: String,
    /// What it says.
    pub body: Body,
    /// The receiver's clock, where the link has it.
    pub clock: Option<Clock>,
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
        /// Three digits: zone or user.
        zone: String,
    },
    /// An event of the old pulse formats.
    Basic {
        /// One to six digits.
        account: String,
        /// What happened: `A` alarm, `C` closing, …
        letter: char,
        /// One digit.
        group: char,
        /// Three digits: zone or user.
        user: String,
    },
    /// A SIA event without area and text.
    Sia1 {
        /// One to six digits.
        account: String,
        /// Two capital letters.
        code: String,
        /// Four digits: zone or user.
        address: String,
    },
    /// A SIA block.
    Sia2 {
        /// Up to 16 characters.
        account: String,
        /// What stands behind the account, such as `Nri1/BA01`.
        data: String,
    },
    /// Eight channels of the old high-speed format.
    HighSpeed {
        /// Four digits.
        account: String,
        /// Eight channels and the status digit.
        channels: [char; 9],
    },
    /// The link is alive.
    Heartbeat,
    /// An event of the receiver itself.
    Own {
        /// What stands behind the account, such as `NYR01`.
        data: String,
    },
}

/// What stands before the code of a Contact ID event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `E`: new, or an opening.
    Event,
    /// `R`: over, or a closing.
    Restore,
    /// `P`: reported before, still there.
    Previous,
}

impl Qualifier {
    /// The letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Event => 'E',
            Self::Restore => 'R',
            Self::Previous => 'P',
        }
    }

    /// The qualifier of a letter.
    #[must_use]
    pub const fn from_letter(letter: char) -> Option<Self> {
        match letter {
            'E' => Some(Self::Event),
            'R' => Some(Self::Restore),
            'P' => Some(Self::Previous),
            _ => None,
        }
    }

    /// The digit of DC-05 for it: 1, 3 or 6.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::Event => 1,
            Self::Restore => 3,
            Self::Previous => 6,
        }
    }

    /// From the digit of DC-05; 2 is sent for 3 by some, anything else counts as new.
    #[must_use]
    pub const fn from_digit(digit: u8) -> Self {
        match digit {
            2 | 3 => Self::Restore,
            6 => Self::Previous,
            _ => Self::Event,
        }
    }
}

/// A time of day and a date without a year, `10:32:54-18/09`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 to 12.
    pub month: u8,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02}:{:02}:{:02}-{:02}/{:02}",
            self.hour, self.minute, self.second, self.day, self.month
        )
    }
}

/// The record's characters, without the end mark.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.body.kind();
        write!(f, "{kind}{}{}{}", self.receiver, self.line, self.body)?;
        match self.clock {
            Some(clock) if self.body != Body::Heartbeat => clock.fmt(f),
            _ => Ok(()),
        }
    }
}

impl Body {
    /// The first character of the record.
    #[must_use]
    pub const fn kind(&self) -> char {
        match self {
            Self::ContactId { .. } => '5',
            Self::Basic { .. } | Self::Heartbeat => '1',
            Self::Sia1 { .. } => '3',
            Self::Sia2 { .. } => 'S',
            Self::HighSpeed { .. } => '8',
            Self::Own { .. } => '0',
        }
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
                zone,
            } => write!(f, " 18{account}{}{event}{group}{zone}", qualifier.letter()),
            Self::Basic {
                account,
                letter,
                group,
                user,
            } => write!(f, "{account:>10} {letter}{group}{user}"),
            Self::Sia1 {
                account,
                code,
                address,
            } => write!(f, "{account:>10}{code}{address}"),
            Self::Sia2 { account, data } => write!(f, "[#{account}|{data}]"),
            Self::HighSpeed { account, channels } => {
                f.write_str(account)?;
                for (at, channel) in channels.iter().enumerate() {
                    let gap = if at % 4 == 0 { " " } else { "" };
                    write!(f, "{gap}{channel}")?;
                }
                Ok(())
            }
            Self::Heartbeat => write!(f, "{:>12}    ", '@'),
            Self::Own { data } => write!(f, "[#0000|{data}]"),
        }
    }
}
