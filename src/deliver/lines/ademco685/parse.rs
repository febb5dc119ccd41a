//! Reads Ademco 685 records, strictly: what is read is written the same again.
use super::super::surgard::Qualifier;
use super::record::{ACCOUNT_LEN_MAX, Address, Body, Record};

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A byte that no record holds.
    #[error("byte 0x{byte:02x} at {at}: a record has printable 7-bit characters only")]
    Byte {
        /// The byte.
        byte: u8,
        /// Its offset behind LF.
        at: usize,
    },
    /// The two digits at the start are not there.
    #[error("a record starts with a receiver and a line digit and a space, not with {found:?}")]
    Numbers {
        /// What stands there.
        found: String,
    },
    /// The account is not of its form.
    #[error("the account is {found:?}; it has 1 to 16 letters or digits")]
    Account {
        /// What stands there.
        found: String,
    },
    /// What stands behind the account is none of the known forms.
    #[error("{found:?} behind the account is no Contact ID, 4x1, 4x2 or high-speed event")]
    Event {
        /// What stands there.
        found: String,
    },
}

/// Reads one record without LF and CR.
pub fn parse(bytes: &[u8]) -> Result<Record, ParseError> {
    let wrong = |byte: &u8| !matches!(byte, b' '..=b'~');
    if let Some(at) = bytes.iter().position(wrong) {
        let byte = bytes.get(at).copied().unwrap_or_default();
        return Err(ParseError::Byte { byte, at });
    }
    // Checked above: 7-bit text is UTF-8.
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let (receiver, line, rest) = numbers(text)?;
    let (rest, space) = rest
        .strip_suffix(' ')
        .map_or((rest, false), |rest| (rest, true));
    Ok(Record {
        receiver,
        line,
        body: body(rest)?,
        space,
    })
}

fn numbers(text: &str) -> Result<(char, char, &str), ParseError> {
    let digit = |found: char| matches!(found, '0'..='9' | 'A'..='F').then_some(found);
    let mut letters = text.chars();
    let receiver = letters.next().and_then(digit);
    let line = letters.next().and_then(digit);
    match (receiver, line, letters.as_str().strip_prefix(' ')) {
        (Some(receiver), Some(line), Some(rest)) => Ok((receiver, line, rest)),
        _ => Err(ParseError::Numbers {
            found: text.chars().take(3).collect(),
        }),
    }
}

fn body(text: &str) -> Result<Body, ParseError> {
    if text == "OKAY @" {
        return Ok(Body::Heartbeat);
    }
    let (account, event) = text.split_once(' ').unwrap_or((text, ""));
    let letters = account.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !letters || !(1..=ACCOUNT_LEN_MAX).contains(&account.len()) {
        return Err(ParseError::Account {
            found: account.to_owned(),
        });
    }
    let unknown = || ParseError::Event {
        found: event.to_owned(),
    };
    let read = match event.strip_prefix("18 ") {
        Some(event) => contact_id(account, event),
        None => pulses(account, event),
    };
    read.ok_or_else(unknown)
}

/// `Q XYZ " " GG " " F CCC`.
fn contact_id(account: &str, event: &str) -> Option<Body> {
    let mut parts = event.split(' ');
    let (code, group, address) = (parts.next()?, parts.next()?, parts.next()?);
    let (counts, number) = address.split_at_checked(1)?;
    let (qualifier, code) = code.split_at_checked(1)?;
    let fits = hex(code, 3) && hex(group, 2) && hex(number, 3) && parts.next().is_none();
    let address = match counts {
        "C" => Address::Zone,
        "U" => Address::User,
        _ => return None,
    };
    fits.then_some(Body::ContactId {
        account: account.to_owned(),
        qualifier: Qualifier::from_letter(qualifier.chars().next()?)?,
        event: code.to_owned(),
        group: group.to_owned(),
        address,
        number: number.to_owned(),
    })
}

/// `E`, `E " " Z`, or the nine digits of high speed.
fn pulses(account: &str, event: &str) -> Option<Body> {
    let parts: Vec<&str> = event.split(' ').collect();
    let first = |part: &str| part.chars().next();
    let account = account.to_owned();
    match parts.as_slice() {
        [event] if hex(event, 1) => Some(Body::LowSpeed {
            account,
            event: first(event)?,
            zone: None,
        }),
        [event, zone] if hex(event, 1) && hex(zone, 1) => Some(Body::LowSpeed {
            account,
            event: first(event)?,
            zone: first(zone),
        }),
        [four, more, status] if hex(four, 4) && hex(more, 4) && hex(status, 1) => {
            let mut channels = ['0'; 9];
            let sent = [four, more, status]
                .into_iter()
                .flat_map(|part| part.chars());
            for (channel, sent) in channels.iter_mut().zip(sent) {
                *channel = sent;
            }
            Some(Body::HighSpeed { account, channels })
        }
        _ => None,
    }
}

fn hex(text: &str, len: usize) -> bool {
    text.len() == len
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}
