//! Keys that protect less than they seem to: easily guessed, or shared between sites.
use std::collections::HashMap;

use larm_carrier::Key;

use super::error::RegisterError;
use super::keys::Keys;
use super::record::Number;

/// Why a key is easily guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// One byte over and over.
    #[error("all its bytes are the same")]
    Constant,
    /// Each byte is the one before plus a constant.
    #[error("its bytes count up or down")]
    Counting,
    /// A short piece over and over.
    #[error("it repeats one short piece")]
    Repeating,
    /// Letters and digits as typed.
    #[error("its bytes are letters and digits, as if typed; a key from a generator has all bytes")]
    Typed,
}

/// Why this key is easily guessed, if it is.
#[must_use]
pub fn weakness(key: &Key) -> Option<Weakness> {
    let bytes = key.expose();
    let steps: Vec<u8> = bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .map(|(a, b)| b.wrapping_sub(*a))
        .collect();
    let (first, rest) = steps.split_first()?;
    if rest.iter().all(|step| step == first) {
        return Some(if *first == 0 {
            Weakness::Constant
        } else {
            Weakness::Counting
        });
    }
    let repeats = |period: usize| {
        bytes
            .iter()
            .zip(bytes.iter().skip(period))
            .all(|(a, b)| a == b)
    };
    if (2..=8).any(repeats) {
        return Some(Weakness::Repeating);
    }
    bytes
        .iter()
        .all(u8::is_ascii_alphanumeric)
        .then_some(Weakness::Typed)
}

/// Accounts by key, where several have the same. Keys are compared by a digest under a random key
/// that is forgotten at the end, so that nothing that outlives this call tells them apart.
pub(super) fn shared(
    each: impl FnOnce(&mut dyn FnMut(Number, Keys)) -> Result<(), RegisterError>,
) -> Result<Vec<Vec<Number>>, RegisterError> {
    let mut secret = zeroize::Zeroizing::new([0u8; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(RegisterError::Random)?;
    let mut by_key: HashMap<[u8; 32], Vec<Number>> = HashMap::new();
    each(&mut |number, keys| {
        for key in keys.iter().flatten() {
            let digest = *blake3::keyed_hash(&secret, key.expose()).as_bytes();
            let owners = by_key.entry(digest).or_default();
            if owners.last() != Some(&number) {
                owners.push(number.clone());
            }
        }
    })?;
    let mut shared: Vec<Vec<Number>> = by_key
        .into_values()
        .filter(|owners| owners.len() > 1)
        .collect();
    shared.sort();
    Ok(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_easily_guessed() {
        for (hex, want) in [
            ("00000000000000000000000000000000", Some(Weakness::Constant)),
            ("000102030405060708090a0b0c0d0e0f", Some(Weakness::Counting)),
            (
                "0123012301230123012301230123012301230123012301230123012301230123",
                Some(Weakness::Repeating),
            ),
            ("61626364313233346566676835363739", Some(Weakness::Typed)),
            ("9f1c02e47a55b3d0186e4c9927f0ab3d", None),
        ] {
            assert_eq!(weakness(&Key::from_hex(hex).unwrap()), want, "{hex}");
        }
    }
}
