//! All connections of a relay: each message goes to the one with the least to do.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::compose::{Answer, Compose, Sent};
use super::lane::{self, Failure, Order, Parts};
use super::settings::Settings;
use super::targets::Targets;

/// Messages that may wait in front of one connection; then whoever sends waits.
const QUEUE_LEN: usize = 64;

pub(super) struct Lanes {
    settings: Arc<Settings>,
    targets: Arc<Targets>,
    compose: Arc<dyn Compose>,
    /// Started with their first message, and again after a panic.
    all: Vec<Mutex<Option<Lane>>>,
    /// Their tasks, which end with this.
    tasks: Mutex<JoinSet<()>>,
    closed: AtomicBool,
}

#[derive(Clone)]
struct Lane {
    orders: mpsc::Sender<Order>,
    load: Arc<AtomicUsize>,
}

impl Lanes {
    pub(super) fn new(
        settings: &Arc<Settings>,
        targets: &Arc<Targets>,
        compose: &Arc<dyn Compose>,
    ) -> Self {
        let lanes = (0..settings.connections).map(|_| Mutex::new(None));
        Self {
            settings: Arc::clone(settings),
            targets: Arc::clone(targets),
            compose: Arc::clone(compose),
            all: lanes.collect(),
            tasks: Mutex::new(JoinSet::new()),
            closed: AtomicBool::new(false),
        }
    }

    /// Sends a message and waits for its answer. Ends, since lanes have time-outs.
    pub(super) async fn exchange(&self, sent: Sent) -> Result<Answer, Failure> {
        let gone = || Failure::Unreachable("the connector is closed".to_owned());
        let lane = self.least().ok_or_else(gone)?;
        let (sender, answer) = oneshot::channel();
        let order = Order {
            sent,
            answer: sender,
        };
        let place = lane.orders.reserve().await.map_err(|_| gone())?;
        lane.load.fetch_add(1, Ordering::Relaxed);
        place.send(order);
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Ends every lane.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        lock(&self.tasks).abort_all();
    }

    /// The lane with the least to do; one that has not started has nothing.
    fn least(&self) -> Option<Lane> {
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let load = |lane: &&Mutex<Option<Lane>>| {
            let lane = lock(lane);
            lane.as_ref()
                .map_or(0, |lane| lane.load.load(Ordering::Relaxed))
        };
        let mut lane = lock(self.all.iter().min_by_key(load)?);
        match lane.as_ref().filter(|lane| !lane.orders.is_closed()) {
            Some(running) => Some(running.clone()),
            None => Some(lane.insert(self.start()).clone()),
        }
    }

    fn start(&self) -> Lane {
        let (sender, orders) = mpsc::channel(QUEUE_LEN);
        let load = Arc::new(AtomicUsize::new(0));
        let parts = Parts {
            settings: Arc::clone(&self.settings),
            targets: Arc::clone(&self.targets),
            compose: Arc::clone(&self.compose),
            load: Arc::clone(&load),
        };
        let mut tasks = lock(&self.tasks);
        while let Some(ended) = tasks.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!("a connection of the relay panicked; it is started again");
            }
        }
        tasks.spawn(lane::run(parts, orders));
        Lane {
            orders: sender,
            load,
        }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // Set whole or not at all.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
