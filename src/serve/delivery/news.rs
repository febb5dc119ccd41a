//! What the gateway says about its connectors, as receiver events.
use larm_event::{Category, Code, Event, Kind, Priority, Scheme};

use crate::{clock, entropy};

/// The protocol of events that the gateway raises itself.
pub(super) const PROTOCOL: &str = "larm/receiver";
/// The codes of those about a connector.
const UNDELIVERED: &str = "undelivered";
const NOT_STARTED: &str = "not-started";
const ENDPOINT: &str = "endpoint";
/// Most characters of a reason.
const WHY_MAX: usize = 400;

/// One thing to say about a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Events wait for too long, as the text says.
    Late(String),
    /// None does any more.
    Delivers,
    /// It could not be started, for this reason.
    NotStarted(String),
    /// It was started after all.
    Started,
    /// It delivers to another of its endpoints.
    Moved {
        /// The one before.
        from: String,
        /// The one now.
        to: String,
    },
}

/// The connector that a receiver event is about; `None` for any other event.
pub(super) fn about(event: &Event) -> Option<&str> {
    let own = event.protocol == PROTOCOL;
    let code = event.code.as_ref().filter(|_| own)?;
    let known = [UNDELIVERED, NOT_STARTED, ENDPOINT].contains(&code.code.as_str());
    let ours = code.scheme == Scheme::Larm && known;
    event.peripheral.as_deref().filter(|_| ours)
}

impl News {
    /// The record about `connector`.
    pub(super) fn event(&self, connector: &str, node: &str) -> Event {
        let now = clock::utc_now();
        let (code, name, name_sv) = self.words();
        let (kind, priority) = self.weight();
        Event {
            id: entropy::event_id(now),
            node: node.to_owned(),
            received_at: now,
            code: Some(Code {
                scheme: Scheme::Larm,
                code: code.to_owned(),
                qualifier: None,
                address: None,
                name: name.to_owned(),
                name_sv: name_sv.to_owned(),
            }),
            kind,
            category: Category::Communication,
            priority,
            peripheral: Some(connector.to_owned()),
            text: self.text(),
            ..Event::draft(PROTOCOL.to_owned())
        }
    }

    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Late(_) => (
                UNDELIVERED,
                "Events wait for a connector",
                "Händelser väntar på en anslutning",
            ),
            Self::Delivers => (
                UNDELIVERED,
                "Connector delivers again",
                "Anslutning levererar igen",
            ),
            Self::NotStarted(_) => (
                NOT_STARTED,
                "Connector could not be started",
                "Anslutning kunde inte startas",
            ),
            Self::Started => (NOT_STARTED, "Connector started", "Anslutning startad"),
            Self::Moved { .. } => (
                ENDPOINT,
                "Connector uses another endpoint",
                "Anslutning använder en annan adress",
            ),
        }
    }

    fn weight(&self) -> (Kind, Priority) {
        match self {
            Self::Late(_) | Self::NotStarted(_) => (Kind::Trouble, Priority::FAULT),
            Self::Delivers | Self::Started => (Kind::TroubleRestoral, Priority::NOTICE),
            Self::Moved { .. } => (Kind::Status, Priority::NOTICE),
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Late(why) | Self::NotStarted(why) => Some(why.chars().take(WHY_MAX).collect()),
            Self::Delivers | Self::Started => None,
            Self::Moved { from, to } => Some(format!("now {to}, before {from}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_are_about_a_connector() {
        let moved = News::Moved {
            from: "a:1".to_owned(),
            to: "b:2".to_owned(),
        };
        let all = [
            News::Late("late".to_owned()),
            News::Delivers,
            News::NotStarted("x".repeat(1_000)),
            News::Started,
            moved,
        ];
        for news in &all {
            let event = news.event("case", "north");
            assert_eq!(about(&event), Some("case"));
            assert!(event.text.is_none_or(|text| text.len() <= WHY_MAX));
        }
        let other = Event {
            protocol: "dc09/SIA-DCS".to_owned(),
            ..News::Started.event("case", "north")
        };
        assert_eq!(about(&other), None);
        assert_eq!(about(&Event::draft("dc09/SIA-DCS".to_owned())), None);
    }
}
