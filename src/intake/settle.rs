//! From an outcome to a verdict: waits for the sink, within the deadline, and has the session write
//! the reply.
use std::sync::atomic::Ordering;

use larm_carrier::{Answer, Moment, Session, Verdict};

use super::{Awaited, Intake, Outcome, Taken};
use crate::clock::Clock;
use crate::entropy;
use crate::journal::Commit;
use crate::metrics::Fate;
use crate::sink::State;

impl Intake {
    /// Waits until the request can be answered, or must not be, and appends the reply to `out`.
    ///
    /// Safe to drop: the record stays on its way, and a repeat of the frame joins it.
    pub async fn settle<S: Session>(
        &self,
        session: &S,
        taken: Taken<S::Ticket>,
        clock: &dyn Clock,
        out: &mut Vec<u8>,
    ) -> Answer {
        let received = taken.received;
        let verdict = match taken.outcome {
            Outcome::Silence => None,
            Outcome::Pulse => self.parts.published.pulse().map(Verdict::Committed),
            Outcome::Overloaded => Some(Verdict::Overloaded),
            Outcome::Wait { on, repeat } => {
                let _counted = Waiting::on(self);
                Some(self.wait(on, repeat, received, clock).await)
            }
        };
        let Some(verdict) = verdict else {
            self.parts.metrics.answer(Answer::Silence);
            return Answer::Silence;
        };
        if matches!(verdict, Verdict::Late) {
            self.parts.metrics.fate(Fate::Late);
        }
        let now = clock.now();
        let answer = session.reply(taken.ticket, verdict, now, &entropy::bytes::<32>(), out);
        self.parts.metrics.answer(answer);
        if answer != Answer::Silence {
            self.parts
                .metrics
                .reply_time(now.mono.saturating_sub(received.mono));
        }
        answer
    }

    async fn wait(
        &self,
        on: Awaited,
        repeat: bool,
        received: Moment,
        clock: &dyn Clock,
    ) -> Verdict<Commit> {
        let position = match on {
            Awaited::Durable(position) => Some(position),
            Awaited::Slot(slot) => {
                let deadline = self.rules.load().ack_deadline;
                let spent = clock.now().mono.saturating_sub(received.mono);
                match tokio::time::timeout(deadline.saturating_sub(spent), slot.committed()).await {
                    Err(_) => return Verdict::Late,
                    Ok(State::Committed { last, .. }) => Some(last),
                    Ok(State::Failed | State::Pending) => None,
                }
            }
        };
        // The token comes from the journal alone: a slot's word is not enough to acknowledge.
        match position.and_then(|position| self.parts.published.token(position)) {
            Some(commit) if repeat => Verdict::Repeat(commit),
            Some(commit) => Verdict::Committed(commit),
            None => Verdict::Refused,
        }
    }
}

/// Counts a wait for as long as it lives, also when its task is dropped.
struct Waiting<'a>(&'a Intake);

impl<'a> Waiting<'a> {
    fn on(intake: &'a Intake) -> Self {
        intake.waiting.fetch_add(1, Ordering::Relaxed);
        Self(intake)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
