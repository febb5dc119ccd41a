//! The sending side of DC-09 towards another receiver, as the relay uses it.
//!
//! What goes on is what came: the message id and the bytes of the data, opened with the keys that
//! the account has now. Where the frame cannot be opened any more, because its key is gone, the
//! content is written again from the record.
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use larm_carrier::Key;
use larm_dc09::cid::{CidEvent, CidQualifier};
use larm_dc09::frame::{self, CrcForm, is_filler};
use larm_dc09::onward::{self, Opened};
use larm_dc09::sia::{Modifier, Modifiers, Qualifier, SiaEvent, Value};
use larm_dc09::{Outgoing, Reply, read_answer};
use larm_event::{Event, Scheme, SuspectReason, Timestamp};
use larm_wire::stamp;
use zeroize::Zeroizing;

use crate::accounts::Snapshot;
use crate::config::connector::{Checksum, Dc09Relay};
use crate::deliver::BuildError;
use crate::deliver::connectors::relay::{
    Answer, Compose, Envelope, Head, Look, Protocol, Says, Sent, Unfit,
};
use crate::entropy;

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
        self.sent(&frame)
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

/// What stands inside the frame.
struct Content {
    id: String,
    data: Vec<u8>,
    extended: Vec<(char, Vec<u8>)>,
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
        let as_sent = opened
            .and_then(|opened| opened.part(index, of).map(|payload| (opened, payload)))
            .map(|(opened, payload)| as_sent(opened, &payload, envelope));
        let mut content = match as_sent {
            Some(content) => content,
            None => again(event, envelope)?,
        };
        if !envelope.extended {
            content.extended.clear();
        } else if let Some(at) = envelope.occurred_at
            && !content.extended.iter().any(|(letter, _)| *letter == 'H')
        {
            content.extended.push(('H', happened(at)));
        }
        Ok(content)
    }
}

/// The content as it was received, with the other receiver's account.
fn as_sent(opened: Opened, payload: &[u8], envelope: &Envelope<'_>) -> Content {
    let data = match &opened.account {
        Some(_) => with_account(envelope, payload),
        None if matches!(opened.id.as_str(), "SIA-DCS" | "ADM-CID") => {
            with_account(envelope, payload)
        }
        None => payload.to_vec(),
    };
    Content {
        id: opened.id,
        data,
        extended: opened.extended,
    }
}

fn with_account(envelope: &Envelope<'_>, payload: &[u8]) -> Vec<u8> {
    let account = envelope.data_account.unwrap_or(envelope.account);
    [b"#", account.as_bytes(), b"|", payload].concat()
}

/// The value of an `H` block: time and date without the `_` of a time of sending.
fn happened(at: Timestamp) -> Vec<u8> {
    let text = stamp::format(at.as_millis());
    text.get(1..).unwrap_or_default().to_vec()
}

/// The content written again from the record.
fn again(event: &Event, envelope: &Envelope<'_>) -> Result<Content, Unfit> {
    let code = event
        .code
        .as_ref()
        .ok_or_else(|| Unfit("it has no code, and its frame cannot be opened".to_owned()))?;
    let mut payload = Vec::new();
    let id = match code.scheme {
        Scheme::Sia => {
            sia(event, &mut payload);
            "SIA-DCS"
        }
        Scheme::Cid => {
            cid(event, &mut payload)?;
            "ADM-CID"
        }
        Scheme::Larm | Scheme::Other => {
            return Err(Unfit(
                "its code belongs to no scheme that the other receiver reads".to_owned(),
            ));
        }
    };
    let extended = event.extended.iter().filter_map(|block| {
        let letter = block.id.chars().next().filter(char::is_ascii_uppercase)?;
        let fits = !block.value.contains(['[', ']']);
        fits.then(|| (letter, block.value.clone().into_bytes()))
    });
    Ok(Content {
        id: id.to_owned(),
        data: with_account(envelope, &payload),
        extended: extended.collect(),
    })
}

fn sia(event: &Event, payload: &mut Vec<u8>) {
    let Some(code) = &event.code else { return };
    let address = code.address.as_deref();
    let mut modifiers: Vec<Modifier<'_>> = Vec::new();
    for (name, value) in [
        ("ri", &event.partition),
        ("id", &event.user),
        ("pi", &event.peripheral),
    ] {
        let value = value.as_deref().filter(|value| Some(*value) != address);
        let named = event.modifiers.iter().any(|modifier| modifier.name == name);
        if let Some(value) = value.filter(|_| !named) {
            modifiers.push(Modifier {
                name,
                value,
                text: None,
            });
        }
    }
    modifiers.extend(event.modifiers.iter().map(|modifier| Modifier {
        name: &modifier.name,
        value: &modifier.value,
        text: modifier.text.as_deref().map(str::as_bytes),
    }));
    let text = event.text.as_deref().map(unmarked);
    let value = event.value.as_ref().map(|value| Value {
        number: &value.number,
        unit: plain_unit(&value.unit),
    });
    SiaEvent {
        qualifier: match code.qualifier.as_deref() {
            Some("O") => Qualifier::Old,
            Some("E") => Qualifier::Environment,
            _ => Qualifier::New,
        },
        code: &code.code,
        address,
        value,
        text: text.as_deref().map(str::as_bytes),
        more_text: None,
        modifiers: Modifiers::of(&modifiers),
    }
    .write(payload);
}

/// A text without the characters that end it in a frame.
fn unmarked(text: &str) -> String {
    text.replace(['^', '|', '[', ']'], " ")
}

/// The unit as DC-03 writes it.
fn plain_unit(unit: &str) -> &str {
    match unit {
        "°C" => "C",
        "°F" => "F",
        "%" | "%RH" => "P",
        "h" => "H",
        "min" => "M",
        "mA" => "MA",
        "mV" => "MV",
        "cm" => "Cm",
        "cm/min" => "cM",
        "m/min" => "mM",
        "ft/min" => "FM",
        "in" => "I",
        "in/min" => "IM",
        "kg" | "Kg" => "Kg",
        as_sent => as_sent,
    }
}

fn cid(event: &Event, payload: &mut Vec<u8>) -> Result<(), Unfit> {
    let Some(code) = &event.code else {
        return Ok(());
    };
    let qualifier = match code.qualifier.as_deref() {
        Some("1") => CidQualifier::New,
        Some("3") => CidQualifier::Restored,
        Some("6") => CidQualifier::Still,
        _ => return Err(Unfit("its Contact ID event has no qualifier".to_owned())),
    };
    CidEvent {
        qualifier,
        code: &code.code,
        partition: event.partition.as_deref().unwrap_or("00"),
        zone: code.address.as_deref().unwrap_or("000"),
        deviations: larm_dc09::Deviations::NONE,
    }
    .write(payload);
    Ok(())
}
