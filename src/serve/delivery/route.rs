//! The route of a connector as configured, with the register's tags and the gateway's own events.
use std::sync::Arc;

use arc_swap::ArcSwap;
use larm_event::Event;

use super::super::Live;
use super::news;
use crate::accounts::Snapshot;
use crate::config::Connector;
use crate::config::connector::TestEvents;
use crate::deliver::engine::{Decision, Route};

/// Decides for one connector.
pub(super) struct Routed {
    pub(super) connector: Connector,
    /// For the tags of the register.
    pub(super) accounts: Arc<ArcSwap<Snapshot>>,
    /// For who wants to hear about whom.
    pub(super) live: Live,
}

impl Route for Routed {
    fn decide(&self, event: &Event) -> Decision {
        if let Some(about) = news::about(event) {
            return self.decide_receiver_event(event, about);
        }
        self.decide_by_route(event)
    }
}

impl Routed {
    /// What is said about a connector never goes through that connector: were it late as well,
    /// that would be said again, and so on for ever.
    fn decide_receiver_event(&self, event: &Event, about: &str) -> Decision {
        if about == self.connector.name {
            return Decision::Skip;
        }
        let live = self.live.load();
        let asked = live.connectors.iter().any(|one| {
            one.name == about && one.annunciate_to.as_ref() == Some(&self.connector.name)
        });
        if asked {
            Decision::Pass
        } else {
            self.decide_by_route(event)
        }
    }

    fn decide_by_route(&self, event: &Event) -> Decision {
        let route = &self.connector.route;
        let tagged = |tag: &str| {
            let Some(account) = event.account.as_deref() else {
                return false;
            };
            let accounts = self.accounts.load();
            let (receiver, line) = (event.receiver.as_deref(), event.line.as_deref());
            let entry = accounts.entry(receiver, line, account);
            entry.is_some_and(|entry| entry.has_tag(tag))
        };
        if !route.fits(event, tagged) {
            Decision::Skip
        } else if event.test && route.test_events == TestEvents::Hold {
            Decision::Hold
        } else {
            Decision::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::serve::delivery::news::News;

    fn routed(text: &str, name: &str) -> Routed {
        let config = Config::parse("x", text).unwrap();
        let mut all = config.connectors.iter();
        let connector = all.find(|one| one.name == name).unwrap().clone();
        Routed {
            connector,
            accounts: Arc::default(),
            live: Arc::new(ArcSwap::from_pointee(config)),
        }
    }

    const TWO: &str = "[[connector]]\nname = \"case\"\nkind = \"jsonl\"\nannunciate_to = \"sms\"\n\
        test_events = \"hold\"\n[[connector]]\nname = \"sms\"\nkind = \"jsonl\"\naccounts = [\"1\"]\n\
        [[connector]]\nname = \"all\"\nkind = \"jsonl\"\n";

    #[test]
    fn what_is_said_about_a_connector_goes_where_it_should() {
        let event = News::Delivers.event("case", "north");
        for (name, decision) in [
            ("case", Decision::Skip),
            ("sms", Decision::Pass),
            ("all", Decision::Pass),
        ] {
            assert_eq!(routed(TWO, name).decide(&event), decision, "{name}");
        }
        let other = News::Delivers.event("all", "north");
        assert_eq!(routed(TWO, "sms").decide(&other), Decision::Skip);
        assert_eq!(routed(TWO, "case").decide(&other), Decision::Pass);
    }

    #[test]
    fn tests_are_held_where_the_route_says_so() {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.account = Some("1".to_owned());
        event.test = true;
        assert_eq!(routed(TWO, "case").decide(&event), Decision::Hold);
        assert_eq!(routed(TWO, "all").decide(&event), Decision::Pass);
        event.account = Some("2".to_owned());
        assert_eq!(routed(TWO, "sms").decide(&event), Decision::Skip);
    }
}
