//! What a connection costs that says nothing: thousands of them, and the receiver's memory.
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::load::{account, histogram};
use super::process::{self, ProcessError};
use super::socket;
use crate::registry::bulk::{Glance, Head, Stencil, glance};

/// Why idle connections could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum IdleError {
    /// The receiver's process, or ours.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A connection was not made.
    #[error("connection {number} of {of} to {to} failed: {source}")]
    Connect {
        /// From 1.
        number: usize,
        /// How many were wanted.
        of: usize,
        /// The receiver.
        to: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// A link test was not acknowledged.
    #[error("the link test of connection {number} of {of} was not acknowledged: {what}")]
    LinkTest {
        /// From 1.
        number: usize,
        /// How many were wanted.
        of: usize,
        /// What came instead.
        what: String,
    },
    /// The receiver did not keep them all.
    #[error(
        "{closed} of {of} connections were closed by the receiver: raise its limit of connections"
    )]
    Closed {
        /// How many.
        closed: usize,
        /// How many were open.
        of: usize,
    },
}

/// What is opened, and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The receiver.
    pub to: SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Connections.
    pub connections: usize,
    /// The lowest account; each connection has its own.
    pub first_account: u32,
    /// How long memory gets to settle before each look.
    pub settle: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What was found.
#[derive(Debug)]
pub struct Idle {
    /// Bytes resident without our connections.
    pub before: u64,
    /// Bytes resident with half of them.
    pub half: u64,
    /// Bytes resident with all of them.
    pub held: u64,
    /// How many there were.
    pub connections: usize,
    /// Nanoseconds of each connection's link test.
    pub link_tests: Histogram<u64>,
}

impl Idle {
    /// Bytes for each connection.
    #[must_use]
    pub fn each(&self) -> u64 {
        self.held.saturating_sub(self.before) / (self.connections.max(1) as u64)
    }

    /// Bytes for each connection of the second half, without what is needed once.
    #[must_use]
    pub fn each_further(&self) -> u64 {
        let half = self.connections - self.connections / 2;
        self.held.saturating_sub(self.half) / (half.max(1) as u64)
    }
}

/// Opens the connections, has one link test of each answered, and looks.
pub fn measure(setup: &Setup) -> Result<Idle, IdleError> {
    process::allow(setup.connections)?;
    process::may_open(setup.pid, setup.connections)?;
    std::thread::sleep(setup.settle);
    let before = process::resident(setup.pid)?;
    let mut link_tests = histogram();
    let mut half = before;
    let mut held = Vec::with_capacity(setup.connections);
    for number in 0..setup.connections {
        if number == setup.connections / 2 {
            std::thread::sleep(setup.settle);
            half = process::resident(setup.pid)?;
        }
        let socket =
            socket::open(socket::Kind::Stream, setup.to, number as u64).map_err(|error| {
                IdleError::Connect {
                    number: number + 1,
                    of: setup.connections,
                    to: setup.to,
                    source: error.into(),
                }
            })?;
        let begin = Instant::now();
        link_test(setup, &socket, number).map_err(|what| IdleError::LinkTest {
            number: number + 1,
            of: setup.connections,
            what,
        })?;
        link_tests.saturating_record(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        held.push(socket);
    }
    std::thread::sleep(setup.settle);
    let resident = process::resident(setup.pid)?;
    let closed = held.iter().filter(|socket| !is_open(socket)).count();
    if closed > 0 {
        return Err(IdleError::Closed {
            closed,
            of: setup.connections,
        });
    }
    Ok(Idle {
        before,
        half,
        held: resident,
        connections: setup.connections,
        link_tests,
    })
}

/// Sends one and waits for its acknowledgement.
fn link_test(setup: &Setup, socket: &OwnedFd, number: usize) -> Result<(), String> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let account = account(setup.first_account.wrapping_add(number));
    let head = Head::new(1, &account);
    let mut frame = Vec::with_capacity(64);
    Stencil::link_test().write(&head, b"", None, &mut frame);
    let sent = send(socket, &frame, SendFlags::NOSIGNAL).map_err(|error| error.to_string())?;
    if sent != frame.len() {
        return Err(format!("only {sent} of {} bytes were sent", frame.len()));
    }
    let deadline = Instant::now() + setup.timeout;
    let mut answer = Vec::with_capacity(64);
    let mut buffer = [0; 512];
    loop {
        wait(socket, deadline)?;
        let read = match recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) => return Err("the connection was closed".to_owned()),
            Ok((_, read)) => read,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => return Err(error.to_string()),
        };
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        match glance(&answer, &head, false) {
            Glance::Ack(_) => return Ok(()),
            Glance::More => {}
            Glance::Other => return Err(answer.escape_ascii().to_string()),
        }
    }
}

fn wait(socket: &OwnedFd, deadline: Instant) -> Result<(), String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err("nothing came".to_owned());
    }
    let timeout = Timespec::try_from(left).map_err(|error| error.to_string())?;
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_open(socket: &OwnedFd) -> bool {
    let seen = recv(socket, &mut [0][..], RecvFlags::PEEK);
    matches!(seen, Ok((_, 1..)) | Err(Errno::AGAIN))
}
