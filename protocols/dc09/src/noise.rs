//! Names what knocks at an alarm port without being DC-09.
use larm_carrier::Noise;

const HTTP: [&[u8]; 8] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"OPTIONS ",
    b"CONNECT ",
    b"DELETE ",
    b"PRI * HTTP/2",
];

/// Handshake record of TLS with any version from SSL 3 on.
const TLS: [u8; 2] = [0x16, 0x03];

/// What bytes that are no frame seem to be.
#[must_use]
pub(crate) fn recognise(bytes: &[u8]) -> Noise {
    let inner = bytes.strip_prefix(b"\n").unwrap_or(bytes);
    if bytes.starts_with(&TLS) {
        Noise::Tls
    } else if HTTP.iter().any(|verb| bytes.starts_with(verb)) {
        Noise::Http
    } else if is_osborne_hoffman(inner) || is_sia_block(inner) {
        Noise::Foreign
    } else {
        Noise::Unknown
    }
}

/// TLS or HTTP: nothing behind it can be a frame.
#[must_use]
pub(crate) fn is_foreign(bytes: &[u8]) -> bool {
    matches!(recognise(bytes), Noise::Tls | Noise::Http)
}

/// Too few bytes to tell TLS or HTTP from other noise.
#[must_use]
pub(crate) fn may_be_foreign(bytes: &[u8]) -> bool {
    let proper = |whole: &[u8]| bytes.len() < whole.len() && whole.starts_with(bytes);
    proper(&TLS) || HTTP.iter().any(|verb| proper(verb))
}

/// `SR0001L0001    001465XX`: heartbeat of Osborne-Hoffman transmitters (Aritech, UTC).
fn is_osborne_hoffman(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SR")
        && bytes
            .get(2..6)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        && bytes.get(6) == Some(&b'L')
}

/// `D#ABCD`, `F#001234`: DC-03 blocks of Galaxy and Flex on their own port.
fn is_sia_block(bytes: &[u8]) -> bool {
    matches!(bytes, [b'D' | b'F', b'#', digit, ..] if digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(recognise(b"\x16\x03\x01\x00"), Noise::Tls);
        assert_eq!(recognise(b"GET / HTTP/1.1\r\n"), Noise::Http);
        assert_eq!(recognise(b"\nSR0001L0001    006969XX"), Noise::Foreign);
        assert_eq!(recognise(b"\nD#ABCD\r"), Noise::Foreign);
        assert_eq!(recognise(b"hello"), Noise::Unknown);
        assert!(may_be_foreign(b"GE") && may_be_foreign(b"\x16") && !may_be_foreign(b"GET "));
    }
}
