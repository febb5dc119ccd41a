//! From an outcome to a verdict, and from a verdict to the reply: what was waited for becomes a token
//! of the journal, or no reply.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larm_carrier::{Answer, Moment, Session, Verdict};

use super::identify::Serial;
use super::{Awaited, Intake, Outcome, lock};
use crate::entropy;
use crate::journal::Commit;
use crate::metrics::Fate;
use crate::sink::{Committed, State};

/// How far the way to a verdict is.
#[derive(Debug)]
pub enum Settling {
    /// Known. `None`: nothing is to be said.
    Now(Option<Verdict<Commit>>),
    /// Known once this has an outcome; see [`Intake::conclude`].
    Waits {
        /// Resolves when the sink is done with the frame.
        committed: Committed,
        /// What becomes of it then.
        then: Then,
    },
}

/// What has to be done once a frame's outcome is known.
#[derive(Clone, Copy, Debug)]
pub struct Then {
    /// It repeats an earlier frame.
    pub(super) repeat: bool,
    /// Where the window of repeats remembers it, if it is to remember its place in the journal.
    pub(super) remembered: Option<Remembered>,
}

/// A place in the windows of repeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    pub(super) shard: usize,
    pub(super) serial: Serial,
}

impl Intake {
    /// How long after its receipt a frame may still be acknowledged.
    pub fn ack_deadline(&self) -> Duration {
        self.rules.load().ack_deadline
    }

    /// What there is to wait for, if anything.
    pub fn begin(&self, outcome: Outcome) -> Settling {
        match outcome {
            Outcome::Silence => Settling::Now(None),
            Outcome::Pulse => Settling::Now(self.parts.published.pulse().map(Verdict::Committed)),
            Outcome::Overloaded => Settling::Now(Some(Verdict::Overloaded)),
            Outcome::Wait { on, then } => match on {
                Awaited::Durable(position) => {
                    Settling::Now(Some(self.proven(Some(position), then.repeat)))
                }
                Awaited::Slot(slot) => Settling::Waits {
                    committed: slot.committed(),
                    then,
                },
            },
        }
    }

    /// The verdict once the wait is over; `None`: it was given up at its deadline.
    pub fn conclude(&self, state: Option<State>, then: Then) -> Verdict<Commit> {
        match state {
            None => Verdict::Late,
            Some(State::Committed { last, .. }) => {
                if let Some(place) = then.remembered {
                    // The window holds on to a number instead of the slot.
                    lock(&self.repeats[place.shard]).settle(place.serial, Awaited::Durable(last));
                }
                self.proven(Some(last), then.repeat)
            }
            Some(State::Failed | State::Pending) => self.proven(None, then.repeat),
        }
    }

    /// The token comes from the journal alone: a slot's word is not enough to acknowledge.
    fn proven(&self, position: Option<u64>, repeat: bool) -> Verdict<Commit> {
        match position.and_then(|position| self.parts.published.token(position)) {
            Some(commit) if repeat => Verdict::Repeat(commit),
            Some(commit) => Verdict::Committed(commit),
            None => Verdict::Refused,
        }
    }

    /// Has the session write the reply, unless it would come behind its deadline.
    pub fn reply<S: Session>(
        &self,
        session: &S,
        ticket: S::Ticket,
        verdict: Option<Verdict<Commit>>,
        received: Moment,
        now: Moment,
        out: &mut Vec<u8>,
    ) -> Answer {
        let metrics = &self.parts.metrics;
        let Some(mut verdict) = verdict else {
            metrics.answer(Answer::Silence);
            return Answer::Silence;
        };
        let spent = now.mono.saturating_sub(received.mono);
        if spent > self.ack_deadline() {
            verdict = Verdict::Late;
        }
        if matches!(verdict, Verdict::Late) {
            metrics.fate(Fate::Late);
        }
        let answer = session.reply(ticket, verdict, now, entropy::bytes::<32>, out);
        metrics.answer(answer);
        if answer != Answer::Silence {
            metrics.reply_time(spent);
        }
        answer
    }
}

/// Counts waits for as long as it lives, also when its task is dropped.
pub struct Waiting {
    intake: Arc<Intake>,
    count: u64,
}

impl Waiting {
    /// This many frames are being waited for.
    pub fn on(intake: Arc<Intake>, count: u64) -> Self {
        intake.waiting.fetch_add(count, Ordering::Relaxed);
        Self { intake, count }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.intake.waiting.fetch_sub(self.count, Ordering::Relaxed);
    }
}
