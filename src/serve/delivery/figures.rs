//! How the connectors are: as lines of figures, and as what `larm deliver status` shows.
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::roster::{Roster, Standing, Way};
use crate::clock;
use crate::deliver::LinkState;
use crate::deliver::engine::{LATENCY_BOUNDS_MS, Peek, RANK_NAMES, State, Status};

/// How one connector is, for people and programs. The JSON form only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorStatus {
    /// Its name.
    pub name: String,
    /// What it speaks; absent where no configuration was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `running`, `paused`, `halted`, `draining`, `failed`, `disabled`, or `stopped` where no gateway
    /// runs.
    pub state: String,
    /// Why it is halted or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// `up`, `down` or `unknown`.
    pub link: String,
    /// Why the link is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_why: Option<String>,
    /// Which of several endpoints is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The last durable position of the journal.
    pub published: u64,
    /// Every record up to here was looked at.
    pub reached: u64,
    /// Every record up to here is done.
    pub cursor: u64,
    /// As `cursor`, on disk.
    pub durable: u64,
    /// Position of the oldest event that is not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<u64>,
    /// How long it has waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_ms: Option<u64>,
    /// It waits for longer than it should.
    pub late: bool,
    /// Events that wait, most urgent first.
    pub waiting: Vec<Waiting>,
    /// Events on their way.
    pub in_flight: u64,
    /// Since the start, as the following ones: events that were confirmed.
    pub delivered: u64,
    /// Deliveries that are to be tried again.
    pub retried: u64,
    /// Events that were refused for good.
    pub refused: u64,
    /// Events that a person skipped.
    pub skipped: u64,
    /// Events that were held back.
    pub held: u64,
    /// Events that the route does not pass.
    pub unrouted: u64,
    /// Delivered events that went on as they came, since the form that is set has nothing for them.
    #[serde(default)]
    pub unconverted: u64,
    /// Events that are no longer in the journal and could not be delivered.
    pub lost: u64,
    /// Entries of the dead-letter list.
    pub dead_letters: u64,
    /// Why something failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// How long it still pauses after failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u64>,
}

/// Events of one rank that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Name of the rank.
    pub rank: String,
    /// How many.
    pub events: u64,
}

impl ConnectorStatus {
    /// Events that wait, of all ranks.
    #[must_use]
    pub fn waiting_all(&self) -> u64 {
        self.waiting.iter().map(|one| one.events).sum()
    }

    /// A connector whose gateway does not run, as far as its files tell.
    #[must_use]
    pub fn of_files(name: &str, peek: &Peek) -> Self {
        let mut status = Self {
            name: name.to_owned(),
            link: "unknown".to_owned(),
            cursor: peek.cursor,
            durable: peek.cursor,
            dead_letters: peek.dead_letters.len() as u64,
            ..Self::default()
        };
        status.stand(&peek.state);
        if status.state == "running" {
            "stopped".clone_into(&mut status.state);
        }
        status
    }

    fn stand(&mut self, state: &State) {
        let (word, why) = match state {
            State::Running => ("running", None),
            State::Paused => ("paused", None),
            State::Halted(why) => ("halted", Some(why.to_string())),
            State::Draining => ("draining", None),
        };
        word.clone_into(&mut self.state);
        self.why = why;
    }

    pub(super) fn of(name: &str, way: &Way) -> Self {
        let mut status = match &way.standing {
            Standing::Running(handle) => Self::of_engine(&handle.status()),
            Standing::Failed(why) => Self {
                state: "failed".to_owned(),
                why: Some(why.clone()),
                link: "unknown".to_owned(),
                ..Self::default()
            },
            Standing::Disabled => Self {
                state: "disabled".to_owned(),
                link: "unknown".to_owned(),
                ..Self::default()
            },
        };
        name.clone_into(&mut status.name);
        status.kind = Some(way.kind.to_owned());
        status
    }

    fn of_engine(engine: &Status) -> Self {
        let now_ms = clock::utc_now().as_millis();
        let oldest = engine.oldest.as_ref();
        let (link, link_why) = match &engine.link {
            LinkState::Unknown => ("unknown", None),
            LinkState::Up => ("up", None),
            LinkState::Down(why) => ("down", Some(why.clone())),
        };
        let waiting = RANK_NAMES.iter().zip(engine.waiting);
        let mut status = Self {
            link: link.to_owned(),
            link_why,
            endpoint: engine.endpoint.as_deref().map(str::to_owned),
            published: engine.published,
            reached: engine.reached,
            cursor: engine.cursor,
            durable: engine.durable,
            oldest: oldest.map(|oldest| oldest.position),
            oldest_age_ms: oldest.map(|oldest| millis(oldest.age(now_ms))),
            late: engine.late,
            waiting: waiting
                .map(|(rank, events)| Waiting {
                    rank: (*rank).to_owned(),
                    events,
                })
                .collect(),
            in_flight: engine.in_flight,
            delivered: engine.delivered,
            retried: engine.retried,
            refused: engine.refused,
            skipped: engine.skipped,
            held: engine.held,
            unrouted: engine.unrouted,
            unconverted: engine.unconverted,
            lost: engine.lost,
            dead_letters: engine.dead_letters,
            last_error: engine.last_error.as_deref().map(str::to_owned),
            pause_ms: engine.pause.map(millis),
            ..Self::default()
        };
        status.stand(&engine.state);
        status
    }
}

impl Roster {
    /// The figures of every connector, one per line. The only label from outside is the configured
    /// name, which is letters, digits and signs that need no escape.
    pub(in crate::serve) fn print(&self) -> String {
        let mut out = String::new();
        for (name, way) in self.ways() {
            let status = ConnectorStatus::of(&name, &way);
            print_one(&mut out, &name, &status);
            if let Some(handle) = way.handle() {
                print_latency(&mut out, &name, &handle.status());
            }
        }
        out
    }
}

fn print_one(out: &mut String, name: &str, status: &ConnectorStatus) {
    let up = match status.link.as_str() {
        "up" => 1,
        "down" => 0,
        // Nothing was tried yet.
        _ => -1,
    };
    let mut line = |figure: &str, value: i128| {
        let _ = writeln!(
            out,
            "larm_connector_{figure}{{connector=\"{name}\"}} {value}"
        );
    };
    line("running", (status.state == "running").into());
    line("link_up", up);
    line("late", status.late.into());
    line("waiting", status.waiting_all().into());
    line("in_flight", status.in_flight.into());
    line(
        "oldest_age_milliseconds",
        status.oldest_age_ms.unwrap_or(0).into(),
    );
    line("reached", status.reached.into());
    line("cursor", status.durable.into());
    line("delivered_total", status.delivered.into());
    line("retried_total", status.retried.into());
    line("refused_total", status.refused.into());
    line("skipped_total", status.skipped.into());
    line("held_total", status.held.into());
    line("unrouted_total", status.unrouted.into());
    line("unconverted_total", status.unconverted.into());
    line("lost_total", status.lost.into());
    line("dead_letters", status.dead_letters.into());
}

/// From the commit to the confirmation: how many took at most each bound.
fn print_latency(out: &mut String, name: &str, status: &Status) {
    let figure = "larm_connector_latency_milliseconds";
    let mut up_to = 0;
    let bounds = LATENCY_BOUNDS_MS.iter().map(u64::to_string);
    let bounds = bounds.chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(status.latency.buckets) {
        up_to += count;
        let _ = writeln!(
            out,
            "{figure}_bucket{{connector=\"{name}\",le=\"{bound}\"}} {up_to}"
        );
    }
    let sum = status.latency.sum_ms;
    let _ = writeln!(out, "{figure}_sum{{connector=\"{name}\"}} {sum}");
    let _ = writeln!(out, "{figure}_count{{connector=\"{name}\"}} {up_to}");
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_summed_up() {
        let mut status = Status::default();
        status.latency.buckets[0] = 2;
        status.latency.buckets[2] = 3;
        status.latency.sum_ms = 17;
        let mut out = String::new();
        print_latency(&mut out, "case", &status);
        for line in [
            "larm_connector_latency_milliseconds_bucket{connector=\"case\",le=\"1\"} 2",
            "larm_connector_latency_milliseconds_bucket{connector=\"case\",le=\"2\"} 2",
            "larm_connector_latency_milliseconds_bucket{connector=\"case\",le=\"5\"} 5",
            "larm_connector_latency_milliseconds_bucket{connector=\"case\",le=\"+Inf\"} 5",
            "larm_connector_latency_milliseconds_sum{connector=\"case\"} 17",
            "larm_connector_latency_milliseconds_count{connector=\"case\"} 5",
        ] {
            assert!(out.lines().any(|found| found == line), "{line}\n{out}");
        }
    }

    #[test]
    fn the_json_form_reads_back() {
        let mut status = ConnectorStatus::of_engine(&Status {
            state: State::Halted("gone".into()),
            link: LinkState::Down("no route".to_owned()),
            waiting: [1, 0, 0, 2, 0],
            ..Status::default()
        });
        "case".clone_into(&mut status.name);
        assert_eq!(status.waiting_all(), 3);
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["state"], "halted");
        assert_eq!(json["why"], "gone");
        assert_eq!(json["link"], "down");
        assert_eq!(json["waiting"][3]["rank"], "intrusion");
        let read: ConnectorStatus = serde_json::from_value(json).unwrap();
        assert_eq!(read, status);
    }
}
