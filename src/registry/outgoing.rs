//! The transmitter's side of the protocols: composes messages and reads the answers to them.
use std::fmt::Write as _;

use larm_carrier::Key;
use larm_dc09::frame::{self, CrcForm};
use larm_dc09::{Answered, EncodeError, Reply};
use larm_event::Timestamp;

/// One message as a transmitter would send it.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Account number.
    pub account: &'a str,
    /// Receiver number, where it is sent.
    pub receiver: Option<&'a str>,
    /// Line prefix.
    pub line: &'a str,
    /// 0 to 9999.
    pub sequence: u16,
    /// What it says.
    pub content: Content<'a>,
    /// Position of the device, degrees north and east.
    pub location: Option<(f64, f64)>,
    /// Further extended data, each a letter and its value.
    pub extended: &'a [String],
    /// Encrypts with this key.
    pub key: Option<&'a Key>,
    /// The checksum as two bytes.
    pub binary_crc: bool,
    /// Whether the message carries its time of sending; encrypted ones always do.
    pub with_stamp: bool,
    /// This time of sending, whatever the clock says.
    pub fixed_stamp: Option<Timestamp>,
    /// The time of sending of this attempt.
    pub sent_at: Option<Timestamp>,
}

/// What a message says.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A sign of life.
    LinkTest,
    /// A SIA DC-03 event.
    Sia {
        /// Two capitals.
        code: &'a str,
        /// Zone, user, door …
        address: Option<&'a str>,
        /// Area.
        area: Option<&'a str>,
        /// Text for people.
        text: Option<&'a str>,
    },
    /// A Contact ID event.
    Cid {
        /// Three digits.
        code: &'a str,
        /// The condition is over.
        restore: bool,
        /// Two digits.
        partition: &'a str,
        /// Three digits.
        zone: &'a str,
    },
}

/// Why a message cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The code is none of its scheme.
    #[error("`{found}` is no {scheme} code: {wanted}")]
    Code {
        /// As given.
        found: String,
        /// `SIA` or `Contact ID`.
        scheme: &'static str,
        /// What one looks like.
        wanted: &'static str,
    },
    /// Partition or zone do not fit the scheme.
    #[error("{what} `{found}` does not fit: {wanted}")]
    Number {
        /// Which.
        what: &'static str,
        /// As given.
        found: String,
        /// What one looks like.
        wanted: &'static str,
    },
    /// A text with characters that end it.
    #[error("the text must not hold ^, |, [ or ]; they end the text in the frame")]
    Text,
    /// An extended block without its letter.
    #[error("`{found}` is no extended block: write a capital letter and the value, such as VURL")]
    Extended {
        /// As given.
        found: String,
    },
    /// The frame cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Outgoing<'_> {
    /// This message with the time of sending for one attempt at `now`.
    #[must_use]
    pub fn stamped(&self, now: Timestamp) -> Self {
        Self {
            sent_at: Some(self.fixed_stamp.unwrap_or(now)),
            ..*self
        }
    }
}

/// The frame for one attempt; `noise` are fresh random bytes for the padding.
pub fn compose(message: &Outgoing<'_>, noise: &[u8; 32]) -> Result<Vec<u8>, ComposeError> {
    let (id, payload) = match message.content {
        Content::LinkTest => ("NULL", None),
        Content::Sia {
            code,
            address,
            area,
            text,
        } => ("SIA-DCS", Some(sia(code, address, area, text)?)),
        Content::Cid {
            code,
            restore,
            partition,
            zone,
        } => ("ADM-CID", Some(cid(code, restore, partition, zone)?)),
    };
    let mut frame = larm_dc09::Outgoing::new(id, message.sequence, message.account);
    frame.receiver = message.receiver.map(str::to_owned);
    frame.line = Some(message.line.to_owned());
    frame.extended = extended(message)?;
    frame.timestamp = message.sent_at.filter(|_| message.with_stamp);
    if message.binary_crc {
        frame.form = CrcForm::Binary;
    }
    if let Some(payload) = payload {
        frame = frame.with_payload(payload.as_bytes());
    }
    Ok(frame.encode(message.key.map(|key| (key, noise)))?)
}

/// `Nri1/BA5^text^`.
fn sia(
    code: &str,
    address: Option<&str>,
    area: Option<&str>,
    text: Option<&str>,
) -> Result<String, ComposeError> {
    if code.len() != 2 || !code.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(ComposeError::Code {
            found: code.to_owned(),
            scheme: "SIA",
            wanted: "two capital letters, such as BA",
        });
    }
    let number = |what, found: &str| {
        if found.is_empty() || !found.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let wanted = "digits or letters, such as 1";
            let found = found.to_owned();
            return Err(ComposeError::Number {
                what,
                found,
                wanted,
            });
        }
        Ok(())
    };
    let mut payload = "N".to_owned();
    if let Some(area) = area {
        number("partition", area)?;
        let _ = write!(payload, "ri{area}/");
    }
    payload.push_str(code);
    if let Some(address) = address {
        number("zone", address)?;
        payload.push_str(address);
    }
    if let Some(text) = text {
        if text.contains(['^', '|', '[', ']']) {
            return Err(ComposeError::Text);
        }
        let _ = write!(payload, "^{text}^");
    }
    Ok(payload)
}

/// `1130 01 015`; shorter numbers are filled up with zeros.
fn cid(code: &str, restore: bool, partition: &str, zone: &str) -> Result<String, ComposeError> {
    let hex = |text: &str, digits: usize| {
        (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if code.len() != 3 || !hex(code, 3) {
        return Err(ComposeError::Code {
            found: code.to_owned(),
            scheme: "Contact ID",
            wanted: "three digits, such as 130",
        });
    }
    for (what, found, digits, wanted) in [
        ("partition", partition, 2, "one or two digits, such as 01"),
        ("zone", zone, 3, "one to three digits, such as 015"),
    ] {
        if !hex(found, digits) {
            let found = found.to_owned();
            return Err(ComposeError::Number {
                what,
                found,
                wanted,
            });
        }
    }
    let qualifier = if restore { '3' } else { '1' };
    Ok(format!("{qualifier}{code} {partition:0>2} {zone:0>3}"))
}

fn extended(message: &Outgoing<'_>) -> Result<Vec<(char, Vec<u8>)>, ComposeError> {
    let mut blocks = Vec::new();
    if let Some((latitude, longitude)) = message.location {
        blocks.push(('X', degrees(longitude, 'E', 'W', 3).into_bytes()));
        blocks.push(('Y', degrees(latitude, 'N', 'S', 2).into_bytes()));
    }
    for block in message.extended {
        let mut letters = block.chars();
        match letters.next() {
            Some(letter) if letter.is_ascii_uppercase() => {
                blocks.push((letter, letters.as_str().as_bytes().to_vec()));
            }
            _ => {
                return Err(ComposeError::Extended {
                    found: block.clone(),
                });
            }
        }
    }
    Ok(blocks)
}

/// `018E04.1148`: whole degrees, hemisphere, minutes.
fn degrees(value: f64, positive: char, negative: char, width: usize) -> String {
    let hemisphere = if value < 0.0 { negative } else { positive };
    let total = value.abs();
    // Rounded before it is taken apart, so that no 60.0000 minutes come out.
    let minutes = (total * 60.0 * 10_000.0).round() / 10_000.0;
    let whole = (minutes / 60.0).floor();
    format!("{whole:0width$}{hemisphere}{:07.4}", minutes - whole * 60.0)
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerRead {
    /// More bytes are needed.
    Incomplete,
    /// The receiver has taken responsibility.
    Acknowledged,
    /// The receiver refuses the time.
    WrongTime {
        /// The receiver's own time, where it can be read.
        receiver_time: Option<Timestamp>,
    },
    /// The receiver cannot handle the message.
    Declined,
    /// No answer to this message.
    Bad {
        /// What is wrong with it.
        why: String,
    },
}

/// Reads the bytes that came back for `message`.
#[must_use]
pub fn read_answer(bytes: &[u8], message: &Outgoing<'_>) -> AnswerRead {
    // Some receivers put filler in front of an answer.
    let start = bytes.iter().position(|byte| !matches!(byte, 0 | b'\r'));
    let bytes = start
        .and_then(|start| bytes.get(start..))
        .unwrap_or_default();
    let frame = match frame::scan(bytes, false, frame::BODY_LEN_MAX) {
        frame::Scan::Frame(frame) => frame,
        frame::Scan::More => return AnswerRead::Incomplete,
        frame::Scan::Noise(_) | frame::Scan::Cut(..) | frame::Scan::TooLong(_) => {
            let why = "it is no frame".to_owned();
            return AnswerRead::Bad { why };
        }
    };
    let answered = match larm_dc09::read_answer(frame.bytes, message.key) {
        Ok(answered) => answered,
        Err(error) => {
            return AnswerRead::Bad {
                why: error.to_string(),
            };
        }
    };
    let form = if message.binary_crc {
        CrcForm::Binary
    } else {
        CrcForm::Ascii
    };
    let why = if frame.form != form {
        Some(format!(
            "its CRC is not in the {} form of the message",
            form.as_str()
        ))
    } else if answered.reply == Reply::Nak {
        None
    } else {
        mismatch(&answered, message)
    };
    if let Some(why) = why {
        return AnswerRead::Bad { why };
    }
    match answered.reply {
        Reply::Nak => AnswerRead::WrongTime {
            receiver_time: answered.time,
        },
        Reply::Duh => AnswerRead::Declined,
        Reply::Ack if answered.encrypted == message.key.is_some() => AnswerRead::Acknowledged,
        Reply::Ack => AnswerRead::Bad {
            why: "message and acknowledgement are not both encrypted".to_owned(),
        },
        Reply::Rsp => AnswerRead::Bad {
            why: "it carries data for a panel (RSP), which nobody asked for".to_owned(),
        },
    }
}

/// What of the answer's header is not as it was sent.
fn mismatch(found: &Answered, message: &Outgoing<'_>) -> Option<String> {
    let sequence = format!("{:04}", message.sequence);
    let pairs = [
        (
            "sequence number",
            Some(found.sequence.as_str()),
            Some(sequence.as_str()),
        ),
        ("receiver", found.receiver.as_deref(), message.receiver),
        ("line prefix", found.line.as_deref(), Some(message.line)),
        ("account", found.account.as_deref(), Some(message.account)),
    ];
    let (what, found, sent) = pairs.into_iter().find(|(_, found, sent)| found != sent)?;
    let show = |value: Option<&str>| value.unwrap_or("nothing").to_owned();
    Some(format!(
        "its {what} is {}, sent was {}",
        show(found),
        show(sent)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content: Content<'_>) -> Outgoing<'_> {
        Outgoing {
            account: "1234",
            receiver: None,
            line: "0",
            sequence: 1,
            content,
            location: None,
            extended: &[],
            key: None,
            binary_crc: false,
            with_stamp: false,
            fixed_stamp: None,
            sent_at: None,
        }
    }

    fn burglary<'a>(zone: Option<&'a str>, text: Option<&'a str>) -> Content<'a> {
        Content::Sia {
            code: "BA",
            address: zone,
            area: Some("1"),
            text,
        }
    }

    #[test]
    fn composes_what_panels_send() {
        let frame = compose(&message(burglary(Some("12"), None)), &[0; 32]).unwrap();
        assert_eq!(
            frame,
            b"\n68AF0025\"SIA-DCS\"0001L0#1234[#1234|Nri1/BA12]\r"
        );
        let fire = Content::Cid {
            code: "110",
            restore: true,
            partition: "1",
            zone: "7",
        };
        let frame = compose(&message(fire), &[0; 32]).unwrap();
        assert!(frame.windows(19).any(|part| part == b"[#1234|3110 01 007]"));
    }

    #[test]
    fn refuses_what_no_receiver_could_read() {
        let error = |content| {
            compose(&message(content), &[0; 32])
                .unwrap_err()
                .to_string()
        };
        assert!(error(burglary(Some("1"), Some("a]b"))).contains("the text must not hold"));
        assert!(error(burglary(Some("1/"), None)).contains("zone `1/` does not fit"));
        let code = Content::Sia {
            code: "ba",
            address: None,
            area: None,
            text: None,
        };
        assert!(error(code).contains("`ba` is no SIA code"));
    }

    #[test]
    fn positions_come_out_as_they_went_in() {
        for (latitude, longitude) in [
            (59.329_32, 18.068_58),
            (-33.999_999, -70.5),
            (0.0, 179.999_99),
        ] {
            let mut sent = message(burglary(Some("1"), None));
            sent.location = Some((latitude, longitude));
            let frame = compose(&sent, &[0; 32]).unwrap();
            let found = super::super::inspect(&frame, &[], None);
            let at = found[0].events[0].location.clone().unwrap();
            assert!((at.latitude - latitude).abs() < 1e-5, "{at:?}");
            assert!((at.longitude - longitude).abs() < 1e-5, "{at:?}");
        }
    }

    #[test]
    fn reads_answers_and_says_what_does_not_fit() {
        let sent = message(burglary(Some("12"), None));
        let read = |bytes: &[u8]| read_answer(bytes, &sent);
        let ack = b"\n1BC10012\"ACK\"0001L0#1234[]\r";
        assert_eq!(read(ack), AnswerRead::Acknowledged);
        for cut in 0..ack.len() {
            assert_eq!(read(&ack[..cut]), AnswerRead::Incomplete, "{cut}");
        }
        let nak = b"\nA20B0025\"NAK\"0000R0L0A0[]_12:00:00,11-25-2026\r";
        let time = Timestamp::parse("2026-11-25T12:00:00Z").unwrap();
        assert_eq!(
            read(nak),
            AnswerRead::WrongTime {
                receiver_time: Some(time)
            }
        );
        let other = b"\n5BAD0012\"ACK\"1665L0#0000[]\r";
        assert!(
            matches!(read(other), AnswerRead::Bad { why } if why.contains("sequence number is 1665"))
        );
        let damaged = b"\n1BC20012\"ACK\"0001L0#1234[]\r";
        assert!(matches!(read(damaged), AnswerRead::Bad { .. }));
    }
}
