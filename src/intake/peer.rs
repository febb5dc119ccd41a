//! The text of an address, as it stands in every record: what `Display` writes, in a tenth of its
//! steps where it matters.
use std::net::{SocketAddr, SocketAddrV4};

/// `address:port`, exactly as the standard library shows it.
pub(super) fn text(peer: SocketAddr) -> String {
    match peer {
        SocketAddr::V4(peer) => v4(peer),
        SocketAddr::V6(_) => peer.to_string(),
    }
}

/// `255.255.255.255:65535`.
const V4_LEN_MAX: usize = 21;

fn v4(peer: SocketAddrV4) -> String {
    let mut out = [0; V4_LEN_MAX];
    let mut places = out.iter_mut();
    let mut len = 0;
    let mut put = |byte: u8| {
        // There are as many places as the longest text has bytes.
        if let Some(place) = places.next() {
            *place = byte;
            len += 1;
        }
    };
    for (mark, part) in [b'.', b'.', b'.', b':'].into_iter().zip(peer.ip().octets()) {
        number(u16::from(part), &mut put);
        put(mark);
    }
    number(peer.port(), &mut put);
    let text = out
        .get(..len)
        .and_then(|text| std::str::from_utf8(text).ok());
    text.unwrap_or_default().to_owned()
}

fn number(value: u16, put: &mut impl FnMut(u8)) {
    for place in [10_000, 1_000, 100, 10] {
        if value >= place {
            put(digit(value / place));
        }
    }
    put(digit(value));
}

/// The last decimal digit.
fn digit(value: u16) -> u8 {
    b'0' + (value % 10).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_what_the_standard_library_writes(ip: std::net::IpAddr, port: u16) {
            let peer = SocketAddr::new(ip, port);
            prop_assert_eq!(text(peer), peer.to_string());
        }
    }

    #[test]
    fn numbers_of_every_length() {
        for text_of in [
            "0.9.10.99:100",
            "255.100.1.200:65535",
            "1.2.3.4:10000",
            "1.2.3.4:0",
        ] {
            let peer: SocketAddr = text_of.parse().unwrap();
            assert_eq!(text(peer), text_of);
        }
    }
}
