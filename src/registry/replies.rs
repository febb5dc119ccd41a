//! What a receiver said, read by somebody who stands beside the line.
use larm_carrier::Accounts;
use larm_dc09::frame::{self, is_filler};
use larm_dc09::{AnswerError, Header, message, read_answer};

use super::Protocol;

/// What a receiver's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Responsibility has passed.
    Ack,
    /// Refused for its time.
    Nak,
    /// Cannot be handled.
    Duh,
    /// Data for the transmitter.
    Rsp,
    /// Nothing.
    None,
}

impl Word {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nak => "nak",
            Self::Duh => "duh",
            Self::Rsp => "rsp",
            Self::None => "none",
        }
    }
}

/// What stands at the front of a receiver's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyLook {
    /// Too few bytes to tell.
    More,
    /// This many bytes, at least one, are no answer.
    Skip(usize),
    /// An answer of this many bytes.
    Reply(usize, Replied),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    /// What it says.
    pub word: Word,
    /// The sequence number that it repeats.
    pub sequence: Option<u32>,
    /// The receiver number that it repeats.
    pub receiver: Option<String>,
    /// The line prefix that it repeats.
    pub line: Option<String>,
    /// The account that it repeats.
    pub account: Option<String>,
    /// It is encrypted.
    pub encrypted: bool,
    /// What a transmitter would not accept of it.
    pub problem: Option<&'static str>,
}

/// Looks at the front of what a receiver sent. `whole`: nothing follows. The keys come from
/// `accounts`.
#[must_use]
pub fn look_at_reply(
    protocol: Protocol,
    bytes: &[u8],
    whole: bool,
    accounts: &dyn Accounts,
) -> ReplyLook {
    match protocol {
        Protocol::Dc09 => dc09(bytes, whole, accounts),
    }
}

fn dc09(bytes: &[u8], whole: bool, accounts: &dyn Accounts) -> ReplyLook {
    let filler = bytes
        .iter()
        .take_while(|byte| is_filler(**byte) && **byte != b'\n')
        .count();
    if filler > 0 {
        return ReplyLook::Skip(filler);
    }
    let found = match frame::scan(bytes, whole, frame::BODY_LEN_MAX) {
        frame::Scan::More => return ReplyLook::More,
        frame::Scan::Noise(len) | frame::Scan::Cut(len, _) => return ReplyLook::Skip(len.max(1)),
        frame::Scan::TooLong(_) => return ReplyLook::Skip(1),
        frame::Scan::Frame(found) => found,
    };
    let len = found.bytes.len();
    let Ok(message) = message::Message::read(found) else {
        return ReplyLook::Skip(len);
    };
    let word = match message.header.id {
        "ACK" => Word::Ack,
        "NAK" => Word::Nak,
        "DUH" => Word::Duh,
        "RSP" => Word::Rsp,
        _ => return ReplyLook::Skip(len),
    };
    let header = message.header;
    let problem = if found.check().is_err() {
        Some("its checksum or length is wrong")
    } else {
        unreadable(found.bytes, &header, accounts)
    };
    let replied = Replied {
        word,
        sequence: header.sequence_number(),
        receiver: header.receiver.map(str::to_owned),
        line: header.line.map(str::to_owned),
        account: header.account.map(str::to_owned),
        encrypted: header.encrypted,
        problem,
    };
    ReplyLook::Reply(len, replied)
}

/// What keeps an answer from being read with the keys of its account.
fn unreadable(frame: &[u8], header: &Header<'_>, accounts: &dyn Accounts) -> Option<&'static str> {
    let Err(first) = read_answer(frame, None) else {
        return None;
    };
    if !matches!(first, AnswerError::Closed) {
        return Some("it cannot be read");
    }
    let account = header.account.unwrap_or_default();
    let Some(policy) = accounts.find(header.receiver, header.line, account) else {
        return Some("it is encrypted, and larm has no key of the account");
    };
    let opens = policy
        .live_keys()
        .any(|key| read_answer(frame, Some(key)).is_ok());
    (!opens).then_some("it is encrypted, and no key of the account opens it")
}
