//! Further headers from a file, such as a bearer token.
//!
//! Grammar: lines; an empty line and one that starts with `#` are skipped; every other one is
//! `Name: value`. Names that the connection or the signature needs are refused.
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Most header lines.
pub(super) const HEADERS_MAX: usize = 32;

/// What larm, or the connection, sets itself.
const TAKEN: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Why a header file cannot be used. It never repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// A line is no header.
    #[error("line {0} is no header; write it as `Authorization: Bearer TOKEN`")]
    Malformed(usize),
    /// A header that larm sets itself.
    #[error("line {line} sets `{name}`, which larm sets itself; take the line out")]
    Taken {
        /// The line, from 1.
        line: usize,
        /// The header's name.
        name: &'static str,
    },
    /// Too many lines.
    #[error("holds more than {HEADERS_MAX} headers; take some out")]
    TooMany,
}

/// Reads the text of a header file. Values are kept from being shown.
pub(super) fn parse(text: &str) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let malformed = || HeaderError::Malformed(at + 1);
        let (name, value) = trimmed.split_once(':').ok_or_else(malformed)?;
        let name: HeaderName = name.trim().parse().map_err(|_| malformed())?;
        if let Some(name) = TAKEN.into_iter().find(|taken| name == *taken) {
            return Err(HeaderError::Taken { line: at + 1, name });
        }
        let mut value: HeaderValue = value.trim().parse().map_err(|_| malformed())?;
        value.set_sensitive(true);
        if headers.len() == HEADERS_MAX {
            return Err(HeaderError::TooMany);
        }
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_headers_that_are_not_shown() {
        let headers = parse("# token\nAuthorization: Bearer abc:def\n\nx-centre: 7\n").unwrap();
        assert_eq!(headers["authorization"], "Bearer abc:def");
        assert_eq!(headers["x-centre"], "7");
        assert!(!format!("{headers:?}").contains("abc"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert_eq!(
            parse("x: 1\nBearer abc").unwrap_err(),
            HeaderError::Malformed(2)
        );
        assert_eq!(parse("a b: c").unwrap_err(), HeaderError::Malformed(1));
        let taken = parse("Webhook-Id: 7").unwrap_err();
        assert_eq!(
            taken,
            HeaderError::Taken {
                line: 1,
                name: "webhook-id"
            }
        );
        assert_eq!(
            parse(&"x: 1\n".repeat(33)).unwrap_err(),
            HeaderError::TooMany
        );
    }
}
