//! Who may connect: caps for a listener and for each peer, and who has to go when it is full.
//!
//! Invariants: `open == places handed out and not dropped`; `unproven` holds exactly the places
//! that have not sent a sound frame yet. When the listener is full, the longest-waiting unproven
//! connection makes room: a stranger's silence never keeps a transmitter out.
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Caps of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all.
    pub connections_max: usize,
    /// Open connections from one address.
    pub per_peer_max: usize,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// All places are taken by connections that have sent sound frames.
    Full,
    /// This peer has all the connections that it may have.
    PeerFull,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    next: u64,
    per_peer: HashMap<IpAddr, usize>,
    unproven: BTreeMap<u64, CancellationToken>,
}

/// The doorkeeper of one listener.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    state: Mutex<State>,
}

/// One connection's place; dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    number: u64,
    peer: IpAddr,
    /// Cancelled when this connection has to make room. `None` once it is proven.
    evicted: Option<CancellationToken>,
}

impl Admission {
    /// A doorkeeper with nobody inside.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
        })
    }

    /// Lets a connection in, or says why not. The flag tells that another one had to go for it.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<(Place, bool), NotAdmitted> {
        let mut state = self.lock();
        if state
            .per_peer
            .get(&peer)
            .is_some_and(|open| *open >= self.limits.per_peer_max)
        {
            return Err(NotAdmitted::PeerFull);
        }
        let mut made_room = false;
        if state.open >= self.limits.connections_max {
            let Some((_, evicted)) = state.unproven.pop_first() else {
                return Err(NotAdmitted::Full);
            };
            evicted.cancel();
            made_room = true;
        }
        let number = state.next;
        state.next += 1;
        state.open += 1;
        *state.per_peer.entry(peer).or_default() += 1;
        let token = CancellationToken::new();
        state.unproven.insert(number, token.clone());
        drop(state);
        let place = Place {
            admission: Arc::clone(self),
            number,
            peer,
            evicted: Some(token),
        };
        Ok((place, made_room))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The connection has sent a sound frame: it will not be asked to make room.
    pub fn prove(&mut self) {
        if self.evicted.take().is_some() {
            self.admission.lock().unproven.remove(&self.number);
        }
    }

    /// Resolves when the connection has to make room; never for a proven one.
    pub async fn evicted(&self) {
        match &self.evicted {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the connection has sent a sound frame.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.evicted.is_none()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        state.open -= 1;
        state.unproven.remove(&self.number);
        if let Some(open) = state.per_peer.get_mut(&self.peer) {
            *open -= 1;
            if *open == 0 {
                state.per_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn a_full_listener_lets_the_oldest_silent_one_go() {
        let door = Admission::new(Limits {
            connections_max: 2,
            per_peer_max: 9,
        });
        let (mut proven, _) = door.admit(peer(1)).unwrap();
        proven.prove();
        let (silent, _) = door.admit(peer(1)).unwrap();
        let (_third, made_room) = door.admit(peer(2)).unwrap();
        assert!(made_room);
        assert!(silent.evicted.as_ref().unwrap().is_cancelled());
        assert!(proven.is_proven());
    }

    #[test]
    fn proven_connections_keep_their_places() {
        let door = Admission::new(Limits {
            connections_max: 1,
            per_peer_max: 9,
        });
        let (mut first, _) = door.admit(peer(1)).unwrap();
        first.prove();
        assert_eq!(door.admit(peer(2)).unwrap_err(), NotAdmitted::Full);
        drop(first);
        assert!(door.admit(peer(2)).is_ok());
    }

    #[test]
    fn one_peer_has_its_share() {
        let door = Admission::new(Limits {
            connections_max: 9,
            per_peer_max: 1,
        });
        let (first, _) = door.admit(peer(1)).unwrap();
        assert_eq!(door.admit(peer(1)).unwrap_err(), NotAdmitted::PeerFull);
        assert!(door.admit(peer(2)).is_ok());
        drop(first);
        assert!(door.admit(peer(1)).is_ok());
        assert!(door.lock().per_peer.len() <= 1 + 1);
    }
}
