//! The register's own store `accounts.sqlite`: one table for what is technical, one for persons.
//!
//! Every field is kept as the text that CSV and TOML use, so that there is one reader for all.
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, Transaction, TransactionBehavior};

use super::error::RegisterError;
use super::fields::{self, Column, Draft};
use super::files;
use super::record::{Account, Number};

/// Number of the layout below, kept in `user_version`.
const LAYOUT: i64 = 1;

/// `id` is random and never used again: what else is kept by it (keys) cannot meet another account.
const TABLES: &str = "
CREATE TABLE account (
    id                  INTEGER PRIMARY KEY,
    account             TEXT NOT NULL,
    receiver            TEXT NOT NULL,
    line                TEXT NOT NULL,
    protocols           TEXT NOT NULL,
    encryption          TEXT NOT NULL,
    supervision_primary TEXT NOT NULL,
    supervision_backup  TEXT NOT NULL,
    quirks              TEXT NOT NULL,
    mode                TEXT NOT NULL,
    window_past         TEXT NOT NULL,
    window_future       TEXT NOT NULL,
    window_enforce      TEXT NOT NULL,
    charset             TEXT NOT NULL,
    test_until          TEXT NOT NULL,
    tags                TEXT NOT NULL,
    zones               TEXT NOT NULL,
    priorities          TEXT NOT NULL,
    UNIQUE (account, receiver, line)
) STRICT;
CREATE TABLE person (
    id        INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    site      TEXT NOT NULL,
    address   TEXT NOT NULL,
    apartment TEXT NOT NULL,
    customer  TEXT NOT NULL,
    contacts  TEXT NOT NULL
) STRICT;
PRAGMA user_version = 1;
";

/// The register's own store.
pub(super) struct Store {
    path: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens `accounts.sqlite` in the data directory, making it where it is missing.
    pub(super) fn open(directory: &Path) -> Result<Self, RegisterError> {
        let path = directory.join("accounts.sqlite");
        let connection = files::open(&path)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;",
            )
            .map_err(RegisterError::store(&path))?;
        layout(&connection, &path, LAYOUT, TABLES)?;
        Ok(Self { path, connection })
    }

    /// The id of exactly this account.
    pub(super) fn id(&self, number: &Number) -> Result<Option<i64>, RegisterError> {
        id(&self.connection, number).map_err(RegisterError::store(&self.path))
    }

    /// The account of this id.
    pub(super) fn read(&self, id: i64) -> Result<Account, RegisterError> {
        let mut found = Account::default();
        self.select("WHERE account.id = ?1", &[&id], true, |_, account| {
            found = account;
            Ok(())
        })?;
        Ok(found)
    }

    /// Every account in the order of ids; without persons where they are not asked for. An error of
    /// `take` ends it.
    pub(super) fn each(
        &self,
        persons: bool,
        take: impl FnMut(i64, Account) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        self.select("ORDER BY account.id", &[], persons, take)
    }

    /// Every account in the order of number, line and receiver.
    pub(super) fn each_by_number(
        &self,
        take: impl FnMut(i64, Account) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        self.select("ORDER BY account, line, receiver", &[], true, take)
    }

    /// Accounts of the same number, whatever their zeros in front, letters' case, receiver and line.
    pub(super) fn same_number(&self, account: &str) -> Result<Vec<Number>, RegisterError> {
        let mut found = Vec::new();
        let take = |_, account: Account| {
            found.push(account.number);
            Ok(())
        };
        let only = "WHERE ltrim(account, '0') = ltrim(?1, '0') COLLATE NOCASE
                    ORDER BY account, line, receiver LIMIT 5";
        self.select(only, &[&account], false, take)?;
        Ok(found)
    }

    /// How many accounts.
    pub(super) fn count(&self) -> Result<u64, RegisterError> {
        self.connection
            .query_row("SELECT count(*) FROM account", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(i64::unsigned_abs)
            .map_err(RegisterError::store(&self.path))
    }

    /// Many changes that become real together.
    pub(super) fn batch(&mut self) -> Result<Batch<'_>, RegisterError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(RegisterError::store(&self.path))?;
        Ok(Batch {
            path: &self.path,
            transaction,
        })
    }

    /// Changes when another connection changed the store.
    pub(super) fn version(&self) -> Result<i64, RegisterError> {
        version(&self.connection, &self.path)
    }

    fn select(
        &self,
        rest: &str,
        values: &[&dyn ToSql],
        persons: bool,
        mut take: impl FnMut(i64, Account) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        let failed = || RegisterError::store(&self.path);
        let text = selection(rest, persons);
        let mut statement = self.connection.prepare_cached(&text).map_err(failed())?;
        let mut rows = statement.query(values).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            let (id, account) = read(row, persons).map_err(failed())?;
            take(id, account)?;
        }
        Ok(())
    }
}

/// Many changes that become real together; dropped without [`Batch::commit`], none does.
pub(super) struct Batch<'s> {
    path: &'s Path,
    transaction: Transaction<'s>,
}

impl Batch<'_> {
    /// The id of exactly this account, with the changes so far.
    pub(super) fn id(&self, number: &Number) -> Result<Option<i64>, RegisterError> {
        id(&self.transaction, number).map_err(RegisterError::store(self.path))
    }

    /// The account of this id, with the changes so far.
    pub(super) fn read(&self, id: i64) -> Result<Account, RegisterError> {
        let text = selection("WHERE account.id = ?1", true);
        self.transaction
            .prepare_cached(&text)
            .and_then(|mut statement| statement.query_row([id], |row| read(row, true)))
            .map(|(_, account)| account)
            .map_err(RegisterError::store(self.path))
    }

    /// Puts an account in under this id, over the old one where there is one.
    pub(super) fn write(&mut self, id: i64, account: &Account) -> Result<(), RegisterError> {
        self.put("account", technical(), id, account)?;
        if account.person.is_empty() {
            self.transaction
                .execute("DELETE FROM person WHERE id = ?1", [id])
                .map_err(RegisterError::store(self.path))?;
            return Ok(());
        }
        self.put("person", personal(), id, account)
    }

    /// Takes an account out.
    pub(super) fn remove(&mut self, id: i64) -> Result<(), RegisterError> {
        self.transaction
            .execute("DELETE FROM account WHERE id = ?1", [id])
            .map(|_| ())
            .map_err(RegisterError::store(self.path))
    }

    pub(super) fn commit(self) -> Result<(), RegisterError> {
        self.transaction
            .commit()
            .map_err(RegisterError::store(self.path))
    }

    fn put(
        &mut self,
        table: &str,
        columns: impl Iterator<Item = Column>,
        id: i64,
        account: &Account,
    ) -> Result<(), RegisterError> {
        let (names, cells): (Vec<&str>, Vec<String>) = columns
            .map(|column| (column.as_str(), fields::cell(account, column)))
            .unzip();
        let marks = ", ?".repeat(cells.len());
        let sets: Vec<String> = names
            .iter()
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let text = format!(
            "INSERT INTO {table} (id, {}) VALUES (?{marks}) ON CONFLICT (id) DO UPDATE SET {}",
            names.join(", "),
            sets.join(", ")
        );
        let mut values: Vec<&dyn ToSql> = vec![&id];
        values.extend(cells.iter().map(|cell| cell as &dyn ToSql));
        self.transaction
            .prepare_cached(&text)
            .and_then(|mut statement| statement.execute(values.as_slice()))
            .map(|_| ())
            .map_err(RegisterError::store(self.path))
    }
}

fn technical() -> impl Iterator<Item = Column> {
    Column::all().filter(|column| !column.is_secret() && !column.is_personal())
}

fn personal() -> impl Iterator<Item = Column> {
    Column::all().filter(|column| column.is_personal())
}

fn selection(rest: &str, persons: bool) -> String {
    let technical: Vec<&str> = technical().map(Column::as_str).collect();
    let (more, join) = if persons {
        let personal: Vec<&str> = personal().map(Column::as_str).collect();
        (
            format!(", {}", personal.join(", ")),
            " LEFT JOIN person ON person.id = account.id",
        )
    } else {
        (String::new(), "")
    };
    format!(
        "SELECT account.id, {}{more} FROM account{join} {rest}",
        technical.join(", ")
    )
}

fn read(row: &Row<'_>, persons: bool) -> rusqlite::Result<(i64, Account)> {
    let mut draft = Draft::default();
    let columns = technical().chain(personal().filter(|_| persons));
    for (column, at) in columns.zip(1..) {
        let Some(text) = row.get_ref(at)?.as_str_or_null()? else {
            continue;
        };
        if text.is_empty() {
            continue;
        }
        fields::set(&mut draft, column, text, None).map_err(|why| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(why))
        })?;
    }
    Ok((row.get(0)?, draft.account))
}

fn id(connection: &Connection, number: &Number) -> rusqlite::Result<Option<i64>> {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    connection
        .prepare_cached(
            "SELECT id FROM account WHERE account = ?1 AND receiver = ?2 AND line = ?3",
        )?
        .query_row(
            (&number.account, text(&number.receiver), text(&number.line)),
            |row| row.get(0),
        )
        .optional()
}

/// Makes the tables in an empty store; refuses one that a newer larm wrote.
pub(super) fn layout(
    connection: &Connection,
    path: &Path,
    known: i64,
    tables: &str,
) -> Result<(), RegisterError> {
    let failed = || RegisterError::store(path);
    let read = || connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if read().map_err(failed())? == 0 {
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(failed())?;
        // Another process may have made them while this one waited.
        let made = match read().map_err(failed())? {
            0 => connection.execute_batch(tables),
            _ => Ok(()),
        };
        let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end).map_err(failed())?;
        made.map_err(failed())?;
    }
    let found = read().map_err(failed())?;
    if found > known {
        return Err(RegisterError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(())
}

/// The number that changes when another connection changed the store.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, RegisterError> {
    connection
        .query_row("PRAGMA data_version", [], |row| row.get(0))
        .map_err(RegisterError::store(path))
}
