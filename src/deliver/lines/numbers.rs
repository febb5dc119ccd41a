//! Which receiver and line number an event goes out under.
//!
//! Case systems tell receivers and customers apart by this pair, so it is a setting: of the
//! account's prefix, of the listener that the event came in by, or of the connector.
use std::collections::BTreeMap;

use larm_event::Event;

/// A receiver and a line number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// As it stands in the record.
    pub receiver: String,
    /// As it stands in the record.
    pub line: String,
}

/// The pairs of one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Where nothing else says it.
    pub default: Pair,
    /// By the start of the account; the longest start wins, and goes before the listener.
    pub accounts: BTreeMap<String, Pair>,
    /// By the listener's name.
    pub listeners: BTreeMap<String, Pair>,
}

impl Numbers {
    /// The pair of an event.
    #[must_use]
    pub fn of(&self, event: &Event) -> &Pair {
        let account = event.account.as_deref().unwrap_or_default();
        let mut starts = (1..=account.len())
            .rev()
            .filter_map(|len| account.get(..len));
        let by_account = starts.find_map(|start| self.accounts.get(start));
        let listener = event.path.as_ref().map(|path| path.listener.as_str());
        let by_listener = || self.listeners.get(listener?);
        by_account.or_else(by_listener).unwrap_or(&self.default)
    }
}

#[cfg(test)]
mod tests {
    use larm_event::{Path, Transport};

    use super::*;

    fn pair(receiver: &str) -> Pair {
        Pair {
            receiver: receiver.to_owned(),
            line: "1".to_owned(),
        }
    }

    #[test]
    fn the_longest_start_goes_before_the_listener() {
        let numbers = Numbers {
            default: pair("01"),
            accounts: [("12", "02"), ("1234", "03")]
                .map(|(start, receiver)| (start.to_owned(), pair(receiver)))
                .into(),
            listeners: [("south".to_owned(), pair("04"))].into(),
        };
        for (account, listener, receiver) in [
            (Some("1234"), "south", "03"),
            (Some("12345"), "south", "03"),
            (Some("1299"), "north", "02"),
            (Some("99"), "south", "04"),
            (Some("99"), "north", "01"),
            (Some(""), "south", "04"),
            (None, "north", "01"),
        ] {
            let mut event = Event::draft("dc09/SIA-DCS".to_owned());
            event.account = account.map(str::to_owned);
            event.path = Some(Path {
                listener: listener.to_owned(),
                transport: Transport::Tcp,
                peer: String::new(),
                role: None,
                number: None,
            });
            assert_eq!(
                numbers.of(&event).receiver,
                receiver,
                "{account:?} {listener}"
            );
        }
    }
}
