//! A storage whose syncs take longer: a slow disk, for measurements.
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::storage::{Storage, StorageFile};

/// Another storage, each of whose syncs takes `delay` on top.
pub struct SlowStorage {
    storage: Arc<dyn Storage>,
    delay: Duration,
}

impl SlowStorage {
    /// Slows `storage` down.
    pub fn new(storage: Arc<dyn Storage>, delay: Duration) -> Self {
        Self { storage, delay }
    }

    fn slow(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(SlowFile {
            file,
            delay: self.delay,
        })
    }
}

impl Storage for SlowStorage {
    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn StorageFile>> {
        self.storage.open(name, write).map(|file| self.slow(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.storage.create(name).map(|file| self.slow(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.storage.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.link(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.storage.create_dir(name)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.storage.sync_dir(name)
    }

    fn free_space(&self) -> io::Result<u64> {
        self.storage.free_space()
    }

    fn lock(&self) -> io::Result<Result<Box<dyn Any + Send>, String>> {
        self.storage.lock()
    }
}

struct SlowFile {
    file: Arc<dyn StorageFile>,
    delay: Duration,
}

impl StorageFile for SlowFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(self.delay);
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        std::thread::sleep(self.delay);
        self.file.sync_all()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }
}
