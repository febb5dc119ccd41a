//! Builds a gateway from its parts, in the order that makes each one safe to use.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use larm_carrier::Session;
use larm_event::PathRole;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::check::Check;
use super::delivery::{self, Delivery, Gates};
use super::{Gateway, Live, ServeError, Setup, descriptors, reload, window};
use crate::accounts::{Register, Snapshot};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ListenUrl, Listener, Role, Transport};
use crate::conn::{Admission, AdmissionLimits, Notice, Shared};
use crate::history::{self, Filler};
use crate::intake::{Intake, Parts};
use crate::journal::{DiskStorage, Journal, Options, Published, Storage};
use crate::metrics::Metrics;
use crate::registry::{self, Protocol, WithSession};
use crate::sink::{Hooks, Limits, Sink};
use crate::{conn, listen};

/// Datagrams of one socket that may wait for the disk at a time.
const DATAGRAMS_MAX: usize = 4_096;

/// Repeats that a slow reader of them may be behind.
const REPEATS_BEHIND_MAX: usize = 1_024;

impl Gateway {
    /// Starts everything and returns when every listener accepts. To be called inside a runtime.
    pub fn start(setup: Setup) -> Result<Self, ServeError> {
        Self::start_on(setup, |disk| disk)
    }

    /// As [`Gateway::start`], with the journal on what `storage` makes of its directory on the disk.
    pub fn start_on(
        setup: Setup,
        storage: impl FnOnce(Arc<dyn Storage>) -> Arc<dyn Storage>,
    ) -> Result<Self, ServeError> {
        let live: Live = Arc::new(ArcSwap::from_pointee(setup.config));
        let config = &*live.load_full();
        let in_data = |source| ServeError::Data {
            path: setup.data.clone(),
            source,
        };
        std::fs::create_dir_all(&setup.data).map_err(in_data)?;
        let metrics = Arc::new(Metrics::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());

        let (register, snapshot) = open_register(&setup.data, config)?;
        let accounts = Arc::new(ArcSwap::from_pointee(snapshot));
        let journal_dir = setup.data.join("journal");
        let disk = DiskStorage::new(&journal_dir);
        disk.prepare().map_err(in_data)?;
        let (journal, recovery) =
            Journal::open_in(storage(Arc::new(disk)), &journal_options(config))?;
        tracing::info!(
            records = recovery.last,
            segments = recovery.segments,
            cut_bytes = recovery.cut,
            clean = recovery.clean,
            took_ms = u64::try_from(recovery.took.as_millis()).unwrap_or(u64::MAX),
            "journal recovered"
        );
        // Before the sink appends: what is there now was written by an earlier process.
        let check = Check::spawn(Arc::new(DiskStorage::new(&journal_dir)));
        let check = check.map_err(|source| ServeError::Thread {
            what: "check of the journal",
            source,
        })?;
        let (fatal_tx, fatal) = watch::channel(None);
        let sink = start_sink(journal, config, &metrics, fatal_tx)?;
        let history = start_history(&setup.data, config, &sink.published())?;

        let (repeats, _) = broadcast::channel(REPEATS_BEHIND_MAX);
        let (seen, counted) = (repeats.clone(), history.as_ref().map(Filler::repeats));
        let parts = Parts {
            node: node_name(config),
            lanes: sink.lanes(),
            here: Some(sink.here()),
            published: sink.published(),
            accounts: Arc::clone(&accounts),
            metrics: Arc::clone(&metrics),
            on_repeat: Box::new(move |repeat| {
                if let Some(history) = &counted {
                    history.tell(history::Repeated {
                        event: repeat.event,
                        at: repeat.at,
                        path: repeat.path.clone(),
                    });
                }
                // Nobody listening is no fault.
                drop(seen.send(repeat));
            }),
            repeats_max: config.repeats.entries_max,
        };
        let intake = Arc::new(Intake::new(parts, reload::rules(config)));
        let remembered = window::rebuild(&intake, &journal_dir, &recovery, clock.now())?;
        tracing::info!(
            frames = remembered,
            "window of repeats rebuilt from the journal"
        );

        // They follow the journal from where they were; nothing is received yet.
        let delivery = Delivery::start(&delivery::Parts {
            node: node_name(config).into(),
            data: setup.data.clone(),
            published: sink.published(),
            accounts: Arc::clone(&accounts),
            live: Arc::clone(&live),
            lanes: sink.lanes(),
        });
        intake.set_gate(Gates::of(config, delivery.roster(), &accounts, &live));
        let notice = Arc::new(Notice::new(
            config.log.rate_limit,
            Arc::clone(&clock),
            Arc::clone(&metrics),
            registry::explain_refused,
        ));
        let mut gateway = Self {
            lanes: sink.lanes(),
            published: sink.published(),
            check,
            sink: Some(sink),
            history,
            delivery: Some(delivery),
            intake,
            metrics,
            accounts,
            listening: Vec::new(),
            fatal,
            repeats,
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            config_path: setup.config_path,
            data: setup.data,
            listeners_given: setup.listeners_given,
            config: live,
            notice,
            clock: Arc::clone(&clock),
        };
        gateway.open_listeners(&clock)?;
        gateway.watch_register(register);
        gateway.watch_segments();
        Ok(gateway)
    }

    fn open_listeners(&mut self, clock: &Arc<dyn Clock>) -> Result<(), ServeError> {
        let config = self.config.load_full();
        let fits = descriptors::connections_max();
        let turns = Arc::default();
        for listener in &config.listeners {
            let shared = Arc::new(Shared {
                name: listener.name.as_str().into(),
                role: Some(match listener.role {
                    Role::Primary => PathRole::Primary,
                    Role::Backup => PathRole::Backup,
                }),
                first_byte_timeout: listener.first_byte_timeout,
                frame_timeout: listener.frame_timeout,
                idle_timeout: listener.idle_timeout,
                datagrams_max: DATAGRAMS_MAX,
                intake: Arc::clone(&self.intake),
                clock: Arc::clone(clock),
                turns: Arc::clone(&turns),
                notice: Arc::clone(&self.notice),
                stop: self.stop.clone(),
            });
            let protocol = Protocol::from_name(&listener.protocol).ok_or_else(|| {
                let (name, protocol) = (listener.name.clone(), listener.protocol.clone());
                ServeError::Protocol { name, protocol }
            })?;
            for address in &listener.addresses {
                let (live, mode) = (Arc::clone(&self.config), listener.mode);
                let frame_len_max = listener.frame_max;
                // Asked for each session, so that a reload holds for whoever comes next.
                let settings = move || registry::Settings {
                    mode,
                    frame_len_max,
                    acknowledge_unsupported: reload::acknowledges_unsupported(&live.load()),
                };
                let open = Open {
                    listener,
                    address: *address,
                    shared: &shared,
                    connections_max: descriptors::cap(
                        &listener.name,
                        listener.connections_max,
                        fits,
                    ),
                    tasks: &mut self.tasks,
                };
                let bound = registry::with_session(protocol, settings, open).map_err(|source| {
                    ServeError::Listen {
                        name: listener.name.clone(),
                        source,
                    }
                })?;
                self.listening.push(ListenUrl {
                    protocol: listener.protocol.clone(),
                    transport: listener.transport,
                    address: bound,
                });
            }
        }
        Ok(())
    }
}

/// Opens one address and starts serving it.
struct Open<'a> {
    listener: &'a Listener,
    address: SocketAddr,
    shared: &'a Arc<Shared>,
    connections_max: usize,
    tasks: &'a mut JoinSet<std::io::Result<()>>,
}

impl WithSession for Open<'_> {
    type Output = Result<SocketAddr, listen::ListenError>;

    fn run<S: Session>(self, make: impl Fn() -> S + Send + 'static) -> Self::Output {
        let shared = Arc::clone(self.shared);
        match self.listener.transport {
            Transport::Tcp => {
                let (socket, bound) = listen::open_tcp(self.address)?;
                let admission = Admission::new(AdmissionLimits {
                    connections_max: self.connections_max,
                    per_peer_max: self.listener.connections_per_peer_max,
                });
                self.tasks
                    .spawn(listen::serve_tcp(socket, make, admission, shared));
                Ok(bound)
            }
            Transport::Udp => {
                let (socket, bound) = listen::open_udp(self.address)?;
                self.tasks.spawn(conn::udp::serve(socket, make, shared));
                Ok(bound)
            }
        }
    }
}

/// The register of the data directory, and what stands in it now.
pub(super) fn open_register(
    data: &Path,
    config: &Config,
) -> Result<(Register, Snapshot), ServeError> {
    let register = Register::open(data, registry::ACCOUNT_RULES)?;
    let snapshot = register.snapshot(&reload::account_defaults(config))?;
    Ok((register, snapshot))
}

fn journal_options(config: &Config) -> Options {
    Options {
        segment_len: config.journal.segment_size,
        reserve: config.journal.reserve,
        ahead: true,
    }
}

fn start_sink(
    journal: Journal,
    config: &Config,
    metrics: &Arc<Metrics>,
    fatal: watch::Sender<Option<String>>,
) -> Result<Sink, ServeError> {
    let counted = Arc::clone(metrics);
    let hooks = Hooks::default()
        .clock(|| crate::clock::utc_now().as_millis())
        .on_batch(move |batch| {
            let records = batch.appended.last - batch.appended.first + 1;
            counted.commit(batch.commit, usize::try_from(records).unwrap_or(usize::MAX));
        })
        .on_fatal(move |error| {
            tracing::error!(%error, "acknowledging stops");
            fatal.send_replace(Some(error.to_string()));
        });
    let limits = Limits {
        alarms: config.queue.alarms,
        rest: config.queue.rest,
        batch_records: config.queue.batch_max,
        ..Limits::default()
    };
    Ok(Sink::start(journal, &limits, hooks)?)
}

fn start_history(
    data: &Path,
    config: &Config,
    published: &Published,
) -> Result<Option<Filler>, ServeError> {
    if !config.history.enabled {
        return Ok(None);
    }
    let journal_dir = data.join("journal");
    let durable = published.clone();
    let open = move |from| history::Tail::open(&journal_dir, from);
    let filler = Filler::spawn(history::directory(data), open, move || durable.position())
        .map_err(|source| ServeError::Thread {
            what: "history",
            source,
        })?;
    filler.keep_months(config.history.keep_months);
    Ok(Some(filler))
}

/// The configured name, or the host's.
fn node_name(config: &Config) -> String {
    if let Some(name) = &config.gateway.node {
        return name.clone();
    }
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if host.is_empty() {
        "larm".to_owned()
    } else {
        host
    }
}
