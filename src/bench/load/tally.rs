//! What came of a load: counts and times, added up over threads.
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::plan::Plan;

/// A minute in nanoseconds: what takes longer counts as that.
const LONGEST_NS: u64 = 60_000_000_000;

/// Wrong answers that are kept for the report.
const EXAMPLES_MAX: usize = 5;

/// Messages whose times are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An alarm, sent for the first time.
    Alarm,
    /// An event that is no alarm.
    Rest,
    /// A sign of life.
    LinkTest,
    /// An event sent once more.
    Repeat,
}

impl Class {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Alarm, Self::Rest, Self::LinkTest, Self::Repeat];

    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarms",
            Self::Rest => "rest",
            Self::LinkTest => "link_tests",
            Self::Repeat => "repeats",
        }
    }
}

/// Nanoseconds with three digits.
///
/// # Panics
/// Never: the bounds are good.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST_NS, 3).expect("bounds that the crate allows")
}

/// What one thread, or all of them, have seen.
#[derive(Debug)]
pub struct Tally {
    /// Messages sent, warm-up included.
    pub sent: u64,
    /// Messages acknowledged, warm-up included.
    pub acknowledged: u64,
    /// Those that were acknowledged between warm-up and end.
    pub counted: u64,
    /// Time between warm-up and end.
    pub lasted: Duration,
    /// No answer in time, or the connection was lost before.
    pub missing: u64,
    /// Answered with NAK.
    pub refused: u64,
    /// Answered with DUH.
    pub declined: u64,
    /// Answers to nothing that was asked, or damaged ones.
    pub wrong: u64,
    /// Connections that the receiver closed, or that failed.
    pub lost: u64,
    /// Not sent since a transmitter held as many as it may (open loop).
    pub shed: u64,
    /// The first wrong answers, escaped.
    pub examples: Vec<String>,
    /// Nanoseconds from the intended time to the answer, for each of [`Class::ALL`].
    pub latency: [Histogram<u64>; 4],
    /// Nanoseconds from the sending to the answer (open loop; otherwise empty).
    pub service: [Histogram<u64>; 4],
    /// Nanoseconds that messages left behind their intended time (open loop; otherwise empty).
    pub late: Histogram<u64>,
    open_loop: bool,
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            sent: 0,
            acknowledged: 0,
            counted: 0,
            lasted: Duration::ZERO,
            missing: 0,
            refused: 0,
            declined: 0,
            wrong: 0,
            lost: 0,
            shed: 0,
            examples: Vec::new(),
            latency: std::array::from_fn(|_| histogram()),
            service: std::array::from_fn(|_| histogram()),
            late: histogram(),
            open_loop: plan.rate.is_some(),
        }
    }

    /// Records an answer that counts.
    pub(super) fn time(&mut self, class: Class, intended: u64, sent: u64, now: u64) {
        self.latency[class as usize].saturating_record(now.saturating_sub(intended));
        if self.open_loop {
            self.service[class as usize].saturating_record(now.saturating_sub(sent));
            self.late.saturating_record(sent.saturating_sub(intended));
        }
    }

    pub(super) fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what());
        }
    }

    /// Adds what another thread has seen in the same time.
    ///
    /// # Panics
    /// Never: all histograms have the same bounds.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.counted += other.counted;
        self.lasted = self.lasted.max(other.lasted);
        self.missing += other.missing;
        self.refused += other.refused;
        self.declined += other.declined;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.shed += other.shed;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
        let pairs = self.latency.iter_mut().zip(other.latency);
        let pairs = pairs.chain(self.service.iter_mut().zip(other.service));
        for (ours, theirs) in pairs.chain([(&mut self.late, other.late)]) {
            ours.add(theirs).expect("both have the same bounds");
        }
    }

    /// Acknowledgements in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        rate(self.counted, self.lasted)
    }

    /// Times of all messages together.
    #[must_use]
    pub fn all(&self) -> Histogram<u64> {
        sum(&self.latency)
    }

    /// Messages that were sent and not acknowledged, for whatever reason.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Everything as JSON; times in nanoseconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut latency = Map::new();
        latency.insert("all".to_owned(), to_json(&self.all()));
        latency.extend(by_class(&self.latency));
        let mut found = json!({
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "counted": self.counted,
            "seconds": self.lasted.as_secs_f64(),
            "per_second": self.per_second().round(),
            "missing": self.missing,
            "refused": self.refused,
            "declined": self.declined,
            "wrong": self.wrong,
            "lost_connections": self.lost,
            "shed": self.shed,
            "examples": self.examples,
            "latency": latency,
        });
        if self.open_loop
            && let Some(object) = found.as_object_mut()
        {
            let mut service = Map::new();
            service.insert("all".to_owned(), to_json(&sum(&self.service)));
            service.extend(by_class(&self.service));
            object.insert("service".to_owned(), service.into());
            object.insert("late".to_owned(), to_json(&self.late));
        }
        found
    }
}

fn by_class(histograms: &[Histogram<u64>; 4]) -> impl Iterator<Item = (String, Value)> {
    Class::ALL
        .into_iter()
        .zip(histograms)
        .filter(|(_, times)| !times.is_empty())
        .map(|(class, times)| (class.as_str().to_owned(), to_json(times)))
}

fn sum(histograms: &[Histogram<u64>; 4]) -> Histogram<u64> {
    let mut all = histogram();
    for times in histograms {
        all.add(times).expect("all have the same bounds");
    }
    all
}

/// So many in a second.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rate of a few digits")]
pub fn rate(count: u64, lasted: Duration) -> f64 {
    if lasted.is_zero() {
        return 0.0;
    }
    count as f64 / lasted.as_secs_f64()
}

/// What is told of a histogram, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// How many values.
    pub count: u64,
    /// Half of them are not above.
    pub p50: u64,
    /// 90 % are not above.
    pub p90: u64,
    /// 99 % are not above.
    pub p99: u64,
    /// 99.9 % are not above.
    pub p999: u64,
    /// None is above.
    pub max: u64,
    /// Their mean.
    pub mean: f64,
}

/// Reads the figures off.
#[must_use]
pub fn figures(times: &Histogram<u64>) -> Figures {
    Figures {
        count: times.len(),
        p50: times.value_at_quantile(0.5),
        p90: times.value_at_quantile(0.9),
        p99: times.value_at_quantile(0.99),
        p999: times.value_at_quantile(0.999),
        max: times.max(),
        mean: times.mean(),
    }
}

/// A histogram's figures as JSON.
#[must_use]
pub fn to_json(times: &Histogram<u64>) -> Value {
    let Figures {
        count,
        p50,
        p90,
        p99,
        p999,
        max,
        mean,
    } = figures(times);
    json!({
        "count": count, "p50": p50, "p90": p90, "p99": p99, "p999": p999, "max": max,
        "mean": mean.round(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(&Plan::new(([127, 0, 0, 1], 1).into()))
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut times = histogram();
        for value in 1..=1_000u64 {
            times.saturating_record(value * 1_000);
        }
        let found = figures(&times);
        let near = |found: u64, wanted: u64| found.abs_diff(wanted) <= wanted / 1_000 + 1;
        assert!(near(found.p50, 500_000), "{found:?}");
        assert!(near(found.p99, 990_000), "{found:?}");
        assert!(near(found.p999, 999_000), "{found:?}");
        assert!(near(found.max, 1_000_000), "{found:?}");
        assert_eq!(found.count, 1_000);
        times.saturating_record(u64::MAX);
        assert!(figures(&times).max >= LONGEST_NS);
    }

    #[test]
    fn threads_add_up() {
        let (mut one, mut two) = (tally(), tally());
        one.time(Class::Alarm, 0, 0, 1_000);
        two.time(Class::Alarm, 0, 0, 3_000);
        two.time(Class::LinkTest, 0, 0, 2_000);
        (one.sent, one.acknowledged, one.counted) = (2, 1, 1);
        (two.sent, two.acknowledged, two.counted) = (2, 2, 2);
        (one.lasted, two.lasted) = (Duration::from_secs(1), Duration::from_secs(1));
        one.add(two);
        assert_eq!(one.all().len(), 3);
        assert_eq!(one.latency[Class::Alarm as usize].len(), 2);
        assert!((one.per_second() - 3.0).abs() < 1e-9);
        assert_eq!(one.unacknowledged(), 1);
        assert_eq!(one.to_json()["latency"]["link_tests"]["count"], 1);
        assert!(one.to_json()["latency"].get("rest").is_none());
    }
}
