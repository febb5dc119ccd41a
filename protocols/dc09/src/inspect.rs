//! Explanations: every piece of an input, what it holds, what would be answered and why.
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use larm_carrier::{Accounts, Encryption, Inspection, Intent, Key, Mode, Noise, Policy, Quirks};
use larm_event::{Extended, SuspectReason, Timestamp};
use larm_wire::text::printable;

use crate::deviation::{Deviation, Deviations};
use crate::error::DecodeError;
use crate::fields;
use crate::frame::{BODY_LEN_MAX, CrcFit, CrcForm, Frame, LengthFit, Scan, scan};
use crate::ids::Token;
use crate::judge::{Judgement, Rules, judge};
use crate::normalize::shown;
use crate::{noise, quirks, xdata};

/// Takes an input apart into frames, cut frames and noise, and explains each.
///
/// `keys` are tried on every encrypted frame. `clock` is the receiver's time for the window of
/// encrypted frames; without it a frame's own time counts.
#[must_use]
pub fn inspect(input: &[u8], keys: &[Key], clock: Option<Timestamp>) -> Vec<Inspection> {
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (len, inspection) = piece(rest, keys, clock);
        pieces.push(inspection);
        rest = rest.get(len.max(1)..).unwrap_or_default();
    }
    pieces
}

fn piece(rest: &[u8], keys: &[Key], clock: Option<Timestamp>) -> (usize, Inspection) {
    match scan(rest, true, BODY_LEN_MAX) {
        Scan::Frame(frame) => {
            let behind = rest.get(frame.bytes.len()..).unwrap_or_default();
            let nuls = behind.iter().take_while(|byte| **byte == 0).count();
            let bytes = rest.get(..frame.bytes.len() + nuls).unwrap_or(frame.bytes);
            (bytes.len(), explain(frame, bytes, keys, clock))
        }
        Scan::Cut(len, form) => (len, cut(rest.get(..len).unwrap_or(rest), form)),
        Scan::Noise(len) => {
            let len = if noise::is_foreign(rest) {
                rest.len()
            } else {
                len
            };
            (len, foreign(rest.get(..len).unwrap_or(rest)))
        }
        Scan::More | Scan::TooLong(_) => (rest.len(), cut(rest, None)),
    }
}

fn blank(bytes: &[u8], verdict: &str) -> Inspection {
    Inspection {
        bytes: bytes.to_vec(),
        verdict: verdict.to_owned(),
        protocol: "dc09".to_owned(),
        reply: "none".to_owned(),
        ..Inspection::default()
    }
}

fn cut(bytes: &[u8], form: Option<CrcForm>) -> Inspection {
    let need = form
        .and_then(|form| crate::frame::claimed_cr(bytes, form))
        .map(|cr| cr + 1)
        .filter(|need| *need > bytes.len());
    let mut found = blank(bytes, "truncated");
    found.crc_form = form.map(CrcForm::as_str);
    found.error = Some(
        DecodeError::Truncated {
            have: bytes.len(),
            need,
        }
        .to_string(),
    );
    found.fields = fields::cut(bytes, form);
    found
        .notes
        .push("A frame without its end is never answered; the transmitter sends it again.".into());
    found
}

fn foreign(bytes: &[u8]) -> Inspection {
    let mut found = blank(bytes, "not-dc09");
    let at = usize::from(bytes.first() == Some(&b'\n'));
    let what = match noise::recognise(bytes) {
        Noise::Tls => {
            "; this is the start of a TLS connection: the sender has TLS switched on, the listener has not"
        }
        Noise::Http => "; this is an HTTP request: a browser or a scanner",
        Noise::Foreign => {
            "; this is another alarm protocol (Osborne-Hoffman or SIA blocks of a Galaxy panel), which needs a listener of its own"
        }
        Noise::Unknown | Noise::Cut => "",
    };
    let missing = missing(bytes).unwrap_or_default();
    found.error = Some(format!("{}{what}{missing}", DecodeError::NoHeader { at }));
    found.fields = fields::noise(bytes);
    found
        .notes
        .push("Bytes that are no frame are dropped, counted and never answered.".into());
    found
}

/// What senders built by hand leave out.
fn missing(bytes: &[u8]) -> Option<String> {
    let body = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if crate::frame::sure_form(&[b"\n", bytes].concat()).is_some() {
        return Some("; the LF (byte 0A) in front is missing".into());
    }
    let quoted = body
        .strip_prefix(b"\"")
        .or_else(|| body.strip_prefix(b"\n\""))?;
    let body = body.get(body.len() - quoted.len() - 1..)?;
    let crc = larm_wire::crc::crc16_arc(body);
    let len = body.len();
    Some(format!(
        "; LF, CRC and length in front are missing: for the bytes up to the CR they are 0A, {crc:04X}, {len:04X}"
    ))
}

/// A register that knows one policy for everybody.
struct Everybody(Arc<Policy>);

impl Accounts for Everybody {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        Some(Arc::clone(&self.0))
    }
}

/// How one frame is judged for an explanation.
struct Question<'q, 'f> {
    frame: Frame<'f>,
    keys: &'q [Key],
    clock: Option<Timestamp>,
}

impl<'f> Question<'_, 'f> {
    /// Keys are tried two by two, as many as an account can have.
    fn judge(&self, mode: Mode, quirks: Quirks) -> Judgement<'f> {
        let mut pairs = self.keys.chunks(2);
        let mut judged = self.judge_with(mode, quirks, pairs.next().unwrap_or_default());
        for pair in pairs {
            if judged.key_index.is_some() {
                break;
            }
            judged = self.judge_with(mode, quirks, pair);
        }
        judged
    }

    fn judge_with(&self, mode: Mode, quirks: Quirks, keys: &[Key]) -> Judgement<'f> {
        let copy = |key: &Key| Key::from_bytes(key.expose()).ok();
        let policy = Policy {
            encryption: Encryption::Off,
            keys: [keys.first().and_then(copy), keys.get(1).and_then(copy)],
            quirks,
            ..Policy::default()
        };
        let accounts = Everybody(Arc::new(policy));
        judge(
            self.frame,
            Rules {
                mode,
                quirks: Quirks::default(),
                now: self.clock,
                accounts: &accounts,
                explain: true,
            },
        )
    }
}

fn explain(frame: Frame<'_>, bytes: &[u8], keys: &[Key], clock: Option<Timestamp>) -> Inspection {
    let question = Question { frame, keys, clock };
    let strict = question.judge(Mode::Strict, Quirks::default());
    let tolerant = question.judge(Mode::Tolerant, Quirks::default());
    let unchecked = question.judge(Mode::Tolerant, quirks::CRC_UNCHECKED);
    let mut found = blank(bytes, verdict(&unchecked, frame, keys));
    found.crc_form = Some(frame.form.as_str());
    found.encrypted = Some(frame.body.get(1) == Some(&b'*'));
    let mut deviations = unchecked.deviations;
    deviations.add_if(bytes.len() > frame.bytes.len(), Deviation::TrailingNul);
    found.deviations = deviations.iter().map(Deviation::as_str).collect();
    if let Some(header) = unchecked.header {
        found.id = Some([if header.encrypted { "*" } else { "" }, header.id].concat());
        found.sequence = Some(header.sequence.into());
        found.receiver = header.receiver.map(String::from);
        found.line = header.line.map(String::from);
        found.account = header.account.map(String::from);
    }
    content(&mut found, &unchecked);
    found.reply = word(&strict).into();
    let lenient = if is_constant(frame) {
        &unchecked
    } else {
        &tolerant
    };
    let lenient = word(lenient);
    found.lenient_reply = (lenient != found.reply).then(|| lenient.into());
    found.error = error(&found, frame, &unchecked, keys);
    found.fields = fields::frame(frame, bytes, &found);
    found.notes = notes(&found, frame, &unchecked, deviations);
    found
}

/// The content is shown also where the frame is damaged; its events are graded for that.
fn content(found: &mut Inspection, judged: &Judgement<'_>) {
    let charset = larm_carrier::Charset::default();
    found.link_test = judged.link_test;
    if let Some(data) = judged.shown.data.as_deref().filter(|data| !data.is_empty()) {
        found.payload = Some(shown(data, charset));
    }
    let (blocks, _) = xdata::Blocks::leading(&judged.shown.extended);
    found.extended = blocks
        .into_iter()
        .map(|block| Extended {
            id: block.letter.to_string(),
            value: if block.is_key() {
                "(a key: not shown)".into()
            } else {
                shown(block.value, charset)
            },
        })
        .collect();
    found.timestamp.clone_from(&judged.shown.timestamp);
    found.events = judged
        .events
        .iter()
        .filter(|event| event.code.is_some())
        .cloned()
        .collect();
    for event in &mut found.events {
        event.account_known = false;
        for reason in &mut event.authenticity.reasons {
            if *reason == SuspectReason::Unchecked {
                *reason = SuspectReason::Damaged;
            }
        }
    }
}

/// The words of the frames' table.
fn verdict(judged: &Judgement<'_>, frame: Frame<'_>, keys: &[Key]) -> &'static str {
    use larm_carrier::FrameVerdict;
    match frame.check() {
        Err(DecodeError::Crc { .. }) => return "bad-crc",
        Err(DecodeError::Length { .. }) => return "bad-length",
        Err(_) => return "bad-crc-length",
        Ok(()) => {}
    }
    match judged.verdict {
        FrameVerdict::Undecryptable if keys.is_empty() => "ok",
        other => other.as_str(),
    }
}

fn word(judged: &Judgement<'_>) -> &'static str {
    match (judged.intent, judged.key_index) {
        (Intent::Accept, Some(_)) => "*ACK",
        (Intent::Accept, None) => "ACK",
        (Intent::Correct, _) => "NAK",
        (Intent::Decline, _) => "DUH",
        (Intent::Withhold, _) => "none",
    }
}

/// A documented brand writes 0101 into every frame.
fn is_constant(frame: Frame<'_>) -> bool {
    frame.crc == CrcFit::Wrong && frame.crc_sent == Some(0x0101)
}

fn error(
    found: &Inspection,
    frame: Frame<'_>,
    judged: &Judgement<'_>,
    keys: &[Key],
) -> Option<String> {
    if found.verdict == "ok" {
        return None;
    }
    if found.verdict == "undecryptable" {
        return Some(undecryptable(frame, judged, keys));
    }
    let error = frame.check().err().or(judged.error)?;
    Some(match setting(frame) {
        Some(setting) => format!("{error}; {setting}"),
        None => error.to_string(),
    })
}

fn undecryptable(frame: Frame<'_>, judged: &Judgement<'_>, keys: &[Key]) -> String {
    let at = frame.form.body_start() + judged.header.map_or(0, |header| header.len) + 1;
    let digits = frame.bytes.len().saturating_sub(at + 1);
    if digits == 0 || !digits.is_multiple_of(32) {
        return format!(
            "byte {at}: the cipher text has {digits} hex digits; AES needs a whole number of blocks of 32"
        );
    }
    format!(
        "byte {at}: decrypted with {}, but the end is not `]`, extended blocks, `_` and a time: is the key another one, or of another length?",
        if keys.len() == 1 {
            "the key".into()
        } else {
            format!("each of {} keys", keys.len())
        }
    )
}

/// Which setting would accept a frame whose checksum or length does not fit.
fn setting(frame: Frame<'_>) -> Option<&'static str> {
    match (frame.crc, frame.length) {
        (CrcFit::WithCr, LengthFit::WithCr) => Some(
            "both count the CR, as Eldes panels do: tolerant mode accepts it, in strict mode the quirks `crc-includes-cr` and `length-includes-cr`",
        ),
        (CrcFit::WithCr, LengthFit::Right) => Some(
            "the CRC covers the CR: tolerant mode accepts it, in strict mode the quirk `crc-includes-cr`",
        ),
        (CrcFit::Right, LengthFit::WithCr) => Some(
            "the length counts the CR: tolerant mode accepts it, in strict mode the quirk `length-includes-cr`",
        ),
        (CrcFit::Right | CrcFit::WithCr, LengthFit::Decimal) => Some(
            "the length is decimal: tolerant mode accepts it, in strict mode the quirk `length-decimal`",
        ),
        (CrcFit::Wrong, _) if is_constant(frame) => Some(
            "0101 is what some transmitters write in place of a CRC: only the quirk `crc-unchecked` accepts it",
        ),
        (CrcFit::Wrong, _) if swapped(frame) => {
            Some("its two bytes are swapped; no setting but the quirk `crc-unchecked` accepts it")
        }
        (CrcFit::Wrong, _) | (_, LengthFit::Wrong) => {
            Some("no documented rule explains it; only the quirk `crc-unchecked` would accept it")
        }
        (CrcFit::Right, LengthFit::Right) => None,
    }
}

fn swapped(frame: Frame<'_>) -> bool {
    frame.crc_sent.map(u16::swap_bytes) == Some(larm_wire::crc::crc16_arc(frame.body))
}

fn notes(
    found: &Inspection,
    frame: Frame<'_>,
    judged: &Judgement<'_>,
    deviations: Deviations,
) -> Vec<String> {
    let mut notes = Vec::new();
    let token = judged.header.map(|header| header.token);
    notes.push(match (found.reply.as_str(), token) {
        (_, Some(Token::Reply)) => {
            "This is what a receiver says; a receiver never answers it.".into()
        }
        ("none", Some(_)) if found.encrypted == Some(true) && found.verdict == "ok" => {
            "Encrypted, and no key is at hand: nothing is answered, the frame is recorded as suspect.".into()
        }
        ("none", _) if found.lenient_reply.is_some() => {
            "Strict mode answers nothing: the transmitter tries again.".into()
        }
        ("none", _) => "Nothing is answered: the transmitter tries again.".into(),
        ("NAK", _) => "NAK with the receiver's time: an encrypted frame must carry a time from 40 s ago to 20 s ahead.".into(),
        ("DUH", _) => "DUH: the frame came whole, but by the standard it cannot be handled.".into(),
        (reply, _) => format!("{reply}, once the record is on disk."),
    });
    if let Some(lenient) = &found.lenient_reply {
        let how = if is_constant(frame) {
            "with the quirk `crc-unchecked`"
        } else {
            "in tolerant mode, the default"
        };
        notes.push(format!(
            "larm answers {lenient} {how}, and records the deviations on the event."
        ));
    }
    if token.is_some_and(Token::is_event)
        && found.events.is_empty()
        && found.verdict == "ok"
        && found.payload.is_some()
    {
        notes.push(
            "No event can be found in the data: it is recorded as an unknown event with its bytes."
                .into(),
        );
    }
    if matches!(token, Some(Token::Foreign | Token::Unknown)) {
        notes.push("larm does not read this message id: it is recorded as an unknown event and answered DUH; the quirk `duh-as-ack` makes it ACK.".into());
    }
    if deviations.has(Deviation::DataAcctDiffers) {
        notes.push("The account in the data is not the one in the header; the quirk `account-from-data` makes it the event's account.".into());
    }
    if found.timestamp.is_some() && found.encrypted == Some(false) {
        notes.push("The time of a clear frame is never a reason to refuse it.".into());
    }
    notes
}

/// Outside text in explanations.
pub(crate) fn clean(text: &str) -> String {
    printable(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outgoing;

    fn occurred(payload: &[u8], sent_at: Option<i64>, clock: Option<i64>) -> Option<i64> {
        let mut frame = Outgoing::new("SIA-DCS", 1, "1234").with_payload(payload);
        frame.timestamp = sent_at.map(Timestamp::from_millis);
        let bytes = frame.encode(None).unwrap();
        let pieces = inspect(&bytes, &[], clock.map(Timestamp::from_millis));
        let event = pieces.first()?.events.first()?;
        event.occurred_at.map(Timestamp::as_millis)
    }

    #[test]
    fn an_account_mark_without_digits_is_a_field_of_its_own() {
        let piece = inspect(b"\n\x06>0011\"SIA-DCS\"0000#[[]\r", &[], None).remove(0);
        let account = piece.fields.iter().find(|field| field.name == "account");
        assert_eq!(
            account.map(|field| (field.start, field.end)),
            Some((20, 21))
        );
    }

    #[test]
    fn a_time_of_day_alone_needs_a_date_to_be_near_to() {
        const NOON: i64 = 1_795_867_200_000; // 2026-11-28T12:00:00Z
        let of_day = b"Nti12:30/BA1";
        assert_eq!(occurred(of_day, None, None), None);
        assert_eq!(occurred(of_day, Some(NOON), None), Some(NOON + 1_800_000));
        assert_eq!(occurred(of_day, None, Some(NOON)), Some(NOON + 1_800_000));
    }
}
