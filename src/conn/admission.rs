//! Who is connected: caps for a listener and for each peer, and who has to go when one is reached.
//!
//! The newest connection always gets in, since it may bring an alarm; a transmitter that leaks its
//! connections, or a stranger who opens many, must not keep anybody out. Who goes: of a peer that
//! has all it may, its longest-open silent connection, or else its longest-open one; of a full
//! listener, the longest-open silent connection of all, or else the longest-open one of the peer
//! with the most. *Silent* means: has not sent a sound frame yet. A connection goes between two
//! frames, never while one is being answered.
//!
//! Invariants: `open` is the number of connections in `peers`; `silent` holds exactly those of them
//! that are silent; whoever was told to go and is still here is in `leaving` alone.
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::seat::Seat;

/// Caps of one listener, each at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all.
    pub connections_max: usize,
    /// Open connections from one address.
    pub per_peer_max: usize,
}

/// One peer's connections by their numbers, which rise.
#[derive(Debug, Default)]
struct Peer {
    silent: BTreeMap<u64, Arc<Seat>>,
    heard: BTreeMap<u64, Arc<Seat>>,
}

impl Peer {
    fn len(&self) -> usize {
        self.silent.len() + self.heard.len()
    }

    /// The number of the connection that this peer can best do without.
    fn dispensable(&self) -> Option<u64> {
        let oldest = |of: &BTreeMap<u64, _>| of.first_key_value().map(|(number, _)| *number);
        oldest(&self.silent).or_else(|| oldest(&self.heard))
    }
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: usize,
    peers: HashMap<IpAddr, Peer>,
    silent: BTreeMap<u64, IpAddr>,
    /// Told to go, and perhaps still being answered: its times go on.
    leaving: BTreeMap<u64, Arc<Seat>>,
}

impl State {
    /// Takes a connection out; `None` where it was told to go before.
    fn remove(&mut self, address: IpAddr, number: u64) -> Option<Arc<Seat>> {
        let peer = self.peers.get_mut(&address)?;
        let removed = match peer.silent.remove(&number) {
            Some(seat) => {
                self.silent.remove(&number);
                seat
            }
            None => peer.heard.remove(&number)?,
        };
        if peer.len() == 0 {
            self.peers.remove(&address);
        }
        self.open -= 1;
        Some(removed)
    }

    /// Tells one connection of this peer to go.
    fn dismiss(&mut self, address: IpAddr) -> bool {
        let number = self.peers.get(&address).and_then(Peer::dispensable);
        let Some((number, seat)) =
            number.and_then(|number| Some((number, self.remove(address, number)?)))
        else {
            return false;
        };
        seat.evict();
        self.leaving.insert(number, seat);
        true
    }

    /// The peer whose connection is to go when the listener is full.
    fn most_dispensable(&self) -> Option<IpAddr> {
        let silent = self.silent.first_key_value().map(|(_, address)| *address);
        silent.or_else(|| {
            let most = self.peers.iter().max_by_key(|(_, peer)| peer.len())?;
            Some(*most.0)
        })
    }
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
    address: IpAddr,
    seat: Arc<Seat>,
    heard: bool,
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

    /// Lets a connection in; another one may have to go for it.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Place {
        let mut state = self.lock();
        let of_peer = state.peers.get(&address).map_or(0, Peer::len);
        if of_peer >= self.limits.per_peer_max {
            state.dismiss(address);
        } else if state.open >= self.limits.connections_max
            && let Some(other) = state.most_dispensable()
        {
            state.dismiss(other);
        }
        let number = state.next;
        state.next += 1;
        state.open += 1;
        let seat = Arc::new(Seat::default());
        let peer = state.peers.entry(address).or_default();
        peer.silent.insert(number, Arc::clone(&seat));
        state.silent.insert(number, address);
        drop(state);
        Place {
            admission: Arc::clone(self),
            number,
            address,
            seat,
            heard: false,
        }
    }

    /// Wakes every connection whose time is over at monotonic time `now`.
    pub fn look(&self, now: Duration) {
        self.each(|seat| seat.look(now));
    }

    /// Tells every connection to read nothing more.
    pub fn drain(&self) {
        self.each(Seat::drain);
    }

    fn each(&self, visit: impl Fn(&Seat)) {
        let state = self.lock();
        for peer in state.peers.values() {
            for seat in peer.silent.values().chain(peer.heard.values()) {
                visit(seat);
            }
        }
        state.leaving.values().for_each(|seat| visit(seat));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The connection has sent a sound frame.
    pub fn prove(&mut self) {
        if std::mem::replace(&mut self.heard, true) {
            return;
        }
        let mut state = self.admission.lock();
        let state = &mut *state;
        if let Some(peer) = state.peers.get_mut(&self.address)
            && let Some(seat) = peer.silent.remove(&self.number)
        {
            peer.heard.insert(self.number, seat);
            state.silent.remove(&self.number);
        }
    }

    /// Where the connection is reached.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Whether the connection has sent a sound frame.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.heard
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        if state.remove(self.address, self.number).is_none() {
            state.leaving.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seat::Order;
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn door(connections_max: usize, per_peer_max: usize) -> Arc<Admission> {
        Admission::new(Limits {
            connections_max,
            per_peer_max,
        })
    }

    fn heard(door: &Arc<Admission>, last: u8) -> Place {
        let mut place = door.admit(address(last));
        place.prove();
        place
    }

    fn has_to_go(place: &Place) -> bool {
        place.seat().order() == Order::Leave
    }

    #[test]
    fn a_full_listener_lets_the_oldest_silent_one_go() {
        let door = door(3, 9);
        let proven = heard(&door, 1);
        let oldest = door.admit(address(1));
        let younger = door.admit(address(2));
        let newcomer = door.admit(address(3));
        assert!(has_to_go(&oldest));
        assert!(
            ![&proven, &younger, &newcomer]
                .iter()
                .any(|place| has_to_go(place))
        );
        assert_eq!(door.lock().open, 3);
    }

    #[test]
    fn without_silent_ones_the_peer_with_the_most_gives_its_oldest() {
        let door = door(3, 9);
        let alone = heard(&door, 1);
        let (leaked, second) = (heard(&door, 2), heard(&door, 2));
        let newcomer = heard(&door, 3);
        assert!(has_to_go(&leaked));
        assert!(
            ![&alone, &second, &newcomer]
                .iter()
                .any(|place| has_to_go(place))
        );
    }

    #[test]
    fn a_peer_that_has_all_it_may_makes_room_for_itself() {
        let door = door(9, 2);
        let other = heard(&door, 1);
        let (first, silent) = (heard(&door, 2), door.admit(address(2)));
        let third = heard(&door, 2);
        assert!(has_to_go(&silent) && !has_to_go(&first));
        let fourth = door.admit(address(2));
        assert!(has_to_go(&first) && !has_to_go(&third) && !has_to_go(&fourth));
        assert!(!has_to_go(&other));
    }

    #[test]
    fn places_come_back_once_however_they_end() {
        let door = door(2, 9);
        let first = door.admit(address(1));
        let second = heard(&door, 1);
        let third = door.admit(address(2));
        assert!(has_to_go(&first));
        door.look(Duration::MAX);
        assert!(
            first.seat().is_due(|| Duration::MAX),
            "it may still be answered"
        );
        drop(first);
        assert_eq!(door.lock().open, 2);
        drop((second, third));
        let state = door.lock();
        assert_eq!(state.open, 0);
        assert!(state.peers.is_empty() && state.silent.is_empty() && state.leaving.is_empty());
    }
}
