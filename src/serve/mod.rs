//! The running gateway: built from its parts in order, watched, reloaded, and drained in order.
//!
//! Start: register, journal (recovery), window of repeats, sink, history, connectors, listeners:
//! nothing is accepted before everything that it needs is there. Drain goes the other way round.
mod check;
pub mod delivery;
mod descriptors;
mod reload;
mod retain;
mod shadow;
mod signals;
mod start;
mod window;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accounts::{RegisterError, Snapshot};
use crate::clock::Clock;
use crate::config::{Config, ListenUrl};
use crate::conn::Notice;
use crate::history::Filler;
use crate::intake::{Intake, Seen};
use crate::journal::{JournalError, Published};
use crate::listen::ListenError;
use crate::metrics::{Gauges, Metrics};
use crate::sink::{Lanes, Sink, SinkError, StartError};

use delivery::Delivery;

pub use shadow::Shadows;
pub use signals::{Signals, run_until_signal};

/// How much longer than the deadline connectors may take to close their files and links.
const ENGINES_GRACE: Duration = Duration::from_secs(2);

/// Why a gateway could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be made or used.
    #[error("cannot use the data directory {path}: {source}; give another one with --data")]
    Data {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The register cannot be opened or read.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The sink cannot be started.
    #[error(transparent)]
    SinkStart(#[from] StartError),
    /// A listener cannot be opened.
    #[error("listener `{name}`: {source}")]
    Listen {
        /// The listener's name.
        name: String,
        /// What is wrong.
        source: ListenError,
    },
    /// A shadow cannot be opened.
    #[error(transparent)]
    Shadow(#[from] crate::shadow::ProxyError),
    /// A listener names a protocol that this build does not have.
    #[error("listener `{name}`: no protocol `{protocol}` in this build")]
    Protocol {
        /// The listener's name.
        name: String,
        /// The protocol's name.
        protocol: String,
    },
    /// A thread cannot be started.
    #[error("cannot start the {what}: {source}")]
    Thread {
        /// What was to be started.
        what: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// Acknowledging had to stop while the gateway ran.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The same, told by the sink while it ran.
    #[error("{0}")]
    Fatal(String),
    /// A task that must run for as long as the gateway does has ended.
    #[error("the {0} ended unexpectedly")]
    SpineEnded(&'static str),
    /// Work was left when the time for draining was over.
    #[error(
        "drained only in part within {0:?}: replies still on their way were given up; nothing acknowledged is lost"
    )]
    DrainTimeout(Duration),
}

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The configuration as checked.
    pub config: Config,
    /// Where it was read from, for reloading.
    pub config_path: Option<PathBuf>,
    /// The data directory.
    pub data: PathBuf,
    /// The listeners come from the command line: reading the file again does not change them.
    pub listeners_given: bool,
}

/// The configuration as it is now; reloading puts another one in its place.
type Live = Arc<ArcSwap<Config>>;

/// A running gateway.
pub struct Gateway {
    config_path: Option<PathBuf>,
    data: PathBuf,
    listeners_given: bool,
    config: Live,
    notice: Arc<Notice>,
    clock: Arc<dyn Clock>,
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
    accounts: Arc<ArcSwap<Snapshot>>,
    lanes: Lanes,
    published: Published,
    /// Reads the older segments once.
    check: check::Check,
    sink: Option<Sink>,
    history: Option<Filler>,
    /// `None` once it was drained.
    delivery: Option<Delivery>,
    listening: Vec<ListenUrl>,
    fatal: watch::Receiver<Option<String>>,
    repeats: tokio::sync::broadcast::Sender<Seen>,
    stop: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Gateway {
    /// Where it listens, with the real ports.
    #[must_use]
    pub fn listening(&self) -> &[ListenUrl] {
        &self.listening
    }

    /// Repeats that are recognised from now on; a reader that falls behind misses the oldest.
    #[must_use]
    pub fn repeats(&self) -> tokio::sync::broadcast::Receiver<Seen> {
        self.repeats.subscribe()
    }

    /// All counters, gauges and histograms as text.
    #[must_use]
    pub fn figures(&self) -> String {
        let lengths = self.lanes.lengths();
        let connectors = self
            .delivery
            .as_ref()
            .map(|delivery| delivery.roster().print());
        let metrics = self.metrics.print(Gauges {
            queue_alarms: lengths.alarms,
            queue_rest: lengths.rest,
            journal_position: self.published.position(),
            journal_healthy: self.published.healthy(),
            journal_unchecked: self.check.findings().left.load(Ordering::Relaxed),
            journal_damaged: self.check.findings().damaged.load(Ordering::Relaxed),
            history_position: self
                .history
                .as_ref()
                .map_or(0, |history| history.progress().last()),
            history_repeats_dropped: self
                .history
                .as_ref()
                .map_or(0, |history| history.progress().repeats_dropped()),
            repeats_window: self.intake.repeats_len(),
        });
        connectors.unwrap_or_default() + &metrics
    }

    /// The first address of this transport, where there is one.
    #[must_use]
    pub fn address(&self, transport: crate::config::Transport) -> Option<SocketAddr> {
        self.listening
            .iter()
            .find(|url| url.transport == transport)
            .map(|url| url.address)
    }

    /// Resolves when the gateway cannot go on: the journal failed, or a listener ended.
    pub async fn failed(&mut self) -> ServeError {
        tokio::select! {
            changed = self.fatal.wait_for(Option::is_some) => match changed {
                Ok(reason) => ServeError::Fatal(reason.clone().unwrap_or_default()),
                Err(_) => ServeError::SpineEnded("sink"),
            },
            Some(_) = self.tasks.join_next() => ServeError::SpineEnded("listener"),
        }
    }

    /// Stops reading, answers what is committed, commits what is queued, syncs, and ends.
    ///
    /// Order: listeners and conversations (they end when their last reply is out, which may wait for
    /// a connector), connectors and sink, history. What is not done in time is given up and said.
    pub async fn drain(mut self) -> Result<(), ServeError> {
        let limit = self.config.load().gateway.drain_timeout;
        let deadline = tokio::time::Instant::now() + limit;
        self.stop.cancel();
        let conversations = async { while self.tasks.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout_at(deadline, conversations)
            .await
            .is_ok();
        if !in_time {
            tracing::warn!(
                waiting = self.intake.waiting(),
                "conversations did not end in time"
            );
            self.tasks.abort_all();
        }
        let (sink, history) = (self.sink.take(), self.history.take());
        let stores = tokio::task::spawn_blocking(move || {
            let stopped = sink.map_or(Ok(()), Sink::stop);
            if let Some(history) = history
                && !history.stop()
            {
                tracing::error!("the history's thread panicked; the journal has everything");
            }
            stopped
        });
        // What is left always gets a moment, also when conversations used up the time.
        let deadline = deadline.max(tokio::time::Instant::now() + Duration::from_secs(1));
        if let Some(delivery) = self.delivery.take() {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            // Engines end beside the sink: what they have not delivered they find in the journal.
            if tokio::time::timeout(left + ENGINES_GRACE, delivery.drain(left))
                .await
                .is_err()
            {
                tracing::warn!(
                    "connectors did not end in time; the next start goes on where they were"
                );
            }
        }
        let deadline = deadline.max(tokio::time::Instant::now() + Duration::from_millis(100));
        match tokio::time::timeout_at(deadline, stores).await {
            Ok(Ok(stopped)) => stopped?,
            Ok(Err(_)) => return Err(ServeError::SpineEnded("sink")),
            Err(_) => return Err(ServeError::DrainTimeout(limit)),
        }
        if in_time {
            Ok(())
        } else {
            Err(ServeError::DrainTimeout(limit))
        }
    }
}
