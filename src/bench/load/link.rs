//! One transmitter: its socket, what waits for an answer, and what waits to be sent.
//!
//! Answers on a connection come in the order of the messages, so each is compared with the one
//! that the oldest message deserves; whatever differs is read with care.
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::desk::Desk;
use super::plan::Way;
use super::source::{Kind, Sent};
use crate::bench::socket;
use crate::registry::bulk::{Glance, Look, Reply, glance, look};

/// One of so many encrypted answers is decrypted; the others are checked from outside.
const OPENED_EVERY: u64 = 1_024;

pub(super) struct Link {
    /// Place in its thread.
    index: usize,
    /// Place among all transmitters.
    number: u64,
    socket: Option<OwnedFd>,
    /// Oldest first; `len() <= depth`.
    waiting: VecDeque<Sent>,
    /// Intended times of alarms that wait for their turn.
    held_alarms: VecDeque<u64>,
    /// The same of all else; they go behind the alarms.
    held_rest: VecDeque<(u64, Kind)>,
    /// The beginning of an answer.
    partial: Vec<u8>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    messages: u64,
    /// The last acknowledged event, where events are sent again.
    last: Option<Sent>,
}

/// What became of a link's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    Fine,
    Gone,
}

impl Link {
    pub(super) fn new(index: usize, number: u64) -> Self {
        Self {
            index,
            number,
            socket: None,
            waiting: VecDeque::new(),
            held_alarms: VecDeque::new(),
            held_rest: VecDeque::new(),
            partial: Vec::new(),
            unsent: Vec::new(),
            messages: 0,
            last: None,
        }
    }

    /// Opens its socket; `soon`: without waiting for the receiver.
    pub(super) fn open(&mut self, desk: &mut Desk, soon: bool) -> rustix::io::Result<()> {
        let kind = match desk.plan.way {
            Way::Udp => socket::Kind::Datagram,
            Way::Tcp | Way::Reconnect if soon => socket::Kind::StreamSoon,
            Way::Tcp | Way::Reconnect => socket::Kind::Stream,
        };
        let socket = socket::open(kind, desk.plan.to, desk.opened)?;
        desk.opened += 1;
        let data = EventData::new_u64(self.index as u64);
        epoll::add(&desk.epoll, &socket, data, EventFlags::IN)?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Closed loop: sends until `depth` messages wait. Open loop: sends what was held.
    pub(super) fn fill(&mut self, desk: &mut Desk, now: u64) {
        if desk.plan.way == Way::Reconnect && desk.issuing && !self.reopen(desk) {
            return;
        }
        while desk.issuing && self.waiting.len() < desk.plan.depth && self.socket.is_some() {
            let (intended, kind) = if desk.plan.rate.is_none() {
                (now, desk.source.kind())
            } else if let Some(intended) = self.held_alarms.pop_front() {
                (intended, Kind::Alarm)
            } else if let Some(held) = self.held_rest.pop_front() {
                held
            } else {
                break;
            };
            self.compose(desk, kind, intended, now);
        }
        self.transmit(desk);
    }

    /// Open loop: a message that is due. Sent now, or held until the link has a place for it.
    pub(super) fn offer(&mut self, desk: &mut Desk, kind: Kind, intended: u64, now: u64) {
        let free = self.waiting.len() < desk.plan.depth && self.socket.is_some();
        let held = self.held_alarms.len() + self.held_rest.len();
        if held >= desk.plan.held_max && (held > 0 || !free) {
            desk.tally.shed += 1;
            return;
        }
        match kind {
            Kind::Alarm => self.held_alarms.push_back(intended),
            Kind::Rest | Kind::LinkTest => self.held_rest.push_back((intended, kind)),
        }
        if free {
            self.fill(desk, now);
        }
    }

    fn compose(&mut self, desk: &mut Desk, kind: Kind, intended: u64, now: u64) {
        let again = self.last.take_if(|_| desk.source.repeats());
        let message = if let Some(mut message) = again {
            message.repeat = true;
            message.intended = intended;
            message.at = now;
            desk.write(&message);
            message
        } else {
            let turn = self.number + self.messages * desk.plan.connections as u64;
            self.messages += 1;
            desk.compose(kind, turn, intended, now)
        };
        self.waiting.push_back(message);
        if desk.plan.way == Way::Udp {
            self.transmit(desk);
        }
    }

    /// Hands what was composed to the socket.
    fn transmit(&mut self, desk: &mut Desk) {
        if desk.out.is_empty() {
            return;
        }
        let outcome = self.send(desk);
        desk.out.clear();
        if outcome == Socket::Gone {
            self.lose(desk, true);
        }
    }

    fn send(&mut self, desk: &mut Desk) -> Socket {
        let Some(socket) = &self.socket else {
            return Socket::Gone;
        };
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(&desk.out);
            return Socket::Fine;
        }
        let taken = match send(socket, &desk.out, SendFlags::NOSIGNAL) {
            Ok(taken) if taken == desk.out.len() => return Socket::Fine,
            // A datagram that finds no room is lost, as on any network.
            Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS) if desk.plan.way == Way::Udp => {
                return Socket::Fine;
            }
            Ok(taken) => taken,
            Err(Errno::AGAIN) => 0,
            Err(_) => return Socket::Gone,
        };
        let rest = desk.out.get(taken..).unwrap_or_default();
        self.unsent.extend_from_slice(rest);
        self.watch(desk, EventFlags::IN | EventFlags::OUT)
    }

    /// The socket takes bytes again.
    pub(super) fn writable(&mut self, desk: &mut Desk) {
        let Some(socket) = self.socket.as_ref().filter(|_| !self.unsent.is_empty()) else {
            return;
        };
        let outcome = match send(socket, &self.unsent, SendFlags::NOSIGNAL) {
            Ok(taken) => {
                self.unsent.drain(..taken.min(self.unsent.len()));
                if self.unsent.is_empty() {
                    self.watch(desk, EventFlags::IN)
                } else {
                    Socket::Fine
                }
            }
            Err(Errno::AGAIN) => Socket::Fine,
            Err(_) => Socket::Gone,
        };
        if outcome == Socket::Gone {
            self.lose(desk, true);
        }
    }

    fn watch(&self, desk: &Desk, what: EventFlags) -> Socket {
        let data = EventData::new_u64(self.index as u64);
        match &self.socket {
            Some(socket) if epoll::modify(&desk.epoll, socket, data, what).is_ok() => Socket::Fine,
            _ => Socket::Gone,
        }
    }

    /// Takes what came, and sends what may follow.
    pub(super) fn readable(&mut self, desk: &mut Desk) {
        loop {
            let Some(socket) = &self.socket else { return };
            let kept = self.partial.len();
            let (front, room) = desk.inbox.split_at_mut(kept);
            front.copy_from_slice(&self.partial);
            let read = match recv(socket, room, RecvFlags::empty()) {
                Ok((_, read)) => read,
                Err(Errno::AGAIN) => return,
                Err(_) => 0,
            };
            if read == 0 {
                return self.lose(desk, true);
            }
            self.partial.clear();
            let now = desk.now();
            desk.source.tick(now);
            let used = self.take(desk, kept + read, now);
            let left = desk.inbox.get(used..kept + read).unwrap_or_default();
            if desk.plan.way == Way::Udp {
                if !left.is_empty() {
                    desk.tally.wrong(|| format!("cut: {}", left.escape_ascii()));
                }
            } else {
                self.partial.extend_from_slice(left);
            }
            if desk.plan.rate.is_some() {
                desk.eager.push_back(self.index);
            } else {
                self.fill(desk, now);
            }
            // With one message at a time there is nothing more to read for now.
            if desk.plan.way != Way::Udp || desk.plan.depth == 1 {
                return;
            }
        }
    }

    /// Takes the answers out of the first `len` bytes of the inbox and tells how many were used.
    fn take(&mut self, desk: &mut Desk, len: usize, now: u64) -> usize {
        let mut at = 0;
        while at < len {
            let bytes = desk.inbox.get(at..len).unwrap_or_default();
            let seen = self.waiting.front().map_or(Glance::Other, |oldest| {
                glance(bytes, &oldest.head, oldest.encrypted)
            });
            match seen {
                Glance::Ack(used) if !self.to_be_opened(desk) => {
                    at += used;
                    self.acknowledged(desk, 0, now);
                }
                Glance::More => break,
                Glance::Ack(_) | Glance::Other => match self.take_with_care(desk, at, len, now) {
                    Some(used) => at += used,
                    None => break,
                },
            }
        }
        at
    }

    fn to_be_opened(&self, desk: &Desk) -> bool {
        let encrypted = self.waiting.front().is_some_and(|oldest| oldest.encrypted);
        encrypted && desk.tally.acknowledged.is_multiple_of(OPENED_EVERY)
    }

    fn acknowledged(&mut self, desk: &mut Desk, place: usize, now: u64) {
        if let Some(message) = self.waiting.remove(place) {
            desk.acknowledged(&message, now);
            let again = desk.plan.mix.repeats > 0.0 && !message.repeat;
            self.last = Some(message).filter(|_| again && message.kind != Kind::LinkTest);
        }
    }

    /// Reads one answer that is not the expected one. `None`: it has not come whole.
    fn take_with_care(
        &mut self,
        desk: &mut Desk,
        at: usize,
        len: usize,
        now: u64,
    ) -> Option<usize> {
        let bytes = desk.inbox.get(at..len).unwrap_or_default();
        match look(bytes, desk.source.key()) {
            Look::More => None,
            Look::Noise(used) => {
                let noise = bytes.get(..used).unwrap_or_default().to_vec();
                desk.tally
                    .wrong(|| format!("no frame: {}", noise.escape_ascii()));
                Some(used)
            }
            Look::Bad { len: used, why } => {
                let frame = bytes.get(..used).unwrap_or_default().to_vec();
                desk.tally
                    .wrong(|| format!("{why}: {}", frame.escape_ascii()));
                Some(used)
            }
            Look::Answer {
                len: used,
                reply,
                encrypted,
                sequence,
                account,
            } => {
                let fits = |message: &Sent| {
                    let (number, rest) = message.head.as_bytes().split_at(4);
                    let named = account.as_ref().map(String::as_bytes);
                    number == sequence.as_bytes() && rest.get(3..) == named
                };
                let place = match reply {
                    Reply::Ack => self
                        .waiting
                        .iter()
                        .position(|message| fits(message) && message.encrypted == encrypted),
                    Reply::Duh => self.waiting.iter().position(fits),
                    // It tells neither sequence number nor account.
                    Reply::Nak => (!self.waiting.is_empty()).then_some(0),
                    Reply::Rsp => None,
                };
                match (place, reply) {
                    (Some(place), Reply::Ack) => self.acknowledged(desk, place, now),
                    (Some(place), _) => {
                        self.waiting.remove(place);
                        desk.waiting -= 1;
                        desk.tally.refused += u64::from(reply == Reply::Nak);
                        desk.tally.declined += u64::from(reply == Reply::Duh);
                    }
                    (None, _) => {
                        let frame = bytes.get(..used).unwrap_or_default().to_vec();
                        desk.tally.wrong(|| {
                            format!("answers nothing that waits: {}", frame.escape_ascii())
                        });
                    }
                }
                Some(used)
            }
        }
    }

    /// A new connection for the next message; false where that has to wait.
    fn reopen(&mut self, desk: &mut Desk) -> bool {
        let used = self.messages > 0 || self.socket.is_none();
        if !self.waiting.is_empty() {
            return false;
        }
        let idle =
            desk.plan.rate.is_some() && self.held_alarms.is_empty() && self.held_rest.is_empty();
        if !used || idle {
            return true;
        }
        self.socket = None;
        self.open(desk, true).is_ok()
    }

    /// The socket is of no use any more: what waited on it goes without an answer.
    fn lose(&mut self, desk: &mut Desk, by_receiver: bool) {
        desk.give_up(self.waiting.len());
        desk.tally.lost += u64::from(by_receiver);
        self.waiting.clear();
        self.partial.clear();
        self.unsent.clear();
        self.socket = None;
    }

    /// Gives up what has waited too long, and opens again what was lost.
    pub(super) fn sweep(&mut self, desk: &mut Desk, now: u64) {
        let patience = super::desk::nanos(desk.plan.timeout);
        let expired = |message: &Sent| message.at.saturating_add(patience) <= now;
        if self.waiting.front().is_some_and(expired) {
            if desk.plan.way == Way::Udp {
                while self.waiting.front().is_some_and(expired) {
                    self.waiting.pop_front();
                    desk.give_up(1);
                }
            } else {
                self.lose(desk, false);
            }
        }
        if !desk.issuing {
            return;
        }
        if self.socket.is_none() && self.open(desk, true).is_err() {
            return;
        }
        if self.waiting.is_empty() || desk.plan.way == Way::Udp {
            self.fill(desk, now);
        }
    }
}
