//! A receiver's answer as the transmitter reads it.
use alloc::string::String;

use larm_carrier::Key;
use larm_event::Timestamp;
use larm_wire::stamp;

use crate::crypto;
use crate::error::DecodeError;
use crate::message::{Body, Message, decode};

/// What a receiver said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Received; responsibility has passed.
    Ack,
    /// Refused for its time; send again with the receiver's.
    Nak,
    /// Cannot be handled.
    Duh,
    /// Data for the transmitter.
    Rsp,
}

/// An answer, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was said.
    pub reply: Reply,
    /// It was encrypted, and the key opened it.
    pub encrypted: bool,
    /// Sequence number as sent.
    pub sequence: String,
    /// Receiver number as sent.
    pub receiver: Option<String>,
    /// Line prefix as sent.
    pub line: Option<String>,
    /// Account as sent.
    pub account: Option<String>,
    /// The receiver's time, where it tells it.
    pub time: Option<Timestamp>,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// They cannot be read as a frame.
    Frame(DecodeError),
    /// They are a frame, but not a receiver's answer.
    NotAReply,
    /// They are encrypted, and the key does not open them.
    Closed,
}

impl core::fmt::Display for AnswerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::NotAReply => f.write_str("a frame, but none of ACK, NAK, DUH, RSP"),
            Self::Closed => f.write_str(
                "an encrypted answer that the key does not open: the receiver has another key",
            ),
        }
    }
}

impl core::error::Error for AnswerError {}

/// Reads one answer, from LF to CR.
pub fn read_answer(bytes: &[u8], key: Option<&Key>) -> Result<Answered, AnswerError> {
    let message = decode(bytes).map_err(AnswerError::Frame)?;
    let header = message.header;
    let reply = match header.id {
        "ACK" => Reply::Ack,
        "NAK" => Reply::Nak,
        "DUH" => Reply::Duh,
        "RSP" => Reply::Rsp,
        _ => return Err(AnswerError::NotAReply),
    };
    Ok(Answered {
        reply,
        encrypted: header.encrypted,
        sequence: header.sequence.into(),
        receiver: header.receiver.map(String::from),
        line: header.line.map(String::from),
        account: header.account.map(String::from),
        time: time(&message, key)?,
    })
}

fn time(message: &Message<'_>, key: Option<&Key>) -> Result<Option<Timestamp>, AnswerError> {
    let parse = |text: Option<&str>| {
        stamp::parse(text?.as_bytes())
            .ok()
            .map(Timestamp::from_millis)
    };
    match message.body {
        Body::Clear(block) => Ok(parse(block.timestamp)),
        Body::Cipher(text, _) => {
            let key = key.ok_or(AnswerError::Closed)?;
            let mut plain = crypto::cipher_bytes(text).ok_or(AnswerError::Closed)?;
            crypto::decrypt(key, &mut plain);
            let account = message.header.account;
            let inner = crypto::open(&plain, account)
                .filter(|inner| inner.timestamp.is_some())
                .or_else(|| crypto::open(without_block_padding(&plain), account))
                .ok_or(AnswerError::Closed)?;
            Ok(parse(inner.timestamp))
        }
    }
}

/// Without the padding of PKCS #7, which the receiver iobroker.sia leaves behind the time of its
/// encrypted answers, since its cipher adds it unasked.
fn without_block_padding(plain: &[u8]) -> &[u8] {
    let Some(len) = plain.last().map(|last| usize::from(*last)) else {
        return plain;
    };
    match plain.len().checked_sub(len).map(|at| plain.split_at(at)) {
        Some((before, padding))
            if (1..=16).contains(&len) && padding.iter().all(|byte| usize::from(*byte) == len) =>
        {
            before
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_nak() {
        let nak =
            read_answer(b"\nE4410025\"NAK\"0000R0L0A0[]_16:20:01,09-24-2025\r", None).unwrap();
        assert_eq!(nak.reply, Reply::Nak);
        assert_eq!(
            (nak.line.as_deref(), nak.account.as_deref()),
            (Some("0"), Some("0"))
        );
        assert_eq!(nak.time, Timestamp::parse("2025-09-24T16:20:01Z").ok());
        let mut frame = crate::Outgoing::new("NAK", 0, "000");
        frame.receiver = Some("0".into());
        frame.timestamp = nak.time;
        let bytes = frame.encode(None).unwrap();
        let zeros = read_answer(&bytes, None).unwrap();
        assert_eq!((zeros.reply, zeros.time), (Reply::Nak, nak.time));
    }

    #[test]
    fn padding_behind_the_time_is_taken_off() {
        // As iobroker.sia 2.0.4 sent it, with the key that its test gave it.
        let key = Key::from_hex("00112233445566778899AABBCCDDEEFF").unwrap();
        let bytes =
            b"\n42A10072\"*ACK\"0001L0#4128[d2d4f40124971e5abbd63b5d4be70ee4748fffd4bafe8d0\
            2141b005d27e2c1a9aaa5ce91f32fa7dbd7428aa93ba04725\r";
        let ack = read_answer(bytes, Some(&key)).unwrap();
        assert_eq!((ack.reply, ack.encrypted), (Reply::Ack, true));
        assert!(ack.time.is_some());
        let other = Key::from_hex("000102030405060708090A0B0C0D0E0F").unwrap();
        assert_eq!(read_answer(bytes, Some(&other)), Err(AnswerError::Closed));
    }

    #[test]
    fn an_event_is_no_answer() {
        let bytes = crate::Outgoing::link_test(1, "1234").encode(None).unwrap();
        assert_eq!(read_answer(&bytes, None), Err(AnswerError::NotAReply));
    }
}
