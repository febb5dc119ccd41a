//! Works through a batch account by account: the events of one account one after the other, each
//! only after the one before was confirmed; the accounts side by side.
//!
//! That is how a peer that takes messages singly keeps the order of an account: were two of them
//! under way, the first could be lost or refused for a moment while the second gets through.
use std::collections::HashMap;
use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::deliver::{Delivery, Verdict};

/// Sends every event of `batch` by `send` and answers for each, in the batch's order.
///
/// After an answer other than delivered or refused, the account's later events are not sent and
/// are to be delivered again. When `lost` ends first, it says why, and whatever is unanswered is to
/// be delivered again.
pub(super) async fn deliver<'a, S, F, L>(batch: &'a [Delivery], send: S, lost: L) -> Vec<Verdict>
where
    S: Fn(&'a Delivery) -> F,
    F: Future<Output = Verdict>,
    L: Future<Output = String>,
{
    let mut verdicts: Vec<Option<Verdict>> = Vec::new();
    verdicts.resize_with(batch.len(), || None);
    let mut reason = "an earlier event of its account was not delivered".to_owned();
    {
        let send = &send;
        let mut under_way: FuturesUnordered<_> = by_account(batch)
            .into_iter()
            .map(|chain| step(send, chain.into_iter()))
            .collect();
        let mut lost = std::pin::pin!(lost);
        loop {
            let answer = tokio::select! {
                biased;
                answer = under_way.next() => answer,
                why = &mut lost => {
                    reason = why;
                    break;
                }
            };
            let Some((at, verdict, rest)) = answer else {
                break;
            };
            if matches!(verdict, Verdict::Delivered | Verdict::Refused { .. }) && rest.len() > 0 {
                under_way.push(step(send, rest));
            }
            if let Some(slot) = verdicts.get_mut(at) {
                *slot = Some(verdict);
            }
        }
    }
    let retry = || retry(reason.clone());
    verdicts
        .into_iter()
        .map(|verdict| verdict.unwrap_or_else(retry))
        .collect()
}

/// To be delivered again as soon as the engine likes.
pub(super) fn retry(why: impl Into<String>) -> Verdict {
    Verdict::Retry {
        after: None,
        why: why.into(),
    }
}

type Chain<'a> = std::vec::IntoIter<(usize, &'a Delivery)>;

/// Sends the first event of a chain that is not empty, and hands back what is left of it.
async fn step<'a, S, F>(send: &S, mut chain: Chain<'a>) -> (usize, Verdict, Chain<'a>)
where
    S: Fn(&'a Delivery) -> F,
    F: Future<Output = Verdict>,
{
    match chain.next() {
        Some((at, delivery)) => (at, send(delivery).await, chain),
        // No place of a batch is that far: the answer is thrown away.
        None => (usize::MAX, Verdict::Delivered, chain),
    }
}

/// The events of each account with their places, accounts in the order of their first event.
/// Events without an account are one chain.
fn by_account(batch: &[Delivery]) -> Vec<Vec<(usize, &Delivery)>> {
    let mut chains: Vec<Vec<(usize, &Delivery)>> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    for (at, delivery) in batch.iter().enumerate() {
        let account = delivery.event.account.as_deref();
        let place = *places.entry(account).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(chain) => chain.push((at, delivery)),
            None => chains.push(vec![(at, delivery)]),
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use larm_event::Event;

    use super::*;

    fn batch(accounts: &[&str]) -> Vec<Delivery> {
        let one = |(at, account): (usize, &&str)| {
            let mut event = Event::draft("test".to_owned());
            event.account = Some((*account).to_owned());
            Delivery {
                position: at as u64,
                event: Arc::new(event),
                json: "{}".into(),
                tries: 0,
            }
        };
        accounts.iter().enumerate().map(one).collect()
    }

    fn words(verdicts: &[Verdict]) -> String {
        let word = |verdict: &Verdict| match verdict {
            Verdict::Delivered => 'd',
            Verdict::Retry { .. } => 'r',
            Verdict::Refused { .. } => 'x',
            Verdict::Halt { .. } => 'h',
        };
        verdicts.iter().map(word).collect()
    }

    #[tokio::test]
    async fn a_retry_holds_back_its_account_and_no_other() {
        let batch = batch(&["1", "2", "1", "2", "1"]);
        let seen = RefCell::new(Vec::new());
        let send = |delivery: &Delivery| {
            let position = delivery.position;
            seen.borrow_mut().push(position);
            async move {
                tokio::task::yield_now().await;
                if position == 2 {
                    retry("full")
                } else {
                    Verdict::Delivered
                }
            }
        };
        let verdicts = deliver(&batch, send, std::future::pending()).await;
        assert_eq!(words(&verdicts), "ddrdr");
        assert!(!seen.borrow().contains(&4), "went on past a retry");
    }

    #[tokio::test]
    async fn a_refusal_lets_the_account_go_on() {
        let batch = batch(&["1", "1", "1"]);
        let send = |delivery: &Delivery| {
            let refused = delivery.position == 1;
            async move {
                if refused {
                    Verdict::Refused {
                        why: "too large".to_owned(),
                    }
                } else {
                    Verdict::Delivered
                }
            }
        };
        let verdicts = deliver(&batch, send, std::future::pending()).await;
        assert_eq!(words(&verdicts), "dxd");
    }

    #[tokio::test]
    async fn what_is_unanswered_when_the_link_is_lost_is_tried_again() {
        let batch = batch(&["1", "2", "1"]);
        let send = |delivery: &Delivery| {
            let hangs = delivery.position == 1;
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Verdict::Delivered
            }
        };
        let lost = async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            "gone".to_owned()
        };
        let verdicts = deliver(&batch, send, lost).await;
        assert_eq!(words(&verdicts), "drd");
        assert_eq!(verdicts.get(1), Some(&retry("gone")));
    }

    #[tokio::test]
    async fn an_empty_batch_has_no_answers() {
        let send = |_: &Delivery| async { Verdict::Delivered };
        assert!(deliver(&[], send, std::future::pending()).await.is_empty());
    }
}
