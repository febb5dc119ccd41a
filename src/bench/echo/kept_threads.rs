//! The echo without a runtime that keeps what it answers: a thread reads from whoever is ready, commits
//! all of that itself with one sync, and answers. No change of threads stands between a message and
//! its answer, so with one connection nothing that keeps its messages on this disk can be quicker.
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::threads::{DATAGRAMS, DATAGRAMS_MAX, READ_LEN, Server, on_all_threads};
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
        move || serve(Server::new(listener, datagrams)?, &answers, &journal)
    })
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

fn serve(mut server: Server, answers: &Answers, journal: &Mutex<Journal>) -> io::Result<()> {
    let (mut ready, mut came) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; READ_LEN];
    loop {
        server.wait(&mut ready)?;
        for number in &ready {
            if *number == DATAGRAMS {
                receive(&server, answers, &mut buffer, &mut came);
            } else {
                came.extend(read(&mut server, *number, answers, &mut buffer));
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
            answer(&mut server, &one);
        }
    }
}

fn receive(server: &Server, answers: &Answers, buffer: &mut [u8], came: &mut Vec<Exchange>) {
    for _ in 0..DATAGRAMS_MAX {
        let Ok((read, peer)) = server.datagrams.recv_from(buffer) else {
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

/// `None`: nothing whole came, or the connection is over.
fn read(
    server: &mut Server,
    number: u64,
    answers: &Answers,
    buffer: &mut [u8],
) -> Option<Exchange> {
    let conversation = server.conversations.get_mut(&number)?;
    let read = match conversation.stream.read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
        Ok(0) | Err(_) => {
            server.conversations.remove(&number);
            return None;
        }
        Ok(read) => read,
    };
    let pending = &mut conversation.pending;
    pending.extend_from_slice(buffer.get(..read).unwrap_or_default());
    let mut out = Vec::new();
    let used = answers.to(pending, &mut out);
    let kept = pending.drain(..used).collect();
    (!out.is_empty()).then_some(Exchange {
        to: To::Stream(number),
        kept,
        answers: out,
    })
}

fn answer(server: &mut Server, one: &Exchange) {
    match one.to {
        // What does not fit into the socket is lost, as on any network.
        To::Datagram(peer) => drop(server.datagrams.send_to(&one.answers, peer)),
        // Answers are short: a peer that lets so many pile up that they do not fit is let go.
        To::Stream(number) => {
            let conversation = server.conversations.get_mut(&number);
            if conversation.is_some_and(|peer| peer.stream.write_all(&one.answers).is_err()) {
                server.conversations.remove(&number);
            }
        }
    }
}
