//! What tells one event of these tests from all others also where its id does not go along: the
//! account, and a number of the account's own.
use serde_json::Value;

use crate::frame::frame;

/// Codes in SIA, sent in turn: life, fire, intrusion and the rest.
const SIA: [&str; 8] = ["BA", "FA", "MA", "OP", "CL", "PA", "GA", "TR"];
/// The same in Contact ID, with their qualifiers.
const CONTACT_ID: [&str; 8] = [
    "1130", "1110", "1100", "1401", "3401", "1120", "1151", "1300",
];

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) account: String,
    pub(crate) number: u64,
}

/// How events are sent: as the other side is able to have them whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The number is the code's address.
    Sia,
    /// Area and zone together are the number, below 100,000.
    ContactId,
}

impl Form {
    /// A frame with this event, and a text where the form has room for one.
    pub(crate) fn frame(self, mark: &Mark, text: &str) -> Vec<u8> {
        let Mark { account, number } = mark;
        let sequence = number % 9_999 + 1;
        let turn = usize::try_from(number % 8).expect("small");
        let body = match self {
            Self::Sia => {
                let text = if text.is_empty() {
                    String::new()
                } else {
                    format!("^{text}^")
                };
                let code = SIA[turn];
                format!("\"SIA-DCS\"{sequence:04}L0#{account}[#{account}|N{code}{number}{text}]")
            }
            Self::ContactId => {
                assert!(*number < 100_000, "Contact ID has no room for more");
                let (code, area, zone) = (CONTACT_ID[turn], number / 1_000, number % 1_000);
                format!(
                    "\"ADM-CID\"{sequence:04}L0#{account}[#{account}|{code} {area:02} {zone:03}]"
                )
            }
        };
        frame(body.as_bytes())
    }
}

impl Mark {
    /// Of a record; `None`: no transmitter sent it.
    pub(crate) fn of(event: &Value) -> Option<Self> {
        let number = |text: &Value| text.as_str()?.parse::<u64>().ok();
        let mark = number(&event["code"]["address"])?;
        let area = match event["code"]["scheme"].as_str()? {
            "CID" => number(&event["partition"]).unwrap_or(0),
            _ => 0,
        };
        Some(Self {
            account: event["account"].as_str()?.to_owned(),
            number: area * 1_000 + mark,
        })
    }
}
