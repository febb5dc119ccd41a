//! One thread of the generator: its transmitters around one `epoll`.
use std::fs::File;
use std::io;
use std::time::Instant;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::LoadError;
use super::desk::{Desk, nanos};
use super::link::Link;
use super::plan::Plan;
use super::progress::Progress;
use super::tally::Tally;

/// Sockets that are looked at after one wait.
const EVENTS_MAX: usize = 512;

/// How often late answers and lost connections are looked for.
const SWEEP_NS: u64 = 100_000_000;

/// Messages that are looked at in one go when the generator is behind (open loop).
const DUE_MAX: usize = 1_024;

/// Messages that are sent between two looks for answers (open loop).
const SENDS_MAX: u64 = 64;

pub(super) struct Worker {
    desk: Desk,
    links: Vec<Link>,
    pace: Option<Pace>,
}

impl Worker {
    /// Opens the connections of `thread`.
    pub(super) fn new(
        plan: Plan,
        thread: usize,
        log: Option<File>,
        clock: Instant,
    ) -> Result<Self, LoadError> {
        let (to, threads) = (plan.to, plan.threads());
        let pace = plan.rate.map(|rate| Pace::new(rate, thread, threads));
        let numbers = (thread..plan.connections.max(1)).step_by(threads);
        let mut desk = Desk::new(plan, thread, log, clock)?;
        let mut links: Vec<Link> = numbers
            .enumerate()
            .map(|(index, number)| Link::new(index, number as u64))
            .collect();
        for link in &mut links {
            link.open(&mut desk, false)
                .map_err(|source| LoadError::Connect {
                    to,
                    source: source.into(),
                })?;
        }
        Ok(Self { desk, links, pace })
    }

    /// Sends and receives until the plan is done and every answer is there or overdue.
    pub(super) fn run(
        &mut self,
        start: Instant,
        progress: Option<&Progress>,
    ) -> Result<(), LoadError> {
        if self.pace.is_some() {
            // Else the kernel may wake this thread 50 µs late; without the right it stays so.
            drop(sharpen_timers());
        }
        self.desk.start(start);
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut sweep_at = 0;
        loop {
            let now = self.desk.now();
            self.desk.source.tick(now);
            if now >= self.desk.end() {
                self.desk.issuing = false;
            }
            if self.over(now) {
                break;
            }
            let due = self.send_due(now);
            if now >= sweep_at {
                for link in &mut self.links {
                    link.sweep(&mut self.desk, now);
                }
                sweep_at = now + SWEEP_NS;
            }
            if let Some(progress) = progress {
                let tally = &self.desk.tally;
                progress.set(tally.acknowledged, tally.missing);
            }
            self.send_held();
            let until = if self.desk.eager.is_empty() {
                sweep_at.min(due.unwrap_or(u64::MAX)).min(self.next_end())
            } else {
                0
            };
            self.wait(&mut events, until)?;
        }
        self.desk.finish().map_err(|source| {
            let path = self.desk.plan.acknowledged.clone().unwrap_or_default();
            LoadError::Acknowledged { path, source }
        })
    }

    pub(super) fn into_tally(self) -> Tally {
        self.desk.tally
    }

    /// Nothing is sent any more, and nothing is worth waiting for.
    fn over(&self, now: u64) -> bool {
        let patience = nanos(self.desk.plan.timeout);
        !self.desk.issuing
            && (self.desk.waiting == 0 || now >= self.desk.end().saturating_add(patience))
    }

    fn next_end(&self) -> u64 {
        if self.desk.issuing {
            self.desk.end()
        } else {
            u64::MAX
        }
    }

    /// Open loop: sends what is due and tells when the next is.
    fn send_due(&mut self, now: u64) -> Option<u64> {
        let pace = self.pace.as_mut()?;
        let sent = self.desk.tally.sent;
        for _ in 0..DUE_MAX {
            let due = pace.due();
            let enough = self.desk.tally.sent - sent >= SENDS_MAX;
            if due > now || enough || !self.desk.issuing {
                break;
            }
            let turn = pace.next();
            let count = self.links.len().max(1) as u64;
            let chosen = usize::try_from(turn % count).unwrap_or(0);
            let kind = self.desk.source.kind();
            if let Some(link) = self.links.get_mut(chosen) {
                link.offer(&mut self.desk, kind, due, now);
            }
        }
        self.desk.issuing.then(|| pace.due())
    }

    /// Open loop: sends what those held who have got their answer.
    fn send_held(&mut self) {
        let sent = self.desk.tally.sent;
        while self.desk.tally.sent - sent < SENDS_MAX
            && let Some(place) = self.desk.eager.pop_front()
        {
            let now = self.desk.now();
            if let Some(link) = self.links.get_mut(place) {
                link.fill(&mut self.desk, now);
            }
        }
    }

    fn wait(&mut self, events: &mut Vec<epoll::Event>, until: u64) -> io::Result<()> {
        let left = until.saturating_sub(self.desk.now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(1),
            tv_nsec: i64::try_from(left % 1_000_000_000).unwrap_or(0),
        };
        events.clear();
        let room = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.desk.epoll, room, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.iter() {
            let (flags, data) = (event.flags, event.data);
            let place = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            let Some(link) = self.links.get_mut(place) else {
                continue;
            };
            if flags.contains(epoll::EventFlags::OUT) {
                link.writable(&mut self.desk);
            }
            if flags
                .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
            {
                link.readable(&mut self.desk);
            }
        }
        Ok(())
    }
}

/// When messages are due: at a fixed rate, whatever became of those before.
struct Pace {
    /// Nanoseconds between two messages of this thread.
    period: f64,
    /// Nanoseconds of the first one.
    offset: f64,
    count: u64,
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
    fn new(rate: f64, thread: usize, threads: usize) -> Self {
        let between = 1e9 / rate.max(1e-3);
        Self {
            period: between * threads as f64,
            offset: between * thread as f64,
            count: 0,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2^53 nanoseconds are three months"
    )]
    fn due(&self) -> u64 {
        (self.offset + self.period * self.count as f64) as u64
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count - 1
    }
}

/// Lets this thread's timers fire to the nanosecond.
fn sharpen_timers() -> io::Result<()> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    let number = thread.file_name().unwrap_or_default().to_string_lossy();
    std::fs::write(format!("/proc/{number}/timerslack_ns"), "1")
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn threads_share_a_rate_evenly() {
        let mut all: Vec<u64> = (0..2)
            .flat_map(|thread| {
                let mut pace = Pace::new(1_000.0, thread, 2);
                (0..5).map(move |_| (pace.due(), pace.next()).0)
            })
            .collect();
        all.sort_unstable();
        let expected: Vec<u64> = (0..10).map(|turn| turn * 1_000_000).collect();
        assert_eq!(all, expected);
    }
}
