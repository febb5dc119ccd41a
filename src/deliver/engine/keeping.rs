//! Keeping what is done: the cursor and the dead letters, written beside the deliveries.
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use super::handle::{Answer, CommandError, Outcome};
use super::letters::{Cause, DeadLetter, Letters};
use super::notice::Notice;
use super::reader::Seen;
use super::slots::{Cursor, Slots};

/// Letters that may wait for the disk; beyond, nothing new goes out.
const MAIL_MAX: usize = 4_096;
/// Letters that are written together.
const MAIL_AT_ONCE: usize = 256;
/// Pause after a write that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// A write of the cursor takes no more than this share of the time.
const SHARE: u32 = 10;

/// A letter on its way to the file.
pub(super) struct Mail {
    pub(super) letter: DeadLetter,
    pub(super) json: Arc<str>,
    /// Who waits for it.
    pub(super) answer: Option<Answer<()>>,
}

/// Work on the file of the dead letters, done one after another.
pub(super) enum Job {
    Append(Vec<Mail>),
    Remove(Vec<u64>, Option<Answer<u64>>),
    List(usize, tokio::sync::oneshot::Sender<Vec<DeadLetter>>),
    /// Prepares these to be delivered again.
    Load(Vec<u64>, Answer<u64>),
}

/// What became of a job.
pub(super) enum JobDone {
    Appended(Vec<Mail>, std::io::Result<()>),
    Removed(Vec<u64>, Option<Answer<u64>>, std::io::Result<u64>),
    Listed,
    Loaded(Vec<Seen>, Answer<u64>),
}

/// Told when the cursor is on disk, or could not be written.
type OnSaved = Box<dyn FnOnce(Result<(), CommandError>) + Send>;

/// What the written cursor does not tell yet.
#[derive(Default)]
pub(super) struct Unsaved {
    /// Something is done since.
    pub(super) changed: bool,
    /// Who waits for the next write.
    pub(super) answers: Vec<OnSaved>,
    /// It is not written before.
    pub(super) not_before: Option<Instant>,
}

/// A write of the cursor that ended.
pub(super) struct Saving {
    slots: Slots,
    low: u64,
    written: std::io::Result<()>,
    answers: Vec<OnSaved>,
    took: Duration,
}

impl Core {
    /// When the cursor is to be written; `None` where nothing is new.
    pub(super) fn save_due(&self) -> Option<Instant> {
        let due = self.unsaved.changed && self.saving.is_none();
        due.then(|| self.unsaved.not_before.unwrap_or_else(Instant::now))
    }

    /// Writes the cursor where that is due.
    pub(super) fn start_saving(&mut self, now: Instant) {
        if self
            .save_due()
            .is_some_and(|due| due <= now.max(Instant::now()))
        {
            self.save();
        }
    }

    /// Something changed that should be on disk soon.
    pub(super) fn save_soon(&mut self) {
        self.unsaved.changed = true;
        self.unsaved.not_before = None;
    }

    fn save(&mut self) {
        let Some(mut slots) = self.slots.take() else {
            return;
        };
        let cursor = Cursor {
            journal: self.journal,
            state: self.state.clone(),
            done: self.done.clone(),
        };
        self.unsaved.changed = false;
        let answers = std::mem::take(&mut self.unsaved.answers);
        self.saving = Some(tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            let written = slots.write(&cursor);
            Saving {
                slots,
                low: cursor.done.low(),
                written,
                answers,
                took: start.elapsed(),
            }
        }));
    }

    pub(super) fn saved(&mut self, saving: Saving) {
        self.slots = Some(saving.slots);
        let pause = (saving.took * SHARE).max(self.settings.cursor_every);
        self.unsaved.not_before = Some(Instant::now() + pause);
        let result = saving.written.map_err(|error| {
            let why = format!("the cursor cannot be written: {error}");
            tracing::error!(connector = &*self.name, %error, "deliver: the cursor cannot be written; after a crash more would be delivered twice");
            self.unsaved.changed = true;
            self.unsaved.not_before = Some(Instant::now() + pause.max(AGAIN));
            self.fail(&why);
            CommandError::Failed(why)
        });
        if result.is_ok() {
            // What is to be delivered again since the write began must stay in the journal.
            let low = saving.low.min(self.done.low());
            self.shared.durable.store(low, Ordering::Release);
        }
        for answer in saving.answers {
            answer(result.clone());
        }
    }

    /// Answers with `value` once everything up to now is in the cursor on disk.
    pub(super) fn answer_saved<T: Send + 'static>(&mut self, answer: Answer<T>, value: T) {
        self.save_soon();
        self.unsaved.answers.push(Box::new(move |result| {
            // Whoever asked may have given up.
            let _ = answer.send(result.map(|()| value));
        }));
    }

    /// Whether so many letters wait for the disk, or so few more are wanted on the list, that nothing
    /// new should go out.
    pub(super) fn mail_is_full(&self) -> bool {
        let waiting = self.jobs.iter().map(|job| match job {
            Job::Append(mail) => mail.len(),
            _ => 0,
        });
        let waiting = waiting.sum::<usize>() + self.mail_under_way;
        let listed = self.letter_at.len() + waiting;
        waiting >= MAIL_MAX || (waiting > 0 && listed >= self.settings.dead_letters_max)
    }

    /// The event is done when its letter is on disk.
    pub(super) fn send_mail(&mut self, mail: Mail) {
        if let Some(Job::Append(waiting)) = self.jobs.back_mut()
            && waiting.len() < MAIL_AT_ONCE
        {
            waiting.push(mail);
        } else {
            self.jobs.push_back(Job::Append(vec![mail]));
        }
    }

    /// Answers when the mail sent last is on disk.
    pub(super) fn answer_last_mail(&mut self, answer: Answer<()>) {
        if let Some(Job::Append(waiting)) = self.jobs.back_mut()
            && let Some(mail) = waiting.last_mut()
        {
            mail.answer = Some(answer);
        }
    }

    /// Starts the next job on the dead letters.
    pub(super) fn start_job(&mut self, now: Instant) {
        if self.job.is_some() || self.jobs_after.is_some_and(|after| after > now) {
            return;
        }
        self.jobs_after = None;
        let Some(job) = self.jobs.pop_front() else {
            return;
        };
        if let Job::Append(mail) = &job {
            self.mail_under_way = mail.len();
        }
        let (letters, keys) = (Arc::clone(&self.letters), self.keys.clone());
        self.job = Some(tokio::task::spawn_blocking(move || {
            let mut letters = lock(&letters);
            match job {
                Job::Append(mail) => {
                    let pairs: Vec<(DeadLetter, &str)> = (mail.iter())
                        .map(|mail| (mail.letter.clone(), &*mail.json))
                        .collect();
                    let written = letters.append(&pairs);
                    JobDone::Appended(mail, written)
                }
                Job::Remove(positions, answer) => {
                    let removed = letters.remove(&positions);
                    JobDone::Removed(positions, answer, removed)
                }
                Job::List(most, answer) => {
                    // Whoever asked may have given up.
                    let _ = answer.send(letters.list().take(most).cloned().collect());
                    JobDone::Listed
                }
                Job::Load(positions, answer) => {
                    let seen = positions.iter();
                    let seen = seen.filter_map(|position| letters.seen(*position, &keys));
                    JobDone::Loaded(seen.collect(), answer)
                }
            }
        }));
    }

    pub(super) fn job_done(&mut self, done: JobDone) {
        self.mail_under_way = 0;
        match done {
            JobDone::Appended(mail, Ok(())) => self.mail_kept(mail),
            JobDone::Appended(mail, Err(error)) => {
                self.fail_job(&error);
                self.jobs.push_front(Job::Append(mail));
            }
            JobDone::Removed(positions, answer, Ok(count)) => {
                for position in &positions {
                    self.letter_at.remove(position);
                }
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(count));
                }
            }
            JobDone::Removed(positions, answer, Err(error)) => {
                self.fail_job(&error);
                match answer {
                    // What was delivered must go from the list; a person can ask again.
                    None => self.jobs.push_front(Job::Remove(positions, None)),
                    Some(answer) => {
                        let why = format!("the dead letters cannot be written: {error}");
                        let _ = answer.send(Err(CommandError::Failed(why)));
                    }
                }
            }
            JobDone::Listed => {}
            JobDone::Loaded(seen, answer) => self.letters_loaded(seen, answer),
        }
    }

    fn fail_job(&mut self, error: &std::io::Error) {
        tracing::error!(connector = &*self.name, %error, "deliver: the dead letters cannot be written; trying again");
        self.fail(&format!("the dead letters cannot be written: {error}"));
        self.jobs_after = Some(Instant::now() + AGAIN);
    }

    fn mail_kept(&mut self, mail: Vec<Mail>) {
        for Mail { letter, answer, .. } in mail {
            self.letter_at.insert(letter.position);
            self.leave(1);
            match letter.cause {
                Cause::Refused => {
                    self.finish(letter.position, Outcome::Refused);
                    (self.notices)(Notice::DeadLetter {
                        position: letter.position,
                        why: letter.reason.into(),
                    });
                }
                Cause::Skipped => {
                    self.figures.skipped += 1;
                    self.finish(letter.position, Outcome::Skipped);
                }
            }
            if let Some(answer) = answer {
                self.answer_saved(answer, ());
            }
        }
        if self.letter_at.len() >= self.settings.dead_letters_max {
            self.halt(
                "the list of dead letters is full: deliver them again or take them off the list",
            );
        }
    }

    /// After the last delivery: everything that is known goes to disk. True where nothing that was
    /// on its way was given up.
    pub(super) async fn end(mut self) -> bool {
        let in_time = self.flying.is_empty();
        self.flying.shutdown().await;
        self.start_job(Instant::now());
        while let Some(job) = self.job.take() {
            if let Ok(done) = job.await {
                self.job_done(done);
            }
            // Nothing is started while the disk does not take it: these events are not done then.
            self.start_job(Instant::now());
        }
        // The one that may be under way, and one with everything.
        for _ in 0..2 {
            if let Some(saving) = self.saving.take()
                && let Ok(saving) = saving.await
            {
                self.saved(saving);
            }
            if self.unsaved.changed {
                self.save();
            }
        }
        if let Some(saving) = self.saving.take()
            && let Ok(saving) = saving.await
        {
            self.saved(saving);
        }
        self.publish(Instant::now());
        in_time
    }
}

/// Nothing panics while it is held but for a defect, and the file is read anew then.
pub(super) fn lock(letters: &Mutex<Letters>) -> MutexGuard<'_, Letters> {
    letters.lock().unwrap_or_else(PoisonError::into_inner)
}
