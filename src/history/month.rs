//! A calendar month in UTC, which names a history file.
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::civil;
use jiff::tz::TimeZone;
use larm_event::Timestamp;

use super::HistoryError;

/// A calendar month in UTC; `0 <= year <= 9999`, `1 <= month <= 12`. Sorts by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The first month that can be named; times before it are filed here.
    const FIRST: Self = Self { year: 0, month: 1 };
    /// The last month that can be named; times after it are filed here.
    const LAST: Self = Self {
        year: 9999,
        month: 12,
    };

    /// The month that `at` lies in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let Ok(at) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
            return if at.as_millis() < 0 {
                Self::FIRST
            } else {
                Self::LAST
            };
        };
        let date = TimeZone::UTC.to_datetime(at).date();
        let month = Self {
            year: date.year(),
            month: date.month(),
        };
        month.clamp(Self::FIRST, Self::LAST)
    }

    /// Reads `YYYY-MM`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        if year.len() != 4 || month.len() != 2 || !text.bytes().all(|b| b"0123456789-".contains(&b))
        {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        (1..=12).contains(&month).then_some(Self { year, month })
    }

    /// When the month begins.
    ///
    /// # Panics
    /// Never: every month that can be named lies in the range of the calendar.
    #[must_use]
    pub fn start(self) -> Timestamp {
        let first = civil::date(self.year, self.month, 1).at(0, 0, 0, 0);
        let at = TimeZone::UTC
            .to_timestamp(first)
            .expect("the first of a month between the years 0 and 9999 is in jiff's range");
        Timestamp::from_millis(at.as_millisecond())
    }

    /// The month after this one; the last one stays.
    #[must_use]
    pub fn next(self) -> Self {
        match (self.year, self.month) {
            (9999, 12) => self,
            (year, 12) => Self {
                year: year + 1,
                month: 1,
            },
            (year, month) => Self {
                year,
                month: month + 1,
            },
        }
    }

    /// The month `count` months before this one, or the first that can be named.
    #[must_use]
    pub fn back(self, count: u32) -> Self {
        let index = i64::from(self.year) * 12 + i64::from(self.month) - 1 - i64::from(count);
        let year = i16::try_from(index.div_euclid(12)).unwrap_or(i16::MIN);
        let month = i8::try_from(index.rem_euclid(12) + 1).unwrap_or(1);
        Self { year, month }.max(Self::FIRST)
    }

    /// The month's file in `directory`.
    #[must_use]
    pub fn file(self, directory: &Path) -> PathBuf {
        directory.join(format!("{self}.sqlite"))
    }

    /// The months that have a file in `directory`, oldest first. Other files are passed over.
    pub fn list(directory: &Path) -> Result<Vec<Self>, HistoryError> {
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(HistoryError::Missing {
                    path: directory.to_owned(),
                });
            }
            other => other.map_err(HistoryError::io(directory))?,
        };
        let mut months = Vec::new();
        for entry in entries {
            let name = entry.map_err(HistoryError::io(directory))?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
            months.extend(stem.and_then(Self::parse));
        }
        months.sort_unstable();
        Ok(months)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_last_millisecond_and_the_first_lie_in_two_months() {
        assert_eq!(
            Month::of(at("2026-11-30T23:59:59.999Z")).to_string(),
            "2026-11"
        );
        assert_eq!(Month::of(at("2026-12-01T00:00:00Z")).to_string(), "2026-12");
        assert_eq!(
            Month::of(at("2026-12-31T23:00:00-01:00")).to_string(),
            "2027-01"
        );
    }

    #[test]
    fn start_and_next_meet() {
        let month = Month::parse("2026-12").unwrap();
        assert_eq!(month.start(), at("2026-12-01T00:00:00Z"));
        assert_eq!(month.next().start(), at("2027-01-01T00:00:00Z"));
        assert_eq!(Month::LAST.next(), Month::LAST);
    }

    #[test]
    fn back_counts_months_over_years() {
        let back = |count| Month::parse("2026-02").unwrap().back(count).to_string();
        assert_eq!(back(0), "2026-02");
        assert_eq!(back(1), "2026-01");
        assert_eq!(back(2), "2025-12");
        assert_eq!(back(26), "2023-12");
        assert_eq!(back(u32::MAX), "0000-01");
    }

    #[test]
    fn any_clock_has_a_month() {
        assert_eq!(Month::of(Timestamp::from_millis(i64::MIN)), Month::FIRST);
        assert_eq!(Month::of(Timestamp::from_millis(i64::MAX)), Month::LAST);
        assert_eq!(Month::of(at("-000002-01-01T00:00:00Z")), Month::FIRST);
        assert_eq!(Month::FIRST.start(), at("0000-01-01T00:00:00Z"));
    }

    #[test]
    fn other_names_are_no_months() {
        for name in [
            "2026-13",
            "2026-00",
            "26-01",
            "2026-1",
            "+026-01",
            "2026-11-01",
            "",
        ] {
            assert_eq!(Month::parse(name), None, "{name}");
        }
    }
}
