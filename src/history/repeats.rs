//! How often an event was seen again, and over which paths: kept beside the rows, added on reading.
//!
//! Constraints
//! - Best effort. The journal holds no repeats, so a rebuild loses the counts; whoever tells a
//!   repeat never waits, and what finds no room is dropped and counted.
//! - A repeat may come before its event is stored. It is filed under the event's `id`, in the month
//!   that a UUIDv7 tells, so neither has to wait for the other.
//!
//! Layout: table `repeat`, a row per event and path. A frame with several events is filed under the
//! `id` of the first one; the others follow it in position.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use larm_event::{Event, Repeat, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use uuid::Uuid;

use super::progress::Progress;
use super::{Month, store};

/// Repeats that may wait for the history's thread; each is some hundred bytes.
const WAITING_MAX: usize = 8_192;

/// `seen` counts the repeats alone, without the first time. Times are milliseconds since
/// 1970-01-01T00:00:00Z.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS repeat (
    id      TEXT    NOT NULL,
    path    TEXT    NOT NULL,
    seen    INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (id, path)
) STRICT, WITHOUT ROWID;
";

const ADD: &str = "
INSERT INTO repeat (id, path, seen, last_at) VALUES (?1, ?2, 1, ?3)
ON CONFLICT (id, path) DO UPDATE SET seen = seen + 1, last_at = max(last_at, excluded.last_at)";

/// The repeats of the frame whose first event has position ?1.
const OF_FRAME: &str = "
SELECT path, seen FROM repeat WHERE id = (SELECT id FROM event WHERE position = ?1) ORDER BY path";

/// An event came again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// `id` of the first event of the frame that came again.
    pub event: Uuid,
    /// When it came again.
    pub at: Timestamp,
    /// Over which path, as `listener/transport`.
    pub path: String,
}

impl Repeated {
    /// The month of the event, which is the month of the repeat where its `id` tells no time.
    pub(super) fn month(&self) -> Month {
        let told = self.event.get_timestamp().map(|time| {
            let (seconds, nanos) = time.to_unix();
            let millis = seconds.saturating_mul(1000) + u64::from(nanos / 1_000_000);
            Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
        });
        Month::of(told.unwrap_or(self.at))
    }
}

/// Where repeats are told. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Repeats {
    waiting: SyncSender<Repeated>,
    progress: Arc<Progress>,
}

impl Repeats {
    /// A bounded way to the history's thread.
    pub(super) fn channel(progress: &Arc<Progress>) -> (Self, Receiver<Repeated>) {
        let (waiting, told) = sync_channel(WAITING_MAX);
        let progress = Arc::clone(progress);
        (Self { waiting, progress }, told)
    }

    /// Has the repeat counted soon; where there is no room it is dropped and counted as such.
    pub fn tell(&self, repeated: Repeated) {
        if self.waiting.try_send(repeated).is_err() {
            self.progress
                .repeats_dropped
                .fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What waits now, by month.
pub(super) fn waiting(told: &Receiver<Repeated>) -> BTreeMap<Month, Vec<Repeated>> {
    let mut by_month: BTreeMap<Month, Vec<Repeated>> = BTreeMap::new();
    for repeated in told.try_iter().take(WAITING_MAX) {
        by_month.entry(repeated.month()).or_default().push(repeated);
    }
    by_month
}

/// Counts the repeats, which belong to the month of this file.
pub(super) fn add(transaction: &Transaction<'_>, repeated: &[Repeated]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(ADD)?;
    let mut id = Uuid::encode_buffer();
    for one in repeated {
        let id = &*one.event.hyphenated().encode_lower(&mut id);
        statement.execute(params![id, one.path, one.at.as_millis()])?;
    }
    Ok(())
}

/// Adds to the events of this file how often they were seen and where.
pub(super) fn merge<'a>(
    connection: &Connection,
    events: impl Iterator<Item = &'a mut Event>,
) -> rusqlite::Result<()> {
    // A file of an earlier larm that nothing was stored in since has no such table.
    let kept = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'repeat'")?
        .query_row([], |_| Ok(()))
        .optional()?;
    if kept.is_none() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(OF_FRAME)?;
    for event in events {
        let behind = event.part.map_or(0, |part| part.index.saturating_sub(1));
        let first = event.position.unwrap_or(0).saturating_sub(behind.into());
        let Ok(first) = store::stored(first) else {
            continue;
        };
        let rows = statement
            .query_map([first], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(String, i64)>>>()?;
        if !rows.is_empty() {
            join(event, rows);
        }
    }
    Ok(())
}

/// The first time counts as one, and its path goes first.
fn join(event: &mut Event, rows: Vec<(String, i64)>) {
    let first = event
        .path
        .as_ref()
        .map(|path| format!("{}/{}", path.listener, path.transport));
    let again: i64 = rows.iter().map(|(_, seen)| seen).sum();
    let repeat = event.repeat.get_or_insert(Repeat {
        seen: None,
        paths: Vec::new(),
        possible_repeat_of: None,
    });
    repeat.seen = Some(u32::try_from(again.saturating_add(1)).unwrap_or(u32::MAX));
    repeat.paths = first.into_iter().collect();
    for (path, _) in rows {
        if !repeat.paths.contains(&path) {
            repeat.paths.push(path);
        }
    }
}
