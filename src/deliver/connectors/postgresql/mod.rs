//! PostgreSQL: inserts each event once, in batches of one transaction, and notifies after the
//! commit.
//!
//! - Two batches are under way on one connection: the server works on one while the next is written,
//!   and does them in the order in which they were sent, so that `arrival` is the order of commits.
//! - The event's id is the primary key, so that a repeat changes nothing. A commit whose answer was
//!   lost is made again.
//! - A batch with a row that the table refuses is halved until that row stands alone: it is refused,
//!   the others are stored.
//! - What PostgreSQL cannot store, a character zero, is made visible instead of refused.
mod answer;
mod bell;
mod migrate;
mod rows;
mod session;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::answer::Trouble;
use self::bell::Bell;
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
    /// The connection that all batches share.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    bell: Arc<Bell>,
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
            bell: Bell::new(&settings.channel, Arc::clone(&context.node)),
            settings,
            names,
            context,
            session: tokio::sync::Mutex::default(),
            said: Mutex::default(),
        })
    }

    /// The connection; who finds none opens it, and others wait for that.
    async fn session(&self) -> Result<Arc<Session>, String> {
        let mut place = self.session.lock().await;
        if let Some(session) = place.as_ref().filter(|session| session.is_sound()) {
            return Ok(Arc::clone(session));
        }
        let opened = Session::open(&self.settings, &self.names, &self.context).await;
        let (session, words) = opened?;
        self.say(words);
        Ok(Arc::clone(place.insert(Arc::new(session))))
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
            // What state the connection is in is unknown: nothing more is sent over it.
            session.give_up();
            self.context.link.down(why);
            return verdicts;
        }
        self.context.link.up();
        let last = batch.iter().map(|delivery| delivery.position).max();
        if let Some(last) = last.filter(|_| self.settings.notify) {
            self.bell.ring(&session, last);
        }
        verdicts
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
            in_flight: 2,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(self.deliver_batch(batch))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.bell.finish().await;
            let session = self.session.lock().await.take();
            // Nobody else has it any more, unless a batch was given up a moment ago.
            if let Some(session) = session.and_then(Arc::into_inner) {
                session.close().await;
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are set whole: a panic cannot leave one half set.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
