//! Address ranges, and which addresses are nobody's business unless a range is listed.
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, as `10.1.0.0/16`, `fd00::/8` or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    first: IpAddr,
    /// At most 32 or 128.
    bits: u8,
}

/// A text that is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address range; write it as 10.1.0.0/16 or fd00::/8, without bits after the prefix"
)]
pub(super) struct NotANetwork(String);

impl Network {
    /// Whether `address` lies inside.
    #[must_use]
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        match (self.first, plain(address)) {
            (IpAddr::V4(first), IpAddr::V4(other)) => {
                shared(u32::from(first) ^ u32::from(other), self.bits)
            }
            (IpAddr::V6(first), IpAddr::V6(other)) => {
                let differ = u128::from(first) ^ u128::from(other);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

fn shared(differ: u32, bits: u8) -> bool {
    differ.leading_zeros() >= u32::from(bits)
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// Grammar: ADDRESS [ "/" BITS ], with no bit set after the prefix.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotANetwork(text.escape_default().to_string());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if first.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.unwrap_or(all);
        let rest = match first {
            IpAddr::V4(first) => u32::from(first).trailing_zeros(),
            IpAddr::V6(first) => u128::from(first).trailing_zeros(),
        };
        if bits > all || rest < u32::from(all - bits) {
            return Err(wrong());
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Whether an address belongs to the public network: not to this machine, its link or a private
/// network.
#[must_use]
pub(super) fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 100.64.0.0/10 stands between a provider and its customers.
            let shared = a == 100 && b & 0xC0 == 64;
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
                || a == 0
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

/// An IPv4 address that is dressed as an IPv6 one is judged as what it is.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => dressed(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Mapped addresses, and those of a translator (`64:ff9b::/96`).
fn dressed(v6: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let [.., a, b, c, d] = v6.octets();
    let translated = v6.segments()[..6] == [0x64, 0xFF9B, 0, 0, 0, 0];
    v6.to_ipv4_mapped()
        .or(translated.then(|| [a, b, c, d].into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_hold_what_lies_inside() {
        let holds = |network: &str, address: &str| {
            network
                .parse::<Network>()
                .unwrap()
                .holds(address.parse().unwrap())
        };
        assert!(holds("10.1.0.0/16", "10.1.255.7"));
        assert!(!holds("10.1.0.0/16", "10.2.0.1"));
        assert!(holds("10.1.0.0/16", "::ffff:10.1.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(!holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(!holds("fd00::/8", "10.1.0.1"));
        for wrong in [
            "",
            "10.1.0.0/33",
            "10.1.0.1/16",
            "10.1/16",
            "fd00::/129",
            "a/b",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn private_addresses_are_told_from_public_ones_in_any_dress() {
        let private = [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "203.0.113.9",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:203.0.113.9",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
