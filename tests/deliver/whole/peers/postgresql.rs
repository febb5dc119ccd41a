//! PostgreSQL: a server whose table holds what arrived.
use larm::deliver::connectors::postgresql::{Names, sql};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::{Arrival, LONG, Need, Peer, Wardrobe, path_line};
use crate::servers::postgresql::PostgresServer;
use crate::whole::wire::Wire;

/// The server.
pub(crate) struct Postgresql {
    server: PostgresServer,
    need: Need,
    wire: Option<Wire>,
    wardrobe: Option<Wardrobe>,
    runtime: Runtime,
}

impl Postgresql {
    pub(crate) fn new(need: Need) -> Self {
        let wardrobe = (need == Need::Tls).then(|| Wardrobe::new(false));
        let lines = match &wardrobe {
            Some(_) => "ssl = on\nssl_cert_file = 'worn.pem'\nssl_key_file = 'worn.key'\n",
            None => "",
        };
        let server = PostgresServer::stopped_with(lines);
        Self {
            wire: (need == Need::Wire).then(|| Wire::to(server.port())),
            server,
            need,
            wardrobe,
            runtime: super::runtime(),
        }
    }

    async fn client(&self) -> Client {
        let connected = tokio_postgres::connect(&self.server.url(), NoTls).await;
        let (client, connection) = connected.expect("a server that runs");
        tokio::spawn(connection);
        client
    }

    /// The table as a database's owner prepares it, with a rule of theirs.
    async fn forbid_long_texts(&self) {
        let names = Names::new("larm", "event").expect("names");
        let rule = format!("ALTER TABLE larm.event ADD CHECK (length(text) < {LONG})");
        let client = self.client().await;
        for statements in [sql(&names), rule] {
            let done = client.batch_execute(&statements).await;
            done.expect("the statements of the manual");
        }
    }
}

impl Peer for Postgresql {
    fn address(&self) -> String {
        let port = self.wire.as_ref().map_or(self.server.port(), Wire::port);
        format!("postgres://postgres@localhost:{port}/postgres")
    }

    fn section(&self, at: &[String]) -> String {
        let common = format!(
            "kind = \"postgresql\"\nurl = \"{}\"\ntimeout = \"1s\"\n",
            at[0]
        );
        match &self.wardrobe {
            None => common,
            Some(wardrobe) => {
                common + "tls = \"required\"\n" + &path_line("ca_file", &wardrobe.ca())
            }
        }
    }

    fn start(&mut self) {
        if let Some(wardrobe) = &self.wardrobe {
            self.server.copy(&wardrobe.worn().certificate, "worn.pem");
            self.server.copy(&wardrobe.worn().key, "worn.key");
        }
        self.server.restart();
        if self.need == Need::Picky {
            self.runtime.block_on(self.forbid_long_texts());
        }
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
        let ask = "SELECT id::text, account FROM larm.event ORDER BY arrival";
        let rows = self
            .runtime
            .block_on(async { self.client().await.query(ask, &[]).await });
        let rows = rows.unwrap_or_default();
        let arrival = |row: &tokio_postgres::Row| Arrival::Id(row.get(0), row.get(1));
        rows.iter().map(arrival).collect()
    }
}
