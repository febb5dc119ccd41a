//! The task that owns everything about one connector's deliveries.
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::pending;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::ages::Ages;
use super::batches::Batch;
use super::commands::ReplayOf;
use super::confirm::Confirmations;
use super::done::Done;
use super::handle::{Asked, Command, Outcome, Shared};
use super::index::{Index, Waiting};
use super::keeping::{Job, JobDone, Saving, Unsaved};
use super::letters::Letters;
use super::notice::Notice;
use super::pauses::{Jitter, Resting};
use super::payload::Payload;
use super::reader::{Ask, Room, Said, Seen};
use super::settings::Settings;
use super::slots::Slots;
use super::status::{Oldest, State, Status};
use crate::deliver::{Connector, Limits, Link, Verdict};
use crate::journal::{Published, Waker};

/// How many things of one kind are done before the others get a look.
const AT_ONCE: usize = 64;
/// Longest sleep, so that what only the clock changes is seen.
const TICK: Duration = Duration::from_secs(1);

/// Everything that the task owns.
pub(super) struct Core {
    pub(super) name: Arc<str>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) link: Link,
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    pub(super) published: Published,
    pub(super) journal: [u8; 16],
    pub(super) notices: Box<dyn FnMut(Notice) + Send>,
    pub(super) shared: Arc<Shared>,

    // The reader.
    pub(super) room: Arc<Room>,
    pub(super) asks: SyncSender<Ask>,
    pub(super) said: mpsc::Receiver<Said>,
    pub(super) waker: Waker,
    /// What account keys are made with.
    pub(super) keys: std::hash::RandomState,

    // What waits.
    pub(super) index: Index,
    pub(super) ages: Ages,
    /// Payloads of what waits, as far as there is room.
    pub(super) ready: HashMap<u64, Payload>,
    pub(super) reached: u64,
    pub(super) replay: Option<ReplayOf>,

    // What is on its way.
    pub(super) batches: HashMap<u64, Batch>,
    pub(super) next_batch: u64,
    /// Batches that have all their payloads, in order.
    pub(super) loaded: VecDeque<u64>,
    pub(super) flying: JoinSet<Vec<Verdict>>,
    pub(super) flights: HashMap<tokio::task::Id, u64>,

    // Failures.
    pub(super) jitter: Jitter,
    pub(super) resting: Resting,
    /// Pauses of the whole connector, one after another without a delivery in between.
    pub(super) failures: u32,
    /// Batches that failed as a whole, one after another.
    pub(super) in_a_row: u32,
    /// The connector pauses until then.
    pub(super) hold: Option<Instant>,
    /// When the present pause was decided; deliveries that started before say nothing new.
    pub(super) held_at: Option<Instant>,

    // What is done.
    pub(super) state: State,
    pub(super) done: Done,
    pub(super) confirmations: Confirmations,
    pub(super) slots: Option<Slots>,
    pub(super) saving: Option<JoinHandle<Saving>>,
    pub(super) unsaved: Unsaved,
    pub(super) letters: Arc<Mutex<Letters>>,
    /// Positions of the dead letters.
    pub(super) letter_at: BTreeSet<u64>,
    pub(super) jobs: VecDeque<Job>,
    pub(super) job: Option<JoinHandle<JobDone>>,
    pub(super) jobs_after: Option<Instant>,
    /// Letters that `job` writes.
    pub(super) mail_under_way: usize,

    pub(super) figures: Status,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) asked: mpsc::Receiver<Asked>,
    /// When draining ends; `None` while it has not begun.
    pub(super) drain: watch::Receiver<Option<Instant>>,
    pub(super) draining: bool,
}

/// What woke the task.
enum Woken {
    Said(Option<Said>),
    Landed(Result<(tokio::task::Id, Vec<Verdict>), tokio::task::JoinError>),
    Saved(Saving),
    Job(JobDone),
    Command(Command),
    Asked(Asked),
    Drain,
    Time,
}

impl Core {
    /// Delivers until it is told to drain, and drains.
    /// True where nothing that was on its way was given up.
    pub(super) async fn run(mut self) -> bool {
        loop {
            self.work();
            if self.draining && self.drained() {
                break;
            }
            match self.woken().await {
                Woken::Said(Some(said)) => {
                    self.hear(said);
                    for _ in 0..AT_ONCE {
                        let Ok(said) = self.said.try_recv() else {
                            break;
                        };
                        self.hear(said);
                    }
                }
                Woken::Said(None) => {
                    self.fail("the thread that reads the journal ended");
                    break;
                }
                Woken::Landed(landed) => {
                    self.land(landed);
                    while let Some(landed) = self.flying.try_join_next_with_id() {
                        self.land(landed);
                    }
                }
                Woken::Saved(saving) => self.saved(saving),
                Woken::Job(done) => self.job_done(done),
                Woken::Command(command) => self.obey(command),
                Woken::Asked(asked) => {
                    self.register(asked);
                    for _ in 0..AT_ONCE {
                        let Ok(asked) = self.asked.try_recv() else {
                            break;
                        };
                        self.register(asked);
                    }
                }
                Woken::Drain => {
                    self.draining = true;
                    self.unpick();
                }
                Woken::Time => {}
            }
        }
        self.end().await
    }

    /// Everything that can be done without waiting.
    fn work(&mut self) {
        let now = Instant::now();
        if self.hold.is_some_and(|until| until <= now) {
            self.hold = None;
        }
        while let Some(account) = self.resting.pop(Some(now)) {
            self.index.wake(account);
        }
        self.take_batches();
        self.fly();
        self.start_job(now);
        self.start_saving(now);
        self.publish(now);
    }

    async fn woken(&mut self) -> Woken {
        let until = self.next_time();
        tokio::select! {
            Some(landed) = self.flying.join_next_with_id() => Woken::Landed(landed),
            said = self.said.recv() => Woken::Said(said),
            Some(asked) = self.asked.recv() => Woken::Asked(asked),
            Some(command) = self.commands.recv() => Woken::Command(command),
            saving = joined(&mut self.saving) => Woken::Saved(saving),
            done = joined(&mut self.job) => Woken::Job(done),
            true = drain_begins(&mut self.drain, self.draining) => Woken::Drain,
            () = sleep_until(until) => Woken::Time,
        }
    }

    /// When the clock alone asks for something.
    fn next_time(&mut self) -> Instant {
        let now = Instant::now();
        let late = self.late_in().map(|left| now + left);
        let deadline = if self.draining {
            *self.drain.borrow()
        } else {
            None
        };
        [
            self.hold,
            self.resting.next(),
            self.save_due(),
            self.jobs_after,
            late,
            deadline,
        ]
        .into_iter()
        .flatten()
        .fold(now + TICK, Instant::min)
    }

    /// Nothing is on its way any more, or the time for that is over.
    fn drained(&self) -> bool {
        let deadline = *self.drain.borrow();
        self.flying.is_empty() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Read {
                first,
                last,
                found,
                missing,
            } => {
                self.reached = last;
                for (first, last) in missing {
                    self.miss(first, last);
                }
                self.take_in(first, last, found);
            }
            Said::Loaded { batch, payloads } => self.payloads(batch, payloads),
            Said::Found(found) => self.replay_found(found),
            Said::Again {
                first,
                last,
                found,
                end,
            } => self.replay_read(first, last, found, end),
            Said::Trouble(Some(why)) => {
                tracing::error!(
                    connector = &*self.name,
                    why,
                    "deliver: cannot read the journal; trying again"
                );
                self.fail(&why);
            }
            Said::Trouble(None) => {
                tracing::info!(
                    connector = &*self.name,
                    "deliver: the journal can be read again"
                );
            }
        }
    }

    /// New records.
    fn take_in(&mut self, first: u64, last: u64, found: Vec<Seen>) {
        let mut next = first;
        for seen in found {
            if seen.position > next {
                self.pass_over(next, seen.position - 1);
            }
            next = seen.position + 1;
            if seen.held {
                self.figures.held += 1;
                self.leave(1);
                self.finish(seen.position, Outcome::Held);
            } else {
                let since_ms = seen.at_ms;
                self.enqueue(seen, since_ms);
            }
        }
        if next <= last {
            self.pass_over(next, last);
        }
    }

    /// This range is not in the journal any more.
    fn miss(&mut self, first: u64, last: u64) {
        let done = self.done.within(first, last);
        let done: u64 = done.ranges().map(|(start, end)| end - start + 1).sum();
        let missing = (last - first + 1).saturating_sub(done);
        if missing > 0 {
            tracing::error!(
                connector = &*self.name,
                first,
                last,
                missing,
                "deliver: records that were not delivered are not in the journal any more"
            );
            self.figures.lost += missing;
            self.done.add_range(first, last);
            self.unsaved.changed = true;
        }
    }

    /// Nothing of this range is routed, or it is done already.
    fn pass_over(&mut self, first: u64, last: u64) {
        let mut next = first;
        while let Some(position) = self.done.gap(next, last) {
            self.figures.unrouted += 1;
            self.finish(position, Outcome::NotRouted);
            next = position + 1;
        }
    }

    /// One more waits.
    pub(super) fn enqueue(&mut self, seen: Seen, since_ms: i64) {
        self.ages.note(seen.position, seen.position, since_ms);
        match seen.payload {
            Some(payload) => {
                self.ready.insert(seen.position, payload);
            }
            None => self.bare(1),
        }
        self.index.push(
            seen.key,
            Waiting {
                position: seen.position,
                rank: seen.rank,
                tries: 0,
                at: seen.at,
            },
        );
    }

    /// A position needs nothing any more.
    pub(super) fn finish(&mut self, position: u64, outcome: Outcome) {
        self.done.add(position);
        self.unsaved.changed = true;
        self.confirmations.note(position, outcome);
    }

    /// So many events do not wait any more.
    pub(super) fn leave(&mut self, count: usize) {
        let before = self.room.events.fetch_sub(count, Ordering::AcqRel);
        let below = self.settings.backlog_max - self.settings.backlog_max / 50;
        if before.saturating_sub(count) < below && self.room.full.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// So many more events wait without payload.
    pub(super) fn bare(&self, count: i64) {
        let by = count.unsigned_abs();
        if count >= 0 {
            self.room.bare.fetch_add(by, Ordering::AcqRel);
        } else {
            self.room.bare.fetch_sub(by, Ordering::AcqRel);
        }
    }

    fn register(&mut self, asked: Asked) {
        if self.done.contains(asked.position) {
            let outcome = self.confirmations.recent(asked.position);
            // Whoever asked may have given up.
            let _ = asked.answer.send(outcome);
        } else {
            self.confirmations.register(asked);
        }
    }

    /// Keeps why something failed, for status.
    pub(super) fn fail(&mut self, why: &str) {
        let why = super::bounded(why, 256);
        if self.figures.last_error.as_deref() != Some(why) {
            self.figures.last_error = Some(why.into());
        }
    }

    /// In which time the oldest event will have waited too long, where it has not yet.
    fn late_in(&mut self) -> Option<Duration> {
        if self.figures.late {
            return None;
        }
        let (position, since_ms) = self.ages.oldest(&self.done)?;
        let age = Oldest { position, since_ms }.age(now_ms());
        // The commit's time is exact to a millisecond.
        Some(self.settings.annunciate_after.saturating_sub(age) + Duration::from_millis(1))
    }

    /// Tells whether events are late, and shows how everything is.
    pub(super) fn publish(&mut self, now: Instant) {
        let oldest = self.ages.oldest(&self.done);
        self.figures.oldest = oldest.map(|(position, since_ms)| Oldest { position, since_ms });
        self.tell_late();
        let figures = &mut self.figures;
        figures.state = if self.draining {
            State::Draining
        } else {
            self.state.clone()
        };
        figures.link = self.link.state();
        figures.unconverted = self.link.unconverted_count();
        figures.endpoint = self.link.endpoint();
        figures.published = self.published.position();
        figures.reached = self.reached;
        figures.cursor = self.done.low();
        figures.durable = self.shared.durable.load(Ordering::Acquire);
        figures.waiting = self.index.waiting();
        figures.accounts = self.index.accounts() as u64;
        figures.full = self.room.full.load(Ordering::Acquire);
        figures.in_flight = self.batches.values().map(Batch::len).sum::<usize>() as u64;
        figures.dead_letters = self.letter_at.len() as u64;
        figures.pause = self.hold.map(|until| until.saturating_duration_since(now));
        self.shared.status().clone_from(&self.figures);
    }

    fn tell_late(&mut self) {
        let oldest = self.figures.oldest;
        let aged = oldest.map(|oldest| (oldest, oldest.age(now_ms())));
        match aged.filter(|(_, age)| *age >= self.settings.annunciate_after) {
            Some((oldest, age)) if !self.figures.late => {
                self.figures.late = true;
                let waiting = self.index.len() as u64;
                tracing::warn!(
                    connector = &*self.name,
                    position = oldest.position,
                    waiting,
                    "deliver: events wait too long"
                );
                (self.notices)(Notice::Late {
                    position: oldest.position,
                    age,
                    waiting,
                });
            }
            None if self.figures.late => {
                self.figures.late = false;
                tracing::info!(
                    connector = &*self.name,
                    "deliver: no event waits too long any more"
                );
                (self.notices)(Notice::LateOver);
            }
            _ => {}
        }
    }
}

impl Drop for Core {
    /// However the task ends, the thread ends with it.
    fn drop(&mut self) {
        self.room.stop.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// UTC in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The result of a job in another thread, which is taken; never where there is none. A panic
/// there goes on here: nothing is known of the state that it left.
async fn joined<T>(handle: &mut Option<JoinHandle<T>>) -> T {
    let Some(running) = handle else {
        return pending().await;
    };
    match running.await {
        Ok(value) => {
            *handle = None;
            value
        }
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this task with it.
            Err(_) => pending().await,
        },
    }
}

/// True once when draining is asked for.
async fn drain_begins(drain: &mut watch::Receiver<Option<Instant>>, draining: bool) -> bool {
    if draining {
        return pending().await;
    }
    // Whoever held the sender is gone without a word: this is the end as well.
    let _ = drain.wait_for(Option::is_some).await;
    true
}
