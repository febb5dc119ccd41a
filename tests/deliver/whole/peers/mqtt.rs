//! MQTT 5: a broker, and a subscriber that heard what arrived.
use serde_json::Value;

use super::{Arrival, LONG, Need, Peer, Wardrobe, path_line};
use crate::broker::Broker;
use crate::lines::Program;
use crate::servers::free_port;
use crate::whole::wire::Wire;

/// A broker that passes everything on at once: what it has confirmed and still keeps for a
/// subscriber is gone with it when it is killed, as the protocol has it.
const AT_ONCE: &str = "max_inflight_messages 0\nset_tcp_nodelay true\n";

/// Broker and subscriber.
pub(crate) struct Mqtt {
    broker: Broker,
    tls_port: u16,
    subscriber: Option<Program>,
    heard: Vec<Arrival>,
    wire: Option<Wire>,
    wardrobe: Option<Wardrobe>,
}

impl Mqtt {
    pub(crate) fn new(need: Need) -> Self {
        let wardrobe = (need == Need::Tls).then(|| Wardrobe::new(false));
        let tls_port = free_port();
        let further = match (need, &wardrobe) {
            (Need::Picky, _) => format!("max_packet_size {}", LONG * 3 / 2),
            // The subscriber goes by the first listener, in clear.
            (_, Some(wardrobe)) => format!(
                "listener {tls_port} 127.0.0.1\ncertfile {}\nkeyfile {}",
                wardrobe.worn().certificate.display(),
                wardrobe.worn().key.display()
            ),
            _ => String::new(),
        };
        let broker = Broker::prepared(&format!("{AT_ONCE}{further}"));
        Self {
            wire: (need == Need::Wire).then(|| Wire::to(broker.port())),
            broker,
            tls_port,
            subscriber: None,
            heard: Vec::new(),
            wardrobe,
        }
    }
}

/// The record that a message holds.
fn record(message: &Value) -> Option<Arrival> {
    let payload = message["payload"].as_str()?;
    let record: Value = serde_json::from_str(payload).ok()?;
    record.is_object().then(|| Arrival::of_json(&record))
}

impl Peer for Mqtt {
    fn address(&self) -> String {
        match (&self.wardrobe, &self.wire) {
            (Some(_), _) => format!("mqtts://localhost:{}", self.tls_port),
            (None, Some(wire)) => format!("mqtt://127.0.0.1:{}", wire.port()),
            (None, None) => format!("mqtt://127.0.0.1:{}", self.broker.port()),
        }
    }

    fn section(&self, at: &[String]) -> String {
        let authority = self.wardrobe.as_ref().map(Wardrobe::ca);
        let authority = authority.map(|file| path_line("ca_file", &file));
        format!(
            "kind = \"mqtt\"\ntimeout = \"1s\"\nurl = \"{}\"\n{}",
            at[0],
            authority.unwrap_or_default()
        )
    }

    fn start(&mut self) {
        self.broker.run();
        // It comes back by itself.
        if self.subscriber.is_none() {
            self.subscriber = Some(self.broker.subscribed("larm/#"));
        }
    }

    fn kill(&mut self) {
        self.broker.kill();
    }

    fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    fn wardrobe(&self) -> Option<&Wardrobe> {
        self.wardrobe.as_ref()
    }

    fn arrived(&mut self) -> Vec<Arrival> {
        let told = self.subscriber.iter().flat_map(Program::told);
        self.heard
            .extend(told.filter_map(|message| record(&message)));
        self.heard.clone()
    }
}
