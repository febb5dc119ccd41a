//! What others may ask of a running engine.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::letters::DeadLetter;
use super::status::Status;

/// Commands that may wait for the engine.
pub(super) const COMMANDS_MAX: usize = 64;
/// Registrations that may wait for the engine to take them.
pub(super) const ASKED_MAX: usize = 4_096;

/// What is shared with the engine's task.
#[derive(Default)]
pub(super) struct Shared {
    /// Everything up to here is done, on disk.
    pub(super) durable: AtomicU64,
    pub(super) status: Mutex<Status>,
}

impl Shared {
    pub(super) fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        // A snapshot of plain values: a panic leaves at worst an older one.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running engine, seen from outside. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) name: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) asked: mpsc::Sender<Asked>,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The engine has ended.
    #[error("the connector has ended")]
    Ended,
    /// The position is neither waiting nor among the dead letters.
    #[error("position {0} neither waits nor is it among the dead letters")]
    Unknown(u64),
    /// The position is on its way just now.
    #[error("position {0} is on its way just now; try again in a moment")]
    InFlight(u64),
    /// Another replay is under way, or the engine has not read that far again since its start.
    #[error("the connector still reads; try again in a moment")]
    Busy,
    /// The journal holds nothing from there on.
    #[error("the journal holds nothing from there on")]
    Nothing,
    /// A file cannot be written or read.
    #[error("{0}")]
    Failed(String),
}

/// From where to deliver again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From this position on.
    Position(u64),
    /// From what was committed at this time on: UTC, milliseconds since 1970.
    TimeMs(i64),
}

/// Which dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// The one of this position.
    Position(u64),
}

/// What a person wants; the answer comes when it is durable.
pub(super) enum Command {
    RetryNow(oneshot::Sender<()>),
    Pause(Answer<()>),
    Start(Answer<()>),
    Skip {
        position: u64,
        reason: String,
        answer: Answer<()>,
    },
    Letters {
        most: usize,
        answer: oneshot::Sender<Vec<DeadLetter>>,
    },
    RetryLetters(Which, Answer<u64>),
    DropLetters(Which, Answer<u64>),
    Replay {
        since: Since,
        until: Option<u64>,
        held: bool,
        answer: Answer<u64>,
    },
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, CommandError>>;

/// Somebody awaits that a position is done.
pub(super) struct Asked {
    pub(super) position: u64,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// What became of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side confirmed it.
    Delivered,
    /// The other side refused it for good; it is a dead letter.
    Refused,
    /// A person skipped it.
    Skipped,
    /// The route held it back.
    Held,
    /// The route does not pass it.
    NotRouted,
    /// It is not known: too many are awaited, it is done since long, or the engine ended. Nothing
    /// may be concluded from it.
    Unknown,
}

impl Handle {
    /// The connector's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How it is. Never waits for the engine.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status().clone()
    }

    /// Every position up to this one is done, on disk: as far as this connector is concerned the
    /// journal may forget them. 0 until the cursor was read. A replay makes it fall.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Waits until `position` is done and tells how. May be given up at any time. The position may
    /// be one that is not published yet.
    pub async fn outcome(&self, position: u64) -> Outcome {
        let (answer, answered) = oneshot::channel();
        if self.asked.try_send(Asked { position, answer }).is_err() {
            return Outcome::Unknown;
        }
        answered.await.unwrap_or(Outcome::Unknown)
    }

    /// Ends all pauses after failures: everything that waits is tried at once.
    pub async fn retry_now(&self) -> Result<(), CommandError> {
        self.ask(Command::RetryNow).await
    }

    /// Takes nothing new until [`Handle::start`], also after a restart.
    pub async fn pause(&self) -> Result<(), CommandError> {
        self.ask(Command::Pause).await?
    }

    /// Goes on after [`Handle::pause`] or a halt.
    pub async fn start(&self) -> Result<(), CommandError> {
        self.ask(Command::Start).await?
    }

    /// Moves an event that waits to the dead letters, with `reason`.
    pub async fn skip(&self, position: u64, reason: String) -> Result<(), CommandError> {
        self.ask(|answer| Command::Skip {
            position,
            reason,
            answer,
        })
        .await?
    }

    /// The dead letters, oldest first, at most `most`.
    pub async fn dead_letters(&self, most: usize) -> Result<Vec<DeadLetter>, CommandError> {
        self.ask(|answer| Command::Letters { most, answer }).await
    }

    /// Delivers dead letters again; tells how many. Each stays in the list until it is delivered.
    pub async fn retry_dead_letters(&self, which: Which) -> Result<u64, CommandError> {
        self.ask(|answer| Command::RetryLetters(which, answer))
            .await?
    }

    /// Takes dead letters off the list for good; tells how many.
    pub async fn drop_dead_letters(&self, which: Which) -> Result<u64, CommandError> {
        self.ask(|answer| Command::DropLetters(which, answer))
            .await?
    }

    /// Delivers what is done already once more, from `since` to `until` (or to what was read when
    /// this is asked), with the same ids and in order with what waits. With `held`, what the route
    /// held back goes as well. Dead letters stay where they are. Tells from which position on.
    pub async fn replay(
        &self,
        since: Since,
        until: Option<u64>,
        held: bool,
    ) -> Result<u64, CommandError> {
        self.ask(|answer| Command::Replay {
            since,
            until,
            held,
            answer,
        })
        .await?
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| CommandError::Ended)?;
        answered.await.map_err(|_| CommandError::Ended)
    }
}
