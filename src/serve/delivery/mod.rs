//! The ways out of a running gateway: an engine for each connector that the configuration names.
//!
//! Reception never depends on them. A connector that cannot be built or started is said, tried
//! again from time to time, and keeps the journal from forgetting what it has not had; an engine
//! that ends by itself is begun again. SIGHUP touches those alone whose sections changed.
mod announce;
mod confirm;
mod control;
mod figures;
mod news;
mod roster;
mod route;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Live;
use crate::accounts::Snapshot;
use crate::config::Connector;
use crate::journal::Published;
use crate::sink::Lanes;

pub(super) use confirm::Gates;
pub use control::{Answer, Request, SOCKET, ask, letter};
pub use figures::ConnectorStatus;
pub(super) use roster::Roster;

use worker::Worker;

/// What the ways out work with.
#[derive(Clone)]
pub(super) struct Parts {
    /// Name of this gateway.
    pub(super) node: Arc<str>,
    /// The data directory.
    pub(super) data: PathBuf,
    /// What is durable.
    pub(super) published: Published,
    /// The register as it is now.
    pub(super) accounts: Arc<ArcSwap<Snapshot>>,
    /// The configuration as it is now.
    pub(super) live: Live,
    /// Towards the sink, for the gateway's own events.
    pub(super) lanes: Lanes,
}

/// Where the connectors keep what is theirs, below the data directory.
#[must_use]
pub fn directory(data: &Path) -> PathBuf {
    data.join("deliver")
}

/// All ways out.
pub(super) struct Delivery {
    roster: Roster,
    wanted: watch::Sender<Vec<Connector>>,
    /// Ends the engines, in good order.
    stop: CancellationToken,
    /// `true`: everything that was on its way ended in time.
    engines: JoinHandle<bool>,
    /// Ends what looks at them; nothing depends on how.
    beside: Vec<JoinHandle<()>>,
}

impl Delivery {
    /// Starts an engine for each connector that is enabled. To be called inside a runtime, before
    /// anything is received.
    pub(super) fn start(parts: &Parts) -> Self {
        let connectors = parts.live.load().connectors.clone();
        let roster = Roster::new(&parts.data);
        let stop = CancellationToken::new();
        let (wanted, told) = watch::channel(connectors);
        let worker = Worker::start(parts.clone(), roster.clone(), told);
        let announcer = announce::run(parts.clone(), roster.clone(), stop.clone());
        let control = control::serve(parts.clone(), roster.clone(), stop.clone());
        Self {
            roster,
            wanted,
            engines: tokio::spawn(worker.run(stop.clone())),
            beside: vec![tokio::spawn(announcer), tokio::spawn(control)],
            stop,
        }
    }

    /// Takes over other sections, in the background.
    pub(super) fn apply(&self, connectors: &[Connector]) {
        self.wanted.send_if_modified(|known| {
            let changed = known != connectors;
            if changed {
                connectors.clone_into(known);
            }
            changed
        });
    }

    /// The connectors as they are, for figures and retention.
    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Takes nothing new, waits up to `limit` for what is on its way, and ends. What was not
    /// confirmed is delivered again after the next start.
    pub(super) async fn drain(self, limit: Duration) {
        self.roster.leave_within(limit);
        self.stop.cancel();
        for task in self.beside {
            task.abort();
        }
        match self.engines.await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "deliveries on their way were given up; they are made again after the next start"
            ),
            Err(_) => tracing::error!("what looks after the connectors panicked"),
        }
    }
}
