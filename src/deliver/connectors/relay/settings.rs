//! What one relay is told, without what is the protocol's own.
use std::time::Duration;

use crate::config::Transport;
use crate::config::connector::{Dc09Relay, WhenDeclined};

/// How bytes go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A connection that stays.
    Stream,
    /// A connection for each message.
    StreamPerMessage,
    /// Datagrams.
    Datagram,
}

/// The settings of one relay, without what is the protocol's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `host:port` of the other receiver, the first choice first; at least one.
    pub addresses: Vec<String>,
    /// How bytes go out.
    pub way: Way,
    /// Connections at one time, at least 1.
    pub connections: usize,
    /// Messages without an answer on one connection, at least 1.
    pub outstanding: usize,
    /// From sending to the answer.
    pub answer_timeout: Duration,
    /// For a connection to come about.
    pub connect_timeout: Duration,
    /// The account of link tests, and of events that have none.
    pub link_account: String,
    /// A link test after this long without an exchange; zero: none.
    pub link_test: Duration,
    /// How long after a change to another address the first one is tried again.
    pub return_after: Duration,
    /// The transmitter's time of sending goes along while it is at most this old; zero: never.
    pub time_past: Duration,
    /// The same for times ahead of larm's.
    pub time_ahead: Duration,
    /// Extended data goes along.
    pub extended: bool,
    /// What follows when an event cannot be handled.
    pub when_declined: WhenDeclined,
}

impl Settings {
    /// As the configuration says.
    #[must_use]
    pub fn of(own: &Dc09Relay) -> Self {
        let backup = Some(&own.backup).filter(|backup| !backup.is_empty());
        let addresses = std::iter::once(&own.address).chain(backup);
        Self {
            addresses: addresses.map(ToString::to_string).collect(),
            way: match (own.transport, own.persistent) {
                (Transport::Tcp, true) => Way::Stream,
                (Transport::Tcp, false) => Way::StreamPerMessage,
                (Transport::Udp, _) => Way::Datagram,
            },
            connections: own.connections.max(1),
            outstanding: own.outstanding.max(1),
            answer_timeout: own.answer_timeout,
            connect_timeout: own.connect_timeout,
            link_account: own.link_account.clone(),
            link_test: own.link_test,
            return_after: own.return_after,
            time_past: own.time_past,
            time_ahead: own.time_ahead,
            extended: own.extended,
            when_declined: own.when_declined,
        }
    }
}
