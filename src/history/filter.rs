//! Which events are wanted: one meaning for the history's rows and for the journal's tail.
use larm_event::{Category, Event, Kind, Timestamp};

/// Conditions that all hold; an empty one holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The account as sent, exactly.
    pub account: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// One of these kinds; empty for any.
    pub kinds: Vec<Kind>,
    /// One of these categories; empty for any.
    pub categories: Vec<Category>,
    /// The code as sent, exactly, of any scheme.
    pub code: Option<String>,
    /// Whether the account was in the register when the event was received.
    pub known: Option<bool>,
    /// Up to this position.
    pub up_to: Option<u64>,
}

impl Filter {
    /// Whether the event fulfils every condition.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        let code = event.code.as_ref().map(|code| &code.code);
        is(self.account.as_ref(), event.account.as_ref())
            && is(self.code.as_ref(), code)
            && self.known.is_none_or(|known| event.account_known == known)
            && self.since.is_none_or(|since| event.received_at >= since)
            && self.until.is_none_or(|until| event.received_at < until)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.categories.is_empty() || self.categories.contains(&event.category))
            && (self
                .up_to
                .is_none_or(|last| event.position.is_some_and(|at| at <= last)))
    }
}

/// Nothing wanted, or exactly this.
fn is(wanted: Option<&String>, found: Option<&String>) -> bool {
    wanted.is_none() || wanted == found
}
