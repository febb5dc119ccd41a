//! `kind = "dc09-relay"`: events go on to another receiver as DC-09.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::listener::Transport;
use super::super::peer::Peer;
use super::super::reader::Table;
use super::super::schema::{Key, Takes, quote};
use super::super::units::show_duration;
use super::super::words::words;

words! {
    /// How a checksum is written.
    Checksum {
        /// Four hex digits.
        Ascii = "ascii",
        /// Two bytes.
        Binary = "binary",
    }
}

words! {
    /// Which scheme events go on in.
    RelayFormat {
        /// Each in the one that it came in.
        AsReceived = "as_received",
        /// SIA (`SIA-DCS`), where Contact ID has a counterpart there.
        Sia = "sia",
        /// Contact ID (`ADM-CID`), where SIA has a counterpart there.
        ContactId = "contact_id",
    }
}

words! {
    /// What follows when the other receiver says that it cannot handle an event.
    WhenDeclined {
        /// The event goes to the dead letters.
        Refuse = "refuse",
        /// It is sent again.
        Retry = "retry",
    }
}

/// Settings of a connector that sends DC-09.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dc09Relay {
    /// The other receiver; needed.
    pub address: Peer,
    /// Where it is reached while `address` does not answer; empty: nowhere.
    pub backup: Peer,
    /// Stream or datagrams.
    pub transport: Transport,
    /// One connection for all messages, instead of one for each.
    pub persistent: bool,
    /// Hex digits of the AES key of the link; absent: everything goes in clear.
    pub key_file: Option<PathBuf>,
    /// larm's receiver number on the link; empty: as each event came.
    pub receiver: String,
    /// larm's line prefix on the link; empty: as each event came.
    pub line: String,
    /// Which scheme events go on in.
    pub format: RelayFormat,
    /// How the checksum is written.
    pub crc: Checksum,
    /// Clear messages carry their time of sending, too.
    pub timestamp: bool,
    /// The transmitter's own time of sending goes along while it is at most this old; zero: never.
    pub time_past: Duration,
    /// The same for times ahead of larm's.
    pub time_ahead: Duration,
    /// Extended data goes along.
    pub extended: bool,
    /// Which account the other receiver sees: an account or, with `*`, its beginning, and what
    /// stands there instead.
    pub account_map: BTreeMap<String, String>,
    /// The account of link tests, and of events that have none.
    pub link_account: String,
    /// A link test after this long without an exchange; zero: none.
    pub link_test: Duration,
    /// Connections at one time.
    pub connections: usize,
    /// Messages without an answer on one connection.
    pub outstanding: usize,
    /// From sending to the answer.
    pub answer_timeout: Duration,
    /// For a connection to come about.
    pub connect_timeout: Duration,
    /// How often `address` is tried while `backup` is in use.
    pub return_after: Duration,
    /// What follows when an event cannot be handled.
    pub when_declined: WhenDeclined,
}

impl Default for Dc09Relay {
    fn default() -> Self {
        Self {
            address: Peer::default(),
            backup: Peer::default(),
            transport: Transport::Tcp,
            persistent: true,
            key_file: None,
            receiver: String::new(),
            line: String::new(),
            format: RelayFormat::AsReceived,
            crc: Checksum::Ascii,
            timestamp: true,
            time_past: Duration::from_secs(30),
            time_ahead: Duration::from_secs(15),
            extended: true,
            account_map: BTreeMap::new(),
            link_account: "0000".to_owned(),
            link_test: Duration::from_mins(1),
            connections: 4,
            outstanding: 1,
            answer_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            return_after: Duration::from_mins(1),
            when_declined: WhenDeclined::Refuse,
        }
    }
}

pub(super) const ABOUT: &str =
    "SIA DC-09 to another receiver: larm sends what it received, as a transmitter.";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "address",
        takes: Takes::Peer,
        default: "",
        what: "The other receiver; needed.",
        reload: true,
    },
    Key {
        name: "backup",
        takes: Takes::Peer,
        default: "",
        what: "Its second address, in use while the first one does not answer.",
        reload: true,
    },
    Key {
        name: "transport",
        takes: Takes::Word(Transport::WORDS),
        default: "\"tcp\"",
        what: "Stream or datagrams.",
        reload: true,
    },
    Key {
        name: "persistent",
        takes: Takes::Flag,
        default: "true",
        what: "Connections stay open; `false`: one for each message. TCP only.",
        reload: true,
    },
    Key {
        name: "key_file",
        takes: Takes::Path,
        default: "",
        what: "A file with 32, 48 or 64 hex digits: the AES key of the link. Without it everything \
               goes in clear.",
        reload: true,
    },
    Key {
        name: "receiver",
        takes: Takes::Text { max: 6 },
        default: "",
        what: "Receiver number of the link, hex digits. Without it each event's own.",
        reload: true,
    },
    Key {
        name: "line",
        takes: Takes::Text { max: 6 },
        default: "",
        what: "Line prefix of the link, hex digits. Without it each event's own, or 0.",
        reload: true,
    },
    Key {
        name: "format",
        takes: Takes::Word(RelayFormat::WORDS),
        default: "\"as_received\"",
        what: "Which scheme goes on: each event's own, or only SIA (`SIA-DCS`), or only Contact ID \
               (`ADM-CID`). What has no counterpart in the other one goes on as it came, and is \
               counted.",
        reload: true,
    },
    Key {
        name: "crc",
        takes: Takes::Word(Checksum::WORDS),
        default: "\"ascii\"",
        what: "How the checksum is written: four hex digits, or two bytes.",
        reload: true,
    },
    Key {
        name: "timestamp",
        takes: Takes::Flag,
        default: "true",
        what: "Messages in clear carry their time of sending, too. Encrypted ones always do.",
        reload: true,
    },
    Key {
        name: "time_past",
        takes: Takes::Duration {
            min: 0,
            max: 604_800_000,
        },
        default: "\"30s\"",
        what: "The transmitter's own time of sending goes along while it is at most this old: keep it \
               within the other receiver's time window. Behind that larm's time stands there, and the \
               event's own in an `H` block. \"0ms\": never.",
        reload: true,
    },
    Key {
        name: "time_ahead",
        takes: Takes::Duration {
            min: 0,
            max: 604_800_000,
        },
        default: "\"15s\"",
        what: "The same for times ahead of larm's.",
        reload: true,
    },
    Key {
        name: "extended",
        takes: Takes::Flag,
        default: "true",
        what: "Extended data (links, positions, names) goes along. Key blocks never do.",
        reload: true,
    },
    Key {
        name: "account_map",
        takes: Takes::Map {
            max: 17,
            items: 100_000,
        },
        default: "",
        what: "Which account the other receiver sees: `{ 1234 = \"00A1\" }` for one account, \
               `{ \"12*\" = \"9912*\" }` for all that start with 12. A whole account goes before a \
               beginning, a longer one before a shorter one; all others stay as they are.",
        reload: true,
    },
    Key {
        name: "link_account",
        takes: Takes::Text { max: 16 },
        default: "\"0000\"",
        what: "The account of link tests, and of events that have none.",
        reload: true,
    },
    Key {
        name: "link_test",
        takes: Takes::Duration {
            min: 0,
            max: 604_800_000,
        },
        default: "\"1m\"",
        what: "A link test (NULL) goes out after this long without an answer; \"0ms\": none.",
        reload: true,
    },
    Key {
        name: "connections",
        takes: Takes::Count {
            min: 1,
            max: 64,
            unit: "connections",
        },
        default: "4",
        what: "Connections at one time. The events of one account go one after the other.",
        reload: true,
    },
    Key {
        name: "outstanding",
        takes: Takes::Count {
            min: 1,
            max: 64,
            unit: "messages",
        },
        default: "1",
        what: "Messages on one connection that wait for their answers, of different accounts. More \
               than 1 only where the other receiver is known to answer several at once.",
        reload: true,
    },
    Key {
        name: "answer_timeout",
        takes: Takes::Duration {
            min: 100,
            max: 300_000,
        },
        default: "\"10s\"",
        what: "No answer for this long is silence: the event is sent again, with its number.",
        reload: true,
    },
    Key {
        name: "connect_timeout",
        takes: Takes::Duration {
            min: 100,
            max: 300_000,
        },
        default: "\"5s\"",
        what: "For a connection to come about.",
        reload: true,
    },
    Key {
        name: "return_after",
        takes: Takes::Duration {
            min: 100,
            max: 86_400_000,
        },
        default: "\"1m\"",
        what: "How often `address` is tried while `backup` is in use.",
        reload: true,
    },
    Key {
        name: "when_declined",
        takes: Takes::Word(WhenDeclined::WORDS),
        default: "\"refuse\"",
        what: "What follows a DUH: the event goes to the dead letters, or is sent again.",
        reload: true,
    },
];

impl Dc09Relay {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.demand("address");
        table.peer("address", &mut found.address);
        table.peer("backup", &mut found.backup);
        table.word("transport", Transport::from_word, &mut found.transport);
        table.flag("persistent", &mut found.persistent);
        table.path_option("key_file", &mut found.key_file);
        table.text("receiver", &mut found.receiver);
        table.text("line", &mut found.line);
        table.word("format", RelayFormat::from_word, &mut found.format);
        table.word("crc", Checksum::from_word, &mut found.crc);
        table.flag("timestamp", &mut found.timestamp);
        table.duration("time_past", &mut found.time_past);
        table.duration("time_ahead", &mut found.time_ahead);
        table.flag("extended", &mut found.extended);
        table.map("account_map", &mut found.account_map);
        table.text("link_account", &mut found.link_account);
        table.duration("link_test", &mut found.link_test);
        table.count("connections", &mut found.connections);
        table.count("outstanding", &mut found.outstanding);
        table.duration("answer_timeout", &mut found.answer_timeout);
        table.duration("connect_timeout", &mut found.connect_timeout);
        table.duration("return_after", &mut found.return_after);
        table.word(
            "when_declined",
            WhenDeclined::from_word,
            &mut found.when_declined,
        );
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        let filled = |text: &str| (!text.is_empty()).then(|| quote(text));
        let peer = |peer: &Peer| (!peer.is_empty()).then(|| quote(&peer.to_string()));
        let time = |time: std::time::Duration| Some(quote(&show_duration(time)));
        match key {
            "address" => peer(&self.address),
            "backup" => peer(&self.backup),
            "transport" => Some(quote(self.transport.as_str())),
            "persistent" => Some(self.persistent.to_string()),
            "key_file" => self
                .key_file
                .as_ref()
                .and_then(|path| filled(&path.to_string_lossy())),
            "receiver" => filled(&self.receiver),
            "line" => filled(&self.line),
            "format" => Some(quote(self.format.as_str())),
            "crc" => Some(quote(self.crc.as_str())),
            "timestamp" => Some(self.timestamp.to_string()),
            "time_past" => time(self.time_past),
            "time_ahead" => time(self.time_ahead),
            "extended" => Some(self.extended.to_string()),
            "account_map" => self.show_map(),
            "link_account" => Some(quote(&self.link_account)),
            "link_test" => time(self.link_test),
            "connections" => Some(self.connections.to_string()),
            "outstanding" => Some(self.outstanding.to_string()),
            "answer_timeout" => time(self.answer_timeout),
            "connect_timeout" => time(self.connect_timeout),
            "return_after" => time(self.return_after),
            "when_declined" => Some(quote(self.when_declined.as_str())),
            _ => None,
        }
    }

    fn show_map(&self) -> Option<String> {
        let rules = self.account_map.iter();
        let rules: Vec<String> = rules
            .map(|(from, to)| format!("{} = {}", quote(from), quote(to)))
            .collect();
        (!rules.is_empty()).then(|| format!("{{ {} }}", rules.join(", ")))
    }
}
