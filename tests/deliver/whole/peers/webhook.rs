//! A webhook receiver that told what it had taken before it answered.
use serde_json::{Value, json};

use super::{Arrival, Need, Peer, Wardrobe, path_line};
use crate::receiver::{Receiver, SECRET};
use crate::servers::free_port;
use crate::whole::wire::Wire;

/// The receiver. It goes by TLS always.
pub(crate) struct Webhook {
    need: Need,
    port: u16,
    running: Option<Receiver>,
    /// Requests that those before it told of.
    told: Vec<Value>,
    wire: Option<Wire>,
    wardrobe: Wardrobe,
}

impl Webhook {
    pub(crate) fn new(need: Need) -> Self {
        let (port, wardrobe) = (free_port(), Wardrobe::new(false));
        std::fs::write(secret(&wardrobe), SECRET).expect("a writable directory");
        Self {
            need,
            port,
            running: None,
            told: Vec::new(),
            wire: (need == Need::Wire).then(|| Wire::to(port)),
            wardrobe,
        }
    }
}

fn secret(wardrobe: &Wardrobe) -> std::path::PathBuf {
    wardrobe.ca().with_extension("secret")
}

/// The events of a request that was answered well.
fn taken(request: &Value) -> Vec<Arrival> {
    if request["answer"] != 200 {
        return Vec::new();
    }
    let events = match &request["body"] {
        Value::Array(events) => events.as_slice(),
        event => std::slice::from_ref(event),
    };
    events
        .iter()
        .map(|event| Arrival::of_json(&event["data"]))
        .collect()
}

impl Peer for Webhook {
    fn address(&self) -> String {
        let port = self.wire.as_ref().map_or(self.port, Wire::port);
        format!("https://localhost:{port}/alarms")
    }

    fn section(&self, at: &[String]) -> String {
        format!(
            "kind = \"webhook\"\nurl = \"{}\"\ntimeout = \"1s\"\n\
             networks = [\"127.0.0.0/8\", \"::1/128\"]\n",
            at[0]
        ) + &path_line("ca_file", &self.wardrobe.ca())
            + &path_line("secret_file", &secret(&self.wardrobe))
    }

    fn start(&mut self) {
        self.kill();
        let mut receiver = Receiver::start(self.port, self.wardrobe.worn(), None);
        if self.need == Need::Picky {
            receiver.order(&json!({ "answer": 422, "holds": "xxxxxxxx" }));
        }
        self.running = Some(receiver);
    }

    fn kill(&mut self) {
        if let Some(mut receiver) = self.running.take() {
            receiver.end();
            self.told.extend_from_slice(receiver.requests());
        }
    }

    fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    fn wardrobe(&self) -> Option<&Wardrobe> {
        Some(&self.wardrobe)
    }

    fn arrived(&mut self) -> Vec<Arrival> {
        let now = self.running.as_mut().map(|one| one.requests().to_vec());
        let all = self.told.iter().chain(now.iter().flatten());
        all.flat_map(taken).collect()
    }
}
