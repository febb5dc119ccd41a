//! A disk in memory, so that a fuzzer tries thousands of journals a second.
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::journal::{Storage, StorageFile};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// One directory; files keep what was written whether it was synced or not.
#[derive(Clone, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

/// One file.
struct MemoryFile(Bytes);

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Names and contents.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let files = held(&self.files);
        files
            .iter()
            .map(|(name, bytes)| (name.clone(), held(bytes).clone()))
            .collect()
    }

    /// Puts a file there, whatever was there before.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        held(&self.files).insert(name.to_owned(), Arc::new(Mutex::new(bytes)));
    }
}

impl Storage for Memory {
    fn open(&self, name: &str, _write: bool) -> io::Result<Arc<dyn StorageFile>> {
        let files = held(&self.files);
        let bytes = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile(bytes.clone())))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut files = held(&self.files);
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = Bytes::default();
        files.insert(name.to_owned(), bytes.clone());
        Ok(Arc::new(MemoryFile(bytes)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(held(&self.files)
            .keys()
            .filter(|name| !name.contains('/'))
            .cloned()
            .collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = held(&self.files);
        let bytes = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = held(&self.files);
        if files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = files.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let gone = held(&self.files).remove(name);
        gone.map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create_dir(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(1 << 40)
    }

    fn lock(&self) -> io::Result<Result<Box<dyn Any + Send>, String>> {
        Ok(Ok(Box::new(())))
    }
}

impl StorageFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = held(&self.0);
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| bytes.get(at..))
            .unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<usize> {
        let mut bytes = held(&self.0);
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let end = at + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at..end].copy_from_slice(new);
        Ok(new.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(held(&self.0).len() as u64)
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }
}
