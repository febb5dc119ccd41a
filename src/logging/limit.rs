//! Limits log lines per kind and peer, in bounded memory, and says how many were held back.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Whether a line may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Write it; this many like it were held back before.
    Write {
        /// Lines of this kind and peer that were held back since the last one written.
        held_back: u64,
    },
    /// Hold it back.
    HoldBack,
}

#[derive(Debug)]
struct Account {
    window_start: Duration,
    written: u32,
    held_back: u64,
}

/// At most `per_minute` lines for each kind and peer; kinds are constants of the code.
#[derive(Debug)]
pub struct Limiter {
    per_minute: AtomicU32,
    accounts: Mutex<HashMap<(&'static str, IpAddr), Account>>,
}

/// Peers and kinds that are told apart at a time; beyond that the oldest minute is forgotten, and
/// when all are fresh the line is held back.
const ACCOUNTS_MAX: usize = 4_096;

const MINUTE: Duration = Duration::from_mins(1);

impl Limiter {
    /// A limiter that lets `per_minute` lines of a kind and peer pass each minute.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: AtomicU32::new(per_minute),
            accounts: Mutex::new(HashMap::new()),
        }
    }

    /// Lets another number of lines pass from now on.
    pub fn set_rate(&self, per_minute: u32) {
        self.per_minute.store(per_minute, Ordering::Relaxed);
    }

    /// Whether a line of this kind about this peer may be written at monotonic time `at`.
    pub fn ask(&self, kind: &'static str, peer: IpAddr, at: Duration) -> Allowance {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= ACCOUNTS_MAX && !accounts.contains_key(&(kind, peer)) {
            accounts.retain(|_, account| account.window_start + MINUTE > at);
            if accounts.len() >= ACCOUNTS_MAX {
                return Allowance::HoldBack;
            }
        }
        let account = accounts.entry((kind, peer)).or_insert(Account {
            window_start: at,
            written: 0,
            held_back: 0,
        });
        if account.window_start + MINUTE <= at {
            account.window_start = at;
            account.written = 0;
        }
        if account.written < self.per_minute.load(Ordering::Relaxed) {
            account.written += 1;
            Allowance::Write {
                held_back: std::mem::take(&mut account.held_back),
            }
        } else {
            account.held_back += 1;
            Allowance::HoldBack
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_kind_and_peer_gets_its_share_and_the_rest_is_told_later() {
        let limiter = Limiter::new(2);
        let at = Duration::from_secs;
        assert_eq!(
            limiter.ask("crc", PEER, at(0)),
            Allowance::Write { held_back: 0 }
        );
        assert_eq!(
            limiter.ask("crc", PEER, at(1)),
            Allowance::Write { held_back: 0 }
        );
        assert_eq!(limiter.ask("crc", PEER, at(2)), Allowance::HoldBack);
        assert_eq!(
            limiter.ask("noise", PEER, at(2)),
            Allowance::Write { held_back: 0 }
        );
        assert_eq!(
            limiter.ask("crc", PEER, at(60)),
            Allowance::Write { held_back: 1 }
        );
    }

    #[test]
    fn memory_stays_bounded_and_old_minutes_make_room() {
        let limiter = Limiter::new(1);
        for index in 0..10_000u32 {
            limiter.ask("crc", IpAddr::V4(index.into()), Duration::ZERO);
        }
        assert_eq!(limiter.accounts.lock().unwrap().len(), ACCOUNTS_MAX);
        assert_eq!(
            limiter.ask("crc", IpAddr::V4(20_000.into()), MINUTE),
            Allowance::Write { held_back: 0 }
        );
    }
}
