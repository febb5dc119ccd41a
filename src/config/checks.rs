//! What single values cannot show: the same thing twice, and values that do not go together.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use super::Config;
use super::listener::{Listener, TCP_ONLY, Transport};
use super::problem::ProblemKind;
use super::reader::{Document, Table};
use super::units::show_duration;

/// A listener with where its parts stand.
pub(super) struct Placed<'d> {
    pub(super) listener: Listener,
    pub(super) addresses: Vec<(SocketAddr, Range<usize>)>,
    pub(super) table: Table<'d>,
}

/// Where a value of a section stands; the whole text's start where it is a default.
pub(super) trait Places {
    fn place(&self, section: &str, key: &str) -> Range<usize>;
}

/// Names and addresses that stand twice.
pub(super) fn twice(document: &Document<'_>, listeners: &[Placed<'_>]) {
    let mut names: HashMap<&str, Range<usize>> = HashMap::new();
    let mut sockets: Vec<(Transport, SocketAddr, Range<usize>)> = Vec::new();
    for placed in listeners {
        if placed.table.key_place("name").is_some() {
            let name = placed.listener.name.as_str();
            let place = placed.table.place("name");
            if let Some(first) = names.get(name) {
                let what = format!("the listener name \"{name}\"");
                document.report(
                    place,
                    ProblemKind::Twice {
                        what,
                        first: first.clone(),
                    },
                );
            } else {
                names.insert(name, place);
            }
        }
        let transport = placed.listener.transport;
        for (address, place) in &placed.addresses {
            let clash = sockets
                .iter()
                .find(|(other, there, _)| *other == transport && overlap(*there, *address));
            if let Some((_, there, first)) = clash {
                let what = if there == address {
                    format!("{address} over {}", transport.as_str())
                } else {
                    format!(
                        "{address} over {}, which {there} covers,",
                        transport.as_str()
                    )
                };
                let kind = ProblemKind::Twice {
                    what,
                    first: first.clone(),
                };
                document.report(place.clone(), kind);
            } else {
                sockets.push((transport, *address, place.clone()));
            }
        }
    }
}

/// Both cannot be bound at one time: the same port, and the same or every address of one family.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.port() != 0
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// Keys of connections at a listener that has none, and time-outs in a strange order.
pub(super) fn listener(document: &Document<'_>, placed: &Placed<'_>) {
    if placed.listener.transport == Transport::Udp {
        for key in TCP_ONLY {
            if let Some(place) = placed.table.key_place(key) {
                document.report(place, ProblemKind::NotForUdp { key });
            }
        }
        return;
    }
    let found = &placed.listener;
    for (key, value) in [
        ("frame_timeout", found.frame_timeout),
        ("first_byte_timeout", found.first_byte_timeout),
    ] {
        if value > found.idle_timeout {
            let kind = conflict(key, value, "longer", "idle_timeout", found.idle_timeout);
            document.report(
                placed
                    .table
                    .place(nearer(&placed.table, key, "idle_timeout")),
                kind,
            );
        }
    }
    if found.connections_per_peer_max > found.connections_max
        && placed.table.key_place("connections_per_peer_max").is_some()
    {
        let kind = ProblemKind::Conflict {
            what: format!(
                "connections_per_peer_max = {} is more than connections_max = {}",
                found.connections_per_peer_max, found.connections_max
            ),
            right: format!("at most {}", found.connections_max),
        };
        document.report(placed.table.place("connections_per_peer_max"), kind);
    }
}

/// Values of different sections.
pub(super) fn sections(document: &Document<'_>, config: &Config, places: &dyn Places) {
    let gateway = &config.gateway;
    if gateway.drain_timeout < gateway.ack_deadline {
        let kind = conflict(
            "drain_timeout",
            gateway.drain_timeout,
            "shorter",
            "ack_deadline",
            gateway.ack_deadline,
        );
        document.report(places.place("gateway", "drain_timeout"), kind);
    }
    if config.repeats.window < gateway.ack_deadline {
        let kind = conflict(
            "window",
            config.repeats.window,
            "shorter",
            "[gateway] ack_deadline",
            gateway.ack_deadline,
        );
        document.report(places.place("repeats", "window"), kind);
    }
    let flood = &config.flood;
    if flood.damaged_per_peer > flood.damaged_total {
        let kind = ProblemKind::Conflict {
            what: format!(
                "damaged_per_peer = {} is more than damaged_total = {}",
                flood.damaged_per_peer, flood.damaged_total
            ),
            right: format!("damaged_per_peer of at most {}", flood.damaged_total),
        };
        document.report(places.place("flood", "damaged_per_peer"), kind);
    }
}

fn nearer<'k>(table: &Table<'_>, key: &'k str, other: &'k str) -> &'k str {
    if table.key_place(key).is_some() {
        key
    } else {
        other
    }
}

fn conflict(
    key: &str,
    value: Duration,
    relation: &str,
    other: &str,
    limit: Duration,
) -> ProblemKind {
    let bound = if relation == "longer" {
        "at most"
    } else {
        "at least"
    };
    ProblemKind::Conflict {
        what: format!(
            "{key} = \"{}\" is {relation} than {other} = \"{}\"",
            show_duration(value),
            show_duration(limit)
        ),
        right: format!("{key} of {bound} \"{}\"", show_duration(limit)),
    }
}
