//! What people ask for while the engine runs.
use super::batches::Batch;
use super::core::{Core, now_ms};
use super::done::Done;
use super::handle::{Answer, Command, CommandError, Outcome, Since, Which};
use super::keeping::Job;
use super::payload::AMONG_LETTERS;
use super::reader::{Ask, Seen};
use super::status::State;

/// A replay that is asked for or under way.
pub(super) struct ReplayOf {
    until: Option<u64>,
    held: bool,
    /// Answered once it is known where it starts, and that is on disk.
    answer: Option<Answer<u64>>,
    /// What was done when it began, of its range: that, and no more, goes again.
    again: Done,
}

/// An event that is loaded to be moved to the dead letters.
pub(super) struct Skipping {
    pub(super) key: u64,
    pub(super) reason: String,
    pub(super) answer: Answer<()>,
}

impl Core {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::RetryNow(answer) => {
                self.retry_now();
                let _ = answer.send(());
            }
            Command::Pause(answer) => {
                if self.state == State::Running {
                    self.state = State::Paused;
                    self.unpick();
                }
                self.answer_saved(answer, ());
            }
            Command::Start(answer) => {
                self.state = State::Running;
                self.retry_now();
                self.answer_saved(answer, ());
            }
            Command::Skip {
                position,
                reason,
                answer,
            } => self.skip(position, reason, answer),
            Command::Letters { most, answer } => self.jobs.push_back(Job::List(most, answer)),
            Command::RetryLetters(which, answer) => match self.idle_letters(which) {
                Ok(positions) => self.jobs.push_back(Job::Load(positions, answer)),
                Err(error) => drop(answer.send(Err(error))),
            },
            Command::DropLetters(which, answer) => match self.idle_letters(which) {
                Ok(positions) => self.jobs.push_back(Job::Remove(positions, Some(answer))),
                Err(error) => drop(answer.send(Err(error))),
            },
            Command::Replay {
                since,
                until,
                held,
                answer,
            } => self.replay(since, until, held, answer),
        }
    }

    /// Ends all pauses.
    fn retry_now(&mut self) {
        (self.hold, self.held_at, self.failures, self.in_a_row) = (None, None, 0, 0);
        while let Some(account) = self.resting.pop(None) {
            self.index.wake(account);
        }
    }

    fn skip(&mut self, position: u64, reason: String, answer: Answer<()>) {
        if self.batches.values().any(|batch| batch.holds(position)) {
            self.unpick();
        }
        let in_flight = self.batches.values().any(|batch| batch.holds(position));
        if in_flight {
            let _ = answer.send(Err(CommandError::InFlight(position)));
            return;
        }
        let Some((key, event)) = self.index.remove(position) else {
            let _ = answer.send(Err(CommandError::Unknown(position)));
            return;
        };
        if let Some(payload) = self.ready.remove(&position) {
            // It is loaded again, which is rare and one way for all.
            self.drop_payload(&payload);
            self.bare(1);
        }
        tracing::warn!(
            connector = &*self.name,
            position,
            "deliver: a person skips an event"
        );
        if event.at == AMONG_LETTERS {
            // It is on the list already.
            self.bare(-1);
            self.leave(1);
            self.finish(position, Outcome::Skipped);
            self.answer_saved(answer, ());
            return;
        }
        let wanted = vec![(position, event.at)];
        let skipping = Skipping {
            key,
            reason,
            answer,
        };
        self.begin(Batch::to_skip(event, skipping), wanted);
    }

    /// Dead letters that are not being delivered again just now.
    fn idle_letters(&self, which: Which) -> Result<Vec<u64>, CommandError> {
        match which {
            Which::All => {
                let idle = self.letter_at.iter().copied();
                Ok(idle
                    .filter(|position| self.done.contains(*position))
                    .collect())
            }
            Which::Position(position) if !self.letter_at.contains(&position) => {
                Err(CommandError::Unknown(position))
            }
            Which::Position(position) if !self.done.contains(position) => {
                Err(CommandError::InFlight(position))
            }
            Which::Position(position) => Ok(vec![position]),
        }
    }

    /// Dead letters are ready to be delivered again.
    pub(super) fn letters_loaded(&mut self, seen: Vec<Seen>, answer: Answer<u64>) {
        let mut count = 0;
        let now = now_ms();
        for seen in seen {
            if !self.done.contains(seen.position) {
                continue;
            }
            count += 1;
            self.undo(seen.position, seen.position);
            let room = &self.room.events;
            room.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
            self.enqueue(seen, now);
        }
        self.answer_saved(answer, count);
    }

    /// These are to be delivered again.
    fn undo(&mut self, first: u64, last: u64) {
        self.done.remove_range(first, last);
        self.unsaved.changed = true;
        // From now on the journal must keep them.
        let durable = &self.shared.durable;
        durable.fetch_min(self.done.low(), std::sync::atomic::Ordering::AcqRel);
    }

    fn replay(&mut self, since: Since, until: Option<u64>, held: bool, answer: Answer<u64>) {
        if self.replay.is_some() || self.reached < self.done.high() {
            let _ = answer.send(Err(CommandError::Busy));
            return;
        }
        if self.asks.try_send(Ask::Find(since)).is_err() {
            let _ = answer.send(Err(CommandError::Busy));
            return;
        }
        self.waker.wake();
        self.replay = Some(ReplayOf {
            until,
            held,
            answer: Some(answer),
            again: Done::default(),
        });
    }

    /// Where the replay starts.
    pub(super) fn replay_found(&mut self, found: Option<u64>) {
        let Some(mut replay) = self.replay.take() else {
            return;
        };
        let Some(answer) = replay.answer.take() else {
            return;
        };
        let last = self.reached.min(replay.until.unwrap_or(u64::MAX));
        let Some(first) = found.filter(|first| *first <= last) else {
            let _ = answer.send(Err(CommandError::Nothing));
            return;
        };
        if self.asks.try_send(Ask::Replay { first, last }).is_err() {
            let _ = answer.send(Err(CommandError::Busy));
            return;
        }
        self.waker.wake();
        replay.again = self.done.within(first, last);
        for position in self.letter_at.range(first..=last) {
            replay.again.remove_range(*position, *position);
        }
        let ranges: Vec<(u64, u64)> = replay.again.ranges().collect();
        for (first, last) in ranges {
            self.undo(first, last);
        }
        tracing::info!(
            connector = &*self.name,
            first,
            last,
            "deliver: a person asks for a replay"
        );
        self.replay = Some(replay);
        self.answer_saved(answer, first);
    }

    /// Part of the replay.
    pub(super) fn replay_read(&mut self, first: u64, last: u64, found: Vec<Seen>, end: bool) {
        let Some(replay) = self.replay.take() else {
            return;
        };
        let now = now_ms();
        let mut passed = Vec::new();
        for seen in found {
            passed.push(seen.position);
            let wanted = replay.again.contains(seen.position) && (replay.held || !seen.held);
            if wanted && !self.done.contains(seen.position) {
                self.enqueue(seen, now);
            } else {
                passed.pop();
                self.leave(1);
            }
        }
        self.done_again(&replay.again, first, last, &passed);
        if !end {
            self.replay = Some(replay);
        }
    }

    /// What the replay covers in `first..=last` and does not enqueue is done, as it was.
    fn done_again(&mut self, again: &Done, first: u64, last: u64, enqueued: &[u64]) {
        let mut rest = again.within(first, last);
        for position in enqueued {
            rest.remove_range(*position, *position);
        }
        for (first, last) in rest.ranges() {
            self.done.add_range(first, last);
        }
        self.unsaved.changed = true;
    }
}
