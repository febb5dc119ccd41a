//! Code, area and number of an event, in the words of one of the two schemes.
//!
//! An event keeps its own code where it came in that scheme, and gets the nearest one otherwise.
use larm_event::{AddressKind, Code, Event, Kind, Scheme, classify_cid, classify_sia};

use super::convert;
use super::loss::{Loss, Losses};
use super::surgard::Qualifier;

/// An event in the words of Contact ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsCid {
    /// New, over or still there.
    pub qualifier: Qualifier,
    /// Three digits.
    pub code: String,
    /// Two digits; `00`: none.
    pub group: String,
    /// Three digits; `000`: none.
    pub number: String,
    /// The number counts users.
    pub user: bool,
}

/// An event in the words of SIA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsSia {
    /// It was reported before.
    pub old: bool,
    /// Two capital letters.
    pub code: String,
    /// Zone, user or other number, as sent.
    pub address: Option<String>,
    /// Area, as sent, where the number is none.
    pub area: Option<String>,
    /// User, where the number is none.
    pub user: Option<String>,
    /// Peripheral, where the number is none.
    pub peripheral: Option<String>,
}

impl AsCid {
    /// The same as [`AsCid::of`]; `None` where the code is in no table of counterparts, and would
    /// be a guess.
    #[must_use]
    pub fn by_table(event: &Event, losses: &mut Losses) -> Option<Self> {
        let known = own_cid(event).is_some() || cid_row(event).is_some();
        known.then(|| Self::of(event, losses))
    }

    /// Reads an event; a code without a counterpart goes by kind and category.
    #[must_use]
    pub fn of(event: &Event, losses: &mut Losses) -> Self {
        let (qualifier, code) = cid_code(event, losses);
        let meaning = classify_cid(&code, qualifier.digit());
        let number = number_of(event);
        Self {
            qualifier,
            code,
            group: field(event.partition.as_deref(), 2, Loss::Partition, losses),
            number: field(number, 3, Loss::Address, losses),
            user: meaning.address == AddressKind::User,
        }
    }
}

fn cid_code(event: &Event, losses: &mut Losses) -> (Qualifier, String) {
    if let Some(code) = own_cid(event) {
        return (sent_qualifier(code), code.code.clone());
    }
    losses.note(Loss::Code);
    let cid = cid_row(event).unwrap_or_else(|| convert::cid_of(event.kind, event.category));
    let old = event
        .code
        .as_ref()
        .is_some_and(|code| code.scheme == Scheme::Sia && code.qualifier.as_deref() == Some("O"));
    let qualifier = match cid.qualifier {
        Qualifier::Event if old && lasts(cid.code) => Qualifier::Previous,
        as_in_table => as_in_table,
    };
    (qualifier, cid.code.to_owned())
}

fn own_cid(event: &Event) -> Option<&Code> {
    let code = event.code.as_ref()?;
    (code.scheme == Scheme::Cid && is_cid(&code.code)).then_some(code)
}

/// The counterpart of a SIA code. Measured values (`E`) have code letters of their own, which mean
/// something else elsewhere.
fn cid_row(event: &Event) -> Option<convert::Cid> {
    let code = event.code.as_ref()?;
    let data = code.scheme == Scheme::Sia && code.qualifier.as_deref() != Some("E");
    data.then(|| convert::to_cid(&code.code)).flatten()
}

fn sent_qualifier(code: &Code) -> Qualifier {
    let digit = code.qualifier.as_deref().and_then(|sent| sent.parse().ok());
    Qualifier::from_digit(digit.unwrap_or(1))
}

/// Whether "still there" means the same thing as "new" for a Contact ID code: an arming code would
/// become a report of the state.
fn lasts(code: &str) -> bool {
    let kind = |qualifier: Qualifier| classify_cid(code, qualifier.digit()).kind;
    kind(Qualifier::Previous) == kind(Qualifier::Event)
}

fn is_cid(code: &str) -> bool {
    code.len() == 3
        && code
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

/// The number behind the code, or what stands for it in the record.
fn number_of(event: &Event) -> Option<&str> {
    let sent = event.code.as_ref().and_then(|code| code.address.as_deref());
    let named = [&event.zone, &event.user, &event.peripheral];
    sent.or_else(|| named.into_iter().find_map(|field| field.as_deref()))
}

/// A number in a field of `len` digits. What is too large becomes none: no number misleads nobody.
pub(super) fn field(sent: Option<&str>, len: usize, loss: Loss, losses: &mut Losses) -> String {
    let none = || "0".repeat(len);
    let Some(sent) = sent else {
        return none();
    };
    let digits = sent.trim_start_matches('0');
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    if digits.len() > len || !digits.bytes().all(hex) {
        losses.note(loss);
        return none();
    }
    format!("{digits:0>len$}")
}

impl AsSia {
    /// The same as [`AsSia::of`]; `None` where the code is in no table of counterparts, or stands
    /// there for nothing in particular.
    #[must_use]
    pub fn by_table(event: &Event, losses: &mut Losses) -> Option<Self> {
        let known = own_sia(event).is_some() || sia_row(event).is_some_and(|(_, row)| row != "UX");
        known.then(|| Self::of(event, losses))
    }

    /// Reads an event; a code without a counterpart goes by kind and category.
    #[must_use]
    pub fn of(event: &Event, losses: &mut Losses) -> Self {
        let (old, code) = sia_code(event, losses);
        let address = number_of(event).filter(|sent| is_number(sent));
        losses.note_if(
            number_of(event).is_some() && address.is_none(),
            Loss::Address,
        );
        // What the number counts is not said a second time.
        let counts = address.map(|_| classify_sia(&code).address);
        let unless = |same: &[AddressKind], said: &Option<String>| {
            let twice =
                counts.is_some_and(|counts| same.contains(&counts)) && said.as_deref() == address;
            said.clone().filter(|said| !twice && is_number(said))
        };
        let devices = [AddressKind::Device, AddressKind::Line, AddressKind::Output];
        Self {
            old,
            address: address.map(str::to_owned),
            area: unless(&[AddressKind::Area], &event.partition),
            user: unless(&[AddressKind::User], &event.user),
            peripheral: unless(&devices, &event.peripheral),
            code,
        }
    }
}

fn sia_code(event: &Event, losses: &mut Losses) -> (bool, String) {
    if let Some(code) = own_sia(event) {
        return (code.qualifier.as_deref() == Some("O"), code.code.clone());
    }
    losses.note(Loss::Code);
    if let Some((old, row)) = sia_row(event) {
        return (old, row.to_owned());
    }
    let old = event.code.as_ref().is_some_and(|code| {
        code.scheme == Scheme::Cid && sent_qualifier(code) == Qualifier::Previous
    });
    (old, convert::sia_of(event.kind, event.category).to_owned())
}

fn own_sia(event: &Event) -> Option<&Code> {
    let code = event.code.as_ref()?;
    (code.scheme == Scheme::Sia && is_sia(&code.code)).then_some(code)
}

/// The counterpart of a Contact ID code, and whether it was reported before.
fn sia_row(event: &Event) -> Option<(bool, &'static str)> {
    let code = event.code.as_ref()?;
    if code.scheme != Scheme::Cid {
        return None;
    }
    let sent = sent_qualifier(code);
    if sent == Qualifier::Previous && !lasts(&code.code) {
        return None;
    }
    let row = convert::to_sia(&code.code, as_meant(event, code, sent))?;
    Some((sent == Qualifier::Previous, row))
}

/// Some panels report arming the other way round; the record's kind knows.
fn as_meant(event: &Event, code: &Code, sent: Qualifier) -> Qualifier {
    let kind = |qualifier: Qualifier| classify_cid(&code.code, qualifier.digit()).kind;
    let other = match sent {
        Qualifier::Event => Qualifier::Restore,
        Qualifier::Restore => Qualifier::Event,
        Qualifier::Previous => return sent,
    };
    let arming = matches!(event.kind, Kind::Open | Kind::Close);
    if arming && kind(sent) != event.kind && kind(other) == event.kind {
        other
    } else {
        sent
    }
}

fn is_sia(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Letters and digits, few enough for a block.
fn is_number(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
