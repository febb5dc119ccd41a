//! The files of the register: who may read them is settled before anything is written.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::RegisterError;

/// How long one process waits for the other.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the data directory where it is missing, for its owner and group alone.
pub(super) fn directory(path: &Path) -> Result<(), RegisterError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path)
        .map_err(RegisterError::io("make the directory", path))
}

/// Refuses a store, or a side file of it, that others can read.
///
/// It is refused, not repaired: who could read the keys until now is for the owner to find out.
pub(super) fn check_private(path: &Path) -> Result<(), RegisterError> {
    ["", "-wal", "-shm", "-journal"]
        .iter()
        .try_for_each(|suffix| check_one(&beside(path, suffix)))
}

/// Opens a store, making it with mode 0600 where it is missing; its side files take its mode.
pub(super) fn open(path: &Path) -> Result<Connection, RegisterError> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // NOFOLLOW refuses a link anywhere in the path; the directory may well be behind one.
    let path = fs::canonicalize(path).map_err(RegisterError::io("find", path))?;
    let connection =
        Connection::open_with_flags(&path, flags).map_err(RegisterError::store(&path))?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(RegisterError::store(&path))?;
    Ok(connection)
}

/// Makes a new file of mode 0600 for an export; one that is there is refused.
pub(super) fn new_private(path: &Path) -> Result<File, RegisterError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(RegisterError::io("make the new file", path))
}

fn create_private(path: &Path) -> Result<(), RegisterError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(RegisterError::io("make", path)(error)),
    }
}

fn check_one(path: &Path) -> Result<(), RegisterError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RegisterError::io("look at", path)(error)),
    };
    if !found.is_file() {
        return Err(RegisterError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(RegisterError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
