//! Medians, spreads, and what larm was to reach.
use super::case::{BEST, Case, ECHO, HALF, LARM, PLAIN, WITHOUT_HISTORY};
use super::{Round, Sample};

/// One figure over the rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub least: f64,
    /// The highest.
    pub most: f64,
    /// Each round's.
    pub rounds: Vec<f64>,
}

impl Reading {
    fn of(values: Vec<f64>) -> Self {
        Self {
            median: median(&values),
            least: values.iter().copied().fold(f64::NAN, f64::min),
            most: values.iter().copied().fold(f64::NAN, f64::max),
            rounds: values,
        }
    }
}

/// The middle one; of an even number, the mean of the two in the middle; of none, no number.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), middle.checked_sub(1)) {
        (None, _) => f64::NAN,
        (Some(upper), Some(below)) if sorted.len().is_multiple_of(2) => sorted
            .get(below)
            .map_or(*upper, |lower| f64::midpoint(*lower, *upper)),
        (Some(value), _) => *value,
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

/// Takes one figure out of a sample.
type Read = fn(&Sample) -> f64;

/// All figures, by the names they have in results.
const FIGURES: [(&str, Read); 7] = [
    ("per_second", |sample| sample.per_second),
    ("p50", |sample| float(sample.p50)),
    ("p99", |sample| float(sample.p99)),
    ("alarms_p99", |sample| float(sample.alarms_p99)),
    ("unacknowledged", |sample| float(sample.unacknowledged)),
    ("bytes_each", |sample| float(sample.bytes_each)),
    ("resident", |sample| float(sample.resident)),
];

/// Every figure of the contestant at `place`, over the rounds in which it had one.
#[must_use]
pub fn readings(rounds: &[Round], place: usize) -> Vec<(&'static str, Reading)> {
    let samples = || {
        rounds
            .iter()
            .filter_map(|round| round.samples.get(place)?.as_ref().ok())
    };
    FIGURES
        .into_iter()
        .map(|(name, figure)| (name, Reading::of(samples().map(figure).collect())))
        .collect()
}

/// One thing that larm was to reach, and what it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What is compared, in words.
    pub what: &'static str,
    /// What was found in each round, and the median of it.
    pub found: Reading,
    /// The bound.
    pub bound: f64,
    /// Whether `found` must not be above it; otherwise, not below.
    pub at_most: bool,
    /// Whether the median keeps to it.
    pub met: bool,
}

/// A figure of one round; `None` where a contestant that it needs had no sample.
type Figure = fn(&Seen<'_>) -> Option<f64>;

/// What larm is to reach in a case.
struct Target {
    case: &'static str,
    what: &'static str,
    figure: Figure,
    bound: f64,
    at_most: bool,
}

const fn at_least(case: &'static str, what: &'static str, bound: f64, figure: Figure) -> Target {
    Target {
        case,
        what,
        figure,
        bound,
        at_most: false,
    }
}

const fn at_most(case: &'static str, what: &'static str, bound: f64, figure: Figure) -> Target {
    Target {
        case,
        what,
        figure,
        bound,
        at_most: true,
    }
}

/// One round of a case, by labels.
struct Seen<'r> {
    case: &'r Case,
    round: &'r Round,
}

impl Seen<'_> {
    fn sample(&self, label: &str) -> Option<&Sample> {
        let labels = &self.case.contestants;
        let place = labels.iter().position(|other| other.label == label)?;
        self.round.samples.get(place)?.as_ref().ok()
    }

    fn per_second(&self, label: &str) -> Option<f64> {
        self.sample(label).map(|sample| sample.per_second)
    }

    fn p50(&self, label: &str) -> Option<f64> {
        self.sample(label).map(|sample| float(sample.p50))
    }

    fn p99(&self, label: &str) -> Option<f64> {
        self.sample(label).map(|sample| float(sample.p99))
    }

    fn alarms_p99(&self, label: &str) -> Option<f64> {
        self.sample(label).map(|sample| float(sample.alarms_p99))
    }
}

fn of_echo(seen: &Seen<'_>) -> Option<f64> {
    Some(seen.per_second(LARM)? / seen.per_second(ECHO)?)
}

const OF_ECHO: &str = "ACK/s of the echo's";

const TARGETS: [Target; 16] = [
    at_most("tcp-1", "p50 of (echo p50 + fdatasync p50)", 1.15, |seen| {
        Some(seen.p50(LARM)? / (seen.p50(ECHO)? + float(seen.round.disk.p50)))
    }),
    at_least("tcp-64", OF_ECHO, 0.70, of_echo),
    at_least("tcp-1000", OF_ECHO, 0.85, of_echo),
    at_most("tcp-1000", "p99 of the echo's", 1.5, |seen| {
        Some(seen.p99(LARM)? / seen.p99(ECHO)?)
    }),
    at_least("tcp-64-depth-16", OF_ECHO, 0.50, of_echo),
    at_least("udp-64", OF_ECHO, 0.65, of_echo),
    at_least("reconnect", OF_ECHO, 0.95, of_echo),
    at_least("encrypted-64", "ACK/s of larm's in clear", 0.95, |seen| {
        Some(seen.per_second(LARM)? / seen.per_second(PLAIN)?)
    }),
    at_least("link-tests-64", OF_ECHO, 0.90, of_echo),
    at_most(
        "open-2000",
        "p99 of (3 echo p99 + fdatasync p99)",
        1.0,
        |seen| Some(seen.p99(LARM)? / (3.0 * seen.p99(ECHO)? + float(seen.round.disk.p99))),
    ),
    at_most("open-2000", "messages without ACK", 0.0, |seen| {
        Some(float(seen.sample(LARM)?.unacknowledged))
    }),
    at_least("overload", "ACK/s of its best", 0.90, |seen| {
        Some(seen.per_second(LARM)? / seen.per_second(BEST)?)
    }),
    at_most(
        "overload",
        "p99 of alarms, of that at half load",
        2.0,
        |seen| Some(seen.alarms_p99(LARM)? / seen.alarms_p99(HALF)?),
    ),
    at_most("idle", "bytes for each connection", 1_500.0, |seen| {
        Some(float(seen.sample(LARM)?.bytes_each))
    }),
    at_most("history", "p99 of that without history", 1.3, |seen| {
        Some(seen.p99(LARM)? / seen.p99(WITHOUT_HISTORY)?)
    }),
    at_least("history", "ACK/s of that without history", 0.95, |seen| {
        Some(seen.per_second(LARM)? / seen.per_second(WITHOUT_HISTORY)?)
    }),
];

/// Holds the rounds of a case against what larm is to reach in it.
#[must_use]
pub fn judge(case: &Case, rounds: &[Round]) -> Vec<Judged> {
    TARGETS
        .iter()
        .filter(|target| target.case == case.name)
        .map(|target| {
            let seen = rounds.iter().map(|round| Seen { case, round });
            let found = Reading::of(seen.filter_map(|seen| (target.figure)(&seen)).collect());
            Judged {
                what: target.what,
                // No figure is no success: nothing compares with what is no number.
                met: if target.at_most {
                    found.median <= target.bound
                } else {
                    found.median >= target.bound
                },
                found,
                bound: target.bound,
                at_most: target.at_most,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::compare::{Disk, TurnError};

    /// Acknowledgements in a second and p50 of each contestant; `None` for one that failed.
    fn round(contestants: &[Option<(f64, u64)>]) -> Round {
        let samples = contestants.iter().map(|figures| {
            let (per_second, p50) = figures.ok_or(TurnError::NoBest("x"))?;
            Ok(Sample {
                per_second,
                p50,
                ..Sample::default()
            })
        });
        Round {
            disk: Disk { p50: 100, p99: 200 },
            samples: samples.collect(),
        }
    }

    fn case(name: &str) -> Case {
        let cases = Case::all(&[]);
        cases.into_iter().find(|case| case.name == name).unwrap()
    }

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // Twice as fast a machine in the second round: the ratio stays.
        let rounds = [
            round(&[Some((80.0, 1)), Some((100.0, 1))]),
            round(&[Some((160.0, 1)), Some((200.0, 1))]),
            round(&[Some((60.0, 1)), Some((100.0, 1))]),
        ];
        let judged = judge(&case("tcp-64"), &rounds);
        assert_eq!(judged.len(), 1);
        assert!((judged[0].found.median - 0.8).abs() < 1e-9, "{judged:?}");
        assert!(judged[0].met);
        assert!((judged[0].found.least - 0.6).abs() < 1e-9);
    }

    #[test]
    fn the_disk_counts_where_it_should() {
        let rounds = [round(&[Some((1.0, 231)), Some((1.0, 100))])];
        let judged = judge(&case("tcp-1"), &rounds);
        assert!((judged[0].found.median - 1.155).abs() < 1e-9);
        assert!(!judged[0].met);
    }

    #[test]
    fn a_contestant_that_failed_is_no_success() {
        let rounds = [round(&[None, Some((1.0, 1))])];
        let judged = judge(&case("tcp-64"), &rounds);
        assert!(!judged[0].met);
        let found = readings(&rounds, 1);
        assert_eq!(found[0].1.rounds, [1.0]);
    }

    #[test]
    fn every_case_has_something_to_reach() {
        for case in Case::all(&[]) {
            assert!(!judge(&case, &[]).is_empty(), "{}", case.name);
        }
    }
}
