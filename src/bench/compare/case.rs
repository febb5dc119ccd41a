//! The cases: who receives what, and what larm is to reach.
use std::time::Duration;

use crate::bench::load::Way;

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// larm with its defaults: durable, history on.
    Larm,
    /// larm without its history.
    LarmWithoutHistory,
    /// The ceiling.
    Echo,
    /// The ceiling, with every frame durable in a journal before its answer.
    KeptEcho,
    /// The same without a runtime.
    KeptThreads,
    /// One of the peers.
    Peer(usize),
}

/// How often messages are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// When the last answer is there.
    Closed,
    /// So many in a second.
    PerSecond(f64),
    /// So many times the figure of the contestant with this label, in the same round.
    OfBest(f64, &'static str),
}

/// One load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadSpec {
    /// How messages travel.
    pub way: Way,
    /// Transmitters.
    pub connections: usize,
    /// Messages of one that may wait for their answers.
    pub depth: usize,
    /// Share of link tests; the rest are alarms.
    pub link_tests: f64,
    /// All accounts encrypt.
    pub encrypted: bool,
    /// How often messages are due.
    pub rate: Rate,
    /// Messages that a busy transmitter holds.
    pub held_max: usize,
    /// Time, where it is not that of all.
    pub lasts: Option<Duration>,
}

impl LoadSpec {
    const fn tcp(connections: usize) -> Self {
        Self {
            way: Way::Tcp,
            connections,
            depth: 1,
            link_tests: 0.0,
            encrypted: false,
            rate: Rate::Closed,
            held_max: 64,
            lasts: None,
        }
    }
}

/// What a contestant goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// A load.
    Load(LoadSpec),
    /// Silent connections.
    Idle {
        /// How many.
        connections: usize,
    },
}

/// One receiver in one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Contestant {
    /// Name in results.
    pub label: String,
    /// Who it is.
    pub who: Who,
    /// What it goes through.
    pub work: Work,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Name on the command line and in results.
    pub name: &'static str,
    /// What it is, in words.
    pub about: &'static str,
    /// In the order of results.
    pub contestants: Vec<Contestant>,
    /// A contestant needs the figures of one before it.
    pub in_order: bool,
}

/// The figure of larm itself in every case.
pub(super) const LARM: &str = "larm";
pub(super) const ECHO: &str = "echo";
pub(super) const KEPT: &str = "echo, kept";
pub(super) const KEPT_THREADS: &str = "threads, kept";
pub(super) const PLAIN: &str = "larm, plain";
pub(super) const WITHOUT_HISTORY: &str = "larm, no history";
pub(super) const BEST: &str = "larm, closed loop";
pub(super) const HALF: &str = "larm, half load";

impl Case {
    /// All of them; `peers` are the names of other receivers.
    #[must_use]
    pub fn all(peers: &[String]) -> Vec<Self> {
        let open = LoadSpec {
            rate: Rate::PerSecond(2_000.0),
            ..LoadSpec::tcp(1_000)
        };
        let sixty_four = LoadSpec::tcp(64);
        let all = |name, about, spec| Self::among_all(name, about, Work::Load(spec), peers);
        vec![
            all("tcp-1", "TCP, one connection", LoadSpec::tcp(1)).with_kept_echo(),
            all("tcp-64", "TCP, 64 connections", sixty_four).with_kept_echo(),
            all("tcp-1000", "TCP, 1,000 connections", LoadSpec::tcp(1_000)).with_kept_echo(),
            all(
                "tcp-64-depth-16",
                "TCP, 64 connections, depth 16",
                LoadSpec {
                    depth: 16,
                    ..sixty_four
                },
            )
            .with_kept_echo(),
            all(
                "udp-64",
                "UDP, 64 sockets",
                LoadSpec {
                    way: Way::Udp,
                    ..sixty_four
                },
            )
            .with_kept_echo(),
            all(
                "reconnect",
                "a connection for each message, 64 at a time",
                LoadSpec {
                    way: Way::Reconnect,
                    ..sixty_four
                },
            )
            .with_kept_echo(),
            Self::encrypted(peers),
            all(
                "link-tests-64",
                "link tests alone, 64 connections",
                LoadSpec {
                    link_tests: 1.0,
                    ..sixty_four
                },
            ),
            all(
                "open-2000",
                "2,000/s over 1,000 connections, open loop",
                open,
            ),
            Self::overload(),
            Self::among_all(
                "idle",
                "10,000 silent connections",
                Work::Idle {
                    connections: 10_000,
                },
                peers,
            ),
            Self::history(),
        ]
    }

    fn among_all(name: &'static str, about: &'static str, work: Work, peers: &[String]) -> Self {
        let own = [(LARM, Who::Larm), (ECHO, Who::Echo)];
        let own = own.map(|(label, who)| (label.to_owned(), who));
        let peers = peers.iter().enumerate();
        let peers = peers.map(|(place, name)| (name.clone(), Who::Peer(place)));
        let contestants =
            own.into_iter()
                .chain(peers)
                .map(|(label, who)| Contestant { label, who, work });
        Self {
            name,
            about,
            contestants: contestants.collect(),
            in_order: false,
        }
    }

    /// What durability costs alone, in both shapes, stands beside the ceiling: no target is held
    /// against it.
    fn with_kept_echo(mut self) -> Self {
        let echo = self.contestants.iter().position(|c| c.who == Who::Echo);
        if let Some((place, echo)) = echo.and_then(|at| Some((at, self.contestants.get(at)?))) {
            let work = echo.work;
            let kept = [(KEPT, Who::KeptEcho), (KEPT_THREADS, Who::KeptThreads)];
            let kept = kept.map(|(label, who)| Contestant {
                label: label.to_owned(),
                who,
                work,
            });
            let behind = place + 1;
            self.contestants.splice(behind..behind, kept);
        }
        self
    }

    fn encrypted(peers: &[String]) -> Self {
        let sealed = LoadSpec {
            encrypted: true,
            ..LoadSpec::tcp(64)
        };
        let about = "encrypted, 64 connections";
        let mut case = Self::among_all("encrypted-64", about, Work::Load(sealed), peers);
        case.contestants.insert(
            1,
            Contestant {
                label: PLAIN.to_owned(),
                who: Who::Larm,
                work: Work::Load(LoadSpec::tcp(64)),
            },
        );
        case
    }

    /// What it can take at most, half of that, and ten times as much.
    fn overload() -> Self {
        let with = |rate| LoadSpec {
            link_tests: 0.9,
            rate,
            held_max: 1,
            ..LoadSpec::tcp(2_000)
        };
        let contestant = |label: &str, who, rate| Contestant {
            label: label.to_owned(),
            who,
            work: Work::Load(with(rate)),
        };
        Self {
            name: "overload",
            about: "ten times what it takes, open loop, 2,000 connections, 90 % link tests",
            contestants: vec![
                contestant(BEST, Who::Larm, Rate::Closed),
                contestant(HALF, Who::Larm, Rate::OfBest(0.5, BEST)),
                contestant(LARM, Who::Larm, Rate::OfBest(10.0, BEST)),
                contestant(ECHO, Who::Echo, Rate::OfBest(10.0, BEST)),
            ],
            in_order: true,
        }
    }

    fn history() -> Self {
        let spec = LoadSpec::tcp(64);
        let larm = |label: &str, who| Contestant {
            label: label.to_owned(),
            who,
            work: Work::Load(spec),
        };
        Self {
            name: "history",
            about: "history on and off, TCP, 64 connections",
            contestants: vec![
                larm(LARM, Who::Larm),
                larm(WITHOUT_HISTORY, Who::LarmWithoutHistory),
            ],
            in_order: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_larm_in_it_and_its_own_name() {
        let cases = Case::all(&["peer".to_owned()]);
        let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
        for case in &cases {
            let larm = case.contestants.iter().filter(|c| c.label == LARM).count();
            assert_eq!(larm, 1, "{}", case.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cases.len());
        let tcp = &cases[0].contestants;
        assert_eq!(tcp[2].who, Who::KeptEcho);
        assert_eq!(tcp[3].who, Who::KeptThreads);
        assert_eq!(tcp[4].who, Who::Peer(0));
    }
}
