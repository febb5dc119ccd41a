//! Counters and histograms with closed label sets, and their text form.
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use larm_carrier::{Answer, CloseReason, FrameVerdict, Noise};

macro_rules! closed_labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in the order of the printed counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

closed_labels! {
    /// What became of a frame at intake.
    Fate {
        /// Queued as new.
        New = "new",
        /// Queued as new, marked as a possible repeat of an earlier one.
        PossibleRepeat = "possible-repeat",
        /// A repeat of something durable or on its way.
        Repeat = "repeat",
        /// A link test.
        LinkTest = "link-test",
        /// The frame is itself a reply; nothing is said.
        ForeignReply = "foreign-reply",
        /// Recorded, not to be acknowledged.
        Withheld = "withheld",
        /// From an unknown account that the policy holds: recorded, not acknowledged.
        Held = "held",
        /// Not recorded, because the quota for frames that nobody vouches for is used up.
        OverQuota = "over-quota",
        /// No room in the lane.
        Overloaded = "overloaded",
        /// The journal does not take records any more.
        JournalDown = "journal-down",
        /// Not durable before the deadline.
        Late = "late",
    }
}

closed_labels! {
    /// What happened to connections and datagrams.
    Link {
        /// A TCP connection was accepted.
        Accepted = "accepted",
        /// Closed to make room for a newer one.
        Evicted = "evicted",
        /// Closed: not one byte within the time for the first one.
        SilentTimeout = "silent-timeout",
        /// Closed: a frame was begun and not finished in time.
        HalfFrameTimeout = "half-frame-timeout",
        /// Closed: nothing for as long as the listener allows.
        IdleTimeout = "idle-timeout",
        /// The peer closed.
        PeerClosed = "peer-closed",
        /// Reading or writing failed.
        Failed = "failed",
        /// The peer did not read its replies in time.
        SlowReader = "slow-reader",
        /// The connection's task panicked; it was closed without a reply.
        Panicked = "panicked",
        /// `accept` failed.
        AcceptFailed = "accept-failed",
        /// A datagram came.
        Datagram = "datagram",
        /// A datagram was dropped: too many were waiting for the disk.
        DatagramOverload = "datagram-overload",
    }
}

closed_labels! {
    /// What a shadow found.
    ShadowCount {
        /// larm would have answered the same.
        Same = "same",
        /// larm would have answered otherwise.
        Different = "different",
        /// An answer that nobody asked for.
        Unasked = "unasked",
        /// A connection that is no longer looked at after a fault of larm's own.
        Fault = "fault",
    }
}

/// One counter per value of a closed label.
#[derive(Debug)]
struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Counters<N> {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    fn add(&self, index: usize, by: u64) {
        if let Some(counter) = self.0.get(index) {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    fn read(&self, index: usize) -> u64 {
        self.0
            .get(index)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// Threads that count at the same time without meeting; more of them share.
const SHARDS: usize = 8;

/// A histogram of whole numbers with two significant digits, one for each of a few threads, so that
/// they do not wait for each other.
#[derive(Debug)]
struct Spread([Mutex<Histogram<u64>>; SHARDS]);

impl Spread {
    fn new(max: u64) -> Self {
        let histogram = Histogram::new_with_bounds(1, max, 2)
            .expect("the bounds are constants with 1 < max and 2 digits");
        Self(std::array::from_fn(|_| Mutex::new(histogram.clone())))
    }

    fn record(&self, value: u64) {
        if let Some(shard) = self.0.get(shard()) {
            lock(shard).saturating_record(value);
        }
    }

    fn print(&self, out: &mut String, name: &str) {
        let mut whole = lock(&self.0[0]).clone();
        for shard in self.0.iter().skip(1) {
            // All have the same bounds.
            let _ = whole.add(&*lock(shard));
        }
        for (label, quantile) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)] {
            let _ = writeln!(
                out,
                "{name}{{quantile=\"{label}\"}} {}",
                whole.value_at_quantile(quantile)
            );
        }
        let _ = writeln!(out, "{name}_max {}", whole.max());
        let _ = writeln!(out, "{name}_count {}", whole.len());
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This thread's shard.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    MINE.with(|mine| *mine)
}

/// A snapshot of gauges that live elsewhere, handed in when the figures are printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Entries waiting in the alarm lane.
    pub queue_alarms: usize,
    /// Entries waiting in the other lane.
    pub queue_rest: usize,
    /// Records that are durable.
    pub journal_position: u64,
    /// Whether the journal takes records.
    pub journal_healthy: bool,
    /// Older segments that were not checked yet since the start.
    pub journal_unchecked: u64,
    /// Older segments that were found damaged or unreadable since the start.
    pub journal_damaged: u64,
    /// Records that the history has stored.
    pub history_position: u64,
    /// Repeats that the history did not count.
    pub history_repeats_dropped: u64,
    /// Entries in the window that recognises repeats.
    pub repeats_window: usize,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    frames: Counters<{ FrameVerdict::ALL.len() }>,
    noise: Counters<{ Noise::ALL.len() }>,
    noise_bytes: AtomicU64,
    closes: Counters<{ CloseReason::ALL.len() }>,
    answers: Counters<{ Answer::ALL.len() }>,
    fates: Counters<{ Fate::ALL.len() }>,
    links: Counters<{ Link::ALL.len() }>,
    shadows: Counters<{ ShadowCount::ALL.len() }>,
    connections_open: AtomicI64,
    log_suppressed: AtomicU64,
    reply_us: Spread,
    commit_us: Spread,
    batch_records: Spread,
}

impl Default for Metrics {
    fn default() -> Self {
        const MINUTE_US: u64 = 60_000_000;
        Self {
            frames: Counters::new(),
            noise: Counters::new(),
            noise_bytes: AtomicU64::new(0),
            closes: Counters::new(),
            answers: Counters::new(),
            fates: Counters::new(),
            links: Counters::new(),
            shadows: Counters::new(),
            connections_open: AtomicI64::new(0),
            log_suppressed: AtomicU64::new(0),
            reply_us: Spread::new(MINUTE_US),
            commit_us: Spread::new(MINUTE_US),
            batch_records: Spread::new(1_000_000),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Metrics {
    /// Counts a frame by how well formed it was.
    pub fn frame(&self, verdict: FrameVerdict) {
        self.frames.add(verdict as usize, 1);
    }

    /// Counts bytes that were no frame.
    pub fn noise(&self, noise: Noise, bytes: usize) {
        self.noise.add(noise as usize, 1);
        self.noise_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a connection that a session ended.
    pub fn close(&self, reason: CloseReason) {
        self.closes.add(reason as usize, 1);
    }

    /// Counts an answer.
    pub fn answer(&self, answer: Answer) {
        self.answers.add(answer as usize, 1);
    }

    /// Counts what became of a frame.
    pub fn fate(&self, fate: Fate) {
        self.fates.add(fate as usize, 1);
    }

    /// Counts something about a connection or datagram.
    pub fn link(&self, link: Link) {
        self.links.add(link as usize, 1);
    }

    /// Counts what a shadow found.
    pub fn shadow(&self, found: ShadowCount) {
        self.shadows.add(found as usize, 1);
    }

    /// How often `link` was counted.
    pub fn link_count(&self, link: Link) -> u64 {
        self.links.read(link as usize)
    }

    /// How often `fate` was counted.
    pub fn fate_count(&self, fate: Fate) -> u64 {
        self.fates.read(fate as usize)
    }

    /// Adds to the number of open connections.
    pub fn connections_open(&self, by: i64) {
        self.connections_open.fetch_add(by, Ordering::Relaxed);
    }

    /// Counts log lines that the limiter held back.
    pub fn log_suppressed(&self, lines: u64) {
        self.log_suppressed.fetch_add(lines, Ordering::Relaxed);
    }

    /// Records the time from the last byte of a frame to its reply.
    pub fn reply_time(&self, time: Duration) {
        self.reply_us.record(micros(time));
    }

    /// Records one commit: its time on disk and its number of records.
    pub fn commit(&self, time: Duration, records: usize) {
        self.commit_us.record(micros(time));
        self.batch_records.record(records as u64);
    }

    /// All figures as text, one per line, `name{label="value"} number`.
    #[must_use]
    pub fn print(&self, gauges: Gauges) -> String {
        let mut out = String::new();
        let mut table = |name: &str, label: &str, rows: &mut dyn Iterator<Item = (&str, u64)>| {
            for (value, count) in rows {
                let _ = writeln!(out, "larm_{name}{{{label}=\"{value}\"}} {count}");
            }
        };
        table(
            "frames_total",
            "verdict",
            &mut FrameVerdict::ALL
                .iter()
                .map(|v| (v.as_str(), self.frames.read(*v as usize))),
        );
        table(
            "answers_total",
            "answer",
            &mut Answer::ALL
                .iter()
                .map(|v| (v.as_str(), self.answers.read(*v as usize))),
        );
        table(
            "fates_total",
            "fate",
            &mut Fate::ALL
                .iter()
                .map(|v| (v.as_str(), self.fates.read(*v as usize))),
        );
        table(
            "noise_total",
            "kind",
            &mut Noise::ALL
                .iter()
                .map(|v| (v.as_str(), self.noise.read(*v as usize))),
        );
        table(
            "session_closes_total",
            "reason",
            &mut CloseReason::ALL
                .iter()
                .map(|v| (v.as_str(), self.closes.read(*v as usize))),
        );
        table(
            "links_total",
            "event",
            &mut Link::ALL
                .iter()
                .map(|v| (v.as_str(), self.links.read(*v as usize))),
        );
        table(
            "shadow_answers_total",
            "found",
            &mut ShadowCount::ALL
                .iter()
                .map(|v| (v.as_str(), self.shadows.read(*v as usize))),
        );
        let mut line = |name: &str, value: i128| {
            let _ = writeln!(out, "larm_{name} {value}");
        };
        line(
            "noise_bytes_total",
            self.noise_bytes.load(Ordering::Relaxed).into(),
        );
        line(
            "connections_open",
            self.connections_open.load(Ordering::Relaxed).into(),
        );
        line("queue_depth_alarms", gauges.queue_alarms as i128);
        line("queue_depth_rest", gauges.queue_rest as i128);
        line("journal_position", gauges.journal_position.into());
        line("journal_healthy", gauges.journal_healthy.into());
        line(
            "journal_segments_unchecked",
            gauges.journal_unchecked.into(),
        );
        line("journal_segments_damaged", gauges.journal_damaged.into());
        line("history_position", gauges.history_position.into());
        line(
            "history_repeats_dropped_total",
            gauges.history_repeats_dropped.into(),
        );
        line("repeats_window_entries", gauges.repeats_window as i128);
        line(
            "log_lines_suppressed_total",
            self.log_suppressed.load(Ordering::Relaxed).into(),
        );
        self.reply_us.print(&mut out, "larm_reply_microseconds");
        self.commit_us.print(&mut out, "larm_commit_microseconds");
        self.batch_records.print(&mut out, "larm_batch_records");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_printed_and_counts_land_on_their_own_line() {
        let metrics = Metrics::default();
        metrics.frame(FrameVerdict::BadCrc);
        metrics.fate(Fate::Late);
        metrics.link(Link::DatagramOverload);
        metrics.close(CloseReason::ForeignProtocol);
        metrics.noise(Noise::Foreign, 7);
        metrics.answer(Answer::Silence);
        let text = metrics.print(Gauges::default());
        for line in [
            "larm_frames_total{verdict=\"bad-crc\"} 1",
            "larm_frames_total{verdict=\"ok\"} 0",
            "larm_fates_total{fate=\"late\"} 1",
            "larm_links_total{event=\"datagram-overload\"} 1",
            "larm_session_closes_total{reason=\"foreign-protocol\"} 1",
            "larm_noise_total{kind=\"foreign-protocol\"} 1",
            "larm_noise_bytes_total 7",
            "larm_answers_total{answer=\"none\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "missing: {line}\n{text}"
            );
        }
    }

    #[test]
    fn histograms_clamp_what_is_out_of_range() {
        let metrics = Metrics::default();
        metrics.reply_time(Duration::from_hours(1));
        metrics.commit(Duration::ZERO, 0);
        let text = metrics.print(Gauges::default());
        assert!(text.contains("larm_reply_microseconds_count 1"));
        assert!(text.contains("larm_batch_records_count 1"));
    }
}
