//! What stands inside a frame that goes on: as it was received, or written again from the record.
use larm_dc09::cid::{CidEvent, CidQualifier};
use larm_dc09::onward::Opened;
use larm_dc09::sia::{Modifier, Modifiers, Qualifier, SiaEvent, Value};
use larm_event::{Event, Scheme, Timestamp};
use larm_wire::stamp;

use crate::deliver::connectors::relay::{Envelope, Unfit};

/// What stands inside the frame.
pub(super) struct Content {
    /// The message id.
    pub(super) id: String,
    /// Account and payload.
    pub(super) data: Vec<u8>,
    /// Letters and values of the extended blocks.
    pub(super) extended: Vec<(char, Vec<u8>)>,
    /// It goes on as it came, though in another scheme than wanted.
    pub(super) unconverted: bool,
}

/// The content as it was received, with the other receiver's account.
pub(super) fn as_sent(opened: Opened, payload: &[u8], envelope: &Envelope<'_>) -> Content {
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
        unconverted: false,
    }
}

fn with_account(envelope: &Envelope<'_>, payload: &[u8]) -> Vec<u8> {
    let account = envelope.data_account.unwrap_or(envelope.account);
    [b"#", account.as_bytes(), b"|", payload].concat()
}

/// The value of an `H` block: time and date without the `_` of a time of sending.
pub(super) fn happened(at: Timestamp) -> Vec<u8> {
    let text = stamp::format(at.as_millis());
    text.get(1..).unwrap_or_default().to_vec()
}

/// The content written again from the record.
pub(super) fn again(event: &Event, envelope: &Envelope<'_>) -> Result<Content, Unfit> {
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
        unconverted: false,
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
pub(super) fn unmarked(text: &str) -> String {
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
