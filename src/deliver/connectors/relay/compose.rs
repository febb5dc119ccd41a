//! What the relay needs of a protocol: frames for events and link tests, and answers read.
//!
//! The relay names no protocol. Whoever composes the gateway hands in one implementation; it holds
//! key, checksum form and everything else that is the protocol's own.
use std::sync::Arc;

use larm_event::{Event, Timestamp};

use crate::config::connector::Dc09Relay;
use crate::deliver::BuildError;

/// A protocol that can be sent onward.
pub trait Protocol: Send + Sync {
    /// The sending side with these settings. Reads the files that they name.
    fn link(&self, settings: &Dc09Relay) -> Result<Arc<dyn Compose>, BuildError>;
}

/// The sending side of one protocol towards one receiver.
pub trait Compose: Send + Sync + 'static {
    /// The frame for one attempt to deliver `event`.
    fn event(&self, event: &Event, envelope: &Envelope<'_>) -> Result<Sent, Unfit>;

    /// The frame for one link test.
    fn link_test(&self, envelope: &Envelope<'_>) -> Result<Sent, Unfit>;

    /// What stands at the front of the bytes that came back. `whole`: nothing follows them.
    fn answer(&self, bytes: &[u8], whole: bool) -> Look;
}

/// What the relay decides about a frame.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The account that the receiver is to see.
    pub account: &'a str,
    /// The same for the account inside the data, where the event has another one there.
    pub data_account: Option<&'a str>,
    /// 1 to 9999.
    pub sequence: u16,
    /// The time of sending to be written.
    pub sent_at: Timestamp,
    /// The event's own time, where the time of sending does not tell it.
    pub occurred_at: Option<Timestamp>,
    /// Extended data goes along.
    pub extended: bool,
}

/// A frame, and what its answer must repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What the answer must repeat.
    pub head: Head,
    /// Only an encrypted acknowledgement counts.
    pub encrypted: bool,
    /// The event has no counterpart in the scheme that the receiver is to get: it is as it came.
    pub unconverted: bool,
}

/// What identifies a message on its link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The sequence number, where it is one.
    pub sequence: Option<u32>,
    /// Receiver number.
    pub receiver: Option<String>,
    /// Line prefix.
    pub line: Option<String>,
    /// Account.
    pub account: Option<String>,
}

impl Head {
    /// The first part in which `other` differs.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<&'static str> {
        let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one.is_none() == other.is_none(),
        };
        if self.sequence != other.sequence {
            Some("sequence number")
        } else if !same(&self.account, &other.account) {
            Some("account")
        } else if !same(&self.receiver, &other.receiver) {
            Some("receiver number")
        } else if !same(&self.line, &other.line) {
            Some("line prefix")
        } else {
            None
        }
    }
}

/// An event that cannot be put into a frame, and never will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(
    /// Why, without content.
    pub String,
);

/// What stands at the front of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Too few bytes to tell.
    More,
    /// This many bytes, at least one, are no answer.
    Skip(usize),
    /// An answer of this many bytes.
    Answer(usize, Answer),
}

/// An answer, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub says: Says,
    /// What it repeats.
    pub head: Head,
    /// It was encrypted, and the key opened it.
    pub encrypted: bool,
}

/// What a receiver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Received; responsibility has passed.
    Received,
    /// Refused for its time; the receiver's own, where it can be read.
    WrongTime(Option<Timestamp>),
    /// Cannot be handled.
    Unable,
    /// Something that nobody asked for.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_every_part_of_the_head() {
        let head = Head {
            sequence: Some(1),
            receiver: None,
            line: Some("0".to_owned()),
            account: Some("00ab".to_owned()),
        };
        assert_eq!(head.differs(&head.clone()), None);
        let with = |change: fn(&mut Head)| {
            let mut other = head.clone();
            change(&mut other);
            head.differs(&other)
        };
        assert_eq!(with(|other| other.account = Some("00AB".to_owned())), None);
        assert_eq!(
            with(|other| other.sequence = Some(2)),
            Some("sequence number")
        );
        assert_eq!(with(|other| other.account = None), Some("account"));
        assert_eq!(
            with(|other| other.receiver = Some("1".to_owned())),
            Some("receiver number")
        );
        assert_eq!(
            with(|other| other.line = Some("1".to_owned())),
            Some("line prefix")
        );
    }
}
