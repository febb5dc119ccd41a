//! Random bytes from the operating system, fetched in blocks per thread.
use std::cell::RefCell;

use larm_event::Timestamp;
use uuid::Uuid;

const BLOCK_LEN: usize = 1_024;

struct Block {
    bytes: [u8; BLOCK_LEN],
    /// `used <= BLOCK_LEN`; bytes before it were handed out and wiped.
    used: usize,
}

thread_local! {
    static BLOCK: RefCell<Block> = const { RefCell::new(Block { bytes: [0; BLOCK_LEN], used: BLOCK_LEN }) };
}

/// `N` fresh random bytes, `N` at most 1,024.
///
/// # Panics
/// When the operating system has no random numbers, which on Linux does not happen once the system
/// is up: padding and ids that repeat would be worse than a stop.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= BLOCK_LEN, "more than one block") };
    BLOCK.with_borrow_mut(|block| {
        if block.used + N > BLOCK_LEN {
            getrandom::fill(&mut block.bytes)
                .expect("the operating system gives random bytes once it is up");
            block.used = 0;
        }
        let mut out = [0; N];
        let used = block.used;
        if let Some(fresh) = block.bytes.get_mut(used..used + N) {
            out.copy_from_slice(fresh);
            fresh.fill(0);
        }
        block.used += N;
        out
    })
}

/// A UUIDv7 for something that happened at `at`.
#[must_use]
pub fn event_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes::<10>()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn blocks_do_not_repeat() {
        let seen: HashSet<[u8; 32]> = (0..1_000).map(|_| bytes::<32>()).collect();
        assert_eq!(seen.len(), 1_000);
    }

    #[test]
    fn ids_carry_their_time_and_version() {
        let id = event_id(Timestamp::from_millis(1_800_000_000_123));
        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_800_000_000, 123_000_000));
    }
}
