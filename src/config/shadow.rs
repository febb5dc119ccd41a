//! `[[shadow]]`: larm between transmitters and the receiver that they have had so far.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use larm_carrier::Mode;

use super::listener::{PROTOCOLS, Transport, mode_from_word, mode_word};
use super::peer::Peer;
use super::problem::ProblemKind;
use super::reader::{Document, Table};
use super::schema::{Key, Section, Takes, list, quote};
use super::units::show_duration;

/// One shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Name on events, in logs, in metrics and of the report.
    pub name: String,
    /// Where transmitters connect; at least one.
    pub addresses: Vec<SocketAddr>,
    /// The receiver that gets every byte, and whose answers the transmitters get.
    pub receiver: Peer,
    /// What the transmitters speak; one of [`PROTOCOLS`].
    pub protocol: String,
    /// Stream or datagrams.
    pub transport: Transport,
    /// How larm would answer departures from the standard.
    pub mode: Mode,
    /// Connections, or senders of datagrams, at one time.
    pub connections_max: usize,
    /// No answer of the receiver for this long counts as silence.
    pub answer_timeout: Duration,
}

impl Default for Shadow {
    fn default() -> Self {
        Self {
            name: String::new(),
            addresses: Vec::new(),
            receiver: Peer::default(),
            protocol: "dc09".to_owned(),
            transport: Transport::Tcp,
            mode: Mode::Tolerant,
            connections_max: 10_000,
            answer_timeout: Duration::from_secs(20),
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "shadow",
    repeated: true,
    about: "A place between transmitters and an existing receiver: every byte goes through unchanged, \
            larm answers nothing, journals the events as shadow and reports where it would have \
            answered otherwise. None without this section.",
    keys: &[
        Key {
            name: "name",
            takes: Takes::Name { max: 32 },
            default: "",
            what: "Name on events, in logs and of the report; needed, and no two the same.",
            reload: false,
        },
        Key {
            name: "address",
            takes: Takes::Addresses,
            default: "",
            what: "Where the transmitters connect; needed. Port 0 lets the system choose.",
            reload: false,
        },
        Key {
            name: "receiver",
            takes: Takes::Peer,
            default: "",
            what: "The existing receiver; needed. It sees larm's address in place of the \
                   transmitters'.",
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
            what: "Stream or datagrams. Write two shadows for both.",
            reload: false,
        },
        Key {
            name: "mode",
            takes: Takes::Word(&["tolerant", "strict"]),
            default: "\"tolerant\"",
            what: "The answers that larm's own are compared as: see the same key of `[[listener]]`. An \
                   account can have its own.",
            reload: false,
        },
        Key {
            name: "connections_max",
            takes: Takes::Count {
                min: 1,
                max: 100_000,
                unit: "connections",
            },
            default: "10000",
            what: "Connections at one time; a further one is closed at once. Each takes two \
                   descriptors. With datagrams: senders, of which the one that was silent longest is \
                   forgotten.",
            reload: false,
        },
        Key {
            name: "answer_timeout",
            takes: Takes::Duration {
                min: 1_000,
                max: 300_000,
            },
            default: "\"20s\"",
            what: "No answer of the receiver for this long counts as silence in the report.",
            reload: false,
        },
    ],
};

impl Shadow {
    /// Every one of a file.
    pub(super) fn read_all(document: &Document<'_>) -> Vec<Self> {
        let mut names: HashMap<String, Range<usize>> = HashMap::new();
        let mut all = Vec::new();
        for table in document.tables(&SECTION) {
            table.refuse_unknown_keys();
            let found = Self::read(&table);
            let place = table.place("name");
            if let Some(first) = names.get(&found.name).filter(|_| !found.name.is_empty()) {
                let what = format!("the shadow name \"{}\"", found.name);
                let first = first.clone();
                document.report(place, ProblemKind::Twice { what, first });
            } else {
                names.insert(found.name.clone(), place);
            }
            all.push(found);
        }
        all
    }

    fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        table.demand("name");
        table.name("name", &mut found.name);
        let mut addresses = Vec::new();
        if table.demand("address") {
            table.addresses("address", &mut addresses);
        }
        found.addresses = addresses.into_iter().map(|(address, _)| address).collect();
        table.demand("receiver");
        table.peer("receiver", &mut found.receiver);
        let protocol = |word: &str| PROTOCOLS.contains(&word).then(|| word.to_owned());
        table.word("protocol", protocol, &mut found.protocol);
        table.word("transport", Transport::from_word, &mut found.transport);
        table.word("mode", mode_from_word, &mut found.mode);
        table.count("connections_max", &mut found.connections_max);
        table.duration("answer_timeout", &mut found.answer_timeout);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        let addresses = |addresses: &[SocketAddr]| match addresses {
            [] => None,
            [one] => Some(quote(&one.to_string())),
            several => Some(list(several, |one| quote(&one.to_string()))),
        };
        match key {
            "name" => (!self.name.is_empty()).then(|| quote(&self.name)),
            "address" => addresses(&self.addresses),
            "receiver" => (!self.receiver.is_empty()).then(|| quote(&self.receiver.to_string())),
            "protocol" => Some(quote(&self.protocol)),
            "transport" => Some(quote(self.transport.as_str())),
            "mode" => Some(quote(mode_word(self.mode))),
            "connections_max" => Some(self.connections_max.to_string()),
            "answer_timeout" => Some(quote(&show_duration(self.answer_timeout))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, reload};
    use super::*;

    #[test]
    fn the_schema_tells_the_defaults() {
        for key in SECTION.keys {
            let real = Shadow::default().show(key.name).unwrap_or_default();
            assert_eq!(real, key.default, "{}", key.name);
        }
    }

    #[test]
    fn every_value_is_read_and_written_back() {
        let text = "[[shadow]]\nname = \"old\"\naddress = [\"127.0.0.1:1\", \"[::1]:1\"]\n\
                    receiver = \"case.example.net:3061\"\ntransport = \"udp\"\nmode = \"strict\"\n\
                    connections_max = 7\nanswer_timeout = \"5s\"\n";
        let config = Config::parse("larm.toml", text).unwrap();
        let usual = Shadow::default();
        for key in SECTION.keys.iter().filter(|key| key.name != "protocol") {
            assert_ne!(
                config.shadows[0].show(key.name),
                usual.show(key.name),
                "{}",
                key.name
            );
        }
        let again = Config::parse("again.toml", &config.to_toml()).unwrap();
        assert_eq!(again.shadows, config.shadows);
        let changes = reload(&config, &Config::default());
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(!changes[0].applied && changes[0].what == "shadow old");
    }

    #[test]
    fn what_is_missing_or_stands_twice_is_told() {
        let told = |text: &str| Config::parse("larm.toml", text).unwrap_err().to_string();
        let text = "[[shadow]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\nreceiver = \"b:1\"\n";
        let twice = told(&[text, text].concat());
        assert!(
            twice.contains("the shadow name \"a\" stands here twice"),
            "{twice}"
        );
        let missing = told("[[shadow]]\nmodus = 1\n");
        for says in ["`name`", "`address`", "`receiver`", "no key `modus`"] {
            assert!(missing.contains(says), "lacks {says}:\n{missing}");
        }
    }
}
