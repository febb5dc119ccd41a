//! A short digest of content, to recognise the same content again.

/// The first 16 bytes of BLAKE3 over the parts, each led by its length (8 bytes, little-endian).
///
/// The lengths keep `["ab", "c"]` and `["a", "bc"]` apart. Not keyed: it recognises repeats, it
/// proves nothing about the sender.
#[must_use]
pub fn content(parts: &[&[u8]]) -> [u8; 16] {
    let len: usize = parts.iter().map(|part| 8 + part.len()).sum();
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

/// What fits in here is hashed in one go, which takes half the time: nearly every frame does.
const JOINED_LEN: usize = 512;

/// Fills `into`, which is as long as the parts with their lengths.
fn join(parts: &[&[u8]], mut into: &mut [u8]) {
    for part in parts {
        for bytes in [&(part.len() as u64).to_le_bytes()[..], part] {
            let (front, rest) = into.split_at_mut(bytes.len());
            front.copy_from_slice(bytes);
            into = rest;
        }
    }
}

fn piece_by_piece(parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
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
        let whole = blake3::hash(b"\x03\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0\0");
        assert_eq!(content(&[b"abc", b""]), whole.as_bytes()[..16]);
        assert_eq!(content(&[]), blake3::hash(b"").as_bytes()[..16]);
    }

    #[test]
    fn long_parts_are_hashed_alike() {
        for len in [JOINED_LEN - 17, JOINED_LEN - 16, JOINED_LEN - 15, 5_000] {
            let long = alloc::vec![7u8; len];
            let whole = piece_by_piece(&[&long, b""]);
            assert_eq!(content(&[&long, b""]), whole.as_bytes()[..16]);
        }
    }

    #[test]
    fn where_a_part_ends_counts() {
        assert_ne!(content(&[b"ab", b"c"]), content(&[b"a", b"bc"]));
        assert_ne!(content(&[b"ab"]), content(&[b"ab", b""]));
    }

    proptest! {
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
