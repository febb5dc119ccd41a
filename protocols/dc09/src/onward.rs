//! A received frame opened again, so that its content can go on to another receiver in a frame of
//! its own.
//!
//! What was encrypted is opened with the keys that the account has now. Key blocks (`K`) stay
//! behind.
use alloc::string::String;
use alloc::vec::Vec;

use larm_carrier::Accounts;
use larm_event::Timestamp;
use larm_wire::stamp;

use crate::crypto;
use crate::frame::Frame;
use crate::ids::Token;
use crate::judge::find;
use crate::message::{Body, Content, Message};
use crate::sia;
use crate::xdata::Blocks;

/// The content of one frame in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The message id without quotes and without `*`.
    pub id: String,
    /// The account of the data, where it names one.
    pub account: Option<String>,
    /// What follows the account in the data; all of it where the data names none.
    pub payload: Vec<u8>,
    /// Letters and values of the extended blocks in order, without keys.
    pub extended: Vec<(char, Vec<u8>)>,
    /// The time of sending.
    pub sent_at: Option<Timestamp>,
}

/// Opens the frame in `bytes`, from its LF to its CR; its checksum is not looked at again, since
/// struck-out keys change it. `None` where it cannot be read, or no key of its account opens it.
#[must_use]
pub fn open(bytes: &[u8], accounts: &dyn Accounts) -> Option<Opened> {
    let message = Message::read(Frame::whole(bytes)?).ok()?;
    match message.body {
        Body::Clear(block) => block
            .closed
            .then(|| opened(&message, block.data, block.extended, block.timestamp)),
        Body::Cipher(text, _) => {
            let policy = find(accounts, &message.header, None)?;
            let cipher = crypto::cipher_bytes(text)?;
            policy.live_keys().find_map(|key| {
                let mut plain = cipher.clone();
                crypto::decrypt(key, &mut plain);
                let inner = crypto::open(&plain, message.header.account)?;
                Some(opened(
                    &message,
                    inner.data,
                    inner.extended,
                    inner.timestamp,
                ))
            })
        }
    }
}

fn opened(
    message: &Message<'_>,
    data: &[u8],
    extended: Blocks<'_>,
    timestamp: Option<&str>,
) -> Opened {
    let header = message.header;
    let content = Content::read(header.token, data, header.account);
    Opened {
        id: header.id.into(),
        account: content.account.map(String::from),
        payload: content.payload.to_vec(),
        extended: extended
            .into_iter()
            .filter(|block| !block.is_key())
            .map(|block| (block.letter, block.value.to_vec()))
            .collect(),
        sent_at: timestamp
            .and_then(|text| stamp::parse(text.as_bytes()).ok())
            .map(Timestamp::from_millis),
    }
}

impl Opened {
    /// The payload of event number `index` (from 1) of the `of` events in the frame, as sent where
    /// it is the only one. `None` where it cannot be cut out such that it reads the same.
    #[must_use]
    pub fn part(&self, index: u16, of: u16) -> Option<Vec<u8>> {
        if of <= 1 {
            return Some(self.payload.clone());
        }
        if Token::read(&self.id) != Token::SiaDcs
            || sia::events(&self.payload).count() != usize::from(of)
        {
            return None;
        }
        let event = sia::events(&self.payload).nth(usize::from(index).checked_sub(1)?)?;
        let mut payload = Vec::new();
        event.write(&mut payload);
        let mut read = sia::events(&payload);
        (read.next() == Some(event) && read.next().is_none()).then_some(payload)
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec;

    use larm_carrier::{Key, NoAccounts, Policy};

    use super::*;
    use crate::Outgoing;

    struct One(Arc<Policy>);

    impl Accounts for One {
        fn find(&self, _: Option<&str>, _: Option<&str>, account: &str) -> Option<Arc<Policy>> {
            (account == "1234").then(|| Arc::clone(&self.0))
        }
    }

    fn key(text: &str) -> Key {
        Key::from_hex(text).unwrap()
    }

    fn frame() -> Outgoing {
        let mut frame = Outgoing::new("SIA-DCS", 7, "1234").with_payload(b"Nri1/BA5^Hall^");
        frame.extended = vec![('V', b"https://a/b".to_vec()), ('K', b"00FF".to_vec())];
        frame.timestamp = Timestamp::parse("2026-11-25T12:00:00Z").ok();
        frame
    }

    #[test]
    fn clear_and_encrypted_frames_open_alike() {
        let key = key("00112233445566778899AABBCCDDEEFF");
        let sealed = frame().encode(Some((&key, &[7; 32]))).unwrap();
        let keys = [
            Some(self::key("000102030405060708090A0B0C0D0E0F")),
            Some(key),
        ];
        let known = One(Arc::new(Policy {
            keys,
            ..Policy::default()
        }));
        let clear = open(&frame().encode(None).unwrap(), &NoAccounts).unwrap();
        assert_eq!(open(&sealed, &known).unwrap(), clear);
        assert_eq!(open(&sealed, &NoAccounts), None);
        assert_eq!(clear.payload, b"Nri1/BA5^Hall^");
        assert_eq!(clear.account.as_deref(), Some("1234"));
        assert_eq!(clear.extended, [('V', b"https://a/b".to_vec())]);
        assert_eq!(clear.sent_at, frame().timestamp);
    }

    #[test]
    fn struck_out_keys_do_not_matter() {
        let bytes = crate::normalize::without_keys(&frame().encode(None).unwrap());
        assert!(bytes.windows(6).any(|six| six == b"[K****"));
        assert_eq!(
            open(&bytes, &NoAccounts),
            open(&frame().encode(None).unwrap(), &NoAccounts)
        );
    }

    #[test]
    fn several_events_are_cut_apart_with_what_holds_for_them() {
        let frame = Outgoing::new("SIA-DCS", 7, "1234").with_payload(b"Nri1/BA5/FA6^Smoke^|NOP1");
        let opened = open(&frame.encode(None).unwrap(), &NoAccounts).unwrap();
        let part = |index| opened.part(index, 3).unwrap();
        assert_eq!(part(1), b"Nri1/BA5");
        assert_eq!(part(2), b"Nri1/FA6^Smoke^");
        assert_eq!(part(3), b"NOP1");
        assert_eq!(opened.part(0, 3), None);
        assert_eq!(opened.part(4, 3), None);
        assert_eq!(opened.part(1, 2), None);
        assert_eq!(opened.part(1, 1).unwrap(), opened.payload);
    }

    #[test]
    fn garbage_opens_to_nothing() {
        for bytes in [
            &b""[..],
            b"\n",
            b"\r",
            b"\n68AF0025\"SIA",
            b"GET / HTTP/1.1\r",
        ] {
            assert_eq!(open(bytes, &NoAccounts), None);
        }
    }
}
