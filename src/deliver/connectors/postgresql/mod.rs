//! PostgreSQL: inserts each event once, in batches of one transaction, and notifies after the
//! commit.
//!
//! - The event's id is the primary key, so that a repeat changes nothing. A commit whose answer was
//!   lost is made again.
//! - A batch with a row that the table refuses is halved until that row stands alone: it is refused,
//!   the others are stored.
//! - What PostgreSQL cannot store, a character zero, is made visible instead of refused.
mod answer;
mod migrate;
mod rows;
mod session;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::answer::Trouble;
use self::session::Session;
use super::chains::retry;
use crate::config;
use crate::deliver::{BuildError, Connector, Context, Delivery, Limits, Pending, Verdict};

pub use self::migrate::{Names, sql};

/// Inserts into a table.
pub struct Postgresql {
    settings: config::Postgresql,
    names: Names,
    context: Context,
    /// Connections that are in nobody's hand: at most as many as batches were in flight.
    idle: Mutex<Vec<Session>>,
    /// What was last worth a word about the server: each thing is said once.
    said: Mutex<Vec<String>>,
}

impl Postgresql {
    /// Checks the settings; connects to nobody yet.
    pub fn new(settings: config::Postgresql, context: Context) -> Result<Self, BuildError> {
        session::config(&settings).map_err(|problem| BuildError {
            key: "url",
            problem,
        })?;
        let names = Names::new(&settings.schema, &settings.table)
            .map_err(|(key, problem)| BuildError { key, problem })?;
        Ok(Self {
            settings,
            names,
            context,
            idle: Mutex::default(),
            said: Mutex::default(),
        })
    }

    /// A connection that nobody else uses.
    async fn session(&self) -> Result<Session, String> {
        // Connections that the server has closed meanwhile go.
        while let Some(session) = self.take_idle() {
            if !session.is_closed() {
                return Ok(session);
            }
        }
        let (session, words) = Session::open(&self.settings, &self.names, &self.context).await?;
        self.say(words);
        Ok(session)
    }

    fn take_idle(&self) -> Option<Session> {
        lock(&self.idle).pop()
    }

    fn say(&self, words: Vec<String>) {
        let mut said = lock(&self.said);
        for word in words.iter().filter(|word| !said.contains(word)) {
            tracing::warn!(connector = %self.context.name, problem = %word, "PostgreSQL server");
        }
        *said = words;
    }

    async fn deliver_batch(&self, batch: &[Delivery]) -> Vec<Verdict> {
        let session = match self.session().await {
            Ok(session) => session,
            Err(why) => {
                self.context.link.down(&why);
                return vec![retry(why); batch.len()];
            }
        };
        let (verdicts, trouble) = store(&session, batch).await;
        if let Some(why) = trouble {
            // The connection goes with the session: what state it is in is unknown.
            self.context.link.down(why);
            return verdicts;
        }
        self.context.link.up();
        if self.notify(&session, batch).await {
            lock(&self.idle).push(session);
        }
        verdicts
    }

    /// Notifies of the highest position of a batch; `false`: the connection is not to be used again.
    async fn notify(&self, session: &Session, batch: &[Delivery]) -> bool {
        let last = batch.iter().map(|delivery| delivery.position).max();
        let Some(position) = last.filter(|_| self.settings.notify) else {
            return true;
        };
        let payload = serde_json::json!({ "node": &*self.context.node, "position": position });
        session
            .notify(&self.settings.channel, &payload.to_string())
            .await
    }
}

/// Stores a batch and answers for each event, in order. Besides the verdicts: why it stopped.
async fn store(session: &Session, batch: &[Delivery]) -> (Vec<Verdict>, Option<String>) {
    let mut verdicts = Vec::with_capacity(batch.len());
    // Parts that wait, the next one last.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match session.insert(part).await {
            Ok(()) => verdicts.extend(std::iter::repeat_n(Verdict::Delivered, part.len())),
            Err(Trouble::Data(why)) if part.len() <= 1 => {
                verdicts.push(Verdict::Refused { why });
            }
            Err(Trouble::Data(_)) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.push(second);
                parts.push(first);
            }
            Err(Trouble::Other(why)) => {
                verdicts.resize(batch.len(), retry(&why));
                return (verdicts, Some(why));
            }
        }
    }
    (verdicts, None)
}

impl Connector for Postgresql {
    fn limits(&self) -> Limits {
        Limits {
            batch_events: 1_000,
            batch_bytes: 8 << 20,
            // One connection, so that `arrival` is also the order of the commits.
            in_flight: 1,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(self.deliver_batch(batch))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            while let Some(session) = self.take_idle() {
                session.close().await;
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are set whole: a panic cannot leave one half set.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
