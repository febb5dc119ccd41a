//! The register as a whole: accounts and their keys, changed together, read while it changes.
//!
//! Two stores cannot commit as one. Keys are written first and an account becomes visible last: a
//! crash between the two leaves a key that belongs to nobody, never an account with a wrong key.
use std::path::Path;

use larm_carrier::Key;

use super::build::Builder;
use super::error::RegisterError;
use super::fields::{Draft, Rules};
use super::files;
use super::keys::{KeyBatch, KeyStore, Keys};
use super::record::{Account, Number};
use super::snapshot::{Defaults, Snapshot};
use super::store::{Batch, Store};

/// The register of one data directory.
pub struct Register {
    store: Store,
    keys: KeyStore,
    rules: Rules,
    /// Counts what this connection changed: the stores' own numbers leave that out.
    own: u64,
}

/// What the register looked like at one moment; another value means that something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    store: i64,
    keys: i64,
    own: u64,
}

/// What is told about the keys of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// `AES-128` and the like.
    pub now: Option<&'static str>,
    /// The other one during a rotation.
    pub next: Option<&'static str>,
}

/// An account as it is shown.
#[derive(Debug)]
pub struct Listed {
    /// Everything but the keys.
    pub account: Account,
    /// Which keys it has.
    pub keys: KeyState,
}

impl Register {
    /// Opens the register of a data directory, making it where it is missing.
    pub fn open(directory: &Path, rules: Rules) -> Result<Self, RegisterError> {
        files::directory(directory)?;
        let keys = KeyStore::open(directory)?;
        let store = Store::open(directory)?;
        Ok(Self {
            store,
            keys,
            rules,
            own: 0,
        })
    }

    /// Names of quirks and protocols that fields are held against.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Changes whenever the register does, whoever changed it. Cheap: no table is read.
    pub fn generation(&self) -> Result<Generation, RegisterError> {
        Ok(Generation {
            store: self.store.version()?,
            keys: self.keys.version()?,
            own: self.own,
        })
    }

    /// Everything that sessions need, without personal data.
    pub fn snapshot(&self, defaults: &Defaults) -> Result<Snapshot, RegisterError> {
        let quirks = self.rules.quirks;
        let bits = |name: &str| {
            quirks
                .iter()
                .find(|one| one.name == name)
                .map(|one| one.quirk)
        };
        let mut builder = Builder::new(defaults, &bits);
        // Both stores are read side by side in the order of ids, so that nothing waits in memory.
        self.keys.in_order(|keys| {
            self.store.each(false, |id, account| {
                let keys = keys.of(id)?;
                builder.push(account, &keys)
            })
        })?;
        Ok(builder.finish())
    }

    /// How many accounts.
    pub fn count(&self) -> Result<u64, RegisterError> {
        self.store.count()
    }

    /// Adds an account.
    pub fn add(&mut self, draft: &Draft) -> Result<(), RegisterError> {
        self.within(|batch, keys| {
            if batch.id(&draft.account.number)?.is_some() {
                return Err(RegisterError::Exists {
                    number: draft.account.number.clone(),
                });
            }
            let id = random_id()?;
            keys.write(id, &draft.keys)?;
            batch.write(id, &draft.account)
        })
    }

    /// Changes an account in place; its number, receiver and line stay.
    pub fn change(
        &mut self,
        number: &Number,
        edit: impl FnOnce(&mut Draft) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        let id = self.expect(number)?;
        self.within(|batch, keys| {
            let mut draft = Draft {
                account: batch.read(id)?,
                keys: keys.read(id)?,
            };
            edit(&mut draft)?;
            draft.account.number = number.clone();
            keys.write(id, &draft.keys)?;
            batch.write(id, &draft.account)
        })
    }

    /// Takes an account out, with its keys and its personal data.
    pub fn remove(&mut self, number: &Number) -> Result<(), RegisterError> {
        let id = self.expect(number)?;
        // The account goes first: without its key it would take clear frames for its own.
        let mut batch = self.store.batch()?;
        batch.remove(id)?;
        batch.commit()?;
        self.keys.forget(id)?;
        self.own += 1;
        Ok(())
    }

    /// One account.
    pub fn show(&self, number: &Number) -> Result<Listed, RegisterError> {
        let id = self.expect(number)?;
        let keys = KeyState::of(&self.keys.read(id)?);
        Ok(Listed {
            account: self.store.read(id)?,
            keys,
        })
    }

    /// Every account in the order of numbers.
    pub fn each(&self, mut take: impl FnMut(Listed)) -> Result<(), RegisterError> {
        let mut states = std::collections::HashMap::new();
        self.keys.each(|id, keys| {
            states.insert(id, KeyState::of(&keys));
        })?;
        self.store.each_by_number(|id, account| {
            take(Listed {
                account,
                keys: states.get(&id).copied().unwrap_or_default(),
            });
            Ok(())
        })
    }

    /// Every account with its keys, in the order of numbers: for an export with keys alone.
    pub(super) fn each_with_keys(
        &self,
        mut take: impl FnMut(Account, Keys),
    ) -> Result<(), RegisterError> {
        let mut all = std::collections::HashMap::new();
        self.keys.each(|id, keys| {
            all.insert(id, keys);
        })?;
        self.store.each_by_number(|id, account| {
            take(account, all.remove(&id).unwrap_or_default());
            Ok(())
        })
    }

    /// Sets the next key; both are taken until the rotation ends.
    pub fn rotate(&mut self, number: &Number, next: Key) -> Result<(), RegisterError> {
        self.change(number, |draft| {
            let [now, slot] = &mut draft.keys;
            if slot.is_some() {
                return Err(RegisterError::NextKeySet {
                    number: number.clone(),
                });
            }
            // The first key of an account has no other to live beside.
            *(if now.is_none() { now } else { slot }) = Some(next);
            Ok(())
        })
    }

    /// Ends a rotation: the next key becomes the current one, and the old one is forgotten.
    pub fn finish_rotation(&mut self, number: &Number) -> Result<(), RegisterError> {
        self.change(number, |draft| {
            let next = draft.keys[1].take();
            draft.keys[0] = Some(next.ok_or_else(|| RegisterError::NoNextKey {
                number: number.clone(),
            })?);
            Ok(())
        })
    }

    /// Gives a rotation up: the next key is forgotten.
    pub fn cancel_rotation(&mut self, number: &Number) -> Result<(), RegisterError> {
        self.change(number, |draft| {
            let next = draft.keys[1].take();
            next.map(drop).ok_or_else(|| RegisterError::NoNextKey {
                number: number.clone(),
            })
        })
    }

    /// Accounts that share a key with another one, one list for each such key.
    pub fn shared_keys(&self) -> Result<Vec<Vec<Number>>, RegisterError> {
        super::strength::shared(|take| {
            self.each_with_keys(|account, keys| take(account.number, keys))
        })
    }

    /// Runs `work` in one change of both stores. An error changes nothing.
    pub(super) fn within<T>(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>, &mut KeyBatch<'_>) -> Result<T, RegisterError>,
    ) -> Result<T, RegisterError> {
        let mut batch = self.store.batch()?;
        let mut keys = self.keys.batch()?;
        let done = work(&mut batch, &mut keys)?;
        keys.commit()?;
        batch.commit()?;
        self.own += 1;
        Ok(done)
    }

    fn expect(&self, number: &Number) -> Result<i64, RegisterError> {
        match self.store.id(number)? {
            Some(id) => Ok(id),
            None => Err(RegisterError::NotFound {
                number: number.clone(),
                others: self.store.same_number(&number.account)?,
            }),
        }
    }
}

impl KeyState {
    pub(super) fn of(keys: &Keys) -> Self {
        let [now, next] = keys.each_ref().map(|key| key.as_ref().map(size));
        Self { now, next }
    }
}

fn size(key: &Key) -> &'static str {
    match key.expose().len() {
        16 => "AES-128",
        24 => "AES-192",
        _ => "AES-256",
    }
}

/// 62 random bits, positive.
pub(super) fn random_id() -> Result<i64, RegisterError> {
    let bits = getrandom::u64().map_err(RegisterError::Random)?;
    Ok(i64::try_from(bits >> 2).unwrap_or(i64::MAX))
}
