//! How a link behaves.
use std::net::SocketAddr;
use std::time::Duration;

use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::peers::Network;
use crate::deliver::lines::receipt::ReceiptForm;

/// Which side opens the connection.
#[derive(Clone)]
pub enum Role {
    /// The gateway connects.
    Connect {
        /// `host:port`, the first choice first; at least one.
        endpoints: Vec<String>,
        /// TLS, with the name that the certificate has to carry where it is not the host's.
        tls: Option<(TlsConnector, Option<String>)>,
    },
    /// The case system connects.
    Listen {
        /// Where to listen.
        address: SocketAddr,
        /// Who may connect.
        peers: Vec<Network>,
        /// What a second one gets.
        second: Second,
        /// TLS.
        tls: Option<TlsAcceptor>,
    },
}

/// What becomes of a connection while another one is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Second {
    /// It is closed.
    #[default]
    Refuse,
    /// It gets heartbeats, and takes the place of the first when that ends.
    Heartbeats,
}

/// What is done about receipts that may come too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// The connection is closed and opened anew before a repeat.
    #[default]
    Reconnect,
    /// The connection stays; before another record the line has to be quiet.
    Quiet,
}

/// Everything about a link but what is printed.
#[derive(Clone)]
pub struct LinkSettings {
    /// Which side connects.
    pub role: Role,
    /// To connect, with the TLS handshake.
    pub connect_timeout: Duration,
    /// For a receipt.
    pub wait: Duration,
    /// Tries after the first one, before the link counts as failed.
    pub repeats: u32,
    /// Against receipts that come too late.
    pub late: Late,
    /// How long a new connection is listened to before its first record, and, with
    /// [`Late::Quiet`], how long the line has to be quiet after a receipt was missing.
    pub quiet: Duration,
    /// Between two heartbeats on an idle link; `None`: there are none.
    pub heartbeat: Option<Duration>,
    /// How receipts are written.
    pub receipts: ReceiptForm,
    /// A record that is declined this often while others are taken is refused for good; 0: never.
    pub refuse_after: u32,
    /// The same for what is or may be an alarm.
    pub refuse_alarms_after: u32,
    /// Most events of a batch.
    pub batch: usize,
}

impl LinkSettings {
    /// How long a batch waits for the link to be free, and the link for somebody to connect: the
    /// time in which one record comes to its end.
    pub(super) fn patience(&self) -> Duration {
        self.wait.saturating_mul(self.repeats.saturating_add(1))
    }

    /// More time than a batch can take.
    pub(super) fn batch_time_max(&self, records: usize) -> Duration {
        let tries = self.repeats.saturating_add(2);
        let one = self.connect_timeout + self.quiet + self.wait.saturating_mul(4);
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        one.saturating_mul(tries)
            .saturating_mul(records.saturating_add(1))
    }
}
