//! Shadows beside the gateway: opened before it, closed after it, and not dependent on it.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use larm_carrier::{Accounts, Mode, Moment, Request, Session};

use super::{Gateway, ServeError};
use crate::config::{self, Config, ListenUrl, Transport};
use crate::conn::Notice;
use crate::intake::{Intake, Origin};
use crate::metrics::ShadowCount;
use crate::registry::{self, Protocol, WithSession};
use crate::shadow::{self, Pieces, Proxy, Tap, Watch, Watcher, WatcherParts};

/// How long the last copies may take to be looked at when the gateway ends.
const END_WAIT: Duration = Duration::from_secs(2);

/// All shadows of a configuration.
pub struct Shadows {
    open: Vec<Open>,
    stop: Arc<AtomicBool>,
    /// Each watcher says here that it has ended.
    ended: (mpsc::Sender<()>, mpsc::Receiver<()>),
    watching: usize,
}

struct Open {
    own: config::Shadow,
    proxy: Proxy,
    tap: Tap,
    /// Until somebody looks at them.
    pieces: Option<Pieces>,
}

impl Shadows {
    /// Listens and passes everything on from now on; nobody looks at it yet.
    pub fn open(config: &Config) -> Result<Self, ServeError> {
        let mut open = Vec::new();
        for own in &config.shadows {
            for address in &own.addresses {
                let (tap, pieces) = Tap::new();
                let settings = settings(own, *address);
                let proxy = Proxy::start(&settings, tap.clone())?;
                open.push(Open {
                    own: own.clone(),
                    proxy,
                    tap,
                    pieces: Some(pieces),
                });
            }
        }
        Ok(Self {
            open,
            stop: Arc::new(AtomicBool::new(false)),
            ended: mpsc::channel(),
            watching: 0,
        })
    }

    /// Where each listens, and the receiver behind it.
    pub fn places(&self) -> impl Iterator<Item = (ListenUrl, String)> + '_ {
        self.open.iter().map(|open| {
            let url = ListenUrl {
                protocol: open.own.protocol.clone(),
                transport: open.own.transport,
                address: open.proxy.address(),
            };
            (url, open.own.receiver.to_string())
        })
    }

    /// Has the gateway look at what goes through.
    pub fn watch(&mut self, gateway: &Gateway) -> Result<(), ServeError> {
        let (stop, ended) = (&self.stop, &self.ended.0);
        for open in &mut self.open {
            let Some(pieces) = open.pieces.take() else {
                continue;
            };
            let (name, protocol) = (open.own.name.clone(), open.own.protocol.clone());
            let known = Protocol::from_name(&protocol);
            let known = known.ok_or(ServeError::Protocol { name, protocol })?;
            let parts = gateway.watcher_parts(&open.own, known, open.tap.clone());
            let frame_len_max = config::Listener::default().frame_max;
            let settings = settings_of(open.own.mode, frame_len_max, gateway);
            let watch = registry::with_session(known, settings, Make { parts });
            spawn(pieces, watch, Arc::clone(stop), ended.clone())?;
            self.watching += 1;
        }
        Ok(())
    }

    /// There are some, and nobody has asked for the end.
    #[must_use]
    pub fn must_go_on(&self) -> bool {
        !self.open.is_empty() && !self.stop.load(Ordering::Relaxed)
    }

    /// Nobody looks at it any more; it goes on all the same.
    pub fn end_watching(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for _ in 0..std::mem::take(&mut self.watching) {
            if self.ended.1.recv_timeout(END_WAIT).is_err() {
                tracing::warn!("a shadow's watcher did not end in time");
            }
        }
    }
}

/// Looks at the pieces in a thread of its own.
fn spawn(
    pieces: Pieces,
    mut watch: Box<dyn Watch>,
    stop: Arc<AtomicBool>,
    ended: mpsc::Sender<()>,
) -> Result<(), ServeError> {
    let watching = move || {
        pieces.drain(watch.as_mut(), &stop);
        // Nobody may be waiting any more.
        let _ = ended.send(());
    };
    let spawned = thread::Builder::new()
        .name("larm-watch".to_owned())
        .spawn(watching);
    // It says itself when it has ended; a hung one must not hold up the end of the process.
    spawned.map(drop).map_err(|source| ServeError::Thread {
        what: "shadow's watcher",
        source,
    })
}

fn settings(own: &config::Shadow, address: SocketAddr) -> shadow::Settings {
    shadow::Settings {
        name: own.name.clone(),
        address,
        transport: own.transport,
        receiver: own.receiver.to_string(),
        connections_max: own.connections_max,
        answer_timeout: own.answer_timeout,
    }
}

fn settings_of(
    mode: Mode,
    frame_len_max: usize,
    gateway: &Gateway,
) -> impl Fn() -> registry::Settings + Send + use<> + 'static {
    let live = Arc::clone(&gateway.config);
    move || registry::Settings {
        mode,
        frame_len_max,
        acknowledge_unsupported: super::reload::acknowledges_unsupported(&live.load()),
    }
}

/// The gateway behind a watcher.
struct Behind {
    intake: Arc<Intake>,
    notice: Arc<Notice>,
    tap: Tap,
}

impl shadow::Behind for Behind {
    fn accounts(&self) -> &dyn Accounts {
        self.intake.as_ref()
    }

    fn holds_unknown(&self) -> bool {
        self.intake.holds_unknown()
    }

    fn take<T>(&self, request: Request<'_, T>, origin: &Origin<'_>, now: Moment) {
        // What comes back holds the ticket of an answer; dropped, it is silence.
        drop(self.intake.take(request, origin, now));
    }

    fn count(&self, count: ShadowCount) {
        self.intake.metrics().shadow(count);
    }

    fn difference(&self, shadow: &str, peer: SocketAddr, larm: &str, receiver: &str) {
        self.notice.difference(shadow, peer, larm, receiver);
    }

    fn missed(&self) -> u64 {
        self.tap.missed()
    }
}

struct Make {
    parts: WatcherParts<Behind>,
}

impl WithSession for Make {
    type Output = Box<dyn Watch>;

    fn run<S: Session>(self, make: impl Fn() -> S + Send + 'static) -> Self::Output {
        Box::new(Watcher::new(self.parts, make))
    }
}

impl Gateway {
    fn watcher_parts(
        &self,
        own: &config::Shadow,
        protocol: Protocol,
        tap: Tap,
    ) -> WatcherParts<Behind> {
        WatcherParts {
            name: own.name.as_str().into(),
            protocol,
            transport: match own.transport {
                Transport::Tcp => larm_event::Transport::Tcp,
                Transport::Udp => larm_event::Transport::Udp,
            },
            answer_timeout: own.answer_timeout,
            flows_max: own.connections_max.saturating_mul(2),
            clock: Arc::clone(&self.clock),
            reports: shadow::directory(&self.data),
            behind: Behind {
                intake: Arc::clone(&self.intake),
                notice: Arc::clone(&self.notice),
                tap,
            },
        }
    }
}
