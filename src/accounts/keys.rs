//! The key store `keys.sqlite`: keys by account, apart from everything else, readable by the owner
//! alone.
//!
//! It keeps a rollback journal instead of a write-ahead log, and overwrites what is deleted: an old
//! key does not linger in a side file. Rows are named by the register's random ids, so that a row
//! left over by a crash never meets another account.
use std::path::{Path, PathBuf};

use larm_carrier::Key;
use rusqlite::{Connection, OptionalExtension as _, Row, Rows, Transaction, params};

use super::error::RegisterError;
use super::files;

/// Number of the layout below, kept in `user_version`.
const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE key (
    id       INTEGER PRIMARY KEY,
    now      BLOB,
    next     BLOB
) STRICT;
PRAGMA user_version = 1;
";

/// The key store.
pub(super) struct KeyStore {
    path: PathBuf,
    connection: Connection,
}

/// Both keys of one account.
pub(super) type Keys = [Option<Key>; 2];

impl KeyStore {
    /// Opens `keys.sqlite` in the data directory, making it where it is missing.
    pub(super) fn open(directory: &Path) -> Result<Self, RegisterError> {
        let path = directory.join("keys.sqlite");
        files::check_private(&path)?;
        let connection = files::open(&path)?;
        let failed = || RegisterError::store(&path);
        connection
            .execute_batch(
                "PRAGMA journal_mode = TRUNCATE; PRAGMA secure_delete = ON;
                 PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;",
            )
            .map_err(failed())?;
        super::store::layout(&connection, &path, LAYOUT, TABLES)?;
        files::check_private(&path)?;
        Ok(Self { path, connection })
    }

    /// The keys of an account.
    pub(super) fn read(&self, id: i64) -> Result<Keys, RegisterError> {
        self.connection
            .query_row("SELECT now, next FROM key WHERE id = ?1", [id], |row| {
                keys(row, 0)
            })
            .optional()
            .map(Option::unwrap_or_default)
            .map_err(RegisterError::store(&self.path))
    }

    /// Sets both keys of an account.
    pub(super) fn write(&mut self, id: i64, keys: &Keys) -> Result<(), RegisterError> {
        let mut batch = self.batch()?;
        batch.write(id, keys)?;
        batch.commit()
    }

    /// Forgets the keys of an account.
    pub(super) fn forget(&mut self, id: i64) -> Result<(), RegisterError> {
        self.write(id, &[None, None])
    }

    /// Many changes that become real together.
    pub(super) fn batch(&mut self) -> Result<KeyBatch<'_>, RegisterError> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(RegisterError::store(&self.path))?;
        Ok(KeyBatch {
            path: &self.path,
            transaction,
        })
    }

    /// Every row in the order of ids.
    pub(super) fn each(&self, mut take: impl FnMut(i64, Keys)) -> Result<(), RegisterError> {
        self.in_order(|rows| {
            while let Some((id, keys)) = rows.next()? {
                take(id, keys);
            }
            Ok(())
        })
    }

    /// Lends the rows in the order of ids.
    pub(super) fn in_order<T>(
        &self,
        work: impl FnOnce(&mut KeyRows<'_>) -> Result<T, RegisterError>,
    ) -> Result<T, RegisterError> {
        let failed = || RegisterError::store(&self.path);
        let mut statement = self
            .connection
            .prepare("SELECT id, now, next FROM key ORDER BY id")
            .map_err(failed())?;
        let rows = statement.query([]).map_err(failed())?;
        work(&mut KeyRows {
            path: &self.path,
            rows,
            ahead: None,
        })
    }

    /// Changes when another connection changed the store.
    pub(super) fn version(&self) -> Result<i64, RegisterError> {
        super::store::version(&self.connection, &self.path)
    }
}

/// The rows of the key store, read as they are asked for.
pub(super) struct KeyRows<'s> {
    path: &'s Path,
    rows: Rows<'s>,
    /// Read already, and not asked for yet.
    ahead: Option<(i64, Keys)>,
}

impl KeyRows<'_> {
    fn next(&mut self) -> Result<Option<(i64, Keys)>, RegisterError> {
        if self.ahead.is_some() {
            return Ok(self.ahead.take());
        }
        let failed = || RegisterError::store(self.path);
        let Some(row) = self.rows.next().map_err(failed())? else {
            return Ok(None);
        };
        let id = row.get(0).map_err(failed())?;
        Ok(Some((id, keys(row, 1).map_err(failed())?)))
    }

    /// The keys of this account. To be asked in the order of ids; rows between are passed over.
    pub(super) fn of(&mut self, id: i64) -> Result<Keys, RegisterError> {
        while let Some((found, keys)) = self.next()? {
            if found == id {
                return Ok(keys);
            }
            if found > id {
                self.ahead = Some((found, keys));
                break;
            }
        }
        Ok([None, None])
    }
}

/// Many changes that become real together; dropped without [`KeyBatch::commit`], none does.
pub(super) struct KeyBatch<'s> {
    path: &'s Path,
    transaction: Transaction<'s>,
}

impl KeyBatch<'_> {
    /// Sets both keys of an account.
    pub(super) fn write(&mut self, id: i64, keys: &Keys) -> Result<(), RegisterError> {
        let [now, next] = keys.each_ref().map(|key| key.as_ref().map(Key::expose));
        let failed = RegisterError::store(self.path);
        if now.is_none() && next.is_none() {
            self.transaction
                .execute("DELETE FROM key WHERE id = ?1", [id])
                .map_err(failed)?;
        } else {
            self.transaction
                .prepare_cached("INSERT OR REPLACE INTO key (id, now, next) VALUES (?1, ?2, ?3)")
                .and_then(|mut statement| statement.execute(params![id, now, next]))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The keys of an account, with the changes so far.
    pub(super) fn read(&self, id: i64) -> Result<Keys, RegisterError> {
        self.transaction
            .prepare_cached("SELECT now, next FROM key WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id], |row| keys(row, 0)).optional())
            .map(Option::unwrap_or_default)
            .map_err(RegisterError::store(self.path))
    }

    pub(super) fn commit(self) -> Result<(), RegisterError> {
        self.transaction
            .commit()
            .map_err(RegisterError::store(self.path))
    }
}

/// Reads two key columns from `first` on, straight from the store's page into wiped memory.
fn keys(row: &Row<'_>, first: usize) -> rusqlite::Result<Keys> {
    let one = |at: usize| -> rusqlite::Result<Option<Key>> {
        let Some(raw) = row.get_ref(at)?.as_blob_or_null()? else {
            return Ok(None);
        };
        Key::from_bytes(raw).map(Some).map_err(|why| {
            rusqlite::Error::FromSqlConversionFailure(
                at,
                rusqlite::types::Type::Blob,
                Box::new(why),
            )
        })
    };
    Ok([one(first)?, one(first + 1)?])
}
