//! Which events a connector gets, and how urgent each one is.
use larm_event::{Category, Event, Priority};

/// What a route says about one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The connector gets it.
    Pass,
    /// It is kept back, as events in test mode may be: done and counted; a replay can ask for it.
    Hold,
    /// It is none of this connector's business.
    Skip,
}

/// Decides which events a connector gets. Asked once for each event, in journal order, by a thread
/// that may be slow; the answer for an event that waits already does not change any more.
pub trait Route: Send + Sync + 'static {
    /// What becomes of this event.
    fn decide(&self, event: &Event) -> Decision;
}

impl<F: Fn(&Event) -> Decision + Send + Sync + 'static> Route for F {
    fn decide(&self, event: &Event) -> Decision {
        self(event)
    }
}

/// How many ranks there are.
pub const RANKS: usize = 5;

/// The names of the ranks, most urgent first.
pub const RANK_NAMES: [&str; RANKS] = ["life", "fire", "fire_other", "intrusion", "rest"];

/// Where an event stands when a backlog builds; 0 goes first.
///
/// 0 life (priority 1) that is no fire, 1 fire with priority 1, 2 other events of a fire system,
/// 3 intrusion and hold-up, 4 the rest.
#[must_use]
pub fn rank(event: &Event) -> u8 {
    match (event.priority == Priority::LIFE, event.category) {
        (true, Category::Fire) => 1,
        (true, _) => 0,
        (false, Category::Fire) => 2,
        (false, Category::Intrusion | Category::HoldUp) => 3,
        (false, _) => 4,
    }
}
