//! Requests that wait for the receiver's answer, and what the two answers have in common.
use std::collections::VecDeque;
use std::time::Duration;

use larm_event::Timestamp;

use crate::registry::{Replied, Word};

/// Requests of one connection that wait for an answer; the oldest goes when there are more.
const WAITING_MAX: usize = 256;

/// One request, and what larm would have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// When its last byte came, by both clocks.
    pub(super) mono: Duration,
    pub(super) at: Timestamp,
    pub(super) sequence: Option<u32>,
    pub(super) receiver: Option<String>,
    pub(super) line: Option<String>,
    pub(super) account: Option<String>,
    /// What larm would have said.
    pub(super) ours: Word,
    /// Why larm would not have acknowledged it, where it can be told.
    pub(super) why: Option<String>,
    /// Departures from the standard.
    pub(super) deviations: Vec<String>,
}

/// One request with both answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) asked: Asked,
    /// What the receiver said.
    pub(super) theirs: Word,
    /// What is wrong with its answer though it says the same.
    pub(super) form: Option<&'static str>,
    /// From the request's last byte to the answer.
    pub(super) took: Option<Duration>,
}

impl Compared {
    /// A transmitter would have noticed no difference.
    pub(super) fn same(&self) -> bool {
        self.asked.ours == self.theirs && self.form.is_none()
    }
}

/// The requests of one connection that have no answer yet, in order.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<Asked>);

impl Waiting {
    /// One more request. Gives the one that has to go, unanswered.
    pub(super) fn ask(&mut self, asked: Asked) -> Option<Compared> {
        let gone = (self.0.len() >= WAITING_MAX).then(|| self.0.pop_front());
        self.0.push_back(asked);
        gone.flatten().map(unanswered)
    }

    /// An answer came: `None` where nobody asked for it. A refused time may name no request; it
    /// answers the oldest.
    pub(super) fn answer(&mut self, replied: &Replied, now: Duration) -> Option<Compared> {
        let named = |asked: &Asked| asked.sequence == replied.sequence;
        let at = self.0.iter().position(named);
        let at = at.or_else(|| (replied.word == Word::Nak).then_some(0))?;
        let asked = self.0.remove(at)?;
        let form = replied.problem.or_else(|| differs(&asked, replied));
        Some(Compared {
            theirs: replied.word,
            form,
            took: Some(now.saturating_sub(asked.mono)),
            asked,
        })
    }

    /// Requests that are older than `limit` have no answer.
    pub(super) fn expire(&mut self, now: Duration, limit: Duration) -> Vec<Compared> {
        let mut late = Vec::new();
        while let Some(asked) = self
            .0
            .pop_front_if(|asked| now.saturating_sub(asked.mono) > limit)
        {
            late.push(unanswered(asked));
        }
        late
    }

    /// The connection has ended: nothing is answered any more.
    pub(super) fn end(&mut self) -> Vec<Compared> {
        self.0.drain(..).map(unanswered).collect()
    }
}

fn unanswered(asked: Asked) -> Compared {
    Compared {
        asked,
        theirs: Word::None,
        form: None,
        took: None,
    }
}

/// What an answer does not repeat as a transmitter expects it. A refused time repeats nothing.
fn differs(asked: &Asked, replied: &Replied) -> Option<&'static str> {
    if replied.word == Word::Nak {
        None
    } else if asked.account != replied.account {
        Some("it repeats another account")
    } else if asked.receiver != replied.receiver {
        Some("it repeats another receiver number")
    } else if asked.line != replied.line {
        Some("it repeats another line prefix")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sequence: u32, ours: Word) -> Asked {
        Asked {
            mono: Duration::from_secs(u64::from(sequence)),
            at: Timestamp::from_millis(0),
            sequence: Some(sequence),
            receiver: None,
            line: Some("0".to_owned()),
            account: Some("1234".to_owned()),
            ours,
            why: None,
            deviations: Vec::new(),
        }
    }

    fn replied(sequence: u32, word: Word) -> Replied {
        Replied {
            word,
            sequence: Some(sequence),
            receiver: None,
            line: Some("0".to_owned()),
            account: Some("1234".to_owned()),
            encrypted: false,
            problem: None,
        }
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let mut waiting = Waiting::default();
        for sequence in 1..=3 {
            assert_eq!(waiting.ask(asked(sequence, Word::Ack)), None);
        }
        let now = Duration::from_secs(10);
        let second = waiting.answer(&replied(2, Word::Ack), now).unwrap();
        assert!(second.same());
        assert_eq!(second.took, Some(Duration::from_secs(8)));
        let first = waiting.answer(&replied(0, Word::Nak), now).unwrap();
        assert_eq!((first.asked.sequence, first.same()), (Some(1), false));
        assert_eq!(waiting.answer(&replied(9, Word::Ack), now), None);
        let end = waiting.end();
        assert_eq!((end.len(), end[0].theirs), (1, Word::None));
    }

    #[test]
    fn an_answer_has_to_repeat_what_was_asked() {
        let form = |change: fn(&mut Replied)| {
            let mut waiting = Waiting::default();
            waiting.ask(asked(1, Word::Ack));
            let mut reply = replied(1, Word::Ack);
            change(&mut reply);
            waiting.answer(&reply, Duration::ZERO).unwrap().form
        };
        assert_eq!(form(|_| {}), None);
        assert!(
            form(|reply| reply.account = None)
                .unwrap()
                .contains("account")
        );
        assert!(form(|reply| reply.line = None).unwrap().contains("line"));
        assert!(
            form(|reply| reply.receiver = Some("1".to_owned()))
                .unwrap()
                .contains("receiver")
        );
        assert_eq!(form(|reply| reply.problem = Some("x")), Some("x"));
    }

    #[test]
    fn silence_is_the_same_as_silence_and_the_table_is_bounded() {
        let mut waiting = Waiting::default();
        waiting.ask(asked(1, Word::None));
        waiting.ask(asked(2, Word::Ack));
        assert!(
            waiting
                .expire(Duration::from_secs(3), Duration::from_secs(5))
                .is_empty()
        );
        let late = waiting.expire(Duration::from_secs(8), Duration::from_secs(5));
        assert_eq!(late.len(), 2);
        assert!(late[0].same() && !late[1].same());
        let gone = (0..WAITING_MAX + 5).filter_map(|_| waiting.ask(asked(1, Word::Ack)));
        assert_eq!(gone.count(), 5);
    }
}
