//! Turns of link tests: where more comes than can be answered, alarms are read before link tests are
//! answered.
//!
//! Nobody knows what a message is before it is read, and a runtime polls whoever is ready in the order
//! of arrival. A gateway under a flood of link tests would so answer thousands of them between an
//! alarm's arrival and its reading. But who waits for an answer sends nothing more: as soon as answers
//! to link tests go slower than reading, what is unread becomes little, and an alarm is read at once.
//!
//! So only some link tests are answered in one round of the runtime. The others queue, first come
//! first served, and each further round lets some of them through. Without a flood no link test
//! queues, and what counts them costs one atomic operation.
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Answered in one round before the next ones queue.
const AT_ONCE: usize = 64;

/// Let through in each round where some queue: less than the polls of a round (61 in tokio), so that
/// reading gets the greater part.
const EACH_ROUND: usize = 24;

/// Gives out turns; one for the whole gateway.
#[derive(Debug)]
pub struct Turns {
    /// Link tests that may be answered in this round without queueing. None where some queue.
    left: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Those who wait, in order.
    waiting: VecDeque<Waker>,
    /// Number of the first of them; all before have had their turn.
    first: u64,
    /// A task counts the rounds.
    counting: bool,
}

/// One link test's place; dropped, its turn goes by.
#[derive(Debug, Default)]
pub(super) struct Turn {
    number: Option<u64>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(AT_ONCE),
            queue: Mutex::default(),
        }
    }
}

impl Turns {
    /// Ready once it is this link test's turn; `waker` is woken then. To be called within a runtime.
    pub(super) fn poll(self: &Arc<Self>, turn: &mut Turn, waker: &Waker) -> Poll<()> {
        let Some(number) = turn.number else {
            return self.ask(turn, waker);
        };
        let mut queue = self.queue();
        let Some(index) = number.checked_sub(queue.first) else {
            return Poll::Ready(());
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(waiting) = queue.waiting.get_mut(index) {
            waiting.clone_from(waker);
        }
        Poll::Pending
    }

    fn ask(self: &Arc<Self>, turn: &mut Turn, waker: &Waker) -> Poll<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let left = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        if left.is_ok_and(|left| left != AT_ONCE / 2) {
            return Poll::Ready(());
        }
        let mut queue = self.queue();
        if !std::mem::replace(&mut queue.counting, true) {
            tokio::spawn(Arc::clone(self).count_rounds());
        }
        if left.is_ok() {
            return Poll::Ready(());
        }
        turn.number = Some(queue.first + queue.waiting.len() as u64);
        queue.waiting.push_back(waker.clone());
        Poll::Pending
    }

    /// Runs from when half of a round's turns are taken until nobody queues.
    async fn count_rounds(self: Arc<Self>) {
        loop {
            // Comes back once the runtime has looked for what else is ready.
            tokio::task::yield_now().await;
            let (woken, more) = self.next_round();
            woken.into_iter().for_each(Waker::wake);
            if !more {
                return;
            }
        }
    }

    /// Who is let through now, and whether a further round is to be counted.
    fn next_round(&self) -> (Vec<Waker>, bool) {
        let mut queue = self.queue();
        let count = queue.waiting.len().min(EACH_ROUND);
        let woken: Vec<_> = queue.waiting.drain(..count).collect();
        queue.first += count as u64;
        if queue.waiting.is_empty() {
            queue.counting = false;
            self.left.store(AT_ONCE - count, Ordering::Release);
        }
        (woken, queue.counting)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while the lock is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(turns: &Arc<Turns>) -> Turn {
        let mut turn = Turn::default();
        let _ = turns.poll(&mut turn, Waker::noop());
        turn
    }

    fn is_ready(turns: &Arc<Turns>, turn: &mut Turn) -> bool {
        turns.poll(turn, Waker::noop()).is_ready()
    }

    #[tokio::test]
    async fn a_flood_queues_and_is_let_through_in_order() {
        let turns = Arc::new(Turns::default());
        let all = AT_ONCE + 3 * EACH_ROUND;
        let mut asked: Vec<_> = (0..all).map(|_| ask(&turns)).collect();
        let queued = asked.iter().filter(|turn| turn.number.is_some()).count();
        assert_eq!(queued, 3 * EACH_ROUND);
        let mut queued = asked.split_off(AT_ONCE);
        for round in 1..=3 {
            let (woken, more) = turns.next_round();
            assert_eq!((woken.len(), more), (EACH_ROUND, round < 3));
            let ready: Vec<_> = (queued.iter_mut())
                .map(|turn| is_ready(&turns, turn))
                .collect();
            let through = round * EACH_ROUND;
            assert!(ready[..through].iter().all(|ready| *ready));
            assert!(ready[through..].iter().all(|ready| !ready));
        }
    }

    #[tokio::test]
    async fn who_comes_while_others_queue_queues_behind_them() {
        let turns = Arc::new(Turns::default());
        let mut asked: Vec<_> = (0..=AT_ONCE + EACH_ROUND).map(|_| ask(&turns)).collect();
        drop(turns.next_round());
        let mut late = ask(&turns);
        assert!(!is_ready(&turns, &mut late));
        drop(turns.next_round());
        assert!(is_ready(&turns, &mut late));
        assert!(is_ready(&turns, asked.last_mut().unwrap()));
    }

    #[tokio::test]
    async fn a_round_without_a_queue_gives_all_turns_again() {
        let turns = Arc::new(Turns::default());
        for _ in 0..10 {
            for _ in 0..AT_ONCE {
                assert_eq!(ask(&turns).number, None);
            }
            // The task that was started when half of them were taken.
            while turns.queue().counting {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn those_who_queue_are_woken_without_further_help() {
        let turns = Arc::new(Turns::default());
        let tasks: Vec<_> = (0..1_000)
            .map(|_| {
                let (turns, mut turn) = (Arc::clone(&turns), Turn::default());
                tokio::spawn(std::future::poll_fn(move |context| {
                    turns.poll(&mut turn, context.waker())
                }))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(turns.queue().waiting.is_empty());
    }
}
