//! Another receiver of DC-09: a second larm, whose journal holds what arrived; where one has to be
//! refused, a receiver that answers by a script.
use std::net::SocketAddr;

use super::{Arrival, Need, Peer, Wardrobe, poison};
use crate::gateway::{Gateway, events};
use crate::scripted::{Act, Scripted};
use crate::servers::free_port;
use crate::whole::mark::Mark;
use crate::whole::wire::Wire;

/// The other receiver.
pub(crate) struct Relay {
    room: tempfile::TempDir,
    address: SocketAddr,
    running: Option<Gateway>,
    scripted: Option<Scripted>,
    wire: Option<Wire>,
}

impl Relay {
    pub(crate) fn new(need: Need) -> Self {
        let room = tempfile::tempdir().expect("a directory");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let text = format!(
            "[[listener]]\nname = \"tcp\"\naddress = \"{address}\"\n\
             [[listener]]\nname = \"udp\"\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\n"
        );
        std::fs::write(room.path().join("other.toml"), text).expect("a writable directory");
        let refused = format!("{}^", poison().number);
        let scripted = (need == Need::Picky).then(|| {
            Scripted::start_at(address, move |came, _| {
                if came.rest.contains(&refused) {
                    Act::Duh
                } else {
                    Act::Ack
                }
            })
        });
        Self {
            room,
            address,
            running: None,
            scripted,
            wire: (need == Need::Wire).then(|| Wire::to(address.port())),
        }
    }

    /// The marks of frames that were acknowledged.
    fn scripted_arrivals(scripted: &Scripted) -> Vec<Arrival> {
        let came = scripted.came().into_iter();
        let marks = came.filter_map(|came| {
            let (_, rest) = came.rest.split_once('#')?;
            let (account, data) = rest.split_once('|')?;
            let digits = data.trim_start_matches(|sign: char| sign.is_ascii_uppercase());
            let (number, _) = digits.split_once(']')?;
            Some(Mark {
                account: account.to_owned(),
                number: number.parse().ok()?,
            })
        });
        marks.map(Arrival::Mark).collect()
    }
}

impl Peer for Relay {
    fn address(&self) -> String {
        let port = self.wire.as_ref().map_or(self.address.port(), Wire::port);
        format!("127.0.0.1:{port}")
    }

    fn section(&self, at: &[String]) -> String {
        let keys = ["address", "backup"].into_iter().zip(at);
        let addresses: Vec<String> = keys
            .map(|(key, at)| format!("{key} = \"{at}\"\n"))
            .collect();
        format!(
            "kind = \"dc09-relay\"\nanswer_timeout = \"1s\"\nconnect_timeout = \"1s\"\n{}",
            addresses.concat()
        )
    }

    fn start(&mut self) {
        self.kill();
        if self.scripted.is_none() {
            let config = self.room.path().join("other.toml");
            let arguments = ["--config", config.to_str().expect("UTF-8")];
            let data = self.room.path().join("other");
            self.running = Some(Gateway::start_with(&data, &arguments));
        }
    }

    fn kill(&mut self) {
        if let Some(gateway) = self.running.take() {
            gateway.kill();
        }
    }

    fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// DC-09 has no TLS; what goes by its own encryption is proved in `relay`.
    fn wardrobe(&self) -> Option<&Wardrobe> {
        None
    }

    fn arrived(&mut self) -> Vec<Arrival> {
        if let Some(scripted) = &self.scripted {
            return Self::scripted_arrivals(scripted);
        }
        let mut all = events(&self.room.path().join("other"));
        all.sort_by_key(|event| event["position"].as_u64());
        all.iter().filter_map(Mark::of).map(Arrival::Mark).collect()
    }
}
