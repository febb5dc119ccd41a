//! The register as the traffic sees it: immutable, in memory, found by one hash.
//!
//! Layout: a slot of fixed size per account, sorted by number; all texts one behind the other; a
//! hash table from a number to the first slot that bears it. What many accounts have alike stands
//! once and is named by its index: policies without keys, supervision, [`Extras`]. Keys are packed
//! in a [`KeyBank`]. So a million accounts cost their own text and keys and some 40 bytes each.
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use larm_carrier::{Accounts, Encryption, Key, Policy, Window};
use larm_event::{Priority, Timestamp};

use super::key_bank::{KeyBank, KeyRef};
use super::record::Zone;

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
    /// Sorted by [`super::build::order`] of the number: the same number but for the case of letters
    /// stands together.
    pub(super) slots: Vec<Slot>,
    /// Number, receiver and line of each slot.
    pub(super) texts: String,
    /// Index of the first slot of each number.
    pub(super) heads: HashTable<u32>,
    pub(super) hasher: DefaultHashBuilder,
    /// Without keys.
    pub(super) policies: Vec<Arc<Policy>>,
    pub(super) supervisions: Vec<Supervision>,
    pub(super) extras: Vec<Extras>,
    pub(super) keys: KeyBank,
}

/// One account, as indices.
#[derive(Debug)]
pub(super) struct Slot {
    /// Where its number starts in the texts; receiver and line follow where there are any.
    pub(super) text: u32,
    /// Bytes of the number, of the receiver and of the line.
    pub(super) number_len: u8,
    pub(super) receiver_len: Option<std::num::NonZeroU8>,
    pub(super) line_len: Option<std::num::NonZeroU8>,
    pub(super) policy: u32,
    /// Current and next.
    pub(super) keys: [Option<KeyRef>; 2],
    pub(super) supervision: u32,
    pub(super) extras: u32,
}

/// What only few accounts have, or many alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Extras {
    pub(super) protocols: Vec<String>,
    pub(super) test_until: Option<Timestamp>,
    pub(super) zones: Vec<Zone>,
    pub(super) priorities: Vec<(String, Priority)>,
    pub(super) tags: Vec<String>,
}

/// How often a transmitter must be heard, per path; `None`: not supervised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Supervision {
    /// On the primary path.
    pub primary: Option<Duration>,
    /// On the backup path.
    pub backup: Option<Duration>,
}

/// One account. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'s> {
    register: &'s Snapshot,
    slot: &'s Slot,
}

impl Snapshot {
    /// The account that fits best: same spelling of the number first, then line prefix,
    /// then receiver; letter case does not matter otherwise.
    #[must_use]
    pub fn entry(
        &self,
        receiver: Option<&str>,
        line: Option<&str>,
        account: &str,
    ) -> Option<Entry<'_>> {
        let same = |entry: &Entry<'_>| entry.number().eq_ignore_ascii_case(account);
        let first = *self.heads.find(self.hash(account), |first| {
            self.at(*first).is_some_and(|entry| same(&entry))
        })?;
        let mut best: Option<(Fit, Entry<'_>)> = None;
        for entry in (first..).map_while(|index| self.at(index)).take_while(same) {
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
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.slots.iter().map(|slot| Entry {
            register: self,
            slot,
        })
    }

    /// How many accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Nobody is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn at(&self, index: u32) -> Option<Entry<'_>> {
        let slot = self.slots.get(index as usize)?;
        Some(Entry {
            register: self,
            slot,
        })
    }

    /// The same for numbers that differ in the case of ASCII letters alone.
    pub(super) fn hash(&self, number: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for piece in number.as_bytes().chunks(HASHED_AT_ONCE) {
            let mut folded = [0; HASHED_AT_ONCE];
            for (folded, byte) in folded.iter_mut().zip(piece) {
                *folded = byte.to_ascii_lowercase();
            }
            hasher.write(&folded);
        }
        hasher.finish()
    }
}

/// Bytes of the longest number that the register takes; longer ones are hashed in pieces.
const HASHED_AT_ONCE: usize = 16;

impl Accounts for Snapshot {
    fn find(
        &self,
        receiver: Option<&str>,
        line: Option<&str>,
        account: &str,
    ) -> Option<Arc<Policy>> {
        self.entry(receiver, line, account)
            .map(|entry| entry.policy())
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

impl<'s> Entry<'s> {
    /// Whether, and how well, this account is the one that sent.
    ///
    /// The number must be the same but for the case of ASCII letters. A receiver or line prefix in
    /// the register must be sent and be the same (again but for case); an account without one takes
    /// any. Of several that fit, the same spelling of the number goes first, then the one with the
    /// line prefix, then the one with the receiver.
    fn fit(&self, receiver: Option<&str>, line: Option<&str>, account: &str) -> Option<Fit> {
        if !self.number().eq_ignore_ascii_case(account) {
            return None;
        }
        Some(Fit {
            number_exact: self.number() == account,
            line: part(self.line(), line)?,
            receiver: part(self.receiver(), receiver)?,
        })
    }

    /// The number as registered.
    #[must_use]
    pub fn number(&self) -> &'s str {
        self.text(0, self.slot.number_len.into())
    }

    /// The receiver number as registered.
    #[must_use]
    pub fn receiver(&self) -> Option<&'s str> {
        let len = self.slot.receiver_len?;
        Some(self.text(self.slot.number_len.into(), len.get().into()))
    }

    /// The line prefix as registered.
    #[must_use]
    pub fn line(&self) -> Option<&'s str> {
        let len = self.slot.line_len?;
        let receiver = self.slot.receiver_len.map_or(0, |len| len.get().into());
        Some(self.text(
            usize::from(self.slot.number_len) + receiver,
            len.get().into(),
        ))
    }

    fn text(&self, from: usize, len: usize) -> &'s str {
        let start = self.slot.text as usize + from;
        let texts = &self.register.texts;
        texts.get(start..start + len).unwrap_or_default()
    }

    /// How its frames are judged: shared with others where it has no key, made anew where it has.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        let shared = &self.register.policies[self.slot.policy as usize];
        let keys = self.slot.keys.map(|key| self.key(key?));
        if keys.iter().all(Option::is_none) {
            return Arc::clone(shared);
        }
        Arc::new(Policy {
            mode: shared.mode,
            encryption: shared.encryption,
            keys,
            quirks: shared.quirks,
            window: shared.window,
            charset: shared.charset,
        })
    }

    fn key(&self, at: KeyRef) -> Option<Key> {
        self.register.keys.key(at)
    }

    /// Whether it may speak this protocol; an account without a list may speak any.
    #[must_use]
    pub fn allows(&self, protocol: &str) -> bool {
        let allowed = &self.extras().protocols;
        allowed.is_empty() || allowed.iter().any(|one| one == protocol)
    }

    /// The plain name of a zone. `1`, `01` and `001` are the same zone.
    #[must_use]
    pub fn zone_name(&self, zone: &str) -> Option<&'s str> {
        self.zone(zone).and_then(|found| found.name.as_deref())
    }

    /// Whether it has this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.extras().tags.iter().any(|one| one == tag)
    }

    /// The owner's priority for a code, where there is one.
    #[must_use]
    pub fn priority(&self, code: &str) -> Option<Priority> {
        let priorities = &self.extras().priorities;
        priorities
            .iter()
            .find(|(known, _)| known == code)
            .map(|(_, priority)| *priority)
    }

    /// Whether the account, or this zone of it, is in test mode at `now`.
    #[must_use]
    pub fn in_test(&self, zone: Option<&str>, now: Timestamp) -> bool {
        let running = |until: Option<Timestamp>| until.is_some_and(|until| now < until);
        running(self.extras().test_until)
            || zone
                .and_then(|zone| self.zone(zone))
                .is_some_and(|zone| running(zone.test_until))
    }

    /// How often it must be heard.
    #[must_use]
    pub fn supervision(&self) -> Supervision {
        self.register.supervisions[self.slot.supervision as usize]
    }

    fn extras(&self) -> &'s Extras {
        &self.register.extras[self.slot.extras as usize]
    }

    fn zone(&self, zone: &str) -> Option<&'s Zone> {
        let zones = &self.extras().zones;
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

#[cfg(test)]
mod tests {
    use larm_carrier::{Mode, Quirks};

    use super::*;
    use crate::accounts::build::Builder;
    use crate::accounts::record::{Account, Number};

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
        let mut builder = Builder::new(&Defaults::default(), &|_| None);
        for account in accounts {
            builder.push(account, &[None, None]).unwrap();
        }
        builder.finish()
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
    fn every_account_is_found_and_keeps_its_keys() {
        let mut builder = Builder::new(&Defaults::default(), &|_| None);
        let key = |seed: usize, len| Key::from_bytes(&vec![u8::try_from(seed % 255).unwrap(); len]);
        let number = |at: usize| format!("{:04X}", at * 7919 % 65_536);
        for at in 0..5_000usize {
            let len = [16, 24, 32][at % 3];
            let keys = [
                key(at, len).ok(),
                key(at + 1, len).ok().filter(|_| at % 2 == 0),
            ];
            builder
                .push(account(&number(at), None, None), &keys)
                .unwrap();
        }
        let register = builder.finish();
        assert!(register.iter().is_sorted_by_key(|entry| entry.number()));
        for at in 0..5_000usize {
            let len = [16, 24, 32][at % 3];
            let sent = number(at).to_ascii_lowercase();
            let policy = register.find(Some("1"), Some("0"), &sent).unwrap();
            assert_eq!(policy.keys[0], key(at, len).ok());
            assert_eq!(policy.keys[1].is_some(), at % 2 == 0);
        }
        assert!(register.find(None, None, "12345").is_none());
        assert!(register.find(None, None, "").is_none());
        assert!(register.find(None, None, &"1".repeat(100)).is_none());
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
        let mut builder = Builder::new(&defaults, &bits);
        builder.push(own, &[None, None]).unwrap();
        let register = builder.finish();
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
