//! Durations and sizes as people write them: `"500ms"`, `"90s"`, `"24h"`, `"64MiB"`.
//!
//! ```text
//! duration = digits unit          unit = "ms" | "s" | "m" | "h" | "d"
//! size     = digits [unit]        unit = "B" | "KiB" | "MiB" | "GiB" | "TiB"
//! ```
use std::time::Duration;

/// Why a text is no duration or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No digits at the start.
    #[error("it does not start with a whole number")]
    NoNumber,
    /// Digits without a unit, where one is needed.
    #[error("the unit is missing")]
    NoUnit,
    /// A unit that is none of the known ones.
    #[error("the unit is not known")]
    UnknownUnit,
    /// Larger than 64 bits hold.
    #[error("the number is too large")]
    TooLarge,
}

/// Milliseconds per unit, the largest last.
const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Bytes per unit, the largest last.
const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a duration such as `1s`, `500ms`, `90s`, `24h`, `30d`.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text)?;
    if unit.is_empty() && number != 0 {
        return Err(UnitError::NoUnit);
    }
    let factor = if unit.is_empty() {
        1
    } else {
        factor(&DURATIONS, unit)?
    };
    let ms = number.checked_mul(factor).ok_or(UnitError::TooLarge)?;
    Ok(Duration::from_millis(ms))
}

/// Reads a size in bytes such as `4096`, `64KiB`, `64MiB`.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text)?;
    let factor = if unit.is_empty() {
        1
    } else {
        factor(&SIZES, unit)?
    };
    number.checked_mul(factor).ok_or(UnitError::TooLarge)
}

/// The shortest text that [`duration`] reads as this value; finer parts than milliseconds are cut.
#[must_use]
pub fn show_duration(value: Duration) -> String {
    let ms = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    show(&DURATIONS, ms)
}

/// The shortest text that [`size`] reads as this value.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    show(&SIZES, bytes)
}

fn split(text: &str) -> Result<(u64, &str), UnitError> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(UnitError::NoNumber);
    }
    let number = digits.parse().map_err(|_| UnitError::TooLarge)?;
    Ok((number, unit.trim_start()))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Result<u64, UnitError> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or(UnitError::UnknownUnit)
}

fn show(units: &[(&str, u64)], value: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| value != 0 && value.is_multiple_of(*factor);
    match units.iter().rev().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => format!("{value}{}", units.first().map_or("", |(unit, _)| unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_unit() {
        for (text, ms) in [
            ("500ms", 500),
            ("1s", 1_000),
            ("90 s", 90_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("30d", 2_592_000_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, bytes) in [
            ("4096", 4096),
            ("1KiB", 1024),
            ("64MiB", 67_108_864),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(duration("soon"), Err(UnitError::NoNumber));
        assert_eq!(duration("10"), Err(UnitError::NoUnit));
        assert_eq!(duration("10 sec"), Err(UnitError::UnknownUnit));
        assert_eq!(duration("1.5s"), Err(UnitError::UnknownUnit));
        assert_eq!(duration("99999999999999999999s"), Err(UnitError::TooLarge));
        assert_eq!(size("10MB"), Err(UnitError::UnknownUnit));
        assert_eq!(size("99999999999999TiB"), Err(UnitError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(value: u64) {
            prop_assert_eq!(duration(&show_duration(Duration::from_millis(value))), Ok(Duration::from_millis(value)));
            prop_assert_eq!(size(&show_size(value)), Ok(value));
        }

        #[test]
        fn never_panics(text: String) {
            let _ = (duration(&text), size(&text));
        }
    }
}
