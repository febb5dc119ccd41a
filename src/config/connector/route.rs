//! The part of a `[[connector]]` that says which events it is for.
use larm_event::{Category, Event, Kind};

use super::super::reader::Table;
use super::super::schema::{Key, Takes, list, quote, quote_all};
use super::super::words::words;

words! {
    /// What happens with events of accounts and zones in test mode.
    TestEvents {
        /// They go through as any other; `test` is true on them.
        Deliver = "deliver",
        /// They do not go through this connector.
        Hold = "hold",
    }
}

/// Which events a connector is for: those that fit every part. An empty part fits all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Accounts, whole or by their beginning.
    pub accounts: Vec<Pattern>,
    /// Receiver numbers as sent, whole or by their beginning.
    pub receivers: Vec<Pattern>,
    /// Line prefixes as sent, whole or by their beginning.
    pub lines: Vec<Pattern>,
    /// What the events are about.
    pub categories: Vec<Category>,
    /// What kind of thing happened.
    pub kinds: Vec<Kind>,
    /// The least urgent priority that still goes through; 1 is a life.
    pub priority_max: u8,
    /// Tags of the register of which the account has at least one.
    pub tags: Vec<String>,
    /// What happens with tests.
    pub test_events: TestEvents,
    /// What happens with events that another receiver answered and larm only saw.
    pub shadow_events: TestEvents,
}

impl Default for Route {
    /// Everything.
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            receivers: Vec::new(),
            lines: Vec::new(),
            categories: Vec::new(),
            kinds: Vec::new(),
            priority_max: 5,
            tags: Vec::new(),
            test_events: TestEvents::Deliver,
            shadow_events: TestEvents::Hold,
        }
    }
}

/// A text that is to be met whole, or by its beginning where `*` follows; the case of ASCII letters
/// does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Takes the text as it stands in the file.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it stands in the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text fits.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => text
                .get(..start.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(start)),
            None => text.eq_ignore_ascii_case(&self.0),
        }
    }
}

impl Route {
    /// Whether an event takes this route; `tagged` tells whether its account has a tag. Whether
    /// tests are held is not asked.
    #[must_use]
    pub fn fits(&self, event: &Event, tagged: impl Fn(&str) -> bool) -> bool {
        met(&self.accounts, event.account.as_deref())
            && met(&self.receivers, event.receiver.as_deref())
            && met(&self.lines, event.line.as_deref())
            && (self.categories.is_empty() || self.categories.contains(&event.category))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && event.priority.get() <= self.priority_max
            && !(event.shadow && self.shadow_events == TestEvents::Hold)
            && (self.tags.is_empty() || self.tags.iter().any(|tag| tagged(tag)))
    }
}

/// No patterns, or one that fits. What was not sent fits no pattern.
fn met(patterns: &[Pattern], text: Option<&str>) -> bool {
    patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|one| one.fits(text)))
}

/// The keys of this part.
pub(super) const KEYS: [Key; 9] = [
    Key {
        name: "accounts",
        takes: PATTERNS,
        default: "",
        what: "Only these accounts; `12*` is every account that begins with 12. Without it: all, and \
               what has no account.",
        reload: true,
    },
    Key {
        name: "receivers",
        takes: PATTERNS,
        default: "",
        what: "Only what was sent with one of these receiver numbers, in the same way.",
        reload: true,
    },
    Key {
        name: "lines",
        takes: PATTERNS,
        default: "",
        what: "Only what was sent with one of these line prefixes, in the same way.",
        reload: true,
    },
    Key {
        name: "categories",
        takes: Takes::Words(Category::WORDS),
        default: "",
        what: "Only events about one of these.",
        reload: true,
    },
    Key {
        name: "kinds",
        takes: Takes::Words(Kind::WORDS),
        default: "",
        what: "Only events of one of these kinds.",
        reload: true,
    },
    Key {
        name: "priority_max",
        takes: Takes::Count {
            min: 1,
            max: 5,
            unit: "the scale",
        },
        default: "5",
        what: "Only events that are at least as urgent as this: 1 is a life, 5 is for the log.",
        reload: true,
    },
    Key {
        name: "tags",
        takes: Takes::Texts {
            max: 64,
            items: 256,
        },
        default: "",
        what: "Only accounts that have one of these tags in the register.",
        reload: true,
    },
    Key {
        name: "test_events",
        takes: Takes::Word(TestEvents::WORDS),
        default: "\"deliver\"",
        what: "Events of accounts and zones in test mode: `deliver` sends them on, with `test` set; \
               `hold` keeps them from this connector, also when the test is over.",
        reload: true,
    },
    Key {
        name: "shadow_events",
        takes: Takes::Word(TestEvents::WORDS),
        default: "\"hold\"",
        what: "What happens with events that went to another receiver past a `[[shadow]]`: that one \
               answered for them.",
        reload: true,
    },
];

/// What a list of accounts, or of the like, takes.
pub(in super::super) const PATTERNS: Takes = Takes::Texts {
    max: 32,
    items: 10_000,
};

impl Route {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        for (key, slot) in [
            ("accounts", &mut found.accounts),
            ("receivers", &mut found.receivers),
            ("lines", &mut found.lines),
        ] {
            let mut texts = Vec::new();
            table.texts(key, &mut texts);
            *slot = texts.into_iter().map(Pattern).collect();
        }
        table.words("categories", Category::from_word, &mut found.categories);
        table.words("kinds", Kind::from_word, &mut found.kinds);
        table.count("priority_max", &mut found.priority_max);
        table.texts("tags", &mut found.tags);
        table.word("test_events", TestEvents::from_word, &mut found.test_events);
        table.word(
            "shadow_events",
            TestEvents::from_word,
            &mut found.shadow_events,
        );
        found
    }

    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "accounts" => quote_all(&self.accounts),
            "receivers" => quote_all(&self.receivers),
            "lines" => quote_all(&self.lines),
            "categories" => shown(&self.categories, |one| one.as_str()),
            "kinds" => shown(&self.kinds, |one| one.as_str()),
            "priority_max" => Some(self.priority_max.to_string()),
            "tags" => quote_all(&self.tags),
            "test_events" => Some(quote(self.test_events.as_str())),
            "shadow_events" => Some(quote(self.shadow_events.as_str())),
            _ => None,
        }
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn shown<T>(words: &[T], word: impl Fn(&T) -> &'static str) -> Option<String> {
    (!words.is_empty()).then(|| list(words, |one| quote(word(one))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use larm_event::Priority;

    fn event(account: &str) -> Event {
        Event {
            account: Some(account.to_owned()),
            line: Some("A1".to_owned()),
            category: Category::Fire,
            kind: Kind::Alarm,
            priority: Priority::LIFE,
            ..Event::draft("dc09/SIA-DCS".to_owned())
        }
    }

    #[test]
    fn an_empty_route_takes_everything() {
        let nobody = Event::draft("larm/receiver".to_owned());
        for one in [event("1234"), nobody] {
            assert!(Route::default().fits(&one, |_| false));
        }
    }

    #[test]
    fn what_another_receiver_answered_goes_nowhere_unless_told() {
        let seen = Event {
            shadow: true,
            ..event("1234")
        };
        assert!(!Route::default().fits(&seen, |_| false));
        let all = Route {
            shadow_events: TestEvents::Deliver,
            ..Route::default()
        };
        assert!(all.fits(&seen, |_| false));
    }

    #[test]
    fn patterns_are_whole_or_a_beginning_and_blind_for_case() {
        for (pattern, account, fits) in [
            ("1234", "1234", true),
            ("1234", "12345", false),
            ("12*", "1234", true),
            ("12*", "12", true),
            ("12*", "13", false),
            ("ab*", "AB7", true),
            ("*", "x", true),
            ("é*", "e", false),
            ("e*", "é", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).fits(account),
                fits,
                "{pattern} {account}"
            );
        }
    }

    #[test]
    fn every_part_must_fit() {
        let all = Route {
            accounts: vec![Pattern::new("9"), Pattern::new("12*")],
            lines: vec![Pattern::new("a1")],
            categories: vec![Category::Fire],
            kinds: vec![Kind::Alarm],
            priority_max: 1,
            tags: vec!["vip".to_owned()],
            ..Route::default()
        };
        let tagged = |tag: &str| tag == "vip";
        assert!(all.fits(&event("1234"), tagged));
        assert!(!all.fits(&event("1234"), |_| false));
        assert!(!all.fits(&event("7"), tagged));
        let change = |change: fn(&mut Event)| {
            let mut event = event("1234");
            change(&mut event);
            event
        };
        for other in [
            change(|event| event.account = None),
            change(|event| event.line = None),
            change(|event| event.category = Category::Gas),
            change(|event| event.kind = Kind::Test),
            change(|event| event.priority = Priority::PROPERTY),
        ] {
            assert!(!all.fits(&other, tagged), "{other:?}");
        }
    }
}
