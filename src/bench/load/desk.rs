//! What all transmitters of one thread share: clock, traffic, counts, and buffers that none of
//! them keeps.
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::epoll;

use super::plan::{Length, Plan};
use super::source::{Kind, Sent, Source};
use super::tally::Tally;

/// Read in one go; the answers to a few hundred frames.
const INBOX_LEN: usize = 64 * 1024;

/// Acknowledged events are written to their file in pieces of this size.
const LOG_LEN: usize = 1 << 20;

pub(super) struct Desk {
    pub(super) plan: Plan,
    pub(super) epoll: OwnedFd,
    pub(super) source: Source,
    pub(super) tally: Tally,
    /// Frames on their way to a socket.
    pub(super) out: Vec<u8>,
    /// Bytes just read.
    pub(super) inbox: Vec<u8>,
    /// Open loop: transmitters that may have something to send, by their place in the thread. Answers
    /// are read first, or the generator's own queue would be timed where the receiver has a queue.
    pub(super) eager: VecDeque<usize>,
    /// New messages may still be sent.
    pub(super) issuing: bool,
    /// Messages that wait for an answer, over all transmitters.
    pub(super) waiting: usize,
    /// Sockets opened so far; chooses addresses.
    pub(super) opened: u64,
    clock: Instant,
    /// Nanoseconds of the clock: what was to be sent before does not count.
    begin: u64,
    /// Nanoseconds of the clock: what is answered behind it does not count for the rate.
    end: u64,
    /// Messages that may still be sent behind `begin`.
    budget: u64,
    last_answer: u64,
    log: Option<(File, Vec<u8>)>,
    log_error: Option<io::Error>,
}

impl Desk {
    pub(super) fn new(
        plan: Plan,
        thread: usize,
        log: Option<File>,
        clock: Instant,
    ) -> io::Result<Self> {
        let begin = nanos(plan.warm_up);
        let threads = plan.threads() as u64;
        let (end, budget) = match plan.length {
            Length::Time(lasts) => (begin.saturating_add(nanos(lasts)), u64::MAX),
            Length::Messages(all) => {
                let extra = u64::from((thread as u64) < all % threads);
                (u64::MAX, all / threads + extra)
            }
        };
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            source: Source::new(&plan, thread),
            tally: Tally::new(&plan),
            out: Vec::with_capacity(INBOX_LEN),
            inbox: vec![0; INBOX_LEN],
            eager: VecDeque::new(),
            // Where there are fewer messages than threads, some have nothing to do.
            issuing: budget > 0,
            waiting: 0,
            opened: thread as u64,
            clock,
            begin,
            end,
            budget,
            last_answer: 0,
            log: log.map(|file| (file, Vec::with_capacity(LOG_LEN + 128))),
            log_error: None,
            plan,
        })
    }

    /// The load begins now.
    pub(super) fn start(&mut self, clock: Instant) {
        self.clock = clock;
        self.source.start();
    }

    /// Nanoseconds since the load began.
    pub(super) fn now(&self) -> u64 {
        nanos(self.clock.elapsed())
    }

    /// Until when messages are sent.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Writes the next frame to `out` and tells what it is.
    pub(super) fn compose(&mut self, kind: Kind, turn: u64, intended: u64, now: u64) -> Sent {
        let mut message = self.source.message(kind, turn, intended);
        message.at = now;
        self.write(&message);
        message
    }

    /// Writes the frame of `message` to `out` and counts it.
    pub(super) fn write(&mut self, message: &Sent) {
        self.source.write(message, &mut self.out);
        self.tally.sent += 1;
        self.waiting += 1;
        if message.at >= self.begin {
            self.budget -= 1;
            if self.budget == 0 {
                self.issuing = false;
            }
        }
    }

    /// Counts, times and logs an acknowledgement.
    pub(super) fn acknowledged(&mut self, message: &Sent, now: u64) {
        self.waiting -= 1;
        self.last_answer = now;
        self.tally.acknowledged += 1;
        if (self.begin..self.end).contains(&now) {
            self.tally.counted += 1;
        }
        if message.intended >= self.begin {
            self.tally
                .time(message.class(), message.intended, message.at, now);
        }
        if self.log.is_some() && message.kind != Kind::LinkTest {
            self.log(message);
        }
    }

    /// Counts messages that nothing will come for.
    pub(super) fn give_up(&mut self, messages: usize) {
        self.waiting -= messages;
        self.tally.missing += messages as u64;
    }

    fn log(&mut self, message: &Sent) {
        let tag = self.source.tag(message.serial).write();
        let Some((file, lines)) = &mut self.log else {
            return;
        };
        lines.extend_from_slice(message.head.account());
        lines.push(b' ');
        lines.extend_from_slice(&tag);
        lines.push(b'\n');
        if lines.len() >= LOG_LEN {
            if let Err(error) = file.write_all(lines) {
                self.log_error.get_or_insert(error);
            }
            lines.clear();
        }
    }

    /// Writes out what was logged, and closes the books.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.give_up(self.waiting);
        let end = if self.end == u64::MAX {
            self.last_answer
        } else {
            self.end
        };
        self.tally.lasted = std::time::Duration::from_nanos(end.saturating_sub(self.begin));
        if let Some((file, lines)) = &mut self.log {
            file.write_all(lines)?;
            lines.clear();
        }
        self.log_error.take().map_or(Ok(()), Err)
    }
}

pub(super) fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
