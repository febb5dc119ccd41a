//! Raises the gateway's own events about its connectors: events wait for too long, a connector could
//! not be started, it delivers to another of its endpoints; and the ends of the first two.
//!
//! What was raised stands in files of the connector's directory, so that the end follows also after
//! a restart, and nothing is raised twice. The events go through the lanes to the journal as any
//! other, and from there to every connector whose route passes them.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use larm_event::Event;
use tokio_util::sync::CancellationToken;

use super::news::News;
use super::roster::{Roster, Standing, Way};
use super::{Parts, directory};
use crate::deliver::engine::Status;
use crate::sink::{Entry, Lane, Lanes, Slot, State};
use crate::{clock, record};

/// From one look at the connectors to the next: what a person waits for may come this much later.
const EVERY: Duration = Duration::from_millis(200);
/// Between two events about a connector's endpoint: one that changes all the time is told that
/// often.
const MOVES_EVERY: Duration = Duration::from_secs(10);
/// The file that says that events wait for too long.
const LATE: &str = "undelivered";
/// The file that says that the connector could not be started.
const NOT_STARTED: &str = "not-started";
/// The file that holds the endpoint that was used last.
const ENDPOINT: &str = "endpoint";

/// Looks at all connectors from time to time and raises what is to be raised.
pub(super) async fn run(parts: Parts, roster: Roster, stop: CancellationToken) {
    let mut known: HashMap<String, Known> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let ways = roster.ways();
        known.retain(|name, _| ways.contains_key(name));
        for (name, way) in &ways {
            let Some(after) = way.annunciate_after else {
                continue;
            };
            let known = (known.entry(name.clone()))
                .or_insert_with(|| Known::read(&directory(&parts.data).join(name)));
            let Some(news) = known.due(way, after) else {
                continue;
            };
            log(name, &news);
            if journal(&parts.lanes, &news.event(name, &parts.node)).await {
                known.told(&news);
            }
        }
    }
}

fn log(name: &str, news: &News) {
    match news {
        News::Late(text) => tracing::error!(connector = name, "{text}"),
        News::Delivers => tracing::info!(connector = name, "no event waits too long any more"),
        News::Moved { from, to } => {
            tracing::warn!(connector = name, from, to, "another endpoint is in use");
        }
        // Whoever starts connectors has said it.
        News::NotStarted(_) | News::Started => {}
    }
}

/// What was raised about one connector.
struct Known {
    directory: PathBuf,
    late: bool,
    not_started: bool,
    endpoint: Option<String>,
    moved: Option<Instant>,
}

impl Known {
    fn read(directory: &Path) -> Self {
        Self {
            late: directory.join(LATE).exists(),
            not_started: directory.join(NOT_STARTED).exists(),
            endpoint: std::fs::read_to_string(directory.join(ENDPOINT)).ok(),
            moved: None,
            directory: directory.to_owned(),
        }
    }

    /// What is to be raised.
    fn due(&mut self, way: &Way, after: Duration) -> Option<News> {
        match &way.standing {
            Standing::Failed(why) => (!self.not_started).then(|| News::NotStarted(why.clone())),
            Standing::Disabled => None,
            Standing::Running(_) if self.not_started => Some(News::Started),
            Standing::Running(handle) => {
                let status = handle.status();
                let late = self.due_late(&status, after);
                late.or_else(|| self.due_move(status.endpoint.as_deref()?))
            }
        }
    }

    fn due_late(&self, status: &Status, after: Duration) -> Option<News> {
        let now_ms = clock::utc_now().as_millis();
        let waits = |limit: Duration| {
            let oldest = status.oldest.as_ref();
            oldest.is_some_and(|oldest| oldest.age(now_ms) >= limit)
        };
        // After a start the engine first finds out what waits: until then nothing is over.
        let looked = status.reached >= status.published;
        match (self.late, status.late) {
            (false, true) => Some(News::Late(said(status))),
            (true, false) if looked && !waits(after) => Some(News::Delivers),
            _ => None,
        }
    }

    fn due_move(&mut self, endpoint: &str) -> Option<News> {
        let Some(before) = &self.endpoint else {
            self.uses(endpoint);
            return None;
        };
        let soon = self.moved.is_some_and(|at| at.elapsed() < MOVES_EVERY);
        (before != endpoint && !soon).then(|| News::Moved {
            from: before.clone(),
            to: endpoint.to_owned(),
        })
    }

    /// This was raised, and is durable.
    fn told(&mut self, news: &News) {
        match news {
            News::Late(_) | News::Delivers => {
                self.late = matches!(news, News::Late(_));
                self.keep(LATE, self.late.then_some(""));
            }
            News::NotStarted(_) | News::Started => {
                self.not_started = matches!(news, News::NotStarted(_));
                self.keep(NOT_STARTED, self.not_started.then_some(""));
            }
            News::Moved { to, .. } => {
                self.moved = Some(Instant::now());
                self.uses(to);
            }
        }
    }

    fn uses(&mut self, endpoint: &str) {
        self.endpoint = Some(endpoint.to_owned());
        self.keep(ENDPOINT, Some(endpoint));
    }

    /// A file with this in it, or none.
    fn keep(&self, name: &str, content: Option<&str>) {
        let file = self.directory.join(name);
        let kept = match content {
            // A connector that was never started has no directory yet.
            Some(content) => std::fs::create_dir_all(&self.directory)
                .and_then(|()| std::fs::write(&file, content)),
            None => std::fs::remove_file(&file),
        };
        let synced = kept.and_then(|()| std::fs::File::open(&self.directory)?.sync_all());
        if let Err(error) = synced {
            // After a restart it may be raised once more, or its end may be missing.
            tracing::warn!(%error, file = %file.display(), "cannot be kept");
        }
    }
}

fn said(status: &Status) -> String {
    let now_ms = clock::utc_now().as_millis();
    let waiting = status.waiting_all() + status.in_flight;
    let age = status
        .oldest
        .map_or(0, |oldest| oldest.age(now_ms).as_secs());
    format!("{waiting} events wait for delivery, the oldest for {age} s")
}

/// Makes it durable; `false`: there was no room, it is to be tried again.
async fn journal(lanes: &Lanes, event: &Event) -> bool {
    let slot = Slot::new();
    let entry = Entry::new(vec![record::encode(event, None)], Arc::clone(&slot));
    if lanes.push(entry, Lane::Alarms).is_err() {
        return false;
    }
    matches!(slot.committed().await, State::Committed { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::engine::Oldest;

    fn status(late: bool, since: Option<i64>) -> Status {
        Status {
            late,
            oldest: since.map(|ago| Oldest {
                position: 7,
                since_ms: clock::utc_now().as_millis() - ago,
            }),
            published: 9,
            reached: 9,
            ..Status::default()
        }
    }

    #[test]
    fn each_is_raised_once_and_the_end_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let after = Duration::from_secs(10);
        let read = || Known::read(folder.path());
        let mut known = read();
        assert_eq!(known.due_late(&status(false, Some(5_000)), after), None);
        let news = known.due_late(&status(true, Some(11_000)), after).unwrap();
        assert!(matches!(&news, News::Late(text) if text.contains("11 s")));
        known.told(&news);
        assert_eq!(known.due_late(&status(true, Some(12_000)), after), None);
        // A restart: not late yet by the engine's own count, but it has waited too long.
        let mut known = read();
        assert_eq!(known.due_late(&status(false, Some(13_000)), after), None);
        let reading = Status {
            reached: 3,
            ..status(false, None)
        };
        assert_eq!(known.due_late(&reading, after), None);
        let over = known.due_late(&status(false, None), after);
        assert_eq!(over, Some(News::Delivers));
        known.told(&News::Delivers);
        assert_eq!(read().due_late(&status(false, None), after), None);
    }

    #[test]
    fn a_failed_start_is_raised_once_before_there_is_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("case");
        let way = Way {
            kind: "jsonl",
            standing: Standing::Failed("`path`: is missing".to_owned()),
            annunciate_after: Some(Duration::from_secs(10)),
        };
        let after = Duration::from_secs(10);
        let mut known = Known::read(&own);
        let news = known.due(&way, after).unwrap();
        assert_eq!(news, News::NotStarted("`path`: is missing".to_owned()));
        known.told(&news);
        assert_eq!(known.due(&way, after), None);
        assert_eq!(Known::read(&own).due(&way, after), None);
    }

    #[test]
    fn another_endpoint_is_raised_and_not_all_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = Known::read(folder.path());
        assert_eq!(known.due_move("a:1"), None);
        // A restart in between.
        let mut known = Known::read(folder.path());
        assert_eq!(known.due_move("a:1"), None);
        let news = known.due_move("b:2").unwrap();
        known.told(&news);
        assert_eq!(known.due_move("b:2"), None);
        assert_eq!(known.due_move("a:1"), None, "too soon");
    }
}
