//! What a protocol found in a piece of input: the matter of every explanation.
use alloc::string::String;
use alloc::vec::Vec;

use larm_event::{Event, Extended};

/// One piece of an input: a frame, a cut frame, or noise.
///
/// `larm decode --json` prints these fields under these names; absent values are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// The bytes of the piece.
    pub bytes: Vec<u8>,
    /// `ok`, `bad-crc`, `bad-length`, `bad-crc-length`, `truncated`, `bad-syntax`,
    /// `undecryptable`, or the protocol's word for "no frame of mine" (`not-dc09`).
    pub verdict: String,
    /// What is wrong, at which byte, and which setting would accept it; `None` when ok.
    pub error: Option<String>,
    /// The carrier, such as `dc09`.
    pub protocol: String,
    /// `ascii` or `binary`.
    pub crc_form: Option<&'static str>,
    /// Whether the frame is encrypted, where it is a frame.
    pub encrypted: Option<bool>,
    /// The message id as sent, with its `*` when encrypted.
    pub id: Option<String>,
    /// Sequence number as sent.
    pub sequence: Option<String>,
    /// Receiver number as sent.
    pub receiver: Option<String>,
    /// Line prefix as sent.
    pub line: Option<String>,
    /// Account as sent.
    pub account: Option<String>,
    /// The data block after decryption and without padding, control characters escaped.
    pub payload: Option<String>,
    /// Extended data in order.
    pub extended: Vec<Extended>,
    /// The time stamp as sent.
    pub timestamp: Option<String>,
    /// Departures from the standard, by their fixed words.
    pub deviations: Vec<&'static str>,
    /// Decoded events (drafts).
    pub events: Vec<Event>,
    /// A link test.
    pub link_test: bool,
    /// What a receiver that follows the standard answers.
    pub reply: String,
    /// The answer in tolerant mode or under a quirk, where it is another one.
    pub lenient_reply: Option<String>,
    /// Each part of the piece in words, in order, for people.
    pub fields: Vec<Field>,
    /// Sentences about the answer and what to do, for people.
    pub notes: Vec<String>,
}

/// One part of a frame in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name: `crc`, `length`, `id`, …
    pub name: &'static str,
    /// First byte in the piece.
    pub start: usize,
    /// The byte behind the last one. `start <= end <= bytes.len()`.
    pub end: usize,
    /// What it says.
    pub meaning: String,
}
