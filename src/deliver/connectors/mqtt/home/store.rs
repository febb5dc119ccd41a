//! The accounts that were announced, kept in `devices.sqlite` below the connector's directory, so
//! that an account is announced with all of its zones after a restart.
//!
//! The file is a memory of what Home Assistant shows, no source of events: when it is lost, accounts
//! and zones come back with their next events.
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::device::Device;
use crate::deliver::connector::BuildError;

const TABLES: &str = "
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS device (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
";

/// The file, opened when it is first needed.
pub(super) struct Store {
    directory: PathBuf,
    open: Mutex<Option<Connection>>,
}

impl Store {
    /// The store of this directory, which need not be there yet.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            open: Mutex::new(None),
        }
    }

    /// Everything that is kept; rows that cannot be read are left out. Empty without a file.
    pub(super) fn read(&self) -> Result<Vec<(String, Device)>, BuildError> {
        if !self.directory.join("devices.sqlite").exists() {
            return Ok(Vec::new());
        }
        let read = || {
            self.with(|connection| {
                let mut statement = connection.prepare("SELECT key, record FROM device")?;
                let rows =
                    statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
                rows.collect::<Result<Vec<(String, String)>, _>>()
            })
        };
        let rows = read().map_err(|error| BuildError {
            key: "home_assistant",
            problem: format!(
                "{} cannot be read: {error}; move it away, accounts come back with their next events",
                self.directory.join("devices.sqlite").display()
            ),
        })?;
        let devices = rows
            .into_iter()
            .filter_map(|(key, record)| Some((key, serde_json::from_str(&record).ok()?)));
        Ok(devices.collect())
    }

    /// Keeps an account. Blocks for a write into the page cache.
    pub(super) fn write(&self, key: &str, device: &Device) -> rusqlite::Result<()> {
        let record = serde_json::to_string(device).unwrap_or_default();
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached("INSERT OR REPLACE INTO device (key, record) VALUES (?1, ?2)")?;
            statement.execute(params![key, record]).map(drop)
        })
    }

    /// Forgets an account.
    pub(super) fn remove(&self, key: &str) -> rusqlite::Result<()> {
        self.with(|connection| {
            connection
                .execute("DELETE FROM device WHERE key = ?1", [key])
                .map(drop)
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            // What is wrong with the directory is what opening the file tells.
            let _ = std::fs::create_dir_all(&self.directory);
            let connection = Connection::open(self.directory.join("devices.sqlite"))?;
            connection.execute_batch(TABLES)?;
            connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
                .optional()?;
            *open = Some(connection);
        }
        match open.as_ref() {
            Some(connection) => work(connection),
            None => Err(rusqlite::Error::InvalidQuery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        let device = Device {
            account: "1234".to_owned(),
            alarm: true,
            ..Device::default()
        };
        let store = Store::new(&place);
        assert_eq!(store.read().unwrap(), []);
        assert!(!place.exists(), "reading makes nothing");
        store.write("a", &device).unwrap();
        store.write("b", &Device::default()).unwrap();
        store.write("b", &device).unwrap();
        store.write("c", &device).unwrap();
        store.remove("c").unwrap();
        drop(store);
        let mut found = Store::new(&place).read().unwrap();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(
            found,
            [("a".to_owned(), device.clone()), ("b".to_owned(), device)]
        );
    }

    #[test]
    fn a_damaged_file_is_told() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("devices.sqlite"),
            "no database at all, long enough",
        )
        .unwrap();
        let error = Store::new(directory.path()).read().unwrap_err();
        assert!(error.problem.contains("move it away"), "{error}");
    }
}
