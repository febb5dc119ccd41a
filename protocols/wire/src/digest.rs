//! A short digest of content, to recognise the same content again.

/// The first 16 bytes of BLAKE3 over the parts, each led by its length: one byte, or from 255 on 255 and
/// eight bytes, little-endian.
///
/// The lengths keep `["ab", "c"]` and `["a", "bc"]` apart. Not keyed: it recognises repeats, it
/// proves nothing about the sender.
#[must_use]
pub fn content(parts: &[&[u8]]) -> [u8; 16] {
    let len: usize = (parts.iter())
        .map(|part| Lead::of(part).len + part.len())
        .sum();
    let mut joined = [0; JOINED_LEN];
    let hash = match joined.get_mut(..len) {
        Some(joined) => {
            join(parts, joined);
            blake3::hash(joined)
        }
        None => piece_by_piece(parts),
    };
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.as_bytes()[..16]);
    digest
}

/// Three texts that together name somebody, short as such names are: they themselves where they fit, with their
/// lengths, and [`content`] where they do not. Different parts give different results, as there.
#[must_use]
pub fn name(parts: [&[u8]; 3]) -> [u8; 16] {
    let mut packed = [0; 16];
    let len: usize = parts.iter().map(|part| 1 + part.len()).sum();
    match packed.get_mut(..len) {
        Some(packed) => join(&parts, packed),
        None => return content(&parts),
    }
    packed
}

/// The length of a part as it stands in front of it.
struct Lead {
    bytes: [u8; 9],
    len: usize,
}

impl Lead {
    fn of(part: &[u8]) -> Self {
        let mut bytes = [u8::MAX; 9];
        match u8::try_from(part.len()) {
            Ok(short) if short < u8::MAX => {
                bytes[0] = short;
                Self { bytes, len: 1 }
            }
            _ => {
                bytes[1..].copy_from_slice(&(part.len() as u64).to_le_bytes());
                Self { bytes, len: 9 }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What fits in here is hashed in one go, which takes half the time: nearly every frame does.
const JOINED_LEN: usize = 512;

/// Fills `into`, which is as long as the parts with their lengths.
fn join(parts: &[&[u8]], mut into: &mut [u8]) {
    for part in parts {
        for bytes in [Lead::of(part).bytes(), part] {
            let (front, rest) = into.split_at_mut(bytes.len());
            front.copy_from_slice(bytes);
            into = rest;
        }
    }
}

fn piece_by_piece(parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(Lead::of(part).bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_the_hash_of_the_length_prefixed_parts() {
        let whole = blake3::hash(b"\x03abc\0");
        assert_eq!(content(&[b"abc", b""]), whole.as_bytes()[..16]);
        assert_eq!(content(&[]), blake3::hash(b"").as_bytes()[..16]);
    }

    #[test]
    fn long_parts_are_hashed_alike() {
        for len in [
            254,
            255,
            256,
            JOINED_LEN - 11,
            JOINED_LEN - 10,
            JOINED_LEN - 9,
            5_000,
        ] {
            let long = alloc::vec![7u8; len];
            let whole = piece_by_piece(&[&long, b""]);
            assert_eq!(content(&[&long, b""]), whole.as_bytes()[..16]);
        }
    }

    #[test]
    fn where_a_part_ends_counts() {
        assert_ne!(content(&[b"ab", b"c"]), content(&[b"a", b"bc"]));
        assert_ne!(content(&[b"ab"]), content(&[b"ab", b""]));
        assert_ne!(name([b"ab", b"c", b""]), name([b"a", b"bc", b""]));
        assert_ne!(name([b"", b"1", b""]), name([b"", b"", b"1"]));
    }

    #[test]
    fn short_names_are_kept_and_long_ones_hashed() {
        assert_eq!(&name([b"1234", b"0", b""])[..8], b"\x041234\x010\0");
        let long = *b"1234567890ABC1";
        assert_eq!(name([&long, b"", b""]), content(&[&long, b"", b""]));
    }

    proptest! {
        #[test]
        fn names_are_equal_only_for_equal_parts(
            a in prop::array::uniform3(prop::collection::vec(0u8..3, 0..7)),
            b in prop::array::uniform3(prop::collection::vec(0u8..3, 0..7)),
        ) {
            let name = |parts: &[Vec<u8>; 3]| name([&parts[0], &parts[1], &parts[2]]);
            prop_assert_eq!(name(&a) == name(&b), a == b);
        }

        #[test]
        fn equal_only_for_equal_parts(
            a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
            b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
        ) {
            let digest = |parts: &[Vec<u8>]| {
                content(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            prop_assert_eq!(digest(&a) == digest(&b), a == b);
        }
    }
}
