//! Building a snapshot account by account, so that nothing but the snapshot itself takes memory.
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU8;
use std::sync::Arc;

use hashbrown::HashTable;
use larm_carrier::{Charset, Mode, Policy, Quirks, Window};

use super::error::RegisterError;
use super::keys::Keys;
use super::record::{Account, Number, WindowOverride};
use super::snapshot::{Defaults, Extras, Slot, Snapshot, Supervision};

/// Most accounts of a register: with the longest numbers and two of the longest keys each, every
/// place of a text and of a key still has a number of 32 bits.
pub(super) const ACCOUNTS_MAX: usize = 50_000_000;

/// A snapshot that is being built.
pub(super) struct Builder<'q> {
    defaults: Defaults,
    quirk_bits: &'q dyn Fn(&str) -> Option<Quirks>,
    made: Snapshot,
    policies: HashMap<Shape, u32>,
    supervisions: HashMap<Supervision, u32>,
    extras: HashMap<Extras, u32>,
}

/// The matter of a policy but the keys: accounts that agree in it share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    strict: Option<bool>,
    encryption: u8,
    quirks: u32,
    window: (std::time::Duration, std::time::Duration, bool),
    charset: u8,
}

impl<'q> Builder<'q> {
    /// An empty one. `quirk_bits` gives the switch of a quirk's name.
    pub(super) fn new(defaults: &Defaults, quirk_bits: &'q dyn Fn(&str) -> Option<Quirks>) -> Self {
        Self {
            defaults: *defaults,
            quirk_bits,
            made: Snapshot::default(),
            policies: HashMap::new(),
            supervisions: HashMap::new(),
            extras: HashMap::new(),
        }
    }

    /// Takes one account with its keys (current, next).
    pub(super) fn push(&mut self, account: Account, keys: &Keys) -> Result<(), RegisterError> {
        let full = || RegisterError::TooMany { max: ACCOUNTS_MAX };
        if self.made.slots.len() >= ACCOUNTS_MAX {
            return Err(full());
        }
        let (policy, supervision) = (self.policy(&account), account.supervision);
        let mut refs = [None; 2];
        for (slot, key) in refs.iter_mut().zip(keys) {
            *slot = match key {
                Some(key) => Some(self.made.keys.put(key).ok_or_else(full)?),
                None => None,
            };
        }
        let text = u32::try_from(self.made.texts.len()).map_err(|_| full())?;
        let Number {
            account: number,
            receiver,
            line,
        } = &account.number;
        for part in [Some(number), receiver.as_ref(), line.as_ref()] {
            self.made.texts.push_str(part.map_or("", String::as_str));
        }
        let slot = Slot {
            text,
            number_len: u8::try_from(number.len()).map_err(|_| full())?,
            receiver_len: receiver.as_deref().and_then(short),
            line_len: line.as_deref().and_then(short),
            policy,
            keys: refs,
            supervision: shared(
                &mut self.supervisions,
                &mut self.made.supervisions,
                supervision,
            ),
            extras: self.extras(account),
        };
        self.made.slots.push(slot);
        Ok(())
    }

    /// Index of what else the account has. Zones are hardly ever alike, so they are not compared.
    fn extras(&mut self, account: Account) -> u32 {
        let extras = Extras {
            protocols: account.protocols,
            test_until: account.test_until,
            zones: account.zones,
            priorities: account.priorities,
            tags: account.tags,
        };
        let all = &mut self.made.extras;
        if extras.zones.is_empty() {
            return shared(&mut self.extras, all, extras);
        }
        all.push(extras);
        index(all.len() - 1)
    }

    fn policy(&mut self, account: &Account) -> u32 {
        let quirks = account
            .quirks
            .iter()
            .filter_map(|name| (self.quirk_bits)(name))
            .fold(Quirks::default(), Quirks::with);
        let policy = Policy {
            mode: account.mode,
            encryption: account.encryption.unwrap_or(self.defaults.encryption),
            keys: [None, None],
            quirks,
            window: window(&account.window, self.defaults.window),
            charset: account.charset.unwrap_or_default(),
        };
        let all = &mut self.made.policies;
        *self.policies.entry(Shape::of(&policy)).or_insert_with(|| {
            all.push(Arc::new(policy));
            index(all.len() - 1)
        })
    }

    /// Sorts, makes the table of numbers, and gives up what was taken too much.
    pub(super) fn finish(self) -> Snapshot {
        let mut made = self.made;
        sort(&mut made);
        made.texts.shrink_to_fit();
        made.slots.shrink_to_fit();
        made.extras.shrink_to_fit();
        made.heads = heads(&made);
        made
    }
}

/// The index of `value` among `all`, where equal ones stand once.
fn shared<T: Clone + Eq + Hash>(known: &mut HashMap<T, u32>, all: &mut Vec<T>, value: T) -> u32 {
    if let Some(found) = known.get(&value) {
        return *found;
    }
    let at = index(all.len());
    all.push(value.clone());
    known.insert(value, at);
    at
}

/// An index into something that has at most one item per account.
fn index(at: usize) -> u32 {
    u32::try_from(at).expect("there are fewer accounts than 32 bits can count")
}

/// The length of a prefix; the register takes none of more than some bytes, and no empty one.
fn short(text: &str) -> Option<NonZeroU8> {
    u8::try_from(text.len()).ok().and_then(NonZeroU8::new)
}

/// Sorts the slots by number. The first letters decide nearly always, and are compared as a number.
fn sort(made: &mut Snapshot) {
    let mut places: Vec<(u64, u32)> = made
        .iter()
        .zip(0..)
        .map(|(entry, at)| (first_letters(entry.number()), at))
        .collect();
    let number = |at: u32| made.at(at).map_or("", |entry| entry.number());
    places.sort_unstable_by(|(one, at), (other, beside)| {
        one.cmp(other).then_with(|| {
            order(number(*at), number(*beside))
                .then_with(|| number(*at).cmp(number(*beside)))
                .then(at.cmp(beside))
        })
    });
    let mut from: Vec<Option<Slot>> = std::mem::take(&mut made.slots)
        .into_iter()
        .map(Some)
        .collect();
    made.slots = places
        .iter()
        .filter_map(|(_, at)| from.get_mut(*at as usize)?.take())
        .collect();
}

/// Eight letters in lower case as a number that compares as they do; zeros where there are fewer.
fn first_letters(number: &str) -> u64 {
    let mut letters = [0; 8];
    for (letter, byte) in letters.iter_mut().zip(number.bytes()) {
        *letter = byte.to_ascii_lowercase();
    }
    u64::from_be_bytes(letters)
}

/// Order by the text with ASCII letters in lower case.
pub(super) fn order(one: &str, other: &str) -> Ordering {
    one.bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// Every number's first slot.
fn heads(made: &Snapshot) -> HashTable<u32> {
    let hash = |at: &u32| made.at(*at).map_or(0, |entry| made.hash(entry.number()));
    let mut heads = HashTable::with_capacity(made.len());
    let mut before: Option<&str> = None;
    for (entry, at) in made.iter().zip(0..) {
        let number = entry.number();
        if before.is_none_or(|before| !before.eq_ignore_ascii_case(number)) {
            heads.insert_unique(made.hash(number), at, hash);
        }
        before = Some(number);
    }
    heads
}

impl Shape {
    fn of(policy: &Policy) -> Self {
        Self {
            strict: policy.mode.map(|mode| mode == Mode::Strict),
            encryption: policy.encryption as u8,
            quirks: policy.quirks.0,
            window: (
                policy.window.past,
                policy.window.future,
                policy.window.enforce,
            ),
            charset: match policy.charset {
                Charset::Windows1252 => 0,
                Charset::Windows1251 => 1,
            },
        }
    }
}

fn window(own: &WindowOverride, default: Window) -> Window {
    Window {
        past: own.past.unwrap_or(default.past),
        future: own.future.unwrap_or(default.future),
        enforce: own.enforce.unwrap_or(default.enforce),
    }
}
