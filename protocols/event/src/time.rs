//! UTC time in whole milliseconds, written as RFC 3339.
use alloc::string::{String, ToString};
use core::fmt;

/// A moment in UTC, counted in milliseconds since 1970-01-01T00:00:00Z.
///
/// Shape on the wire: RFC 3339 text with exactly three decimals and a `Z`,
/// `2026-11-25T12:00:00.000Z`. Range: [`Timestamp::MIN`] to [`Timestamp::MAX`], so that whatever
/// is written can be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is no RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time in UTC or with an offset, such as 2026-11-25T12:00:00Z")
    }
}

impl core::error::Error for TimestampError {}

impl Timestamp {
    /// 0000-01-01T00:00:00.000Z, the first moment that RFC 3339 can write.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// 9999-12-30T22:00:00.000Z, the last one that is year 9999 in every time zone.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// From milliseconds since the Unix epoch. What lies out of range is moved to its nearer end:
    /// a transmitter with a wild clock must not make a record that cannot be read again.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        if ms < Self::MIN.0 {
            Self::MIN
        } else if ms > Self::MAX.0 {
            Self::MAX
        } else {
            Self(ms)
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 text with any offset; finer parts than milliseconds are cut.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Ok(Self::from_millis(parsed.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{at:.3}")
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| serde::de::Error::custom(error.to_string()))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_three_decimals_and_z_always() {
        assert_eq!(
            Timestamp::from_millis(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::parse("2026-11-25T13:00:00.5+01:00")
                .unwrap()
                .to_string(),
            "2026-11-25T12:00:00.500Z"
        );
    }

    #[test]
    fn whatever_is_written_can_be_read_again() {
        for (ms, text) in [
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-30T22:00:00.000Z"),
            (253_402_300_799_000, "9999-12-30T22:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let at = Timestamp::from_millis(ms);
            assert_eq!(at.to_string(), text);
            assert_eq!(Timestamp::parse(text), Ok(at));
        }
        assert_eq!(
            Timestamp::parse("-000001-01-01T00:00:00Z"),
            Ok(Timestamp::MIN)
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        assert_eq!(Timestamp::parse("yesterday"), Err(TimestampError));
    }
}
