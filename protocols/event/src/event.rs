//! The record itself.
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;
use crate::words::{
    Category, Grade, Kind, MediaKind, PathRole, Priority, Scheme, SuspectReason, Transport,
};

/// One thing that a transmitter reported, normalised.
///
/// A protocol crate fills what the frame says ([`Event::draft`] and field by field); the gateway
/// adds `id`, `node`, `received_at`, `path`, `clock_offset_ms` and, once it is durable, `position`.
/// Absent values are left out of the JSON. All texts are free of raw control characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        description = "One thing that a transmitter reported, normalised. Absent values are left \
                       out; nothing is ever null. All texts are free of raw control characters. \
                       The form only grows: expect further fields, and further words where a \
                       word is one of a list."
    )
)]
pub struct Event {
    /// UUIDv7; the idempotency key for everybody downstream.
    pub id: Uuid,
    /// Place in the journal, rising without gaps per node. Absent until the event is durable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Name of the gateway that received it.
    pub node: String,
    /// When the last byte of the frame was read, by the receiver's clock.
    pub received_at: Timestamp,
    /// The transmitter's own time of the event, where it sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// Transmitter's time of sending minus `received_at`, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// Carrier and its message id, such as `dc09/SIA-DCS`.
    pub protocol: String,
    /// The way the frame came in. Absent where there was none (a decoded file).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    /// Receiver number as sent, without its letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// Line prefix as sent, without its letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Account as sent, without its mark. Text, never a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// False where the account is not in the register.
    pub account_known: bool,
    /// Account repeated inside the data, where it differs from `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_account: Option<String>,
    /// Sequence number as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// Which of several events of one frame this is. Absent for a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The code. Absent where nothing could be decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What kind of thing happened.
    pub kind: Kind,
    /// What it is about.
    pub category: Category,
    /// Urgency.
    pub priority: Priority,
    /// Area or partition, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Zone, sensor or door, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// User, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Keypad, module or other peripheral, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peripheral: Option<String>,
    /// The transmitter's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A measured value, for environmental events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Where the device is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Links to image, sound or video. Never followed by larm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Modifiers of the data block that have no field of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modifiers: Vec<Modifier>,
    /// Extended data blocks, in order; keys are never among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<Extended>,
    /// How far the content can be trusted.
    pub authenticity: Authenticity,
    /// Departures of the frame from its standard that were accepted, by their fixed words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<String>,
    /// Repeats that were recognised, or may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// The account or zone is in test mode.
    #[serde(default)]
    pub test: bool,
    /// It went to another receiver, which answered it; larm only looked on. Absent otherwise.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shadow: bool,
    /// The frame as received, base64. Keys never.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
}

/// For fields that are written only where they are true.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands in a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The way a frame came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Path {
    /// Name of the listener in the configuration.
    pub listener: String,
    /// Stream or datagram.
    pub transport: Transport,
    /// Address and port that the frame came from.
    pub peer: String,
    /// Primary or backup, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<PathRole>,
    /// Number of the transmitter's network path, where the frame tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// Place of one event among several of one frame; `1 <= index <= of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Part {
    /// From 1.
    pub index: u16,
    /// How many the frame holds.
    pub of: u16,
}

/// A code of a scheme, with its name where larm knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Code {
    /// The table.
    pub scheme: Scheme,
    /// The code as sent: `BA`, `130`.
    pub code: String,
    /// What stood before the code: `N` or `O` for SIA, `1`, `3` or `6` for Contact ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<String>,
    /// The number after the code as sent: zone, user, door …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Plain English name; empty for an unknown code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Plain Swedish name; empty for an unknown code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name_sv: String,
}

/// A measured value with its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Value {
    /// The number as sent.
    pub number: String,
    /// The unit: `°C`, `°F`, `%RH`, … or the letter as sent where its meaning is not known.
    pub unit: String,
}

/// A position of the device, not of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Location {
    /// Degrees north, WGS 84, −90 to 90.
    pub latitude: f64,
    /// Degrees east, WGS 84, −180 to 180.
    pub longitude: f64,
    /// Metres above sea level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude_m: Option<f64>,
    /// Radius in metres, where the transmitter tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f64>,
    /// Where the position came from, such as `dc09/XY`.
    pub source: String,
}

/// A reference to image, sound or video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Media {
    /// What it leads to.
    pub kind: MediaKind,
    /// The reference as sent.
    pub reference: String,
}

/// One modifier of a data block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Modifier {
    /// Two small letters as sent, such as `ti`.
    pub name: String,
    /// The value as sent.
    pub value: String,
    /// A name given to the value, as in `id14^…^`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One extended data block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Extended {
    /// The identifying letter.
    pub id: String,
    /// The value, decoded and with control characters escaped.
    pub value: String,
}

/// How far the content can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authenticity {
    /// The grade.
    pub grade: Grade,
    /// Why it is suspect; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<SuspectReason>,
}

impl Authenticity {
    /// A clear frame within the account's policy.
    pub const PLAIN: Self = Self {
        grade: Grade::Plain,
        reasons: Vec::new(),
    };
    /// An encrypted frame that opened with a key of the account.
    pub const ENCRYPTED: Self = Self {
        grade: Grade::Encrypted,
        reasons: Vec::new(),
    };

    /// Lowers the grade to suspect for `reason`.
    pub fn suspect(&mut self, reason: SuspectReason) {
        self.grade = Grade::Suspect;
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// What is known about repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Repeat {
    /// How often the frame was seen, the first time included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u32>,
    /// The paths that it was seen on, as `listener/transport`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// `id` of an earlier event with the same content that this one may repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible_repeat_of: Option<Uuid>,
}

/// Bytes as received; base64 (standard alphabet, padded) in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        let text = String::deserialize(deserializer)?;
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("`raw` is not base64"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Raw {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Raw".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}

impl Event {
    /// A record with nothing known but the carrier: kind unknown, category other, priority of a
    /// fault, plain, no code. The protocol crate and then the gateway fill it.
    #[must_use]
    pub fn draft(protocol: String) -> Self {
        Self {
            id: Uuid::nil(),
            position: None,
            node: String::new(),
            received_at: Timestamp::default(),
            occurred_at: None,
            clock_offset_ms: None,
            protocol,
            path: None,
            receiver: None,
            line: None,
            account: None,
            account_known: false,
            data_account: None,
            sequence: None,
            part: None,
            code: None,
            kind: Kind::Unknown,
            category: Category::Other,
            priority: Priority::FAULT,
            partition: None,
            zone: None,
            user: None,
            peripheral: None,
            text: None,
            value: None,
            location: None,
            media: Vec::new(),
            modifiers: Vec::new(),
            extended: Vec::new(),
            authenticity: Authenticity::PLAIN,
            deviations: Vec::new(),
            repeat: None,
            test: false,
            shadow: false,
            raw: Raw::default(),
        }
    }
}
