//! Reads Sur-Gard records: the grammar of the record, strictly.
//!
//! What is read is what would be written: the text of the result is the line that was read, byte
//! by byte. Anything else is an error with its place.
use super::record::{ACCOUNT_LEN_MAX, Body, Clock, DATA_LEN_MAX, Qualifier, Record};

/// Characters of `HH:MM:SS-dd/mm`.
const CLOCK_LEN: usize = 14;
/// Characters of `Q EEE GG CCC` behind a Contact ID account.
const EVENT_LEN: usize = 9;

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A byte that no record holds.
    #[error("byte 0x{byte:02x} at {at}: a record has printable 7-bit characters only")]
    Byte {
        /// The byte.
        byte: u8,
        /// Its offset from the start of the record.
        at: usize,
    },
    /// The first character is none that this reader knows.
    #[error("a record starts with 0, 1, 3, 5, 8 or S, not with {found:?}")]
    Kind {
        /// The character; `None`: the line is empty.
        found: Option<char>,
    },
    /// It ends too early.
    #[error("{part} is missing at {at}: the record has {len} characters")]
    Short {
        /// What is missing.
        part: &'static str,
        /// Where it should start.
        at: usize,
        /// Characters that there are.
        len: usize,
    },
    /// A field is not of its form.
    #[error("{part} at {at} is {found:?}; it is {expected}")]
    Field {
        /// Which field.
        part: &'static str,
        /// Its offset.
        at: usize,
        /// What stands there.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// More than the record.
    #[error("{found:?} at {at} is behind the end of the record")]
    Trailing {
        /// Its offset.
        at: usize,
        /// What stands there.
        found: String,
    },
}

/// Reads one record without its end mark. `line_len`: characters of the line number, 1 or 3.
pub fn parse(bytes: &[u8], line_len: usize) -> Result<Record, ParseError> {
    let text = printable(bytes)?;
    let mut rest = Rest { text, at: 0 };
    let kind = text.chars().next();
    let known = kind.filter(|kind| "01358S".contains(*kind));
    let Some(known) = known else {
        return Err(ParseError::Kind { found: kind });
    };
    rest.take(1, "the record's kind")?;
    let receiver = rest.word(2, "the receiver number")?;
    let line = rest.word(line_len, "the line number")?;
    let body = match known {
        '0' => own(&mut rest)?,
        '1' => basic(&mut rest)?,
        '3' => sia_1(&mut rest)?,
        '5' => contact_id(&mut rest)?,
        '8' => high_speed(&mut rest)?,
        _ => sia_2(&mut rest)?,
    };
    // A heartbeat stays as it is where the others have the clock.
    let clock = if body == Body::Heartbeat {
        None
    } else {
        rest.clock()?
    };
    rest.end()?;
    Ok(Record {
        receiver,
        line,
        body,
        clock,
    })
}

fn printable(bytes: &[u8]) -> Result<&str, ParseError> {
    let wrong = |byte: &u8| !matches!(byte, b' '..=b'~');
    if let Some(at) = bytes.iter().position(wrong) {
        let byte = bytes.get(at).copied().unwrap_or_default();
        return Err(ParseError::Byte { byte, at });
    }
    // Checked above: 7-bit text is UTF-8.
    Ok(std::str::from_utf8(bytes).unwrap_or_default())
}

fn contact_id(rest: &mut Rest<'_>) -> Result<Body, ParseError> {
    rest.literal(" 18", "the mark of Contact ID")?;
    let with_clock = rest.clock_at_end();
    let behind = EVENT_LEN + if with_clock { CLOCK_LEN } else { 0 };
    let wide = rest.text.len().saturating_sub(behind);
    let account = rest.account(wide.clamp(4, ACCOUNT_LEN_MAX), "the account")?;
    let at = rest.at;
    let letter = rest.take(1, "the qualifier")?;
    let qualifier = letter
        .chars()
        .next()
        .and_then(Qualifier::from_letter)
        .ok_or_else(|| field("the qualifier", at, letter, "E, R or P"))?;
    Ok(Body::ContactId {
        account,
        qualifier,
        event: rest.hex(3, "the event code")?,
        group: rest.hex(2, "the group")?,
        zone: rest.hex(3, "the zone or user")?,
    })
}

fn basic(rest: &mut Rest<'_>) -> Result<Body, ParseError> {
    const BEAT: &str = "           @    ";
    if rest.text == BEAT {
        rest.take(BEAT.len(), "the heartbeat")?;
        return Ok(Body::Heartbeat);
    }
    let account = rest.right_aligned()?;
    rest.literal(" ", "the space behind the account")?;
    Ok(Body::Basic {
        account,
        letter: rest.letter("the event letter")?,
        group: rest.letter("the group")?,
        user: rest.word(3, "the zone or user")?,
    })
}

fn sia_1(rest: &mut Rest<'_>) -> Result<Body, ParseError> {
    let account = rest.right_aligned()?;
    Ok(Body::Sia1 {
        account,
        code: rest.word(2, "the SIA code")?,
        address: rest.word(4, "the zone or user")?,
    })
}

fn high_speed(rest: &mut Rest<'_>) -> Result<Body, ParseError> {
    let account = rest.account(4, "the account")?;
    let mut channels = ['0'; 9];
    for (at, channel) in channels.iter_mut().enumerate() {
        if at % 4 == 0 {
            rest.literal(" ", "the space before the channels")?;
        }
        *channel = rest.letter("a channel")?;
    }
    Ok(Body::HighSpeed { account, channels })
}

fn sia_2(rest: &mut Rest<'_>) -> Result<Body, ParseError> {
    rest.literal("[#", "the start of the block")?;
    let len = rest.text.find('|').unwrap_or(rest.text.len());
    let at = rest.at;
    if !(1..=ACCOUNT_LEN_MAX).contains(&len) {
        let found = rest.text.get(..len.min(20)).unwrap_or_default();
        return Err(field("the account", at, found, "1 to 16 letters or digits"));
    }
    let account = rest.account(len, "the account")?;
    rest.literal("|", "the bar behind the account")?;
    let data = block(rest)?;
    Ok(Body::Sia2 { account, data })
}

fn own(rest: &mut Rest<'_>) -> Result<Body, ParseError> {
    rest.literal("[#0000|", "the start of the receiver's own block")?;
    let data = block(rest)?;
    Ok(Body::Own { data })
}

/// The data up to and with the closing bracket.
fn block(rest: &mut Rest<'_>) -> Result<String, ParseError> {
    let (at, len) = (rest.at, rest.text.find(']'));
    let Some(len) = len else {
        let len = rest.at + rest.text.len();
        let part = "the closing bracket";
        return Err(ParseError::Short { part, at: len, len });
    };
    let data = rest.take(len, "the data")?;
    let fits = (1..=DATA_LEN_MAX).contains(&len) && !data.contains('[');
    if !fits {
        let expected = "1 to 63 characters without brackets";
        return Err(field("the data", at, data, expected));
    }
    let data = data.to_owned();
    rest.literal("]", "the closing bracket")?;
    Ok(data)
}

/// What is left of a line, and where it starts.
struct Rest<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Rest<'t> {
    fn take(&mut self, len: usize, part: &'static str) -> Result<&'t str, ParseError> {
        let Some((taken, left)) = self.text.split_at_checked(len) else {
            let (at, len) = (self.at, self.at + self.text.len());
            return Err(ParseError::Short { part, at, len });
        };
        self.text = left;
        self.at += len;
        Ok(taken)
    }

    fn literal(&mut self, wanted: &'static str, part: &'static str) -> Result<(), ParseError> {
        let at = self.at;
        let found = self.take(wanted.len(), part)?;
        if found == wanted {
            return Ok(());
        }
        Err(field(part, at, found, wanted))
    }

    /// Letters and digits.
    fn word(&mut self, len: usize, part: &'static str) -> Result<String, ParseError> {
        let at = self.at;
        let found = self.take(len, part)?;
        if found.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(found.to_owned());
        }
        Err(field(part, at, found, "letters or digits"))
    }

    fn account(&mut self, len: usize, part: &'static str) -> Result<String, ParseError> {
        self.word(len, part)
    }

    fn letter(&mut self, part: &'static str) -> Result<char, ParseError> {
        Ok(self.word(1, part)?.chars().next().unwrap_or_default())
    }

    fn hex(&mut self, len: usize, part: &'static str) -> Result<String, ParseError> {
        let at = self.at;
        let found = self.take(len, part)?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
        if found.bytes().all(hex) {
            return Ok(found.to_owned());
        }
        Err(field(part, at, found, "hexadecimal digits"))
    }

    /// Four spaces and an account that is right aligned in six characters.
    fn right_aligned(&mut self) -> Result<String, ParseError> {
        const PART: &str = "the account";
        const EXPECTED: &str = "1 to 6 letters or digits behind spaces, 10 characters in all";
        let at = self.at;
        let found = self.take(10, PART)?;
        let account = found.trim_start_matches(' ');
        let letters = account.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if letters && (1..=6).contains(&account.len()) {
            return Ok(account.to_owned());
        }
        Err(field(PART, at, found, EXPECTED))
    }

    fn clock_at_end(&self) -> bool {
        let start = self.text.len().checked_sub(CLOCK_LEN);
        let end = start.and_then(|start| self.text.get(start..));
        end.is_some_and(|end| clock(end).is_some())
    }

    fn clock(&mut self) -> Result<Option<Clock>, ParseError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let found = self.take(CLOCK_LEN.min(self.text.len()), "the clock")?;
        let read = clock(found);
        let wrong = || field("the clock", at, found, "HH:MM:SS-dd/mm or nothing");
        read.map(Some).ok_or_else(wrong)
    }

    fn end(&self) -> Result<(), ParseError> {
        if self.text.is_empty() {
            return Ok(());
        }
        Err(ParseError::Trailing {
            at: self.at,
            found: self.text.to_owned(),
        })
    }
}

fn field(part: &'static str, at: usize, found: &str, expected: &'static str) -> ParseError {
    ParseError::Field {
        part,
        at,
        found: found.to_owned(),
        expected,
    }
}

fn clock(text: &str) -> Option<Clock> {
    let number = |at: usize| -> Option<u8> {
        let digits = text.get(at..at + 2)?;
        let digit = |byte: u8| byte.is_ascii_digit();
        digits.bytes().all(digit).then(|| digits.parse().ok())?
    };
    let read = Clock {
        hour: number(0)?,
        minute: number(3)?,
        second: number(6)?,
        day: number(9)?,
        month: number(12)?,
    };
    let possible = read.hour < 24
        && read.minute < 60
        && read.second <= 60
        && (1..=31).contains(&read.day)
        && (1..=12).contains(&read.month);
    // The separators stand where they belong if it is written the same again.
    (possible && read.to_string() == text).then_some(read)
}
