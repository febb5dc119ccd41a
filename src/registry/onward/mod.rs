//! The sending side of DC-09 towards another receiver, as the relay uses it.
//!
//! What goes on is what came: the message id and the bytes of the data, opened with the keys that
//! the account has now. Where the frame cannot be opened any more, because its key is gone, the
//! content is written again from the record. Where the other receiver is to get one scheme only,
//! events of the other one are written in it, if their code has a counterpart there.
mod content;
mod convert;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use larm_carrier::Key;
use larm_dc09::frame::{self, CrcForm, is_filler};
use larm_dc09::{Outgoing, Reply, onward, read_answer};
use larm_event::{Event, SuspectReason};
use zeroize::Zeroizing;

use crate::accounts::Snapshot;
use crate::config::connector::{Checksum, Dc09Relay, RelayFormat};
use crate::deliver::BuildError;
use crate::deliver::connectors::relay::{
    Answer, Compose, Envelope, Head, Look, Protocol, Says, Sent, Unfit,
};
use crate::entropy;
use content::Content;
use convert::Wanted;

/// Makes links to other receivers.
pub struct Onward {
    accounts: Arc<ArcSwap<Snapshot>>,
}

impl Onward {
    /// With the register whose keys open what came.
    #[must_use]
    pub fn new(accounts: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { accounts }
    }

    /// For settings that are only checked.
    #[must_use]
    pub fn unused() -> Self {
        Self::new(Arc::new(ArcSwap::from_pointee(Snapshot::default())))
    }
}

impl Protocol for Onward {
    fn link(&self, settings: &Dc09Relay) -> Result<Arc<dyn Compose>, BuildError> {
        let key = settings.key_file.as_deref().map(read_key).transpose()?;
        let part = |key, text: &str| match text {
            "" => Ok(None),
            text if text.len() <= 6 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                Ok(Some(text.to_owned()))
            }
            _ => Err(BuildError {
                key,
                problem: format!("`{text}` is no 1 to 6 hex digits; write \"1\""),
            }),
        };
        Ok(Arc::new(Link {
            accounts: Arc::clone(&self.accounts),
            key,
            receiver: part("receiver", &settings.receiver)?,
            line: part("line", &settings.line)?,
            binary_crc: settings.crc == Checksum::Binary,
            with_stamp: settings.timestamp,
            format: settings.format,
        }))
    }
}

/// Longest file of a key; a key has 64 digits at most.
const KEY_FILE_LEN_MAX: u64 = 4096;

/// The key in a file of hex digits. Says what is wrong, never what stands there.
fn read_key(path: &Path) -> Result<Key, BuildError> {
    let error = |problem: String| BuildError {
        key: "key_file",
        problem: format!("{}: {problem}", path.display()),
    };
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(|why| error(why.to_string()))?;
    file.take(KEY_FILE_LEN_MAX)
        .read_to_string(&mut text)
        .map_err(|why| error(why.to_string()))?;
    Key::from_hex(text.trim()).map_err(|why| error(why.to_string()))
}

/// One link to another receiver of DC-09.
struct Link {
    /// For the keys that open what came.
    accounts: Arc<ArcSwap<Snapshot>>,
    /// Encrypts what goes on; without it everything goes in clear.
    key: Option<Key>,
    /// larm's receiver number on the link; `None`: as the event came.
    receiver: Option<String>,
    /// larm's line prefix on the link; `None`: as the event came.
    line: Option<String>,
    /// The checksum as two bytes.
    binary_crc: bool,
    /// Clear messages carry their time of sending, too.
    with_stamp: bool,
    /// Which scheme goes on.
    format: RelayFormat,
}

impl Compose for Link {
    fn event(&self, event: &Event, envelope: &Envelope<'_>) -> Result<Sent, Unfit> {
        let content = self.content(event, envelope)?;
        let mut frame = self.frame(&content.id, envelope);
        frame.receiver = self.receiver.clone().or_else(|| event.receiver.clone());
        frame.line = self
            .line
            .clone()
            .or_else(|| event.line.clone())
            .or(frame.line);
        frame.data = content.data;
        frame.extended = content.extended;
        let mut sent = self.sent(&frame)?;
        sent.unconverted = content.unconverted;
        Ok(sent)
    }

    fn link_test(&self, envelope: &Envelope<'_>) -> Result<Sent, Unfit> {
        let mut frame = self.frame("NULL", envelope);
        frame.receiver.clone_from(&self.receiver);
        frame.line = self.line.clone().or(frame.line);
        self.sent(&frame)
    }

    fn answer(&self, bytes: &[u8], whole: bool) -> Look {
        // Some receivers put filler in front of an answer.
        let filler = bytes
            .iter()
            .take_while(|byte| is_filler(**byte) && **byte != b'\n')
            .count();
        if filler > 0 {
            return Look::Skip(filler);
        }
        let (len, frame) = match frame::scan(bytes, whole, frame::BODY_LEN_MAX) {
            frame::Scan::More => return Look::More,
            frame::Scan::Noise(len) | frame::Scan::Cut(len, _) => return Look::Skip(len),
            frame::Scan::TooLong(_) => return Look::Skip(1),
            frame::Scan::Frame(frame) => (frame.bytes.len(), frame.bytes),
        };
        let Ok(answered) = read_answer(frame, self.key.as_ref()) else {
            return Look::Skip(len);
        };
        let says = match answered.reply {
            Reply::Ack => Says::Received,
            Reply::Nak => Says::WrongTime(answered.time),
            Reply::Duh => Says::Unable,
            Reply::Rsp => Says::Other,
        };
        let answer = Answer {
            says,
            head: Head {
                sequence: answered.sequence.parse().ok(),
                receiver: answered.receiver,
                line: answered.line,
                account: answered.account,
            },
            encrypted: answered.encrypted,
        };
        Look::Answer(len, answer)
    }
}

impl Link {
    fn frame(&self, id: &str, envelope: &Envelope<'_>) -> Outgoing {
        let mut frame = Outgoing::new(id, envelope.sequence, envelope.account);
        frame.timestamp = (self.with_stamp || self.key.is_some()).then_some(envelope.sent_at);
        if self.binary_crc {
            frame.form = CrcForm::Binary;
        }
        frame
    }

    fn sent(&self, frame: &Outgoing) -> Result<Sent, Unfit> {
        let noise = entropy::bytes::<32>();
        let key = self.key.as_ref().map(|key| (key, &noise));
        let bytes = frame
            .encode(key)
            .map_err(|error| Unfit(error.to_string()))?;
        Ok(Sent {
            bytes,
            head: Head {
                sequence: Some(frame.sequence.into()),
                receiver: frame.receiver.clone(),
                line: frame.line.clone(),
                account: frame.account.clone(),
            },
            encrypted: self.key.is_some(),
            unconverted: false,
        })
    }

    fn content(&self, event: &Event, envelope: &Envelope<'_>) -> Result<Content, Unfit> {
        let unread = event.authenticity.reasons.iter().any(|reason| {
            matches!(
                reason,
                SuspectReason::Damaged
                    | SuspectReason::Malformed
                    | SuspectReason::NoKey
                    | SuspectReason::WrongKey
            )
        });
        if unread && event.code.is_none() {
            return Err(Unfit("its frame could not be read".to_owned()));
        }
        let (index, of) = event.part.map_or((1, 1), |part| (part.index, part.of));
        let opened = onward::open(&event.raw.0, self.accounts.load().as_ref());
        let wanted = convert::convert(event, self.format);
        let mut content = match (wanted, opened) {
            (Wanted::Converted(converted), opened) => {
                let mut content = content::again(&converted.event, envelope)?;
                if let Some(opened) = opened {
                    content.extended = opened.extended;
                }
                converted.beside(&mut content.extended);
                content
            }
            (wanted, opened) => {
                let as_sent = opened
                    .and_then(|opened| opened.part(index, of).map(|payload| (opened, payload)))
                    .map(|(opened, payload)| content::as_sent(opened, &payload, envelope));
                let mut content = match as_sent {
                    Some(content) => content,
                    None => content::again(event, envelope)?,
                };
                content.unconverted = matches!(wanted, Wanted::NoCounterpart);
                content
            }
        };
        if !envelope.extended {
            content.extended.clear();
        } else if let Some(at) = envelope.occurred_at
            && !content.extended.iter().any(|(letter, _)| *letter == 'H')
        {
            content.extended.push(('H', content::happened(at)));
        }
        Ok(content)
    }
}
