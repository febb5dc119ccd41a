//! The closed vocabularies of the record: kind, category, priority, scheme, authenticity.
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every word, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Every word as text, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($text),+];

            /// The word as it stands in JSON, files and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value whose word is exactly `text`.
            #[must_use]
            pub fn from_word(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What kind of thing happened.
    Kind {
        /// Something that may need an intervention now.
        Alarm = "alarm",
        /// An alarm condition is over.
        Restoral = "restoral",
        /// Disarmed.
        Open = "open",
        /// Armed.
        Close = "close",
        /// A zone was taken out of service or put back.
        Bypass = "bypass",
        /// A technical fault.
        Trouble = "trouble",
        /// A technical fault is over.
        TroubleRestoral = "trouble_restoral",
        /// A test, by a person or by the clock.
        Test = "test",
        /// A path to a transmitter was lost or restored.
        Supervision = "supervision",
        /// Somebody passed, or tried to pass, a door.
        Access = "access",
        /// A state without need to act.
        Status = "status",
        /// The code, or the whole content, is not known to larm.
        Unknown = "unknown",
    }
}

words! {
    /// What the event is about.
    Category {
        /// Burglary.
        Intrusion = "intrusion",
        /// Hold-up, panic, duress.
        HoldUp = "hold_up",
        /// Fire, smoke, heat, sprinkler.
        Fire = "fire",
        /// Medical emergency.
        Medical = "medical",
        /// Personal and social alarms, also missing signs of life.
        Social = "social",
        /// Combustible or poisonous gas.
        Gas = "gas",
        /// Leaks and flooding.
        Water = "water",
        /// Heating, cooling, freezing.
        Temperature = "temperature",
        /// Other technical alarms.
        Technical = "technical",
        /// Mains and batteries.
        Power = "power",
        /// Lines, radios, receivers.
        Communication = "communication",
        /// Opened enclosures, cut loops, substituted devices.
        Tamper = "tamper",
        /// Doors, arming and disarming.
        Access = "access",
        /// Tests.
        Test = "test",
        /// None of these.
        Other = "other",
    }
}

words! {
    /// The code table that a code belongs to.
    Scheme {
        /// SIA DC-03 data codes.
        Sia = "SIA",
        /// Contact ID, SIA DC-05.
        Cid = "CID",
        /// Raised by larm itself.
        Larm = "LARM",
        /// A carrier's own, with no table in larm.
        Other = "other",
    }
}

words! {
    /// How far the content can be trusted to come from the account it names.
    Grade {
        /// Content under the account's secret key.
        Encrypted = "encrypted",
        /// Nothing but a claimed number.
        Plain = "plain",
        /// Something contradicts the account's policy or the protocol; see the reasons.
        Suspect = "suspect",
    }
}

words! {
    /// Why an event is graded `suspect`.
    SuspectReason {
        /// A clear frame from an account that has a key.
        Downgrade = "downgrade",
        /// The sender's time lies outside the window, or is missing where it is mandatory.
        StaleTime = "stale_time",
        /// The frame is encrypted, but no key of the account opens it.
        WrongKey = "wrong_key",
        /// The frame is encrypted and the account has no key.
        NoKey = "no_key",
        /// The frame, or what was decrypted, is not well formed.
        Malformed = "malformed",
        /// The checksum was not checked, because the owner switched the check off.
        Unchecked = "unchecked",
        /// The checksum or the length does not fit the content.
        Damaged = "damaged",
        /// The account in the data is not the account in the header.
        AccountMismatch = "account_mismatch",
    }
}

words! {
    /// The transport that the frame came over.
    Transport {
        /// A stream.
        Tcp = "tcp",
        /// A datagram.
        Udp = "udp",
    }
}

words! {
    /// The role of a path, where the configuration or the frame tells it.
    PathRole {
        /// The first path.
        Primary = "primary",
        /// The path taken when the first one fails.
        Backup = "backup",
    }
}

words! {
    /// What a media reference leads to.
    MediaKind {
        /// A still picture.
        Image = "image",
        /// Sound.
        Sound = "sound",
        /// A moving picture.
        Video = "video",
        /// Not told by the reference.
        Unknown = "unknown",
    }
}

/// Urgency from 1 (life) to 5 (log only).
///
/// `1 <= value <= 5` always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

impl Priority {
    /// Life: fire, medical, hold-up.
    pub const LIFE: Self = Self(1);
    /// Property: burglary, gas, water.
    pub const PROPERTY: Self = Self(2);
    /// Faults that weaken protection.
    pub const FAULT: Self = Self(3);
    /// Notice: opened, closed, restored.
    pub const NOTICE: Self = Self(4);
    /// Log only.
    pub const LOG: Self = Self(5);

    /// The value, 1 to 5.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Priority {
    type Error = &'static str;
    fn try_from(value: u8) -> Result<Self, Self::Error> {
        if (1..=5).contains(&value) {
            Ok(Self(value))
        } else {
            Err("a priority is a number from 1 (life) to 5 (log only)")
        }
    }
}

impl From<Priority> for u8 {
    fn from(value: Priority) -> Self {
        value.0
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Priority {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Priority".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 5 })
    }
}
