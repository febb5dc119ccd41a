//! One month's file: its layout, and how rows and cursor go in together.
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Statement, params};

use super::row::Row;
use super::writer::Appended;
use super::{HistoryError, Month, Repeated, repeats};
use crate::journal::Entry;

/// Number of the layout below, kept in `user_version`.
pub(super) const LAYOUT: i64 = 1;

/// Times are milliseconds since 1970-01-01T00:00:00Z. `event` is the whole record as JSON, without
/// `position`. Each index ends in the row's position, so that paging needs no sort.
const TABLES: &str = "
CREATE TABLE event (
    position    INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    account     TEXT,
    receiver    TEXT,
    line        TEXT,
    kind        TEXT    NOT NULL,
    category    TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    scheme      TEXT,
    code        TEXT,
    protocol    TEXT    NOT NULL,
    grade       TEXT    NOT NULL,
    test        INTEGER NOT NULL,
    event       TEXT    NOT NULL
) STRICT;
CREATE INDEX event_by_account ON event (account, received_at);
CREATE INDEX event_by_time    ON event (received_at);
CREATE INDEX event_by_kind    ON event (kind, received_at);
CREATE TABLE cursor (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO cursor VALUES (1, 0);
";

/// `IGNORE` and not `REPLACE`: what may delete a row first writes every page that it is about to change
/// into a temporary file, which costs more than the row.
const INSERT: &str = "
INSERT OR IGNORE INTO event (position, received_at, id, account, receiver, line, kind, category,
    priority, scheme, code, protocol, grade, test, event)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// How long a commit waits for another process that writes the same file (`VACUUM`, `sqlite3`).
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The write side of one month's file.
pub(super) struct Store {
    path: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the file, making it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, HistoryError> {
        let failed = || HistoryError::sqlite(path);
        let connection = Connection::open(path).map_err(failed())?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed())?;
        let layout = layout(&connection, path)?;
        if layout == 0 {
            // Only an empty file takes these two.
            connection
                .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")
                .map_err(failed())?;
        }
        // A checkpoint syncs beside the journal's own syncs, and what it writes goes to the disk in
        // one piece: 64 MiB held up an acknowledgement for 200 ms. Small and often takes longer for
        // the history and is felt by nobody.
        connection
            .execute_batch(
                "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
                 PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 64;
                 PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF;",
            )
            .map_err(failed())?;
        let mut store = Self {
            path: path.to_owned(),
            connection,
        };
        if layout == 0 {
            store.make_tables().map_err(failed())?;
        }
        // Came later than the others; who knows the layout alone does not miss it.
        store
            .connection
            .execute_batch(repeats::TABLE)
            .map_err(failed())?;
        Ok(store)
    }

    fn make_tables(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
        transaction.commit()
    }

    /// Stores the entries as far as they belong to `month`, and moves the cursor to the last of
    /// them; all or nothing. An entry whose position is there already is
    /// passed over: a position never has another entry.
    ///
    /// Entries are read one by one, so that a large batch needs no second copy in memory.
    pub(super) fn append(
        &mut self,
        entries: &[Entry],
        month: Month,
    ) -> Result<Appended, HistoryError> {
        let failed = || HistoryError::sqlite(&self.path);
        let transaction = self.connection.transaction().map_err(failed())?;
        let mut appended = Appended::default();
        let mut last = 0;
        {
            let mut statement = transaction.prepare_cached(INSERT).map_err(failed())?;
            for entry in entries {
                let row = Row::from_entry(entry);
                if Month::of(row.event.received_at) != month {
                    break;
                }
                last = stored(row.position)?;
                insert(&mut statement, last, &row).map_err(failed())?;
                appended.rows += 1;
                appended.unreadable += u64::from(row.unreadable);
            }
        }
        transaction
            .execute("UPDATE cursor SET last = ?1", [last])
            .and_then(|_| transaction.commit())
            .map_err(failed())?;
        Ok(appended)
    }

    /// Counts repeats of this month's events, stored or not; all or nothing.
    pub(super) fn add_repeats(&mut self, repeated: &[Repeated]) -> Result<(), HistoryError> {
        let failed = || HistoryError::sqlite(&self.path);
        let transaction = self.connection.transaction().map_err(failed())?;
        repeats::add(&transaction, repeated)
            .and_then(|()| transaction.commit())
            .map_err(failed())
    }

    /// Makes every earlier commit durable: one more commit, this one synced, and the directory.
    pub(super) fn sync(&mut self) -> Result<(), HistoryError> {
        self.connection
            .execute_batch(
                "PRAGMA synchronous = FULL; UPDATE cursor SET last = last;
                 PRAGMA synchronous = NORMAL;",
            )
            .map_err(HistoryError::sqlite(&self.path))?;
        match self.path.parent() {
            Some(directory) => sync_directory(directory),
            None => Ok(()),
        }
    }

    /// Moves everything from the write-ahead log to the file, so that the file stands alone.
    pub(super) fn checkpoint(&self) -> Result<(), HistoryError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(HistoryError::sqlite(&self.path))
    }
}

fn insert(statement: &mut Statement<'_>, position: i64, row: &Row) -> rusqlite::Result<()> {
    let event = &row.event;
    let code = event.code.as_ref();
    let mut id = uuid::Uuid::encode_buffer();
    statement.execute(params![
        position,
        event.received_at.as_millis(),
        &*event.id.hyphenated().encode_lower(&mut id),
        event.account,
        event.receiver,
        event.line,
        event.kind.as_str(),
        event.category.as_str(),
        event.priority.get(),
        code.map(|code| code.scheme.as_str()),
        code.map(|code| code.code.as_str()),
        event.protocol,
        event.authenticity.grade.as_str(),
        event.test,
        &*row.json,
    ])?;
    Ok(())
}

/// Opens a month's file for reading only; works beside a writer and without one.
///
/// Where the directory cannot be written, SQLite cannot share memory with a writer; then the file
/// is read as one that nobody changes, which holds exactly when there is no write-ahead log.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, HistoryError> {
    let failed = || HistoryError::sqlite(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed())?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed())?;
    let connection = match layout(&connection, path) {
        Err(HistoryError::Sqlite { source, .. }) if is_cannot_open(&source) => {
            let mut wal = path.as_os_str().to_owned();
            wal.push("-wal");
            if std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
                return Err(failed()(source));
            }
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable_uri(path), flags).map_err(failed())?
        }
        Err(error) => return Err(error),
        Ok(_) => connection,
    };
    Ok(connection)
}

fn is_cannot_open(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?immutable=1"
}

/// The file's cursor: the last position that its transactions covered, 0 where there was none.
pub(super) fn last(connection: &Connection, path: &Path) -> Result<u64, HistoryError> {
    if layout(connection, path)? == 0 {
        return Ok(0);
    }
    let last: i64 = connection
        .query_row("SELECT last FROM cursor", [], |row| row.get(0))
        .map_err(HistoryError::sqlite(path))?;
    Ok(u64::try_from(last).unwrap_or(0))
}

/// The file's layout number; 0 for a file whose tables were never made.
pub(super) fn layout(connection: &Connection, path: &Path) -> Result<i64, HistoryError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(HistoryError::sqlite(path))?;
    if found > LAYOUT {
        return Err(HistoryError::Newer {
            path: path.to_owned(),
            found,
            known: LAYOUT,
        });
    }
    Ok(found)
}

/// A position as SQLite keeps it.
pub(super) fn stored(position: u64) -> Result<i64, HistoryError> {
    i64::try_from(position).map_err(|_| HistoryError::Position(position))
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), HistoryError> {
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(HistoryError::io(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sqlite_inside_has_no_known_wal_damage() {
        // 3.7.0 to 3.51.2 can damage a database in WAL mode when two connections checkpoint.
        assert!(
            rusqlite::version_number() >= 3_051_003,
            "{}",
            rusqlite::version()
        );
    }

    #[test]
    fn a_new_file_has_the_promised_settings() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("2026-11.sqlite")).unwrap();
        let pragma = |name: &str| -> String {
            store
                .connection
                .query_row(&format!("PRAGMA {name}"), [], |row| {
                    row.get::<_, rusqlite::types::Value>(0)
                })
                .map(|value| match value {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => format!("{other:?}"),
                })
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(pragma("auto_vacuum"), "2");
        assert_eq!(pragma("secure_delete"), "1");
        assert_eq!(pragma("synchronous"), "1");
        assert_eq!(last(&store.connection, &store.path).unwrap(), 0);
    }

    #[test]
    fn a_later_layout_is_refused_with_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("2026-11.sqlite");
        drop(Store::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 9).unwrap();
        drop(connection);
        let Err(HistoryError::Newer { found: 9, .. }) = Store::open(&path) else {
            panic!("opened");
        };
    }

    #[test]
    fn a_path_of_any_bytes_becomes_a_uri() {
        assert_eq!(
            immutable_uri(Path::new("/a b/ö?#%.sqlite")),
            "file:/a%20b/%C3%B6%3F%23%25.sqlite?immutable=1"
        );
    }
}
