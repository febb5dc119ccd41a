//! Figures as people read them, and as arguments are written.
use std::io::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::load::figures;

/// `54.3 µs`, `1.25 ms`, `2.10 s`.
pub(super) fn time(nanos: u64) -> String {
    let (hundredths, unit) = match nanos {
        0..1_000_000 => return format!("{}.{} µs", nanos / 1_000, nanos / 100 % 10),
        1_000_000..1_000_000_000 => (nanos / 10_000, "ms"),
        _ => (nanos / 10_000_000, "s"),
    };
    format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
}

/// The same of a median.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds are positive and far below 2^53"
)]
pub(super) fn time_of(nanos: f64) -> String {
    time(nanos.max(0.0).round() as u64)
}

/// `167,000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive and far below 2^53"
)]
pub(super) fn per_second(rate: f64) -> String {
    count(rate.max(0.0).round() as u64)
}

/// The head of a table of times.
pub(super) fn times_head(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<26}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "count", "p50", "p90", "p99", "p99.9", "max"
    )
}

/// One line of a table of times.
pub(super) fn times(
    out: &mut impl Write,
    name: &str,
    histogram: &Histogram<u64>,
) -> std::io::Result<()> {
    let found = figures(histogram);
    writeln!(
        out,
        "{name:<26}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        count(found.count),
        time(found.p50),
        time(found.p90),
        time(found.p99),
        time(found.p999),
        time(found.max)
    )
}

/// Reads a number of seconds, such as `2.5`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds, such as 2.5".to_owned())
}

/// Reads a share from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "write a share from 0 to 1, such as 0.9".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_right() {
        assert_eq!(time(54_321), "54.3 µs");
        assert_eq!(time(1_254_321), "1.25 ms");
        assert_eq!(time(2_109_000_000), "2.10 s");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123_456), "123,456");
        assert_eq!(per_second(1_999.6), "2,000");
        assert!(share("1.5").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }
}
