//! The gateway's two clocks: UTC for stamps, monotonic for durations.
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use larm_carrier::Moment;
use larm_event::Timestamp;

/// Where the gateway reads its clocks; a test brings its own.
pub trait Clock: Send + Sync + 'static {
    /// Both readings, taken together.
    fn now(&self) -> Moment;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment {
            mono: self.start.elapsed(),
            utc: utc_now(),
        }
    }
}

/// The machine's UTC time. A clock before 1970 reads as 1970.
#[must_use]
pub fn utc_now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
