//! Starting an engine from what an earlier one left, and ending it.
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::RandomState;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ages::Ages;
use super::confirm::Confirmations;
use super::core::Core;
use super::done::Done;
use super::handle::{ASKED_MAX, COMMANDS_MAX, Handle, Shared};
use super::index::Index;
use super::keeping::Unsaved;
use super::letters::Letters;
use super::pauses::{Jitter, Resting};
use super::reader::{self, Reading, Room};
use super::settings::{Setup, StartAt};
use super::slots::{Cursor, Found, Slots};
use super::status::{State, Status};
use crate::deliver::Connector;
use crate::journal::{DiskStorage, JournalError, identity_of};

/// What the reading thread may have said and nobody heard yet.
const SAID_MAX: usize = 4;
/// What it may be asked beyond the loads of every batch.
const ASKS_MORE: usize = 16;
/// For what is left to do when the time for draining is over: files, and the end of the link.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// Pause before a connector's own work is begun again after it ended by itself.
const ATTEND_AGAIN: Duration = Duration::from_secs(1);

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its directory or a file in it cannot be used.
    #[error("connector `{name}`: cannot use {path}: {source}; check its owner and free space")]
    Directory {
        /// The connector.
        name: Arc<str>,
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Another engine works there.
    #[error("connector `{name}`: {path} is in use by another process, or by one that is ending")]
    Locked {
        /// The connector.
        name: Arc<str>,
        /// The directory.
        path: PathBuf,
    },
    /// The journal cannot be read.
    #[error("connector `{name}`: {source}")]
    Journal {
        /// The connector.
        name: Arc<str>,
        /// What is wrong.
        source: JournalError,
    },
    /// The reading thread cannot be started.
    #[error("connector `{name}`: cannot start its thread: {source}")]
    Thread {
        /// The connector.
        name: Arc<str>,
        /// The system's words.
        source: io::Error,
    },
}

/// What draining came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Every delivery that was on its way ended in time. What was given up is delivered again after
    /// the next start.
    pub in_time: bool,
}

/// A running engine. Dropping it ends it at once, as a crash would.
pub struct Engine {
    handle: Handle,
    connector: Arc<dyn Connector>,
    task: JoinHandle<bool>,
    attending: JoinHandle<()>,
    stop: CancellationToken,
    drain: watch::Sender<Option<Instant>>,
}

impl Engine {
    /// Starts it, inside a runtime. Reads small files, and waits for nothing else.
    #[expect(
        clippy::too_many_lines,
        reason = "one list of everything that an engine consists of"
    )]
    pub fn start(setup: Setup) -> Result<Self, EngineError> {
        let kept = Kept::open(&setup)?;
        let limits = setup.connector.limits();
        let shared = Arc::new(Shared::default());
        let low = kept.cursor.done.low();
        (shared.durable).store(low, std::sync::atomic::Ordering::Release);
        let room = Arc::new(Room::default());
        let letters = Arc::new(Mutex::new(kept.letters));
        let (asks, to_answer) = sync_channel(limits.in_flight.saturating_add(ASKS_MORE).min(4_096));
        let (say, said) = mpsc::channel(SAID_MAX);
        let (commands_in, commands) = mpsc::channel(COMMANDS_MAX);
        let (asked_in, asked) = mpsc::channel(ASKED_MAX);
        let (drain, draining) = watch::channel(None);
        let watch = setup.published.watch();
        let waker = watch.waker();
        let keys = RandomState::new();
        let reading = Reading {
            journal: setup.journal,
            published: setup.published.clone(),
            watch,
            route: setup.route,
            keys: keys.clone(),
            done: kept.cursor.done.clone(),
            letters: Arc::clone(&letters),
            room: Arc::clone(&room),
            backlog_max: setup.settings.backlog_max.max(1),
            bytes_max: setup.settings.ready_bytes_max,
            asks: to_answer,
            say,
        };
        let handle = Handle {
            name: Arc::clone(&setup.name),
            shared: Arc::clone(&shared),
            commands: commands_in,
            asked: asked_in,
        };
        let core = Core {
            name: Arc::clone(&setup.name),
            connector: Arc::clone(&setup.connector),
            link: setup.link,
            limits,
            jitter: Jitter::new(setup.settings.retry_first, setup.settings.retry_max),
            confirmations: Confirmations::new(setup.settings.confirmations_max),
            settings: setup.settings,
            published: setup.published,
            journal: kept.cursor.journal,
            notices: setup.notices,
            shared,
            room,
            asks,
            said,
            waker,
            keys,
            index: Index::default(),
            ages: Ages::default(),
            ready: HashMap::default(),
            reached: low,
            replay: None,
            batches: HashMap::default(),
            next_batch: 0,
            loaded: VecDeque::default(),
            flying: JoinSet::new(),
            flights: HashMap::default(),
            resting: Resting::default(),
            failures: 0,
            in_a_row: 0,
            hold: None,
            held_at: None,
            state: kept.cursor.state,
            done: kept.cursor.done,
            slots: Some(kept.slots),
            saving: None,
            unsaved: Unsaved::default(),
            letter_at: kept.letter_at,
            letters,
            jobs: VecDeque::default(),
            mail_under_way: 0,
            job: None,
            jobs_after: None,
            figures: Status::default(),
            commands,
            asked,
            drain: draining,
            draining: false,
        };
        std::thread::Builder::new()
            .name("larm-deliver".to_owned())
            .spawn(move || reader::run(reading))
            .map_err(|source| EngineError::Thread {
                name: Arc::clone(&setup.name),
                source,
            })?;
        let stop = CancellationToken::new();
        let connector = setup.connector;
        let attending = attend(Arc::clone(&connector), stop.clone(), setup.name);
        Ok(Self {
            handle,
            connector,
            task: tokio::spawn(core.run()),
            attending: tokio::spawn(attending),
            stop,
            drain,
        })
    }

    /// What others may ask of it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Resolves when the engine ended by itself, which is a defect: nothing is delivered any more.
    pub async fn failed(&mut self) {
        // A panic was printed already; both say the same to who waits here.
        let _ = (&mut self.task).await;
    }

    /// Takes nothing new, waits up to `limit` for what is on its way, writes the cursor, and ends
    /// the link in good order.
    pub async fn drain(mut self, limit: Duration) -> Drained {
        let deadline = Instant::now() + limit;
        self.drain.send_replace(Some(deadline));
        let ended = timeout_at(deadline + LAST_MOMENT, &mut self.task).await;
        let in_time = matches!(ended, Ok(Ok(true)));
        self.stop.cancel();
        // Neither has anything to lose any more.
        let _ = timeout(LAST_MOMENT, &mut self.attending).await;
        let _ = timeout(LAST_MOMENT, self.connector.close()).await;
        Drained { in_time }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
        self.attending.abort();
    }
}

/// Runs what the connector does beside its deliveries; where that ends by itself, again.
async fn attend(connector: Arc<dyn Connector>, stop: CancellationToken, name: Arc<str>) {
    while !stop.is_cancelled() {
        let mut task = JoinSet::new();
        let (attended, until) = (Arc::clone(&connector), stop.clone());
        task.spawn(async move { attended.attend(until).await });
        // How it ended makes no difference; a panic was printed.
        let _ = task.join_next().await;
        if stop.is_cancelled() {
            return;
        }
        tracing::error!(
            connector = &*name,
            "deliver: the connector's own work ended; beginning again"
        );
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(ATTEND_AGAIN) => {}
        }
    }
}

/// What an earlier engine left in the directory.
struct Kept {
    slots: Slots,
    cursor: Cursor,
    letters: Letters,
    letter_at: BTreeSet<u64>,
}

impl Kept {
    fn open(setup: &Setup) -> Result<Self, EngineError> {
        let storage = DiskStorage::new(&setup.journal);
        let journal = identity_of(&storage).map_err(|source| EngineError::Journal {
            name: Arc::clone(&setup.name),
            source,
        })?;
        let unusable = |source| EngineError::Directory {
            name: Arc::clone(&setup.name),
            path: setup.directory.clone(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&setup.directory)
            .map_err(unusable)?;
        let lock = lock(&setup.directory).map_err(unusable)?;
        let Some(lock) = lock.map(Arc::new) else {
            return Err(EngineError::Locked {
                name: Arc::clone(&setup.name),
                path: setup.directory.clone(),
            });
        };
        Self::read(setup, journal.unwrap_or_default(), &lock).map_err(unusable)
    }

    fn read(setup: &Setup, journal: [u8; 16], lock: &Arc<File>) -> io::Result<Self> {
        let (mut letters, opened) = Letters::open(&setup.directory, journal)?;
        letters.hold(Arc::clone(lock));
        let name = &*setup.name;
        if opened.cut > 0 {
            tracing::info!(
                connector = name,
                bytes = opened.cut,
                "deliver: the unfinished end of the dead letters was cut"
            );
        }
        if let Some(path) = opened.aside {
            tracing::error!(connector = name, aside = %path.display(), "deliver: dead letters that are damaged or of another journal were set aside");
        }
        let (mut slots, found) = Slots::open(&setup.directory)?;
        slots.hold(Arc::clone(lock));
        let published = setup.published.position();
        let known = matches!(&found, Found::Cursor { .. });
        let cursor = choose(setup, journal, published, &mut slots, found)?;
        let mut cursor = cursor;
        let letter_at: BTreeSet<u64> = letters.list().map(|letter| letter.position).collect();
        // Their events are done: the letter was on disk before the cursor could be.
        for position in letter_at.range(..=published) {
            cursor.done.add(*position);
        }
        if !known {
            slots.write(&cursor)?;
        }
        Ok(Self {
            slots,
            cursor,
            letters,
            letter_at,
        })
    }
}

/// The cursor to go on with.
fn choose(
    setup: &Setup,
    journal: [u8; 16],
    published: u64,
    slots: &mut Slots,
    found: Found,
) -> io::Result<Cursor> {
    let name = &*setup.name;
    let from_start = match setup.settings.start {
        StartAt::Position(position) => position.saturating_sub(1).min(published),
        StartAt::Oldest | StartAt::Now => 0,
    };
    let fresh = |low| Cursor {
        journal,
        state: State::Running,
        done: Done::up_to(low),
    };
    match found {
        Found::Cursor { cursor, torn } => {
            let foreign = cursor.journal != journal;
            if foreign || cursor.done.high() > published {
                let aside = slots.set_aside("foreign")?;
                tracing::error!(
                    connector = name,
                    ?aside,
                    from = from_start + 1,
                    published,
                    "deliver: the cursor belongs to another journal, or to more of it than there is; it was set aside, and everything is delivered again"
                );
                return Ok(fresh(from_start));
            }
            if torn {
                tracing::warn!(
                    connector = name,
                    cursor = cursor.done.low(),
                    "deliver: one cursor slot is torn; the other one is used, and what was done since is delivered again"
                );
            }
            Ok(cursor)
        }
        Found::New => {
            let low = if setup.settings.start == StartAt::Now {
                published
            } else {
                from_start
            };
            tracing::info!(
                connector = name,
                from = low + 1,
                "deliver: a new connector starts"
            );
            Ok(fresh(low))
        }
        Found::Unreadable(aside) => {
            tracing::error!(
                connector = name,
                ?aside,
                from = from_start + 1,
                "deliver: neither cursor slot can be read; they were set aside, and everything is delivered again"
            );
            Ok(fresh(from_start))
        }
    }
}

/// `None`: somebody has it.
fn lock(directory: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o640)
        .open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
