//! Owns the engines: starts, replaces and ends them as the configuration says.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::roster::{Roster, Standing, Way};
use super::route::Routed;
use super::{Parts, directory};
use crate::config::Connector;
use crate::config::connector::StartAt;
use crate::deliver::engine::{self, Engine, Settings, Setup};
use crate::deliver::{Context, Link, connectors};
use crate::registry::Onward;

/// Pause before a connector that could not be started is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long what is on its way may take when a connector is changed or removed.
const LEAVE: Duration = Duration::from_secs(5);

/// The engines.
pub(super) struct Worker {
    parts: Parts,
    roster: Roster,
    wanted: watch::Receiver<Vec<Connector>>,
    running: BTreeMap<String, Running>,
}

struct Running {
    settings: Connector,
    engine: Engine,
}

/// What the worker wakes up for.
enum Next {
    Stop,
    Changed,
    Again,
    Ended(String),
}

impl Worker {
    /// Starts every engine that can be.
    pub(super) fn start(
        parts: Parts,
        roster: Roster,
        mut wanted: watch::Receiver<Vec<Connector>>,
    ) -> Self {
        let connectors = wanted.borrow_and_update().clone();
        let mut worker = Self {
            parts,
            roster,
            wanted,
            running: BTreeMap::new(),
        };
        worker.begin_missing(&connectors);
        worker
    }

    /// Looks after them until `stop`, then ends them; tells whether all that was on its way ended
    /// in time.
    pub(super) async fn run(mut self, stop: CancellationToken) -> bool {
        loop {
            match self.next(&stop).await {
                Next::Stop => break,
                Next::Changed => self.settle().await,
                Next::Again => {
                    let connectors = self.wanted.borrow().clone();
                    self.begin_missing(&connectors);
                }
                Next::Ended(name) => {
                    tracing::error!(
                        connector = name,
                        "delivery ended by itself; it begins again"
                    );
                    self.running.remove(&name);
                    let failed = Standing::Failed("it ended by itself".to_owned());
                    self.stands(&name, failed);
                }
            }
        }
        let limit = self.roster.leaving();
        let all = std::mem::take(&mut self.running);
        end(all.into_values(), limit).await
    }

    async fn next(&mut self, stop: &CancellationToken) -> Next {
        let ended = async {
            if self.running.is_empty() {
                return std::future::pending().await;
            }
            let each = self.running.iter_mut().map(|(name, running)| {
                Box::pin(async move {
                    running.engine.failed().await;
                    name.clone()
                })
            });
            select_all(each).await.0
        };
        tokio::select! {
            () = stop.cancelled() => Next::Stop,
            changed = self.wanted.changed() => match changed {
                Ok(()) => Next::Changed,
                Err(_) => Next::Stop,
            },
            name = ended => Next::Ended(name),
            () = tokio::time::sleep(AGAIN) => Next::Again,
        }
    }

    /// Ends what is not wanted any more, or wanted otherwise, and starts what is new.
    async fn settle(&mut self) {
        let connectors = self.wanted.borrow_and_update().clone();
        let stays = |name: &String, running: &mut Running| {
            let new = connectors.iter().find(|one| one.name == *name);
            new == Some(&running.settings)
        };
        let mut going = std::mem::take(&mut self.running);
        let staying: Vec<String> = going
            .iter_mut()
            .filter_map(|(name, running)| stays(name, running).then(|| name.clone()))
            .collect();
        for name in staying {
            if let Some(running) = going.remove(&name) {
                self.running.insert(name, running);
            }
        }
        for name in going.keys() {
            tracing::info!(connector = name, "connector changed or removed: it ends");
        }
        end(going.into_values(), LEAVE).await;
        let names: Vec<&str> = connectors.iter().map(|one| one.name.as_str()).collect();
        self.roster.keep_only(&names);
        self.begin_missing(&connectors);
    }

    /// Starts every connector that is enabled and does not run.
    fn begin_missing(&mut self, connectors: &[Connector]) {
        for settings in connectors {
            if self.running.contains_key(&settings.name) {
                continue;
            }
            let standing = if settings.enabled {
                self.begin(settings)
            } else {
                Standing::Disabled
            };
            let way = Way {
                kind: settings.kind.name(),
                standing,
                annunciate_after: after(settings),
            };
            self.roster.set(&settings.name, way);
        }
    }

    fn begin(&mut self, settings: &Connector) -> Standing {
        match self.engine(settings) {
            Ok(engine) => {
                tracing::info!(
                    connector = settings.name,
                    kind = settings.kind.name(),
                    "connector started"
                );
                let handle = engine.handle();
                let settings = settings.clone();
                self.running
                    .insert(settings.name.clone(), Running { settings, engine });
                Standing::Running(handle)
            }
            Err(problem) => {
                let name = settings.name.as_str();
                // The same reason again is no news.
                let known = self.roster.ways().remove(name);
                let news = !matches!(known.map(|way| way.standing), Some(Standing::Failed(why)) if why == problem);
                if news {
                    tracing::error!(
                        connector = name,
                        problem,
                        "connector not started; it is tried again, and the journal keeps its events"
                    );
                }
                Standing::Failed(problem)
            }
        }
    }

    fn engine(&self, settings: &Connector) -> Result<Engine, String> {
        let name: Arc<str> = settings.name.as_str().into();
        let folder = directory(&self.parts.data).join(&*name);
        let link = Link::of(&name);
        let context = Context {
            name: Arc::clone(&name),
            node: Arc::clone(&self.parts.node),
            link: link.clone(),
            directory: folder.join("own"),
        };
        let onward = Onward::new(Arc::clone(&self.parts.accounts));
        let connector =
            connectors::build(settings, context, &onward).map_err(|error| error.to_string())?;
        let setup = Setup {
            name,
            directory: folder,
            journal: self.parts.data.join("journal"),
            published: self.parts.published.clone(),
            route: Arc::new(Routed {
                connector: settings.clone(),
                accounts: Arc::clone(&self.parts.accounts),
                live: Arc::clone(&self.parts.live),
            }),
            connector,
            link,
            // The engine logs them, and who announces looks at its status.
            notices: Box::new(drop),
            settings: engine_settings(settings),
        };
        Engine::start(setup).map_err(|error| error.to_string())
    }

    fn stands(&self, name: &str, standing: Standing) {
        if let Some(mut way) = self.roster.ways().remove(name) {
            way.standing = standing;
            self.roster.set(name, way);
        }
    }
}

/// Ends engines at the same time; tells whether all that was on its way ended in time.
async fn end(engines: impl Iterator<Item = Running>, limit: Duration) -> bool {
    let drained = join_all(engines.map(|running| running.engine.drain(limit))).await;
    drained.iter().all(|one| one.in_time)
}

fn after(settings: &Connector) -> Option<Duration> {
    (!settings.annunciate_after.is_zero()).then_some(settings.annunciate_after)
}

fn engine_settings(settings: &Connector) -> Settings {
    Settings {
        start: match settings.start_at {
            StartAt::Now => engine::StartAt::Now,
            StartAt::Oldest => engine::StartAt::Oldest,
        },
        retry_first: settings.retry_min,
        retry_max: settings.retry_max,
        annunciate_after: after(settings).unwrap_or(Duration::MAX),
        ..Settings::default()
    }
}
