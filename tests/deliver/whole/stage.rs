//! One gateway, its transmitters, and the other side of its one connector.
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::Value;

use super::ledger::{self, distinct};
use super::mark::Mark;
use super::peers::{Arrival, Peer, Wardrobe};
use super::transmitters::{Acknowledged, Sending, Transmitters};
use super::wire::Wire;
use crate::harness::{World, eventually, eventually_within};

/// The connector of all scenarios.
pub(crate) const NAME: &str = "case";

/// Everything that a scenario plays with.
pub(crate) struct Stage {
    what: &'static str,
    pub(crate) world: World,
    pub(crate) peer: Box<dyn Peer>,
    transmitters: Transmitters,
    acknowledged: Vec<Mark>,
    /// Frames that had to be sent twice.
    again: usize,
}

impl Stage {
    /// Nothing runs yet.
    pub(crate) fn new(what: &'static str, peer: Box<dyn Peer>) -> Self {
        let at = [peer.address()];
        Self::reaching(what, peer, &at)
    }

    /// The same with further addresses.
    pub(crate) fn reaching(what: &'static str, peer: Box<dyn Peer>, at: &[String]) -> Self {
        let section = format!(
            "[[connector]]\nname = \"{NAME}\"\nretry_min = \"20ms\"\nretry_max = \"200ms\"\n{}",
            peer.section(at)
        );
        Self {
            what,
            world: World::new(&section),
            transmitters: Transmitters::new(peer.form()),
            peer,
            acknowledged: Vec::new(),
            again: 0,
        }
    }

    /// Starts larm; the transmitters find it.
    pub(crate) fn open(&mut self) {
        let address = self.world.start().tcp;
        *self.transmitters.place.lock().unwrap() = address;
    }

    pub(crate) fn wire(&self) -> &Wire {
        self.peer.wire().expect("a wire was needed")
    }

    pub(crate) fn wardrobe(&self) -> &Wardrobe {
        self.peer.wardrobe().expect("TLS was needed")
    }

    /// Sends events; all of them are acknowledged, however the connector is. Prints how quickly.
    pub(crate) fn send(&mut self, events: usize, how: &str) {
        let done = self.transmitters.send(events);
        done.sent.print(&format!("ACK, {} {how}", self.what));
        self.take(done);
    }

    /// Sends one that is like no other.
    pub(crate) fn send_one(&mut self, mark: Mark, text: &str) {
        let frame = self.transmitters.form.frame(&mark, text);
        self.transmitters.send_one(&frame);
        self.acknowledged.push(mark);
    }

    pub(crate) fn keep_sending(&mut self) -> Sending {
        self.transmitters.keep_sending()
    }

    pub(crate) fn stop_sending(&mut self, sending: Sending, how: &str) {
        let done = sending.stop(&mut self.transmitters);
        done.sent.print(&format!("ACK, {} {how}", self.what));
        self.take(done);
    }

    fn take(&mut self, done: Acknowledged) {
        self.acknowledged.extend(done.marks);
        self.again += done.again;
    }

    /// One of the connector's figures.
    pub(crate) fn figure(&self, name: &str) -> i64 {
        figure(&self.world.gateway().figures(), name)
    }

    /// Waits until more was delivered than just now.
    pub(crate) fn deliveries_go_on(&self) {
        let before = self.figure("delivered_total");
        eventually("deliveries go on", || {
            self.figure("delivered_total") > before
        });
    }

    /// Waits until the connector has found out that something is wrong.
    pub(crate) fn link_is_down(&self) {
        eventually("the link is down", || self.figure("link_up") == 0);
    }

    /// How the connector is, as `larm deliver status --json` has it.
    pub(crate) fn status(&self) -> Value {
        let text = self.world.deliver(&["status", NAME, "--json"]);
        let mut all: Value = serde_json::from_str(&text).unwrap();
        all["connectors"][0].take()
    }

    /// The dead letters.
    pub(crate) fn dead(&self) -> Vec<Value> {
        let text = self.world.deliver(&["list-dead", NAME, "--json"]);
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until everything is settled.
    pub(crate) fn settle(&mut self) {
        let all = self.acknowledged.len();
        // A bound for failures alone.
        let bound = Duration::from_secs(60 + all as u64 / 100);
        eventually_within(bound, "everything is settled", || {
            let figures = self.world.gateway().figures();
            let is = |name| figure(&figures, name);
            if is("waiting") + is("in_flight") > 0 || is("reached") < i64::try_from(all).unwrap() {
                return false;
            }
            let dead = usize::try_from(is("dead_letters")).unwrap();
            distinct(&self.peer.arrived()) + dead >= all
        });
    }

    /// Waits until everything is settled, ends larm, and holds all that there is against each
    /// other. No transmitter had to ask twice.
    pub(crate) fn finish(self) {
        assert_eq!(self.again, 0, "transmitters had to send again");
        self.finish_after_silence();
    }

    /// The same after larm itself was away.
    pub(crate) fn finish_after_silence(mut self) {
        self.settle();
        let arrived = self.peer.arrived();
        self.balance(&arrived);
    }

    /// Ends larm, and holds what arrived against what it acknowledged.
    pub(crate) fn balance(&mut self, arrived: &[Arrival]) {
        let dead: HashSet<u64> = self
            .dead()
            .iter()
            .map(|letter| letter["position"].as_u64().unwrap())
            .collect();
        self.world.stop();
        let journal = ledger::journal(&self.world.data());
        let repeats = ledger::hold(&self.acknowledged, &journal, arrived, &dead);
        println!(
            "{}: {} acknowledged, {} in the journal, {} arrivals, {repeats} of them repeats, {} dead \
             letters",
            self.what,
            self.acknowledged.len(),
            journal.len(),
            arrived.len(),
            dead.len()
        );
    }
}

fn figure(figures: &BTreeMap<String, i64>, name: &str) -> i64 {
    let name = format!("larm_connector_{name}{{connector=\"{NAME}\"}}");
    *figures.get(&name).unwrap_or_else(|| panic!("no {name}"))
}
