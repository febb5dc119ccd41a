//! The register as the traffic sees it: immutable, in memory, found without allocation.
//!
//! Layout: one sorted vector, so that a million accounts cost their own text and little more, and
//! a look-up is a binary search. Policies without keys are shared between all accounts that have
//! the same; whatever only few accounts have stands in [`Extras`], behind one pointer.
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{Accounts, Charset, Encryption, Key, Mode, Policy, Quirks, Window};
use larm_event::{Priority, Timestamp};

use super::record::{Account, Number, WindowOverride, Zone};

/// What holds for accounts that do not say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// What clear frames are worth.
    pub encryption: Encryption,
    /// Which times are accepted.
    pub window: Window,
}

/// Every account of the register at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Sorted by [`order`] of the number.
    entries: Vec<Entry>,
}

/// One account.
#[derive(Debug)]
pub struct Entry {
    number: Box<str>,
    receiver: Option<Box<str>>,
    line: Option<Box<str>>,
    policy: Arc<Policy>,
    extras: Option<Box<Extras>>,
}

/// What only few accounts have.
#[derive(Debug, Default)]
struct Extras {
    protocols: Vec<String>,
    supervision: Supervision,
    test_until: Option<Timestamp>,
    zones: Vec<Zone>,
    priorities: Vec<(String, Priority)>,
}

/// How often a transmitter must be heard, per path; `None`: not supervised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supervision {
    /// On the primary path.
    pub primary: Option<Duration>,
    /// On the backup path.
    pub backup: Option<Duration>,
}

/// The matter of a policy but the keys: accounts that agree in it and have no key share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    mode: Option<bool>,
    encryption: u8,
    quirks: u32,
    window: (Duration, Duration, bool),
    charset: u8,
}

impl Snapshot {
    /// Builds from accounts with their keys (current, next).
    pub fn build(
        accounts: impl IntoIterator<Item = (Account, [Option<Key>; 2])>,
        defaults: &Defaults,
        quirk_bits: impl Fn(&str) -> Option<Quirks>,
    ) -> Self {
        let mut shared: HashMap<Shape, Arc<Policy>> = HashMap::new();
        let mut entries: Vec<Entry> = accounts
            .into_iter()
            .map(|(account, keys)| {
                let quirks = account
                    .quirks
                    .iter()
                    .filter_map(|name| quirk_bits(name))
                    .fold(Quirks::default(), Quirks::with);
                let policy = policy(&account, keys, quirks, defaults, &mut shared);
                Entry::new(account, policy)
            })
            .collect();
        entries.sort_by(|one, other| {
            order(&one.number, &other.number).then_with(|| one.number.cmp(&other.number))
        });
        entries.shrink_to_fit();
        Self { entries }
    }

    /// The account that fits best: same spelling of the number first, then line prefix,
    /// then receiver; letter case does not matter otherwise.
    #[must_use]
    pub fn entry(
        &self,
        receiver: Option<&str>,
        line: Option<&str>,
        account: &str,
    ) -> Option<&Entry> {
        let start = self
            .entries
            .partition_point(|entry| order(&entry.number, account) == Ordering::Less);
        let candidates = self.entries.get(start..)?;
        let mut best: Option<(Fit, &Entry)> = None;
        for entry in candidates {
            if order(&entry.number, account) != Ordering::Equal {
                break;
            }
            let Some(fit) = entry.fit(receiver, line, account) else {
                continue;
            };
            if best.as_ref().is_none_or(|(other, _)| fit > *other) {
                best = Some((fit, entry));
            }
        }
        best.map(|(_, entry)| entry)
    }

    /// Every account, ordered by number.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nobody is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Accounts for Snapshot {
    fn find(
        &self,
        receiver: Option<&str>,
        line: Option<&str>,
        account: &str,
    ) -> Option<Arc<Policy>> {
        self.entry(receiver, line, account)
            .map(|entry| Arc::clone(&entry.policy))
    }
}

/// How well an account fits; the greater, the better. Compared from the first field on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    number_exact: bool,
    line: Part,
    receiver: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The account is registered without it: any will do.
    Any,
    /// The same but for the case of letters.
    Folded,
    /// The same.
    Exact,
}

impl Entry {
    fn new(account: Account, policy: Arc<Policy>) -> Self {
        let extras = Extras {
            protocols: account.protocols,
            supervision: account.supervision,
            test_until: account.test_until,
            zones: account.zones,
            priorities: account.priorities,
        };
        let plain = extras.protocols.is_empty()
            && extras.supervision == Supervision::default()
            && extras.test_until.is_none()
            && extras.zones.is_empty()
            && extras.priorities.is_empty();
        let Number {
            account,
            receiver,
            line,
        } = account.number;
        Self {
            number: account.into_boxed_str(),
            receiver: receiver.map(String::into_boxed_str),
            line: line.map(String::into_boxed_str),
            policy,
            extras: (!plain).then(|| Box::new(extras)),
        }
    }

    /// Whether, and how well, this account is the one that sent.
    ///
    /// The number must be the same but for the case of ASCII letters. A receiver or line prefix in
    /// the register must be sent and be the same (again but for case); an account without one takes
    /// any. Of several that fit, the same spelling of the number goes first, then the one with the
    /// line prefix, then the one with the receiver.
    fn fit(&self, receiver: Option<&str>, line: Option<&str>, account: &str) -> Option<Fit> {
        if !self.number.eq_ignore_ascii_case(account) {
            return None;
        }
        Some(Fit {
            number_exact: *self.number == *account,
            line: part(self.line.as_deref(), line)?,
            receiver: part(self.receiver.as_deref(), receiver)?,
        })
    }

    /// The number as registered.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The receiver number as registered.
    #[must_use]
    pub fn receiver(&self) -> Option<&str> {
        self.receiver.as_deref()
    }

    /// The line prefix as registered.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }

    /// How its frames are judged.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Whether it may speak this protocol; an account without a list may speak any.
    #[must_use]
    pub fn allows(&self, protocol: &str) -> bool {
        self.extras.as_ref().is_none_or(|extras| {
            extras.protocols.is_empty() || extras.protocols.iter().any(|one| one == protocol)
        })
    }

    /// The plain name of a zone. `1`, `01` and `001` are the same zone.
    #[must_use]
    pub fn zone_name(&self, zone: &str) -> Option<&str> {
        self.zone(zone).and_then(|found| found.name.as_deref())
    }

    /// The owner's priority for a code, where there is one.
    #[must_use]
    pub fn priority(&self, code: &str) -> Option<Priority> {
        let priorities = &self.extras.as_ref()?.priorities;
        priorities
            .iter()
            .find(|(known, _)| known == code)
            .map(|(_, priority)| *priority)
    }

    /// Whether the account, or this zone of it, is in test mode at `now`.
    #[must_use]
    pub fn in_test(&self, zone: Option<&str>, now: Timestamp) -> bool {
        let running = |until: Option<Timestamp>| until.is_some_and(|until| now < until);
        let Some(extras) = &self.extras else {
            return false;
        };
        running(extras.test_until)
            || zone
                .and_then(|zone| self.zone(zone))
                .is_some_and(|zone| running(zone.test_until))
    }

    /// How often it must be heard.
    #[must_use]
    pub fn supervision(&self) -> Supervision {
        self.extras
            .as_ref()
            .map(|extras| extras.supervision)
            .unwrap_or_default()
    }

    fn zone(&self, zone: &str) -> Option<&Zone> {
        let zones = &self.extras.as_ref()?.zones;
        zones
            .iter()
            .find(|known| bare(&known.zone).eq_ignore_ascii_case(bare(zone)))
    }
}

/// A zone number without leading zeros, but for the last digit.
fn bare(zone: &str) -> &str {
    let bare = zone.trim_start_matches('0');
    if bare.is_empty() { "0" } else { bare }
}

fn part(registered: Option<&str>, sent: Option<&str>) -> Option<Part> {
    match (registered, sent) {
        (None, _) => Some(Part::Any),
        (Some(registered), Some(sent)) if registered == sent => Some(Part::Exact),
        (Some(registered), Some(sent)) if registered.eq_ignore_ascii_case(sent) => {
            Some(Part::Folded)
        }
        (Some(_), _) => None,
    }
}

/// Order by the text with ASCII letters in lower case.
fn order(one: &str, other: &str) -> Ordering {
    one.bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}

fn policy(
    account: &Account,
    keys: [Option<Key>; 2],
    quirks: Quirks,
    defaults: &Defaults,
    shared: &mut HashMap<Shape, Arc<Policy>>,
) -> Arc<Policy> {
    let policy = Policy {
        mode: account.mode,
        encryption: account.encryption.unwrap_or(defaults.encryption),
        keys,
        quirks,
        window: window(&account.window, defaults.window),
        charset: account.charset.unwrap_or_default(),
    };
    if policy.live_keys().next().is_some() {
        return Arc::new(policy);
    }
    let shape = Shape {
        mode: policy.mode.map(|mode| mode == Mode::Strict),
        encryption: policy.encryption as u8,
        quirks: quirks.0,
        window: (
            policy.window.past,
            policy.window.future,
            policy.window.enforce,
        ),
        charset: match policy.charset {
            Charset::Windows1252 => 0,
            Charset::Windows1251 => 1,
        },
    };
    Arc::clone(shared.entry(shape).or_insert_with(|| Arc::new(policy)))
}

fn window(own: &WindowOverride, default: Window) -> Window {
    Window {
        past: own.past.unwrap_or(default.past),
        future: own.future.unwrap_or(default.future),
        enforce: own.enforce.unwrap_or(default.enforce),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: &str, receiver: Option<&str>, line: Option<&str>) -> Account {
        Account {
            number: Number {
                account: number.to_owned(),
                receiver: receiver.map(str::to_owned),
                line: line.map(str::to_owned),
            },
            ..Account::default()
        }
    }

    fn snapshot(accounts: Vec<Account>) -> Snapshot {
        let keyless = accounts.into_iter().map(|account| (account, [None, None]));
        Snapshot::build(keyless, &Defaults::default(), |_| None)
    }

    #[test]
    fn the_most_specific_account_wins() {
        let register = snapshot(vec![
            account("1234", None, None),
            account("1234", None, Some("5")),
            account("1234", Some("9"), None),
            account("1234", Some("9"), Some("5")),
            account("12345", None, None),
        ]);
        for (receiver, line, want) in [
            (None, None, (None, None)),
            (None, Some("5"), (None, Some("5"))),
            (Some("9"), None, (Some("9"), None)),
            (Some("9"), Some("5"), (Some("9"), Some("5"))),
            (Some("8"), Some("6"), (None, None)),
            (Some("8"), Some("5"), (None, Some("5"))),
        ] {
            let found = register.entry(receiver, line, "1234").unwrap();
            assert_eq!(
                (found.receiver(), found.line()),
                want,
                "{receiver:?} {line:?}"
            );
        }
        assert!(register.entry(None, None, "123").is_none());
        assert!(register.entry(None, None, "123456").is_none());
    }

    #[test]
    fn a_prefix_in_the_register_must_be_sent() {
        let register = snapshot(vec![account("1234", None, Some("5"))]);
        assert!(register.entry(None, None, "1234").is_none());
        assert!(register.find(None, Some("6"), "1234").is_none());
        assert!(register.find(None, Some("5"), "1234").is_some());
    }

    #[test]
    fn the_same_spelling_goes_before_another_case() {
        let register = snapshot(vec![
            account("abc1", None, Some("5")),
            account("ABC1", None, None),
        ]);
        assert_eq!(
            register.entry(None, Some("5"), "ABC1").unwrap().number(),
            "ABC1"
        );
        assert_eq!(
            register.entry(None, Some("5"), "abc1").unwrap().number(),
            "abc1"
        );
        assert_eq!(
            register.entry(None, Some("5"), "Abc1").unwrap().number(),
            "abc1"
        );
        assert_eq!(register.entry(None, None, "aBC1").unwrap().number(), "ABC1");
    }

    #[test]
    fn accounts_without_keys_share_one_policy() {
        let mut strict = account("3", None, None);
        strict.mode = Some(Mode::Strict);
        let register = snapshot(vec![
            account("1", None, None),
            account("2", None, None),
            strict,
        ]);
        let find = |number| register.find(None, None, number).unwrap();
        assert!(Arc::ptr_eq(&find("1"), &find("2")));
        assert!(!Arc::ptr_eq(&find("1"), &find("3")));
        assert_eq!(find("3").mode, Some(Mode::Strict));
    }

    #[test]
    fn defaults_fill_what_the_account_leaves_open() {
        let mut own = account("1", None, None);
        own.window.past = Some(Duration::from_mins(5));
        own.quirks = vec!["two".to_owned(), "gone".to_owned()];
        let defaults = Defaults {
            encryption: Encryption::Require,
            window: Window::default(),
        };
        let bits = |name: &str| (name == "two").then_some(Quirks(2));
        let register = Snapshot::build([(own, [None, None])], &defaults, bits);
        let policy = register.find(None, None, "1").unwrap();
        assert_eq!(policy.encryption, Encryption::Require);
        assert_eq!(policy.quirks, Quirks(2));
        assert_eq!(policy.window.past, Duration::from_mins(5));
        assert_eq!(policy.window.future, Window::default().future);
    }

    #[test]
    fn zones_priorities_and_test_mode_are_found() {
        let mut own = account("1", None, None);
        own.test_until = Some(Timestamp::from_millis(100));
        own.protocols = vec!["dc09".to_owned()];
        own.priorities = vec![("BA".to_owned(), Priority::LIFE)];
        own.zones = vec![Zone {
            zone: "7".to_owned(),
            name: Some("Front door".to_owned()),
            test_until: Some(Timestamp::from_millis(200)),
        }];
        let register = snapshot(vec![own]);
        let entry = register.entry(None, None, "1").unwrap();
        assert_eq!(entry.zone_name("007"), Some("Front door"));
        assert_eq!(entry.zone_name("8"), None);
        assert_eq!(entry.priority("BA"), Some(Priority::LIFE));
        assert_eq!(entry.priority("FA"), None);
        assert!(entry.in_test(None, Timestamp::from_millis(99)));
        assert!(!entry.in_test(None, Timestamp::from_millis(100)));
        assert!(entry.in_test(Some("07"), Timestamp::from_millis(199)));
        assert!(!entry.in_test(Some("8"), Timestamp::from_millis(199)));
        assert!(entry.allows("dc09") && !entry.allows("dc10"));
    }
}
