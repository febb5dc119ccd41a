//! Code, area and number of an event, in the words of one of the two schemes.
//!
//! An event keeps its own code where it came in that scheme, and gets the nearest one otherwise.
use larm_event::{AddressKind, Event, Scheme, classify_cid, classify_sia};

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
    /// Reads an event.
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
    let code = event.code.as_ref();
    if let Some(code) = code.filter(|code| code.scheme == Scheme::Cid && is_cid(&code.code)) {
        let digit = code.qualifier.as_deref().and_then(|sent| sent.parse().ok());
        return (Qualifier::from_digit(digit.unwrap_or(1)), code.code.clone());
    }
    losses.note(Loss::Code);
    let sia = code.filter(|code| code.scheme == Scheme::Sia);
    let row = sia.and_then(|code| convert::to_cid(&code.code));
    let cid = row.unwrap_or_else(|| convert::cid_of(event.kind, event.category));
    let old = sia.is_some_and(|code| code.qualifier.as_deref() == Some("O"));
    let qualifier = match cid.qualifier {
        Qualifier::Event if old => Qualifier::Previous,
        as_in_table => as_in_table,
    };
    (qualifier, cid.code.to_owned())
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
    /// Reads an event.
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
    let code = event.code.as_ref();
    if let Some(code) = code.filter(|code| code.scheme == Scheme::Sia && is_sia(&code.code)) {
        return (code.qualifier.as_deref() == Some("O"), code.code.clone());
    }
    losses.note(Loss::Code);
    let cid = code.filter(|code| code.scheme == Scheme::Cid);
    let digit = cid.and_then(|code| code.qualifier.as_deref()?.parse().ok());
    let qualifier = Qualifier::from_digit(digit.unwrap_or(1));
    let row = cid.and_then(|code| convert::to_sia(&code.code, qualifier));
    let sia = row.unwrap_or_else(|| convert::sia_of(event.kind, event.category));
    (qualifier == Qualifier::Previous, sia.to_owned())
}

fn is_sia(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Letters and digits, few enough for a block.
fn is_number(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
