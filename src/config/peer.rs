//! A host with a port, as connectors name the other side.
//!
//! ```text
//! peer = host ":" port      host = name | IPv4 | "[" IPv6 "]"      port = 1 to 65535
//! name = 1 to 253 letters, digits, "-", "_" and "."
//! ```
use std::fmt;
use std::net::Ipv6Addr;

/// A host with a port. The name is resolved by whoever connects, each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Name or address; an IPv6 address without its brackets. Empty in a default only.
    pub host: String,
    /// TCP or UDP port; 0 in a default only.
    pub port: u16,
}

impl Peer {
    /// Reads `host:port`; the error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err("the port is missing");
        };
        let port: u16 = port
            .parse()
            .map_err(|_| "the port is no number up to 65535")?;
        if port == 0 {
            return Err("port 0 cannot be connected to");
        }
        if let Some(inner) = host.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
            let address: Ipv6Addr = address.ok_or("what stands in brackets is no IPv6 address")?;
            let host = address.to_string();
            return Ok(Self { host, port });
        }
        if host.contains(':') {
            return Err("an IPv6 address stands in brackets");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
            return Err("the host is no name and no address");
        }
        let host = host.to_owned();
        Ok(Self { host, port })
    }

    /// Nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.host.is_empty()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_both_kinds_of_addresses() {
        for text in [
            "case.example.net:1025",
            "192.0.2.7:1",
            "[2001:db8::1]:65535",
            "a_b-c:9",
        ] {
            assert_eq!(Peer::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("case", "the port is missing"),
            ("case:", "the port is no number up to 65535"),
            ("case:0", "port 0 cannot be connected to"),
            ("case:65536", "the port is no number up to 65535"),
            (":1", "the host is no name and no address"),
            ("a b:1", "the host is no name and no address"),
            ("http://case:1", "an IPv6 address stands in brackets"),
            ("2001:db8::1:1", "an IPv6 address stands in brackets"),
            (
                "[2001:db8::1:1",
                "what stands in brackets is no IPv6 address",
            ),
        ] {
            assert_eq!(Peer::parse(text), Err(why), "{text}");
        }
    }
}
