//! `[[listener]]`: one way in.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use larm_carrier::Mode;

use super::listen_url::ListenUrl;
use super::reader::Table;
use super::schema::{Key, Section, Takes, quote};
use super::units::{show_duration, show_size};
use super::words::words;

/// The carriers of this build.
pub const PROTOCOLS: &[&str] = &["dc09"];

/// The port that DC-09 receivers use unless told otherwise.
pub const DC09_PORT: u16 = 3061;

words! {
    /// How bytes come.
    Transport {
        /// A stream.
        Tcp = "tcp",
        /// Datagrams.
        Udp = "udp",
    }
}

words! {
    /// Which of a transmitter's two ways this is.
    Role {
        /// The first choice of the transmitter.
        Primary = "primary",
        /// The second choice of the transmitter.
        Backup = "backup",
    }
}

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Name on events, in logs and in metrics.
    pub name: String,
    /// Addresses to listen on; at least one.
    pub addresses: Vec<SocketAddr>,
    /// The carrier; one of [`PROTOCOLS`].
    pub protocol: String,
    /// Stream or datagram.
    pub transport: Transport,
    /// How departures from the standard are answered.
    pub mode: Mode,
    /// Primary or backup path of the transmitters.
    pub role: Role,
    /// Connections at one time; the next one is closed at once (TCP).
    pub connections_max: usize,
    /// Connections at one time from one address (TCP).
    pub connections_per_peer_max: usize,
    /// Longest frame in bytes, from start mark to end mark.
    pub frame_max: usize,
    /// From the first byte of a frame to its last (TCP).
    pub frame_timeout: Duration,
    /// From the connection to its first byte (TCP).
    pub first_byte_timeout: Duration,
    /// From the last byte to the next frame (TCP).
    pub idle_timeout: Duration,
}

impl Default for Listener {
    /// DC-09 over TCP on loopback.
    fn default() -> Self {
        Self {
            name: "dc09-tcp".to_owned(),
            addresses: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DC09_PORT)],
            protocol: "dc09".to_owned(),
            transport: Transport::Tcp,
            mode: Mode::Tolerant,
            role: Role::Primary,
            connections_max: 20_000,
            connections_per_peer_max: 20_000,
            frame_max: 8 * 1024,
            frame_timeout: Duration::from_secs(20),
            first_byte_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_hours(25),
        }
    }
}

/// Keys that say nothing where there are no connections.
pub(super) const TCP_ONLY: [&str; 5] = [
    "connections_max",
    "connections_per_peer_max",
    "frame_timeout",
    "first_byte_timeout",
    "idle_timeout",
];

pub(super) static SECTION: Section = Section {
    name: "listener",
    repeated: true,
    about: "One way in; as many as you like. With none: DC-09 on 127.0.0.1:3061 over TCP and UDP.",
    keys: &[
        Key {
            name: "name",
            takes: Takes::Text { max: 32 },
            default: "",
            what: "Name on events, in logs and in metrics; needed, and no two the same.",
            reload: false,
        },
        Key {
            name: "address",
            takes: Takes::Addresses,
            default: "",
            what: "Where to listen; needed. Port 0 lets the system choose.",
            reload: false,
        },
        Key {
            name: "protocol",
            takes: Takes::Word(PROTOCOLS),
            default: "\"dc09\"",
            what: "What the transmitters speak.",
            reload: false,
        },
        Key {
            name: "transport",
            takes: Takes::Word(Transport::WORDS),
            default: "\"tcp\"",
            what: "Stream or datagrams. Write two listeners for both.",
            reload: false,
        },
        Key {
            name: "mode",
            takes: Takes::Word(&["tolerant", "strict"]),
            default: "\"tolerant\"",
            what: "`tolerant` acknowledges whatever is whole and records its deviations; `strict` \
                   answers as the standard says. An account can have its own.",
            reload: false,
        },
        Key {
            name: "role",
            takes: Takes::Word(Role::WORDS),
            default: "\"primary\"",
            what: "Which of a transmitter's two ways this is; stands on every event.",
            reload: false,
        },
        Key {
            name: "frame_max",
            takes: Takes::Size {
                min: 256,
                max: 65_536,
            },
            default: "\"8KiB\"",
            what: "Longest frame. A longer one ends the connection and is counted.",
            reload: false,
        },
        Key {
            name: "connections_max",
            takes: Takes::Count {
                min: 1,
                max: 1_000_000,
                unit: "connections",
            },
            default: "20000",
            what: "Connections at one time. Then the newest one still gets in, and the oldest one that \
                   has sent nothing sound, or else the oldest of the address with the most, is \
                   closed between two frames and counted. TCP only.",
            reload: false,
        },
        Key {
            name: "connections_per_peer_max",
            takes: Takes::Count {
                min: 1,
                max: 1_000_000,
                unit: "connections",
            },
            default: "20000",
            what: "The same from one address, which then closes one of its own. Many transmitters can \
                   stand behind one address of a mobile network. TCP only.",
            reload: false,
        },
        Key {
            name: "frame_timeout",
            takes: Takes::Duration {
                min: 1_000,
                max: 300_000,
            },
            default: "\"20s\"",
            what: "From the first byte of a frame to its last; then the connection ends. TCP only.",
            reload: false,
        },
        Key {
            name: "first_byte_timeout",
            takes: Takes::Duration {
                min: 1_000,
                max: 3_600_000,
            },
            default: "\"1m\"",
            what: "From the connection to its first byte; then it ends. TCP only.",
            reload: false,
        },
        Key {
            name: "idle_timeout",
            takes: Takes::Duration {
                min: 10_000,
                max: 2_678_400_000,
            },
            default: "\"25h\"",
            what: "From one frame to the next; then the connection ends. Transmitters may keep a \
                   connection from one daily test to the next: keep it above the longest supervision \
                   interval. TCP only.",
            reload: false,
        },
    ],
};

impl Listener {
    /// The two listeners of a gateway without a configuration.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let tcp = Self::default();
        let udp = Self {
            name: "dc09-udp".to_owned(),
            transport: Transport::Udp,
            ..Self::default()
        };
        vec![tcp, udp]
    }

    /// Listeners from `--listen`, one for each URL, named `dc09-tcp`, `dc09-tcp-2`, …
    #[must_use]
    pub fn from_urls(urls: &[ListenUrl]) -> Vec<Self> {
        let mut listeners: Vec<Self> = Vec::with_capacity(urls.len());
        for url in urls {
            let stem = format!("{}-{}", url.protocol, url.transport.as_str());
            let same = listeners.iter().filter(|one| one.stem() == stem).count();
            let name = if same == 0 {
                stem
            } else {
                format!("{stem}-{}", same + 1)
            };
            listeners.push(Self {
                name,
                addresses: vec![url.address],
                protocol: url.protocol.clone(),
                transport: url.transport,
                ..Self::default()
            });
        }
        listeners
    }

    /// Each address as a URL, in order.
    pub fn urls(&self) -> impl Iterator<Item = ListenUrl> {
        self.addresses.iter().map(|address| ListenUrl {
            protocol: self.protocol.clone(),
            transport: self.transport,
            address: *address,
        })
    }

    fn stem(&self) -> String {
        format!("{}-{}", self.protocol, self.transport.as_str())
    }

    /// The listener, and where each of its addresses stands.
    pub(super) fn read(table: &Table<'_>) -> (Self, Vec<(SocketAddr, Range<usize>)>) {
        let mut found = Self::default();
        table.demand("name");
        table.text("name", &mut found.name);
        let mut addresses = Vec::new();
        if table.demand("address") {
            table.addresses("address", &mut addresses);
        }
        found.addresses = addresses.iter().map(|(address, _)| *address).collect();
        let protocol = |word: &str| PROTOCOLS.contains(&word).then(|| word.to_owned());
        table.word("protocol", protocol, &mut found.protocol);
        table.word("transport", Transport::from_word, &mut found.transport);
        table.word("mode", mode_from_word, &mut found.mode);
        table.word("role", Role::from_word, &mut found.role);
        table.count("connections_max", &mut found.connections_max);
        table.count(
            "connections_per_peer_max",
            &mut found.connections_per_peer_max,
        );
        let mut frame_max = 8 * 1024;
        table.size("frame_max", &mut frame_max);
        found.frame_max = usize::try_from(frame_max).unwrap_or(usize::MAX);
        table.duration("frame_timeout", &mut found.frame_timeout);
        table.duration("first_byte_timeout", &mut found.first_byte_timeout);
        table.duration("idle_timeout", &mut found.idle_timeout);
        (found, addresses)
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        if self.transport == Transport::Udp && TCP_ONLY.contains(&key) {
            return None;
        }
        match key {
            "name" => Some(quote(&self.name)),
            "address" => Some(self.show_addresses()),
            "protocol" => Some(quote(&self.protocol)),
            "transport" => Some(quote(self.transport.as_str())),
            "mode" => Some(quote(mode_word(self.mode))),
            "role" => Some(quote(self.role.as_str())),
            "frame_max" => Some(quote(&show_size(self.frame_max as u64))),
            "connections_max" => Some(self.connections_max.to_string()),
            "connections_per_peer_max" => Some(self.connections_per_peer_max.to_string()),
            "frame_timeout" => Some(quote(&show_duration(self.frame_timeout))),
            "first_byte_timeout" => Some(quote(&show_duration(self.first_byte_timeout))),
            "idle_timeout" => Some(quote(&show_duration(self.idle_timeout))),
            _ => None,
        }
    }

    fn show_addresses(&self) -> String {
        let quoted: Vec<String> = self
            .addresses
            .iter()
            .map(|address| quote(&address.to_string()))
            .collect();
        match quoted.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        }
    }
}

/// `tolerant` or `strict`.
#[must_use]
pub fn mode_from_word(word: &str) -> Option<Mode> {
    match word {
        "tolerant" => Some(Mode::Tolerant),
        "strict" => Some(Mode::Strict),
        _ => None,
    }
}

/// The word of a mode.
#[must_use]
pub const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Tolerant => "tolerant",
        Mode::Strict => "strict",
    }
}
