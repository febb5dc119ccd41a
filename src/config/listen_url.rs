//! `dc09+tcp://0.0.0.0:3061`: a listener in one word, for `--listen` and for what is printed.
//!
//! ```text
//! url      = protocol "+" transport "://" address
//! protocol = a carrier of this build; transport = "tcp" | "udp"; address = IPv4 ":" port | "[" IPv6 "]:" port
//! ```
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::listener::{PROTOCOLS, Transport};

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenUrl {
    /// The carrier, such as `dc09`.
    pub protocol: String,
    /// Stream or datagram.
    pub transport: Transport,
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
}

/// Why a text is no [`ListenUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenUrlError {
    /// The parts are not where they belong.
    #[error(
        "`{0}` is not of the form PROTOCOL+TRANSPORT://ADDRESS:PORT, such as dc09+tcp://0.0.0.0:3061"
    )]
    Form(String),
    /// A carrier that this build does not have.
    #[error("`{found}` is no protocol of this build; write one of: {}", PROTOCOLS.join(", "))]
    Protocol {
        /// As written.
        found: String,
    },
    /// Neither tcp nor udp.
    #[error("`{found}` is no transport; write tcp or udp")]
    Transport {
        /// As written.
        found: String,
    },
    /// No address with a port.
    #[error("`{found}` is no address: {hint}; write such as 0.0.0.0:3061 or [::]:3061")]
    Address {
        /// As written.
        found: String,
        /// What is wrong with it.
        hint: AddressError,
    },
}

/// Why a text is no socket address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// An address alone.
    #[error("the port is missing")]
    NoPort,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address stands in brackets before its port")]
    NoBrackets,
    /// A port alone.
    #[error("the address before the port is missing; 0.0.0.0 is every IPv4 address")]
    NoHost,
    /// A name.
    #[error("it has a host name; listen on a numeric address (localhost is 127.0.0.1)")]
    Name,
    /// A port above 65535.
    #[error("a port is a number from 0 to 65535")]
    Port,
    /// Anything else.
    #[error("it is not a numeric address with a port")]
    Other,
}

/// Reads a numeric socket address, and says what a usual slip lacks.
pub(crate) fn address(text: &str) -> Result<SocketAddr, AddressError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(alone) = bare.parse::<IpAddr>() {
        let open = alone.is_ipv6() && bare == text;
        return Err(if open {
            AddressError::NoBrackets
        } else {
            AddressError::NoPort
        });
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(if text.parse::<u16>().is_ok() {
            AddressError::NoHost
        } else {
            AddressError::Other
        });
    };
    let host_bare = host.trim_start_matches('[').trim_end_matches(']');
    Err(
        match (
            host.is_empty(),
            host_bare.parse::<IpAddr>(),
            port.parse::<u16>(),
        ) {
            (true, _, Ok(_)) => AddressError::NoHost,
            (_, Ok(_), Err(_)) => AddressError::Port,
            (_, Ok(IpAddr::V6(_)), Ok(_)) => AddressError::NoBrackets,
            (_, Err(_), Ok(_)) if host.contains(char::is_alphabetic) => AddressError::Name,
            _ => AddressError::Other,
        },
    )
}

impl FromStr for ListenUrl {
    type Err = ListenUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ListenUrlError::Form(text.to_owned());
        let (scheme, place) = text.split_once("://").ok_or_else(form)?;
        let (protocol, transport) = scheme.split_once('+').ok_or_else(form)?;
        if !PROTOCOLS.contains(&protocol) {
            return Err(ListenUrlError::Protocol {
                found: protocol.to_owned(),
            });
        }
        let transport =
            Transport::from_word(transport).ok_or_else(|| ListenUrlError::Transport {
                found: transport.to_owned(),
            })?;
        let address =
            address(place.trim_end_matches('/')).map_err(|hint| ListenUrlError::Address {
                found: place.to_owned(),
                hint,
            })?;
        Ok(Self {
            protocol: protocol.to_owned(),
            transport,
            address,
        })
    }
}

impl fmt::Display for ListenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}+{}://{}",
            self.protocol,
            self.transport.as_str(),
            self.address
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for text in [
            "dc09+tcp://127.0.0.1:3061",
            "dc09+udp://[::1]:0",
            "dc09+udp://0.0.0.0:65535",
        ] {
            assert_eq!(text.parse::<ListenUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_a_slip_lacks() {
        for (text, says) in [
            ("127.0.0.1:3061", "PROTOCOL+TRANSPORT://ADDRESS:PORT"),
            ("tcp://127.0.0.1:3061", "PROTOCOL+TRANSPORT"),
            ("dc10+tcp://127.0.0.1:3061", "`dc10` is no protocol"),
            ("dc09+tls://127.0.0.1:3061", "write tcp or udp"),
            ("dc09+tcp://127.0.0.1", "the port is missing"),
            ("dc09+tcp://::1:3061", "brackets"),
            ("dc09+tcp://fe80::aa:bb:65536", "is no address"),
            ("dc09+tcp://:3061", "0.0.0.0 is every IPv4 address"),
            ("dc09+tcp://localhost:3061", "localhost is 127.0.0.1"),
            ("dc09+tcp://127.0.0.1:70000", "0 to 65535"),
        ] {
            let error = text.parse::<ListenUrl>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
