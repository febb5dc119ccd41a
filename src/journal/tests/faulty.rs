//! A disk in memory that fails, lies and loses power as it is told.
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal::{Storage, StorageFile};

/// Small, fast, repeatable random numbers (the `SplitMix64` generator).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In `0..limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// The operations that a fault can be put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Create,
    Write,
    SyncData,
    SyncAll,
    SyncDir,
    Rename,
}

/// What happens instead of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This error. A failed sync leaves the cache showing what is not on the disk, and the next
    /// sync succeeds, as Linux does.
    Error(io::ErrorKind),
    /// A write of this many bytes at most, without an error.
    Short(usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// What is on the disk.
    durable: Vec<u8>,
    /// What a read shows.
    cached: Vec<u8>,
    /// Writes since the last sync: where, what.
    pending: Vec<(usize, Vec<u8>)>,
}

type File = Arc<Mutex<Content>>;

#[derive(Clone)]
enum Change {
    Create(String, File),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
struct State {
    /// Directory entries as seen, and as they are on the disk.
    entries: BTreeMap<String, File>,
    durable: BTreeMap<String, File>,
    /// Changes of entries since the last sync of the directory.
    changes: Vec<Change>,
    counts: BTreeMap<Op, u64>,
    faults: Vec<(Op, u64, Fault)>,
    /// Operations that change something until the power goes.
    power: Option<u64>,
    free: u64,
    read_only: bool,
    locked: bool,
    random: u64,
}

/// Where `kept` of the writes that were not synced survive a crash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// Some number of bytes, in the order of writing.
    Prefix,
    /// Any set of sectors of this many bytes.
    Sectors(usize),
    /// Everything that was written: the process died, not the machine.
    Nothing,
}

/// One disk; clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            free: u64::MAX / 2,
            random: seed,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds this")
    }

    /// The `nth` operation of this kind from now on, counted from 0, fails so.
    pub(crate) fn fail(&self, op: Op, nth: u64, fault: Fault) {
        let mut state = self.state();
        let at = state.counts.get(&op).copied().unwrap_or(0) + nth;
        state.faults.push((op, at, fault));
    }

    /// The power goes during the operation after `operations` more that change something.
    pub(crate) fn power_off_after(&self, operations: u64) {
        self.state().power = Some(operations);
    }

    pub(crate) fn set_free(&self, free: u64) {
        self.state().free = free;
    }

    pub(crate) fn set_read_only(&self) {
        self.state().read_only = true;
    }

    /// The disk as found after the power went now.
    pub(crate) fn crash(&self, seed: u64, loss: Loss) -> Self {
        let mut random = Random(seed);
        let state = self.state();
        let mut entries = state.durable.clone();
        let kept = match loss {
            Loss::Nothing => state.changes.len(),
            _ => random.below(state.changes.len() + 1),
        };
        for change in &state.changes[..kept] {
            apply(&mut entries, change);
        }
        let found = Self::new(seed);
        {
            let mut new = found.state();
            new.free = state.free;
            for (name, file) in entries {
                let content = file.lock().unwrap().after_crash(&mut random, loss);
                new.entries.insert(name, Arc::new(Mutex::new(content)));
            }
            new.durable = new.entries.clone();
        }
        found
    }

    /// A copy that shares nothing with this disk.
    pub(crate) fn copy(&self) -> Self {
        self.crash(0, Loss::Nothing)
    }

    /// Names of all files.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    /// The bytes of a file as read.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let file = Arc::clone(&self.state().entries[name]);
        let content = file.lock().unwrap();
        content.cached.clone()
    }

    /// Changes a file behind the journal's back, on the disk and in the cache.
    pub(crate) fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let file = Arc::clone(&self.state().entries[name]);
        let mut content = file.lock().unwrap();
        let mut bytes = content.cached.clone();
        edit(&mut bytes);
        content.durable.clone_from(&bytes);
        content.cached = bytes;
    }

    /// Puts a file there.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let content = Content {
            durable: bytes.clone(),
            cached: bytes,
            pending: Vec::new(),
        };
        let file = Arc::new(Mutex::new(content));
        let mut state = self.state();
        state.entries.insert(name.to_owned(), Arc::clone(&file));
        state.durable.insert(name.to_owned(), file);
    }

    /// Takes a file away.
    pub(crate) fn take(&self, name: &str) -> Vec<u8> {
        let bytes = self.bytes(name);
        let mut state = self.state();
        state.entries.remove(name);
        state.durable.remove(name);
        bytes
    }

    /// Counts an operation; its fault, if it has one. `Ok(true)`: the power goes during it.
    fn step(&self, op: Op) -> io::Result<(Option<Fault>, bool)> {
        let mut state = self.state();
        let lost = match &mut state.power {
            Some(0) => return Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                *left == 0
            }
            None => false,
        };
        if state.read_only && op != Op::SyncData && op != Op::SyncAll {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let count = state.counts.entry(op).or_insert(0);
        let at = *count;
        *count += 1;
        let fault = state
            .faults
            .iter()
            .find(|fault| fault.0 == op && fault.1 == at)
            .map(|fault| fault.2);
        Ok((fault, lost))
    }

    fn change(&self, op: Op, change: Change) -> io::Result<()> {
        let (fault, lost) = self.step(op)?;
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        let mut state = self.state();
        apply(&mut state.entries, &change);
        state.changes.push(change);
        if lost {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }
}

fn apply(entries: &mut BTreeMap<String, File>, change: &Change) {
    match change {
        Change::Create(name, file) => {
            entries.insert(name.clone(), Arc::clone(file));
        }
        Change::Rename(from, to) => {
            if let Some(file) = entries.remove(from) {
                entries.insert(to.clone(), file);
            }
        }
        Change::Remove(name) => {
            entries.remove(name);
        }
    }
}

impl Content {
    fn after_crash(&self, random: &mut Random, loss: Loss) -> Self {
        let bytes = match loss {
            Loss::Nothing => self.cached.clone(),
            Loss::Prefix => {
                let all = self
                    .pending
                    .iter()
                    .map(|(_, bytes)| bytes.len())
                    .sum::<usize>();
                let mut left = random.below(all + 1);
                let mut bytes = self.durable.clone();
                for (at, written) in &self.pending {
                    let part = left.min(written.len());
                    put_at(&mut bytes, *at, &written[..part]);
                    left -= part;
                }
                bytes
            }
            Loss::Sectors(len) => {
                let mut newest = self.durable.clone();
                for (at, written) in &self.pending {
                    put_at(&mut newest, *at, written);
                }
                let mut bytes = self.durable.clone();
                bytes.resize(newest.len(), 0);
                for (old, new) in bytes.chunks_mut(len).zip(newest.chunks(len)) {
                    if random.coin() {
                        old.copy_from_slice(new);
                    }
                }
                bytes
            }
        };
        Self {
            durable: bytes.clone(),
            cached: bytes,
            pending: Vec::new(),
        }
    }
}

fn put_at(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    if new.is_empty() {
        return;
    }
    if bytes.len() < at + new.len() {
        bytes.resize(at + new.len(), 0);
    }
    bytes[at..at + new.len()].copy_from_slice(new);
}

struct Handle {
    disk: Disk,
    file: File,
    write: bool,
}

impl Handle {
    fn sync(&self, op: Op) -> io::Result<()> {
        let (fault, lost) = self.disk.step(op)?;
        if lost {
            return Err(io::Error::other("no power"));
        }
        let mut content = self.file.lock().unwrap();
        let pending = std::mem::take(&mut content.pending);
        if let Some(Fault::Error(kind)) = fault {
            // Some sectors made it; the rest is marked clean and never written.
            let mut state = self.disk.state();
            let mut random = Random(state.random);
            state.random = random.next();
            let half = Content {
                durable: content.durable.clone(),
                cached: Vec::new(),
                pending,
            };
            content.durable = half.after_crash(&mut random, Loss::Sectors(512)).durable;
            return Err(kind.into());
        }
        for (at, bytes) in pending {
            put_at(&mut content.durable, at, &bytes);
        }
        Ok(())
    }
}

impl StorageFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.file.lock().unwrap();
        let from = usize::try_from(offset).unwrap().min(content.cached.len());
        let rest = &content.cached[from..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if !self.write {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (fault, lost) = self.disk.step(Op::Write)?;
        let mut len = bytes.len();
        match fault {
            Some(Fault::Error(kind)) => return Err(kind.into()),
            Some(Fault::Short(most)) => len = len.min(most),
            None => {}
        }
        let at = usize::try_from(offset).unwrap();
        let mut content = self.file.lock().unwrap();
        let grown = (at + len).saturating_sub(content.cached.len()) as u64;
        let mut state = self.disk.state();
        if grown > state.free {
            if state.free == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            len -= usize::try_from(grown - state.free).unwrap();
        }
        state.free -= grown.min(state.free);
        put_at(&mut content.cached, at, &bytes[..len]);
        content.pending.push((at, bytes[..len].to_vec()));
        if lost {
            return Err(io::Error::other("no power"));
        }
        Ok(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(Op::SyncData)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(Op::SyncAll)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.lock().unwrap().cached.len() as u64)
    }

    fn drop_cache(&self) -> io::Result<()> {
        let mut content = self.file.lock().unwrap();
        if content.pending.is_empty() {
            content.cached = content.durable.clone();
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.state().entries.get(name).cloned();
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        let disk = self.clone();
        Ok(Arc::new(Handle { disk, file, write }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        if self.state().entries.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = File::default();
        self.change(
            Op::Create,
            Change::Create(name.to_owned(), Arc::clone(&file)),
        )?;
        let disk = self.clone();
        Ok(Arc::new(Handle {
            disk,
            file,
            write: true,
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = self.names().into_iter();
        Ok(names.filter(|name| !name.contains('/')).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.state().entries.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Op::Rename, Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.state().entries.get(from).cloned();
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        if self.state().entries.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Op::Create, Change::Create(to.to_owned(), file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let Some(file) = self.state().entries.get(name).cloned() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.change(Op::Rename, Change::Remove(name.to_owned()))?;
        self.state().free += file.lock().unwrap().cached.len() as u64;
        Ok(())
    }

    fn create_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        let (fault, lost) = self.step(Op::SyncDir)?;
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        if lost {
            return Err(io::Error::other("no power"));
        }
        let mut state = self.state();
        let changes = std::mem::take(&mut state.changes);
        for change in &changes {
            apply(&mut state.durable, change);
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(self.state().free)
    }

    fn lock(&self) -> io::Result<Result<Box<dyn Any + Send>, String>> {
        if std::mem::replace(&mut self.state().locked, true) {
            return Ok(Err("process 1".to_owned()));
        }
        Ok(Ok(Box::new(Unlock(self.clone()))))
    }
}

struct Unlock(Disk);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}
