//! Wakes listeners after commits, beside the batches: a notification that queues behind the next batch
//! holds up nobody's confirmation.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::session::Session;

/// How long the end of the program waits for a last notification.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Notifies of the highest position that is committed. While a notification is under way, those that
/// come meanwhile become one.
pub(super) struct Bell {
    channel: String,
    node: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The highest position that nobody was told of, and the connection it was committed on.
    wanted: Option<(Arc<Session>, u64)>,
    /// Whoever rings.
    ringer: Option<JoinHandle<()>>,
    ringing: bool,
}

impl Bell {
    pub(super) fn new(channel: &str, node: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            channel: channel.to_owned(),
            node,
            state: Mutex::default(),
        })
    }

    /// Says that everything of a batch up to `position` is committed. Does not wait.
    pub(super) fn ring(self: &Arc<Self>, session: &Arc<Session>, position: u64) {
        let mut state = self.state();
        let highest = state.wanted.as_ref().map_or(0, |(_, position)| *position);
        state.wanted = Some((Arc::clone(session), position.max(highest)));
        if !std::mem::replace(&mut state.ringing, true) {
            state.ringer = Some(tokio::spawn(Arc::clone(self).work()));
        }
    }

    /// Waits a little for what is still to be told.
    pub(super) async fn finish(&self) {
        let ringer = self.state().ringer.take();
        if let Some(ringer) = ringer {
            // A server that is stuck must not hold up the end of the program.
            let _ = tokio::time::timeout(LAST_WAIT, ringer).await;
        }
    }

    async fn work(self: Arc<Self>) {
        while let Some((session, position)) = self.next() {
            let payload = serde_json::json!({ "node": &*self.node, "position": position });
            session.notify(&self.channel, &payload.to_string()).await;
        }
    }

    fn next(&self) -> Option<(Arc<Session>, u64)> {
        let mut state = self.state();
        let next = state.wanted.take();
        state.ringing = next.is_some();
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Values are set whole: a panic cannot leave one half set.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
