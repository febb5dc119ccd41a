//! The gateway's own events about its connectors: one when events wait for too long, and one when
//! none does any more.
//!
//! Whether the first was raised stands in a file of the connector's directory, so that the second
//! follows also after a restart. Both go through the lanes to the journal as any other event, and
//! from there to every connector whose route passes them.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use larm_event::{Category, Code, Event, Kind, Priority, Scheme};
use tokio_util::sync::CancellationToken;

use super::roster::Roster;
use super::{Parts, directory};
use crate::deliver::engine::Status;
use crate::sink::{Entry, Lane, Lanes, Slot, State};
use crate::{clock, entropy, record};

/// The protocol of events that the gateway raises itself.
pub(super) const PROTOCOL: &str = "larm/receiver";
/// The code of those about a connector that events wait for.
const UNDELIVERED: &str = "undelivered";
/// From one look at the connectors to the next: what a person waits for may come this much later.
const EVERY: Duration = Duration::from_millis(200);
/// The file that says that the first one was raised.
const RAISED: &str = "undelivered";

/// The connector that a receiver event is about; `None` for any other event.
pub(super) fn about(event: &Event) -> Option<&str> {
    let own = event.protocol == PROTOCOL;
    let code = event.code.as_ref().filter(|_| own)?;
    let ours = code.scheme == Scheme::Larm && code.code == UNDELIVERED;
    event.peripheral.as_deref().filter(|_| ours)
}

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
            let (Some(handle), Some(after)) = (way.handle(), way.annunciate_after) else {
                continue;
            };
            let status = handle.status();
            let known = (known.entry(name.clone()))
                .or_insert_with(|| Known::read(&directory(&parts.data).join(name)));
            match known.due(&status, after) {
                Some(Due::Late) => {
                    let text = said(&status);
                    tracing::error!(connector = name, "{text}");
                    let event = event_about(name, &parts.node, Some(text));
                    if journal(&parts.lanes, &event).await {
                        known.raised(true);
                    }
                }
                Some(Due::Over) => {
                    tracing::info!(connector = name, "no event waits too long any more");
                    let event = event_about(name, &parts.node, None);
                    if journal(&parts.lanes, &event).await {
                        known.raised(false);
                    }
                }
                None => {}
            }
        }
    }
}

/// What was raised about one connector.
struct Known {
    file: PathBuf,
    raised: bool,
}

/// What is to be raised.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Late,
    Over,
}

impl Known {
    fn read(directory: &Path) -> Self {
        let file = directory.join(RAISED);
        let raised = file.exists();
        Self { file, raised }
    }

    fn due(&self, status: &Status, after: Duration) -> Option<Due> {
        let now_ms = clock::utc_now().as_millis();
        let waits = |limit: Duration| {
            let oldest = status.oldest.as_ref();
            oldest.is_some_and(|oldest| oldest.age(now_ms) >= limit)
        };
        // After a start the engine first finds out what waits: until then nothing is over.
        let looked = status.reached >= status.published;
        match (self.raised, status.late) {
            (false, true) => Some(Due::Late),
            (true, false) if looked && !waits(after) => Some(Due::Over),
            _ => None,
        }
    }

    fn raised(&mut self, raised: bool) {
        self.raised = raised;
        let kept = if raised {
            std::fs::write(&self.file, "")
        } else {
            std::fs::remove_file(&self.file)
        };
        if let Err(error) = kept.and_then(|()| sync(&self.file)) {
            // After a restart it may be raised once more, or its end may be missing.
            tracing::warn!(%error, file = %self.file.display(), "cannot be kept");
        }
    }
}

fn sync(file: &Path) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::File::open(directory)?.sync_all()
}

fn said(status: &Status) -> String {
    let now_ms = clock::utc_now().as_millis();
    let waiting = status.waiting_all() + status.in_flight;
    let age = status
        .oldest
        .map_or(0, |oldest| oldest.age(now_ms).as_secs());
    format!("{waiting} events wait for delivery, the oldest for {age} s")
}

/// Events wait for `connector`, as `late` says; without it: none waits too long any more.
pub(super) fn event_about(connector: &str, node: &str, late: Option<String>) -> Event {
    let now = clock::utc_now();
    let over = late.is_none();
    let (name, name_sv) = if over {
        ("Connector delivers again", "Anslutning levererar igen")
    } else {
        (
            "Events wait for a connector",
            "Händelser väntar på en anslutning",
        )
    };
    Event {
        id: entropy::event_id(now),
        node: node.to_owned(),
        received_at: now,
        code: Some(Code {
            scheme: Scheme::Larm,
            code: UNDELIVERED.to_owned(),
            qualifier: None,
            address: None,
            name: name.to_owned(),
            name_sv: name_sv.to_owned(),
        }),
        kind: if over {
            Kind::TroubleRestoral
        } else {
            Kind::Trouble
        },
        category: Category::Communication,
        priority: if over {
            Priority::NOTICE
        } else {
            Priority::FAULT
        },
        peripheral: Some(connector.to_owned()),
        text: late,
        ..Event::draft(PROTOCOL.to_owned())
    }
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
        assert_eq!(known.due(&status(false, Some(5_000)), after), None);
        assert_eq!(
            known.due(&status(true, Some(11_000)), after),
            Some(Due::Late)
        );
        known.raised(true);
        assert_eq!(known.due(&status(true, Some(12_000)), after), None);
        // A restart: not late yet by the engine's own count, but it has waited too long.
        let mut known = read();
        assert_eq!(known.due(&status(false, Some(13_000)), after), None);
        let reading = Status {
            reached: 3,
            ..status(false, None)
        };
        assert_eq!(known.due(&reading, after), None);
        assert_eq!(known.due(&status(false, None), after), Some(Due::Over));
        known.raised(false);
        assert_eq!(read().due(&status(false, None), after), None);
    }

    #[test]
    fn other_events_are_about_no_connector() {
        let event = event_about("case", "north", None);
        assert_eq!(about(&event), Some("case"));
        assert_eq!(about(&Event::draft("dc09/SIA-DCS".to_owned())), None);
        let mut other = event;
        other.protocol = "dc09/SIA-DCS".to_owned();
        assert_eq!(about(&other), None);
    }
}
