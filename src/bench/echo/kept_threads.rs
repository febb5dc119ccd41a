//! The echo without a runtime that keeps what it answers: a thread reads from whoever is ready, commits
//! all of that itself with one sync, and answers. No change of threads stands between a message and
//! its answer, so with one connection nothing that keeps its messages on this disk can be quicker.
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use super::threads::{DATAGRAMS, DATAGRAMS_MAX, EVENTS_MAX, LISTENER, on_all_threads};
use super::{Answers, Setup};
use crate::clock::utc_now;
use crate::journal::{Journal, Options};

pub(super) fn run(
    setup: &Setup,
    directory: &Path,
    answers: &Arc<Answers>,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    let (journal, _) = Journal::open(directory, &Options::default()).map_err(io::Error::other)?;
    let journal = Arc::new(Mutex::new(journal));
    on_all_threads(setup, ready, |listener, datagrams| {
        let (answers, journal) = (Arc::clone(answers), Arc::clone(&journal));
        move || Server::new(listener, datagrams)?.serve(&answers, &journal)
    })
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    datagrams: UdpSocket,
    conversations: HashMap<u64, Conversation>,
    next: u64,
}

struct Conversation {
    stream: TcpStream,
    pending: Vec<u8>,
}

/// What one socket brought in one round.
struct Exchange {
    to: To,
    /// The frames.
    kept: Vec<u8>,
    /// Their answers.
    answers: Vec<u8>,
}

enum To {
    Stream(u64),
    Datagram(SocketAddr),
}

impl Server {
    fn new(listener: TcpListener, datagrams: UdpSocket) -> io::Result<Self> {
        let server = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            listener,
            datagrams,
            conversations: HashMap::new(),
            next: DATAGRAMS + 1,
        };
        server.add(&server.listener, LISTENER)?;
        server.add(&server.datagrams, DATAGRAMS)?;
        Ok(server)
    }

    fn add(&self, socket: &impl AsFd, data: u64) -> io::Result<()> {
        let data = EventData::new_u64(data);
        Ok(epoll::add(&self.epoll, socket, data, EventFlags::IN)?)
    }

    fn serve(mut self, answers: &Answers, journal: &Mutex<Journal>) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; 64 * 1024];
        let mut came = Vec::new();
        loop {
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, room, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let data = event.data;
                match data.u64() {
                    LISTENER => self.accept()?,
                    DATAGRAMS => self.receive(answers, &mut buffer, &mut came),
                    number => self.read(number, answers, &mut buffer, &mut came),
                }
            }
            if came.is_empty() {
                continue;
            }
            let kept = came.iter().map(|one: &Exchange| one.kept.as_slice());
            journal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .append(kept, utc_now().as_millis())
                .map_err(io::Error::other)?;
            for one in came.drain(..) {
                self.answer(&one);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.add(&stream, self.next)?;
            let pending = Vec::new();
            self.conversations
                .insert(self.next, Conversation { stream, pending });
            self.next += 1;
        }
        Ok(())
    }

    fn receive(&self, answers: &Answers, buffer: &mut [u8], came: &mut Vec<Exchange>) {
        for _ in 0..DATAGRAMS_MAX {
            let Ok((read, peer)) = self.datagrams.recv_from(buffer) else {
                return;
            };
            let kept = buffer.get(..read).unwrap_or_default().to_vec();
            let mut out = Vec::new();
            answers.to(&kept, &mut out);
            if !out.is_empty() {
                came.push(Exchange {
                    to: To::Datagram(peer),
                    kept,
                    answers: out,
                });
            }
        }
    }

    fn read(
        &mut self,
        number: u64,
        answers: &Answers,
        buffer: &mut [u8],
        came: &mut Vec<Exchange>,
    ) {
        let Some(conversation) = self.conversations.get_mut(&number) else {
            return;
        };
        let read = match conversation.stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => {
                self.conversations.remove(&number);
                return;
            }
            Ok(read) => read,
        };
        let pending = &mut conversation.pending;
        pending.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let mut out = Vec::new();
        let used = answers.to(pending, &mut out);
        let kept = pending.drain(..used).collect();
        if !out.is_empty() {
            came.push(Exchange {
                to: To::Stream(number),
                kept,
                answers: out,
            });
        }
    }

    fn answer(&mut self, one: &Exchange) {
        match one.to {
            // What does not fit into the socket is lost, as on any network.
            To::Datagram(peer) => drop(self.datagrams.send_to(&one.answers, peer)),
            // Answers are short: a peer that lets so many pile up that they do not fit is let go.
            To::Stream(number) => {
                let sent = self
                    .conversations
                    .get_mut(&number)
                    .map(|conversation| conversation.stream.write_all(&one.answers));
                if sent.is_some_and(|sent| sent.is_err()) {
                    self.conversations.remove(&number);
                }
            }
        }
    }
}
