//! Rebuilds the window of repeats from the journal, so that a repeat after a crash is still one.
use std::path::Path;
use std::time::Duration;

use larm_carrier::Moment;

use super::ServeError;
use crate::intake::Intake;
use crate::journal::{Reader, Recovery};
use crate::record;

/// Records read back at most; the window holds no more entries anyway.
const RECORDS_MAX: u64 = 100_000;

/// Puts every frame of the last window's length back, and tells how many.
pub(super) fn rebuild(
    intake: &Intake,
    journal_dir: &Path,
    recovery: &Recovery,
    now: Moment,
) -> Result<usize, ServeError> {
    if recovery.last == 0 {
        return Ok(0);
    }
    let from = recovery.last.saturating_sub(RECORDS_MAX).max(1);
    let oldest = now.utc.as_millis() - intake.repeat_window().as_millis().try_into().unwrap_or(0);
    let mut reader = Reader::open(journal_dir, from)?;
    let mut remembered = 0;
    while let Some(entry) = reader.next_until(recovery.last)? {
        if entry.at_ms < oldest {
            continue;
        }
        // A record that cannot be read is reported by `verify`; it cannot be recognised again.
        let Ok(Some(stored)) = record::identity(entry.position, &entry.payload) else {
            continue;
        };
        let age = now.utc.as_millis().saturating_sub(entry.at_ms);
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        // The last record of the frame: the frame is durable only as a whole.
        let last = entry.position + u64::from(stored.records.saturating_sub(1));
        if last <= recovery.last {
            let at = now.mono.saturating_sub(age);
            intake.remember(&stored.identity, at, stored.id, last);
            remembered += 1;
        }
    }
    Ok(remembered)
}
