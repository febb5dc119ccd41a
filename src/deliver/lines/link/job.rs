//! A batch on its way through the link.
use std::collections::HashSet;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::deliver::Verdict;

/// One record to send.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The event's id.
    pub(super) id: Uuid,
    /// Its account, for the order.
    pub(super) account: Option<String>,
    /// It is an alarm, or not known to be none.
    pub(super) may_be_alarm: bool,
    /// The record with its marks.
    pub(super) bytes: Vec<u8>,
}

/// What `deliver` hands to the owner.
#[derive(Debug)]
pub(super) struct Job {
    /// In the batch's order.
    pub(super) records: Vec<Outgoing>,
    /// Told when the owner begins.
    pub(super) taken: oneshot::Sender<()>,
    /// Told when it is done; closed when nobody waits any more.
    pub(super) answer: oneshot::Sender<Vec<Verdict>>,
}

/// A job that the owner works on. `verdicts.len() <= records.len()` always holds, and the record
/// in flight is the one behind the last verdict.
#[derive(Debug)]
pub(super) struct Work {
    records: Vec<Outgoing>,
    verdicts: Vec<Verdict>,
    answer: oneshot::Sender<Vec<Verdict>>,
    /// Accounts of which an earlier event waits.
    blocked: HashSet<Option<String>>,
    /// How often the record in flight was sent.
    pub(super) tries: u32,
}

impl Work {
    /// Begins a job; `None`: nobody waits for it any more.
    pub(super) fn begin(job: Job) -> Option<Self> {
        job.taken.send(()).ok()?;
        let mut work = Self {
            verdicts: Vec::with_capacity(job.records.len()),
            records: job.records,
            answer: job.answer,
            blocked: HashSet::new(),
            tries: 0,
        };
        work.pass_blocked();
        Some(work)
    }

    /// The record in flight; `None`: all have their verdict, or nobody waits for them.
    pub(super) fn current(&self) -> Option<&Outgoing> {
        if self.answer.is_closed() {
            return None;
        }
        self.records.get(self.verdicts.len())
    }

    /// Gives the record in flight its verdict, and passes over those that have to wait for it.
    pub(super) fn settle(&mut self, verdict: Verdict) {
        let Some(record) = self.records.get(self.verdicts.len()) else {
            return;
        };
        if matches!(verdict, Verdict::Retry { .. }) {
            self.blocked.insert(record.account.clone());
        }
        self.verdicts.push(verdict);
        self.tries = 0;
        self.pass_blocked();
    }

    /// Answers; what has no verdict is to be delivered again.
    pub(super) fn finish(mut self, why: &str) {
        while self.verdicts.len() < self.records.len() {
            self.verdicts.push(retry(why));
        }
        // Nobody waits: the engine counts it as not answered, and delivers it again.
        let _ = self.answer.send(self.verdicts);
    }

    fn pass_blocked(&mut self) {
        while let Some(record) = self.records.get(self.verdicts.len()) {
            if !self.blocked.contains(&record.account) {
                return;
            }
            self.verdicts
                .push(retry("an earlier event of the account waits"));
        }
    }
}

/// Deliver it again, whenever.
pub(super) fn retry(why: &str) -> Verdict {
    Verdict::Retry {
        after: None,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(accounts: &[&str]) -> (Work, oneshot::Receiver<Vec<Verdict>>) {
        let (taken, _keep) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let records = accounts.iter().map(|account| Outgoing {
            id: Uuid::nil(),
            account: Some((*account).to_owned()),
            may_be_alarm: true,
            bytes: Vec::new(),
        });
        let job = Job {
            records: records.collect(),
            taken,
            answer,
        };
        (Work::begin(job).unwrap(), answered)
    }

    #[test]
    fn what_stands_behind_a_retry_of_its_account_waits() {
        let (mut work, mut answered) = work(&["1", "2", "1", "3", "1", "2"]);
        work.settle(retry("x"));
        assert_eq!(work.current().unwrap().account.as_deref(), Some("2"));
        work.settle(Verdict::Delivered);
        assert_eq!(work.current().unwrap().account.as_deref(), Some("3"));
        work.settle(Verdict::Delivered);
        assert_eq!(work.current().unwrap().account.as_deref(), Some("2"));
        work.finish("cut");
        let earlier = retry("an earlier event of the account waits");
        let verdicts = answered.try_recv().unwrap();
        assert_eq!(
            verdicts,
            [
                retry("x"),
                Verdict::Delivered,
                earlier.clone(),
                Verdict::Delivered,
                earlier,
                retry("cut")
            ]
        );
    }

    #[test]
    fn nobody_waits() {
        let (work, answered) = work(&["1"]);
        drop(answered);
        assert!(work.current().is_none());
    }
}
