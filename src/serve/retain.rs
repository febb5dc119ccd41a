//! Lets old journal segments go once `journal.keep` has gone by and history and connectors are past
//! them.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use super::delivery::Roster;
use crate::history::Progress;
use crate::journal::{DiskStorage, Published, remove_before};

/// From one look to the next. Segments are kept for an hour at least.
const EVERY: Duration = Duration::from_mins(10);

/// What decides how far segments may go.
struct Retention {
    journal_dir: PathBuf,
    published: Published,
    /// `None`: there is no history to wait for.
    history: Option<Arc<Progress>>,
    /// `None`: there are no connectors to wait for.
    connectors: Option<Roster>,
}

impl Gateway {
    /// Looks for old segments at once and then from time to time. A failure is said and tried again:
    /// it costs space, never an alarm.
    pub(super) fn watch_segments(&mut self) {
        let retention = Arc::new(Retention {
            journal_dir: self.data.join("journal"),
            published: self.published.clone(),
            history: self.history.as_ref().map(crate::history::Filler::progress),
            connectors: self.delivery.as_ref().map(|one| one.roster().clone()),
        });
        let (stop, live) = (self.stop.clone(), Arc::clone(&self.config));
        self.tasks.spawn(async move {
            loop {
                let keep = live.load().journal.keep;
                let work = Arc::clone(&retention);
                tokio::task::spawn_blocking(move || work.let_go(keep))
                    .await
                    .map_err(std::io::Error::other)?;
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
        });
    }
}

impl Retention {
    fn let_go(&self, keep: Duration) {
        let position = self.passed();
        let storage = DiskStorage::new(&self.journal_dir);
        let now_ms = crate::clock::utc_now().as_millis();
        match remove_before(&storage, position, keep, now_ms) {
            Ok(0) => {}
            Ok(segments) => tracing::info!(segments, "old journal segments removed"),
            Err(error) => tracing::error!(%error, "old journal segments not removed"),
        }
    }

    /// The position that every reader of the journal is past.
    fn passed(&self) -> u64 {
        let durable = self.published.position();
        let history = self.history.as_ref();
        let connectors = self.connectors.as_ref();
        durable
            .min(history.map_or(durable, |history| history.durable()))
            .min(connectors.map_or(durable, |connectors| connectors.passed(durable)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, Options};

    const SMALL: Options = Options {
        segment_len: 64 << 10,
        reserve: 0,
        ahead: false,
    };

    fn segments(directory: &std::path::Path) -> usize {
        std::fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn old_segments_go_and_young_ones_stay() {
        let directory = tempfile::TempDir::new().unwrap();
        let journal_dir = directory.path().join("journal");
        let (mut journal, _) = Journal::open(&journal_dir, &SMALL).unwrap();
        let now = crate::clock::utc_now().as_millis();
        let record = vec![7; 30_000];
        for hours_ago in (0..12).rev() {
            journal
                .append([record.as_slice()], now - hours_ago * 3_600_000)
                .unwrap();
        }
        let before = segments(&journal_dir);
        let retention = Retention {
            journal_dir: journal_dir.clone(),
            published: journal.published(),
            history: None,
            connectors: None,
        };
        retention.let_go(Duration::from_hours(100));
        assert_eq!(segments(&journal_dir), before);
        retention.let_go(Duration::from_hours(6));
        let left = segments(&journal_dir);
        assert!(left < before && left > 1, "{left} of {before}");
        let last = journal.published().position();
        drop(journal);
        let (_, recovery) = Journal::open(&journal_dir, &SMALL).unwrap();
        assert_eq!(recovery.last, last);
    }
}
