//! Times as transmitters write them: `HH:MM:SS,MM-DD-YYYY` and its shorter relatives.
//!
//! All are taken as UTC, in milliseconds since 1970-01-01T00:00:00Z, in the Gregorian calendar
//! without leap seconds. A time that does not exist (month 13, 30 February, second 60) is an
//! error, never something near it.
//!
//! ```
//! use larm_wire::stamp;
//!
//! let at = stamp::parse(b"12:40:58,12-22-2021").unwrap();
//! assert_eq!(at, 1_640_176_858_000);
//! assert_eq!(&stamp::format(at), b"_12:40:58,12-22-2021");
//! // A time alone is of the nearest day.
//! assert_eq!(stamp::parse_near(b"12:40", at), Ok(at - 58_000));
//! assert!(stamp::parse(b"00:00:00,02-30-2024").is_err());
//! ```
use core::fmt;

use crate::digits::{self, DigitsError};

/// Milliseconds in one day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Bytes of `HH:MM:SS,MM-DD-YYYY`.
pub const STAMP_LEN: usize = 19;

/// 0000-01-01T00:00:00.000Z, the first moment that four digits of year can write.
const FIRST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, the last one.
const LAST_MS: i64 = 253_402_300_799_999;

/// A part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59.
    Second,
    /// 1 to 12.
    Month,
    /// 1 to the length of the month.
    Day,
}

impl Field {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Month => "month",
            Self::Day => "day",
        }
    }
}

/// Why a text is not a time. Offsets count from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampError {
    /// The text ends before the time does.
    Short {
        /// Bytes there.
        len: usize,
    },
    /// Something follows the time.
    Trailing {
        /// Where it starts.
        offset: usize,
    },
    /// Not a decimal digit.
    NotDigit {
        /// Where.
        offset: usize,
        /// What stands there.
        found: u8,
    },
    /// Not the separator of this place.
    NotSeparator {
        /// Where.
        offset: usize,
        /// `:`, `,` or `-`.
        expected: u8,
        /// What stands there.
        found: u8,
    },
    /// A number that this part of a time cannot have.
    OutOfRange {
        /// Where the number starts.
        offset: usize,
        /// Which part.
        field: Field,
        /// The number.
        found: u32,
    },
}

impl fmt::Display for StampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { len } => write!(f, "the time ends after {len} bytes"),
            Self::Trailing { offset } => write!(f, "byte {offset}: something follows the time"),
            Self::NotDigit { offset, found } => {
                write!(
                    f,
                    "byte {offset} is `{}`, not a digit",
                    found.escape_ascii()
                )
            }
            Self::NotSeparator {
                offset,
                expected,
                found,
            } => write!(
                f,
                "byte {offset} is `{}` where `{}` belongs",
                found.escape_ascii(),
                expected.escape_ascii()
            ),
            Self::OutOfRange {
                offset,
                field,
                found,
            } => write!(f, "byte {offset}: there is no {} {found}", field.as_str()),
        }
    }
}

impl core::error::Error for StampError {}

/// Reads `HH:MM:SS,MM-DD-YYYY`, without the `_` that leads it in a frame (SIA DC-09).
pub fn parse(text: &[u8]) -> Result<i64, StampError> {
    if let Some(whole) = text.try_into().ok().and_then(whole) {
        return Ok(whole);
    }
    careful(text)
}

/// The same byte by byte: what is wrong with a time, and where.
fn careful(text: &[u8]) -> Result<i64, StampError> {
    let mut reader = Reader { text, offset: 0 };
    let time = reader.time(Seconds::Needed)?;
    reader.separator(b',')?;
    let date = reader.date(Year::Four)?;
    reader.end()?;
    Ok(date + time)
}

/// A right time in one go; it stands in nearly every frame, and is asked for more than once.
fn whole(text: &[u8; STAMP_LEN]) -> Option<i64> {
    let separators = [text[2], text[5], text[8], text[11], text[14]];
    let digit = |at: usize| Some(text[at].wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let two = |at: usize| Some(u32::from(digit(at)? * 10 + digit(at + 1)?));
    let (hour, minute, second) = (two(0)?, two(3)?, two(6)?);
    let (month, day) = (two(9)?, two(12)?);
    let year = two(15)? * 100 + two(17)?;
    let exists = separators == *b"::,--"
        && hour < 24
        && minute < 60
        && second < 60
        && (1..=12).contains(&month)
        && (1..=month_len(year, month)).contains(&day);
    let days = days(i64::from(year), i64::from(month), i64::from(day));
    let of_day = i64::from(hour * 3600 + minute * 60 + second) * 1000;
    exists.then_some(days * DAY_MS + of_day)
}

/// Reads `mm-dd-yy`, the SIA modifier `da`, as the midnight that starts the day. `yy` is 20yy.
pub fn date(text: &[u8]) -> Result<i64, StampError> {
    let mut reader = Reader { text, offset: 0 };
    let date = reader.date(Year::Two)?;
    reader.end()?;
    Ok(date)
}

/// Reads `hh:mm` or `hh:mm:ss`, the SIA modifier `ti` and short time blocks, as milliseconds
/// after midnight: `0 <= value < DAY_MS`.
pub fn time(text: &[u8]) -> Result<i64, StampError> {
    let mut reader = Reader { text, offset: 0 };
    let time = reader.time(Seconds::Optional)?;
    reader.end()?;
    Ok(time)
}

/// Reads the whole stamp, or a time of day alone as the moment nearest to `reference_ms`.
pub fn parse_near(text: &[u8], reference_ms: i64) -> Result<i64, StampError> {
    if text.len() < STAMP_LEN {
        time(text).map(|of_day| nearest(of_day, reference_ms))
    } else {
        parse(text)
    }
}

/// The moment with this time of day that is nearest to `reference_ms`: at most 12 hours away.
///
/// A transmitter that sends a time without a date at 00:01 for 23:59 means yesterday.
#[must_use]
pub const fn nearest(time_of_day_ms: i64, reference_ms: i64) -> i64 {
    let after = time_of_day_ms.wrapping_sub(reference_ms).rem_euclid(DAY_MS);
    if after <= DAY_MS / 2 {
        reference_ms.saturating_add(after)
    } else {
        reference_ms.saturating_sub(DAY_MS - after)
    }
}

/// Writes `_HH:MM:SS,MM-DD-YYYY`, as it ends a frame; milliseconds are cut.
///
/// Four digits of year reach from 0000 to 9999; a moment outside is written as the nearer end.
#[must_use]
pub fn format(ms: i64) -> [u8; 20] {
    let ms = ms.clamp(FIRST_MS, LAST_MS);
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let second = ms.rem_euclid(DAY_MS) / 1000;
    let mut out = *b"_00:00:00,00-00-0000";
    let mut put = |at: usize, value: i64| {
        out[at] = decimal_digit(value / 10);
        out[at + 1] = decimal_digit(value);
    };
    put(1, second / 3600);
    put(4, second / 60 % 60);
    put(7, second % 60);
    put(10, month);
    put(13, day);
    put(16, year / 100);
    put(18, year);
    out
}

/// The last decimal digit of a number that is not negative.
fn decimal_digit(value: i64) -> u8 {
    b'0' + u8::try_from(value % 10).expect("a remainder of ten fits")
}

#[derive(Clone, Copy)]
enum Seconds {
    Needed,
    Optional,
}

#[derive(Clone, Copy)]
enum Year {
    Two,
    Four,
}

/// What is still to be read, and how far it is from the start.
struct Reader<'t> {
    text: &'t [u8],
    offset: usize,
}

impl Reader<'_> {
    fn time(&mut self, seconds: Seconds) -> Result<i64, StampError> {
        let hour = self.field(Field::Hour, 0, 23)?;
        self.separator(b':')?;
        let minute = self.field(Field::Minute, 0, 59)?;
        let second = match seconds {
            Seconds::Optional if self.text.is_empty() => 0,
            Seconds::Optional | Seconds::Needed => {
                self.separator(b':')?;
                self.field(Field::Second, 0, 59)?
            }
        };
        Ok(i64::from(hour * 3600 + minute * 60 + second) * 1000)
    }

    /// The day is checked last, because its limit needs the year.
    fn date(&mut self, year: Year) -> Result<i64, StampError> {
        let month = self.field(Field::Month, 1, 12)?;
        self.separator(b'-')?;
        let offset = self.offset;
        let found = self.field(Field::Day, 1, 31)?;
        self.separator(b'-')?;
        let year = match year {
            Year::Two => 2000 + self.number(2)?,
            Year::Four => self.number(4)?,
        };
        if found > month_len(year, month) {
            return Err(StampError::OutOfRange {
                offset,
                field: Field::Day,
                found,
            });
        }
        Ok(days(i64::from(year), i64::from(month), i64::from(found)) * DAY_MS)
    }

    /// Two digits within `least..=most`.
    fn field(&mut self, field: Field, least: u32, most: u32) -> Result<u32, StampError> {
        let offset = self.offset;
        let found = self.number(2)?;
        if (least..=most).contains(&found) {
            Ok(found)
        } else {
            Err(StampError::OutOfRange {
                offset,
                field,
                found,
            })
        }
    }

    fn number(&mut self, width: usize) -> Result<u32, StampError> {
        let whole = self.offset + self.text.len();
        let (value, rest) = digits::decimal(self.text, width).map_err(|error| match error {
            DigitsError::NotDigit { offset, found } => StampError::NotDigit {
                offset: self.offset + offset,
                found,
            },
            DigitsError::Short { .. } | DigitsError::TooWide { .. } => {
                StampError::Short { len: whole }
            }
        })?;
        self.text = rest;
        self.offset += width;
        Ok(value)
    }

    fn separator(&mut self, expected: u8) -> Result<(), StampError> {
        match self.text.split_first() {
            Some((found, rest)) if *found == expected => {
                self.text = rest;
                self.offset += 1;
                Ok(())
            }
            Some((found, _)) => Err(StampError::NotSeparator {
                offset: self.offset,
                expected,
                found: *found,
            }),
            None => Err(StampError::Short { len: self.offset }),
        }
    }

    fn end(&self) -> Result<(), StampError> {
        if self.text.is_empty() {
            Ok(())
        } else {
            Err(StampError::Trailing {
                offset: self.offset,
            })
        }
    }
}

/// `month` is 1 to 12.
const fn month_len(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. Years start in March here, so that a leap day is the last one.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

/// The date `days` after 1970-01-01, as year, month, day; the inverse of [`days`].
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_there_and_back() {
        for (text, ms) in [
            ("00:00:00,01-01-1970", 0),
            ("12:40:58,12-22-2021", 1_640_176_858_000),
            ("23:59:59,02-29-2024", 1_709_251_199_000),
            ("00:00:00,02-29-2000", 951_782_400_000),
            ("23:59:59,12-31-1969", -1000),
            ("00:00:00,01-01-0000", FIRST_MS),
            ("23:59:59,12-31-9999", LAST_MS - 999),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(ms), "{text}");
            assert_eq!(&format(ms)[1..], text.as_bytes(), "{text}");
            assert_eq!(format(ms)[0], b'_');
        }
    }

    #[test]
    fn moments_without_four_digits_of_year_go_to_the_end() {
        assert_eq!(&format(i64::MAX), b"_23:59:59,12-31-9999");
        assert_eq!(&format(i64::MIN), b"_00:00:00,01-01-0000");
    }

    #[test]
    fn what_does_not_exist_is_refused_where_it_stands() {
        let out = |offset, field, found| {
            Err(StampError::OutOfRange {
                offset,
                field,
                found,
            })
        };
        for (text, error) in [
            ("24:00:00,01-01-2026", out(0, Field::Hour, 24)),
            ("00:60:00,01-01-2026", out(3, Field::Minute, 60)),
            ("23:59:60,12-31-2016", out(6, Field::Second, 60)),
            ("00:00:00,00-31-2019", out(9, Field::Month, 0)),
            ("00:00:00,13-01-2019", out(9, Field::Month, 13)),
            ("00:00:00,02-30-2024", out(12, Field::Day, 30)),
            ("00:00:00,02-29-2023", out(12, Field::Day, 29)),
            ("00:00:00,02-29-1900", out(12, Field::Day, 29)),
            ("00:00:00,04-00-2026", out(12, Field::Day, 0)),
            ("00:00:00,04-31-2026", out(12, Field::Day, 31)),
            ("", Err(StampError::Short { len: 0 })),
            ("00:00:00", Err(StampError::Short { len: 8 })),
            ("00:00:00,01-01-26", Err(StampError::Short { len: 17 })),
            (
                "00:00:00,01-01-2026 ",
                Err(StampError::Trailing { offset: 19 }),
            ),
            (
                "00.00:00,01-01-2026",
                Err(StampError::NotSeparator {
                    offset: 2,
                    expected: b':',
                    found: b'.',
                }),
            ),
            (
                "00:00:00,01-01-20x6",
                Err(StampError::NotDigit {
                    offset: 17,
                    found: b'x',
                }),
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), error, "{text}");
        }
        assert_eq!(
            parse(b"00:00:00,02-30-2024").unwrap_err().to_string(),
            "byte 12: there is no day 30"
        );
    }

    #[test]
    fn modifiers_and_short_forms() {
        assert_eq!(time(b"20:50:26"), Ok(75_026_000));
        assert_eq!(time(b"10:15"), Ok(36_900_000));
        assert_eq!(time(b"10:15:"), Err(StampError::Short { len: 6 }));
        assert_eq!(time(b"10:1"), Err(StampError::Short { len: 4 }));
        assert_eq!(date(b"02-29-24"), Ok(1_709_164_800_000));
        assert_eq!(date(b"02-29-2024"), Err(StampError::Trailing { offset: 8 }));
    }

    #[test]
    fn a_time_alone_is_of_the_nearest_day() {
        let midnight = parse(b"00:00:00,11-25-2026").unwrap();
        let minute = 60_000;
        let before = time(b"23:59:00").unwrap();
        assert_eq!(nearest(before, midnight + minute), midnight - minute);
        assert_eq!(nearest(minute, midnight - minute), midnight + minute);
        assert_eq!(
            parse_near(b"00:01:00", midnight - minute),
            Ok(midnight + minute)
        );
        assert_eq!(parse_near(b"00:01:00,01-01-1970", midnight), Ok(minute));
    }

    proptest! {
        #[test]
        fn there_and_back(second in FIRST_MS / 1000..=LAST_MS / 1000, below in 0i64..1000) {
            let ms = second * 1000;
            prop_assert_eq!(parse(&format((ms + below).min(LAST_MS))[1..]), Ok(ms));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(text in "[0-2][0-9]:[0-6][0-9]:[0-6][0-9],[01][0-9]-[0-3][0-9]-[0-9]{4}") {
            if let Ok(ms) = parse(text.as_bytes()) {
                prop_assert_eq!(&format(ms)[1..], text.as_bytes());
            }
        }

        #[test]
        fn both_ways_of_reading_agree(text in "[0-2 ][0-9]:[0-6][0-9][:.][0-6][0-9],[01][0-9]-[0-3][0-9/]-[0-9]{4}") {
            let bytes = text.as_bytes();
            prop_assert_eq!(whole(bytes.try_into().unwrap()), careful(bytes).ok());
        }

        #[test]
        fn any_bytes_give_a_time_or_an_error(text in prop::collection::vec(any::<u8>(), 0..24), reference: i64) {
            if let Ok(of_day) = time(&text) {
                prop_assert!((0..DAY_MS).contains(&of_day));
            }
            prop_assert_eq!(parse_near(&text, reference).is_err(), parse(&text).is_err() && time(&text).is_err());
        }

        #[test]
        fn nearest_is_within_half_a_day(of_day in 0..DAY_MS, reference in FIRST_MS..LAST_MS) {
            let found = nearest(of_day, reference);
            prop_assert!((found - reference).abs() <= DAY_MS / 2);
            prop_assert_eq!(found.rem_euclid(DAY_MS), of_day);
        }
    }
}
