//! The flood quota: how many frames that nobody vouches for are recorded per minute.
//!
//! Damaged frames and frames that no key opens are kept, so that they can be found afterwards; a
//! stranger must not be able to fill the disk with them. What is over the quota is counted only.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// Peers that are told apart within one minute; further ones share the total alone.
const PEERS_MAX: usize = 4_096;

/// Limits per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Recorded per minute from one address.
    pub per_peer: u32,
    /// Recorded per minute in all.
    pub total: u32,
}

#[derive(Debug, Default)]
struct State {
    minute_start: Duration,
    total: u32,
    peers: HashMap<IpAddr, u32>,
}

/// The quota with its state for the running minute.
#[derive(Debug, Default)]
pub struct Quota(Mutex<State>);

impl Quota {
    /// Takes one place for this peer, if there is one.
    pub fn take(&self, limits: QuotaLimits, peer: IpAddr, at: Duration) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.minute_start + MINUTE <= at {
            *state = State {
                minute_start: at,
                ..State::default()
            };
        }
        if state.total >= limits.total {
            return false;
        }
        let room_for_peers = state.peers.len() < PEERS_MAX;
        match state.peers.get_mut(&peer) {
            Some(count) if *count >= limits.per_peer => return false,
            Some(count) => *count += 1,
            None if room_for_peers => {
                state.peers.insert(peer, 1);
            }
            None => {}
        }
        state.total += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn one_peer_cannot_use_the_share_of_others() {
        let quota = Quota::default();
        let limits = QuotaLimits {
            per_peer: 2,
            total: 3,
        };
        let taken: Vec<bool> = [1, 1, 1, 2, 3]
            .map(|last| quota.take(limits, peer(last), Duration::ZERO))
            .into();
        assert_eq!(taken, [true, true, false, true, false]);
    }

    #[test]
    fn a_new_minute_starts_afresh() {
        let quota = Quota::default();
        let limits = QuotaLimits {
            per_peer: 1,
            total: 1,
        };
        assert!(quota.take(limits, peer(1), Duration::ZERO));
        assert!(!quota.take(limits, peer(1), Duration::from_secs(59)));
        assert!(quota.take(limits, peer(1), Duration::from_mins(1)));
    }
}
