//! Who awaits which position, and what became of the last ones.
use std::collections::HashMap;

use super::handle::{Asked, Outcome};
use tokio::sync::oneshot;

/// How many outcomes are remembered for whoever asks a moment late.
const RECENT: usize = 16_384;

/// Registrations and recent outcomes.
pub(super) struct Confirmations {
    waiting: HashMap<u64, Vec<oneshot::Sender<Outcome>>>,
    count: usize,
    max: usize,
    /// By position modulo its length. Positions start from 1, so 0 is nobody's.
    recent: Vec<(u64, Outcome)>,
}

impl Confirmations {
    /// For at most `max` registrations at a time.
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: HashMap::new(),
            count: 0,
            max,
            recent: vec![(0, Outcome::Unknown); RECENT],
        }
    }

    /// Takes a registration for a position that is not done. Where there are too many, those that
    /// nobody waits for any more go; without any of these the answer is that it is not known.
    pub(super) fn register(&mut self, asked: Asked) {
        if self.count >= self.max {
            self.waiting.retain(|_, waiting| {
                waiting.retain(|answer| !answer.is_closed());
                !waiting.is_empty()
            });
            self.count = self.waiting.values().map(Vec::len).sum();
        }
        if self.count >= self.max {
            answer(asked.answer, Outcome::Unknown);
            return;
        }
        self.count += 1;
        let waiting = self.waiting.entry(asked.position).or_default();
        waiting.push(asked.answer);
    }

    /// The outcome of a position that is done, while it is remembered.
    pub(super) fn recent(&self, position: u64) -> Outcome {
        match self.recent.get(slot(position)) {
            Some((found, outcome)) if *found == position => *outcome,
            _ => Outcome::Unknown,
        }
    }

    /// A position is done.
    pub(super) fn note(&mut self, position: u64, outcome: Outcome) {
        if let Some(place) = self.recent.get_mut(slot(position)) {
            *place = (position, outcome);
        }
        if self.count > 0
            && let Some(waiting) = self.waiting.remove(&position)
        {
            self.count -= waiting.len();
            for one in waiting {
                answer(one, outcome);
            }
        }
    }
}

fn slot(position: u64) -> usize {
    usize::try_from(position % RECENT as u64).unwrap_or(0)
}

fn answer(to: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Whoever asked may have given up.
    let _ = to.send(outcome);
}
