//! NATS `JetStream`: a server whose stream holds what arrived.
use async_nats::jetstream::{self, consumer};
use futures_util::StreamExt as _;
use tokio::runtime::Runtime;

use super::{Arrival, LONG, Need, Peer, Wardrobe, path_line};
use crate::servers::nats::NatsServer;
use crate::whole::wire::Wire;

const STREAM: &str = "ALARMS";

/// The server.
pub(crate) struct Nats {
    server: NatsServer,
    wire: Option<Wire>,
    wardrobe: Option<Wardrobe>,
    runtime: Runtime,
}

impl Nats {
    pub(crate) fn new(need: Need) -> Self {
        let wardrobe = (need == Need::Tls).then(|| Wardrobe::new(false));
        let lines = match (need, &wardrobe) {
            // Records are shorter, but for the one.
            (Need::Picky, _) => format!("max_payload: {}", LONG * 3 / 2),
            (_, Some(wardrobe)) => format!(
                "tls {{ cert_file: \"{}\", key_file: \"{}\" }}",
                wardrobe.worn().certificate.display(),
                wardrobe.worn().key.display()
            ),
            _ => String::new(),
        };
        let server = NatsServer::stopped_with(&lines);
        Self {
            wire: (need == Need::Wire).then(|| Wire::to(server.port())),
            server,
            wardrobe,
            runtime: super::runtime(),
        }
    }

    async fn read(&self) -> Vec<Arrival> {
        let mut options = async_nats::ConnectOptions::new();
        if let Some(wardrobe) = &self.wardrobe {
            options = options.add_root_certificates(wardrobe.both());
        }
        let client = options.connect(self.server.url()).await;
        let jetstream = jetstream::new(client.expect("a server that runs"));
        let Ok(mut stream) = jetstream.get_stream(STREAM).await else {
            return Vec::new();
        };
        let count = stream.info().await.expect("a stream").state.messages;
        let config = consumer::pull::OrderedConfig::default();
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let messages = consumer.messages().await.expect("messages");
        let mut messages = messages.take(usize::try_from(count).expect("a count"));
        let mut found = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.expect("a message");
            let headers = message.headers.as_ref().expect("headers");
            let id = headers.get("Nats-Msg-Id").expect("an id").to_string();
            let account = message.subject.split('.').nth(2);
            let account = account.filter(|account| *account != "_");
            found.push(Arrival::Id(id, account.map(str::to_owned)));
        }
        found
    }
}

impl Peer for Nats {
    fn address(&self) -> String {
        let port = self.wire.as_ref().map_or(self.server.port(), Wire::port);
        let scheme = if self.wardrobe.is_some() {
            "tls"
        } else {
            "nats"
        };
        format!("{scheme}://localhost:{port}")
    }

    fn section(&self, at: &[String]) -> String {
        let authority = self.wardrobe.as_ref().map(Wardrobe::ca);
        let authority = authority.map(|file| path_line("ca_file", &file));
        format!(
            "kind = \"nats\"\nstream = \"{STREAM}\"\nstream_setup = \"create\"\ntimeout = \"1s\"\n\
             servers = {at:?}\n{}",
            authority.unwrap_or_default()
        )
    }

    fn start(&mut self) {
        self.server.restart();
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    fn wardrobe(&self) -> Option<&Wardrobe> {
        self.wardrobe.as_ref()
    }

    fn arrived(&mut self) -> Vec<Arrival> {
        self.runtime.block_on(self.read())
    }
}
