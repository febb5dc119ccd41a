//! CRC-16/ARC, the checksum of SIA DC-09 and DC-07.

/// How many bytes the longest step takes in. Sixteen tables are 8 KiB and stay in the first-level cache.
const STRIDE: usize = 16;

/// `TABLES[k][b]` is the remainder of the byte `b` with `k` zero bytes behind it.
static TABLES: [[u16; 256]; STRIDE] = tables();

/// CRC-16/ARC: polynomial 0x8005 reflected (0xA001), start 0, no final xor.
///
/// Source: SIA DC-07 and DC-09. (Old prints of the table in DC-07 have one wrong entry; this one
/// is computed.)
#[must_use]
pub fn crc16_arc(bytes: &[u8]) -> u16 {
    let (sixteens, rest) = bytes.as_chunks::<STRIDE>();
    let crc = sixteens.iter().fold(0u16, step);
    // Most frames leave a rest that is worth one shorter step.
    let (eights, rest) = rest.as_chunks::<8>();
    let crc = eights.iter().fold(crc, step);
    rest.iter().fold(crc, |crc, byte| {
        (crc >> 8) ^ TABLES[0][usize::from((crc ^ u16::from(*byte)) & 0xFF)]
    })
}

/// `N` bytes at once, at most [`STRIDE`]: the look-ups do not wait for each other.
#[inline]
fn step<const N: usize>(crc: u16, chunk: &[u8; N]) -> u16 {
    let mut mixed = *chunk;
    let [low, high] = crc.to_le_bytes();
    mixed[0] ^= low;
    mixed[1] ^= high;
    // The first byte has the most bytes behind it.
    (mixed.iter().enumerate()).fold(0, |out, (place, byte)| {
        out ^ TABLES[N - 1 - place][usize::from(*byte)]
    })
}

const fn tables() -> [[u16; 256]; STRIDE] {
    let mut tables = [[0u16; 256]; STRIDE];
    let mut i = 0usize;
    while i < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "i is below 256")]
        let mut crc = i as u16;
        let mut zeros = 0usize;
        while zeros < STRIDE {
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 {
                    (crc >> 1) ^ 0xA001
                } else {
                    crc >> 1
                };
                bit += 1;
            }
            tables[zeros][i] = crc;
            zeros += 1;
        }
        i += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn bit_by_bit(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
                if crc & 1 == 1 {
                    (crc >> 1) ^ 0xA001
                } else {
                    crc >> 1
                }
            })
        })
    }

    #[test]
    fn check_value_of_the_algorithm() {
        assert_eq!(crc16_arc(b"123456789"), 0xBB3D);
    }

    #[test]
    fn bodies_of_real_replies() {
        assert_eq!(crc16_arc(b"\"ACK\"0000L0#1409[]"), 0x5989);
        assert_eq!(crc16_arc(b""), 0);
    }

    #[test]
    fn every_table_entry_agrees_with_the_bitwise_division() {
        for (zeros, table) in TABLES.iter().enumerate() {
            for (byte, entry) in (0..=u8::MAX).zip(table) {
                let mut message = Vec::from([byte]);
                message.resize(1 + zeros, 0);
                assert_eq!(*entry, bit_by_bit(&message), "byte {byte}, {zeros} zeros");
            }
        }
        // The entry that is wrong in old prints of DC-07.
        assert!(TABLES[0].contains(&0xEB01));
    }

    proptest! {
        #[test]
        fn agrees_with_the_bitwise_division(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(crc16_arc(&bytes), bit_by_bit(&bytes));
        }
    }
}
