//! `[[acknowledge]]`: whose acknowledgements wait for a connector.
use larm_event::{Category, Event};

use super::connector::Pattern;
use super::problem::ProblemKind;
use super::reader::{Document, Table};
use super::schema::{Key, Section, Takes, list, quote, quote_all};
use super::words::words;
use super::{Connector, connector};

words! {
    /// When a frame is acknowledged.
    AckWhen {
        /// When it is on disk.
        Journaled = "journaled",
        /// When the connector's other side has confirmed it as well.
        Delivered = "delivered",
    }
}

words! {
    /// What happens where the confirmation does not come in time.
    Otherwise {
        /// No answer: the transmitter tries again or takes its other path.
        Silence = "silence",
        /// It is acknowledged, since it is on disk.
        Journaled = "journaled",
    }
}

/// One rule. The first one that fits a frame holds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledge {
    /// Accounts, whole or by their beginning; empty: all.
    pub accounts: Vec<Pattern>,
    /// What the events are about; empty: anything.
    pub categories: Vec<Category>,
    /// Tags of the register of which the account has at least one; empty: any account.
    pub tags: Vec<String>,
    /// What an acknowledgement waits for.
    pub when: AckWhen,
    /// The connector that has to confirm.
    pub connector: String,
    /// What happens at the deadline.
    pub otherwise: Otherwise,
}

impl Default for Acknowledge {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            categories: Vec::new(),
            tags: Vec::new(),
            when: AckWhen::Delivered,
            connector: String::new(),
            otherwise: Otherwise::Silence,
        }
    }
}

pub(super) static SECTION: Section = Section {
    name: "acknowledge",
    repeated: true,
    about: "Whose acknowledgements wait for a connector; the first section that fits a frame holds. \
            Without any, a frame is acknowledged when it is on disk.",
    keys: &[
        Key {
            name: "accounts",
            takes: connector::PATTERNS,
            default: "",
            what: "Frames of these accounts; `12*` is every account that begins with 12. Without it: \
                   of all.",
            reload: true,
        },
        Key {
            name: "categories",
            takes: Takes::Words(Category::WORDS),
            default: "",
            what: "Frames with an event about one of these.",
            reload: true,
        },
        Key {
            name: "tags",
            takes: Takes::Texts {
                max: 64,
                items: 256,
            },
            default: "",
            what: "Frames of accounts that have one of these tags in the register.",
            reload: true,
        },
        Key {
            name: "when",
            takes: Takes::Word(AckWhen::WORDS),
            default: "\"delivered\"",
            what: "`delivered`: acknowledged when it is on disk and the connector's other side has \
                   confirmed it; `journaled`: when it is on disk, as an exception from a section below.",
            reload: true,
        },
        Key {
            name: "connector",
            takes: Takes::Name { max: 32 },
            default: "",
            what: "The `[[connector]]` that has to confirm; needed with `delivered`.",
            reload: true,
        },
        Key {
            name: "otherwise",
            takes: Takes::Word(Otherwise::WORDS),
            default: "\"silence\"",
            what: "Where the confirmation has not come when `ack_deadline` is nearly over, or cannot \
                   come: no answer, or an acknowledgement of what is on disk.",
            reload: true,
        },
    ],
};

impl Acknowledge {
    /// All sections, held against the connectors.
    pub(super) fn read_all(document: &Document<'_>, connectors: &[Connector]) -> Vec<Self> {
        let mut rules = Vec::new();
        for table in document.tables(&SECTION) {
            table.refuse_unknown_keys();
            let rule = Self::read(&table);
            rule.check(&table, connectors);
            rules.push(rule);
        }
        rules
    }

    fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        let mut accounts = Vec::new();
        table.texts("accounts", &mut accounts);
        found.accounts = accounts.iter().map(|text| Pattern::new(text)).collect();
        table.words("categories", Category::from_word, &mut found.categories);
        table.texts("tags", &mut found.tags);
        table.word("when", AckWhen::from_word, &mut found.when);
        table.name("connector", &mut found.connector);
        table.word("otherwise", Otherwise::from_word, &mut found.otherwise);
        found
    }

    fn check(&self, table: &Table<'_>, connectors: &[Connector]) {
        if self.when == AckWhen::Journaled {
            return;
        }
        if !table.demand("connector") || self.connector.is_empty() {
            return;
        }
        let known = connectors.iter().find(|one| one.name == self.connector);
        let problem = match known {
            None => "is no connector of this file",
            Some(one) if !one.enabled => "is not enabled, and would never confirm",
            Some(_) => return,
        };
        let kind = ProblemKind::Conflict {
            what: format!("connector = \"{}\" {problem}", self.connector),
            right: "the name of a [[connector]] that runs".to_owned(),
        };
        table.report("connector", kind);
    }

    /// Whether this rule is for a frame with this event; `tagged` tells whether its account has a
    /// tag.
    #[must_use]
    pub fn fits(&self, event: &Event, tagged: impl Fn(&str) -> bool) -> bool {
        let account = event.account.as_deref();
        (self.accounts.is_empty()
            || account.is_some_and(|account| self.accounts.iter().any(|one| one.fits(account))))
            && (self.categories.is_empty() || self.categories.contains(&event.category))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| tagged(tag)))
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "accounts" => quote_all(&self.accounts),
            "categories" => (!self.categories.is_empty())
                .then(|| list(&self.categories, |one| quote(one.as_str()))),
            "tags" => quote_all(&self.tags),
            "when" => Some(quote(self.when.as_str())),
            "connector" => (!self.connector.is_empty()).then(|| quote(&self.connector)),
            "otherwise" => Some(quote(self.otherwise.as_str())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, reload};
    use super::*;

    const CASE: &str = "[[connector]]\nname = \"case\"\nkind = \"jsonl\"\n";

    #[test]
    fn rules_are_read_and_held_against_the_connectors() {
        let text = format!(
            "{CASE}[[acknowledge]]\nconnector = \"case\"\naccounts = [\"12*\"]\ncategories = [\"fire\"]\n\
             tags = [\"vip\"]\notherwise = \"journaled\"\n[[acknowledge]]\nwhen = \"journaled\"\n"
        );
        let config = Config::parse("x", &text).unwrap();
        assert_eq!(config.acknowledge.len(), 2);
        let read = Config::parse("printed", &config.to_toml()).unwrap();
        assert_eq!(read, config);
        let change = reload(&Config::default(), &config);
        assert!(
            change
                .iter()
                .any(|one| one.what == "acknowledge" && one.applied)
        );
        for (text, says) in [
            (
                "[[acknowledge]]\n",
                "[[acknowledge]] lacks the key `connector`",
            ),
            (
                "[[acknowledge]]\nconnector = \"x\"\n",
                "connector = \"x\" is no connector of this file",
            ),
            (
                "[[connector]]\nname = \"off\"\nkind = \"jsonl\"\nenabled = false\n\
                 [[acknowledge]]\nconnector = \"off\"\n",
                "connector = \"off\" is not enabled",
            ),
        ] {
            let told = Config::parse("x", text).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn every_part_must_fit() {
        let mut event = Event::draft("dc09/SIA-DCS".to_owned());
        event.account = Some("1234".to_owned());
        event.category = Category::Fire;
        assert!(Acknowledge::default().fits(&event, |_| false));
        let rule = Acknowledge {
            accounts: vec![Pattern::new("12*")],
            categories: vec![Category::Fire],
            tags: vec!["vip".to_owned()],
            ..Acknowledge::default()
        };
        assert!(rule.fits(&event, |tag| tag == "vip"));
        assert!(!rule.fits(&event, |_| false));
        event.category = Category::Gas;
        assert!(!rule.fits(&event, |_| true));
    }
}
