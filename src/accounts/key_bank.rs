//! Keys of all accounts, closely packed: as many bytes as the cipher takes, wiped when dropped.
//!
//! A page is never moved once a key stands in it, so that no copy of a key is left behind in freed
//! memory.
use std::num::NonZeroU32;

use larm_carrier::Key;
use zeroize::Zeroizing;

/// Bytes of a page.
const PAGE: usize = 64 << 10;
/// Keys start at multiples of so many bytes; every length of a key is one.
const UNIT: usize = 8;
/// Lengths of keys by class.
const LENGTHS: [usize; 3] = [16, 24, 32];
/// Bits of a reference that tell the class.
const CLASS_BITS: u32 = 2;

/// Every key of the register.
#[derive(Default)]
pub(super) struct KeyBank {
    pages: Vec<Zeroizing<Box<[u8]>>>,
    /// Bytes taken in the last page. `used <= PAGE`.
    used: usize,
}

/// Where a key stands: `(first unit × 4 + class of length) + 1`, so that an absent one costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyRef(NonZeroU32);

impl KeyBank {
    /// Takes a copy of the key; `None` where no reference can tell its place, beyond 8 GiB of keys.
    pub(super) fn put(&mut self, key: &Key) -> Option<KeyRef> {
        let raw = key.expose();
        let class = LENGTHS.iter().position(|len| *len == raw.len())?;
        if self.pages.is_empty() || self.used + raw.len() > PAGE {
            self.pages
                .push(Zeroizing::new(vec![0; PAGE].into_boxed_slice()));
            self.used = 0;
        }
        let unit = ((self.pages.len() - 1) * PAGE + self.used) / UNIT;
        let reference = u32::try_from((unit << CLASS_BITS) | class)
            .ok()?
            .checked_add(1)?;
        let place = self
            .pages
            .last_mut()?
            .get_mut(self.used..self.used + raw.len())?;
        place.copy_from_slice(raw);
        self.used += raw.len();
        NonZeroU32::new(reference).map(KeyRef)
    }

    /// The key at a place that [`KeyBank::put`] of this bank gave.
    pub(super) fn key(&self, at: KeyRef) -> Option<Key> {
        let coded = at.0.get() - 1;
        let len = LENGTHS.get((coded & ((1 << CLASS_BITS) - 1)) as usize)?;
        let start = (coded >> CLASS_BITS) as usize * UNIT;
        let page = self.pages.get(start / PAGE)?;
        Key::from_bytes(page.get(start % PAGE..)?.get(..*len)?).ok()
    }
}

impl std::fmt::Debug for KeyBank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyBank(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_come_back_over_many_pages() {
        let mut bank = KeyBank::default();
        let keys: Vec<Key> = (0..10_000usize)
            .map(|index| {
                let byte = u8::try_from(index % 251).unwrap();
                Key::from_bytes(&vec![byte; LENGTHS[index % 3]]).unwrap()
            })
            .collect();
        let places: Vec<KeyRef> = keys.iter().map(|key| bank.put(key).unwrap()).collect();
        assert!(bank.pages.len() > 2);
        for (key, place) in keys.iter().zip(places) {
            assert_eq!(bank.key(place).as_ref(), Some(key));
        }
    }

    #[test]
    fn never_prints() {
        let mut bank = KeyBank::default();
        bank.put(&Key::from_bytes(b"0123456789abcdef").unwrap());
        assert_eq!(format!("{bank:?}"), "KeyBank(hidden)");
    }
}
