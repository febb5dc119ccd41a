//! Who may connect.
//!
//! ```text
//! network = address [ "/" bits ]        bits = 0 to 32 (IPv4), 0 to 128 (IPv6)
//! ```
use std::net::{IpAddr, Ipv6Addr};

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// What stands before the slash.
    #[error(
        "it is no address; write one such as \"192.0.2.7\", or a network such as \"192.0.2.0/24\""
    )]
    Address,
    /// What stands behind it.
    #[error("what stands behind the slash is no number of bits from 0 to {max}")]
    Bits {
        /// Most bits.
        max: u32,
    },
}

impl Network {
    /// Reads `address` or `address/bits`.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let wrong = NetworkError::Bits { max };
        let bits = bits.map_or(Ok(max), |bits| bits.parse().map_err(|_| wrong))?;
        if bits > max {
            return Err(wrong);
        }
        Ok(Self { address, bits })
    }

    /// Whether the address is in the network. An IPv4 address in IPv6 form is itself.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_ipv4() != self.address.is_ipv4() {
            return false;
        }
        // IPv4 in the last 32 of 128 bits.
        let lead = if address.is_ipv4() { 96 } else { 0 };
        let differs = number(address) ^ number(self.address);
        let unused = 128 - lead - self.bits;
        differs.checked_shr(unused).unwrap_or(0) == 0
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(Ipv6Addr::from(address.octets())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_names() {
        for (network, address, held) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(
                network.holds(address.parse().unwrap()),
                held,
                "{network:?} {address}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(Network::parse("case"), Err(NetworkError::Address));
        assert_eq!(
            Network::parse("192.0.2.0/33"),
            Err(NetworkError::Bits { max: 32 })
        );
        assert_eq!(Network::parse("::/x"), Err(NetworkError::Bits { max: 128 }));
    }
}
