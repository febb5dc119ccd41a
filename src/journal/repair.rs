//! Makes a damaged journal usable again: what is damaged is set aside, never deleted.
//!
//! Whole records keep their positions, also those behind a damaged place. Where positions are
//! lost, a mark says so for good, and `verify` counts them. The links between segments and the
//! chain values in their headers stay as they were, so a repair touches damaged segments alone.
//!
//! Each new segment is complete and durable before one rename puts it in the place of the damaged
//! one, which by then has a second name in the directory for what was set aside. A repair that is
//! cut short leaves a journal that is damaged still, or in fewer places, and is simply run again.
use std::path::Path;
use std::sync::Arc;

use super::error::{Flaw, JournalError};
use super::format::{
    Chain, Header, Identity, RECORD_HEAD, encode_mark, encode_record, encode_trailer, segment_name,
};
use super::recover::{known_identity, open, read_page, run, segments};
use super::scan::{Scanner, Tail};
use super::storage::{DiskStorage, Storage, StorageFile, read_full, write_all};
use super::verify::{Verified, link_flaw_of, verify_in};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// The segments that were set aside as they were, under their names.
    pub set_aside: Vec<String>,
    /// The directory within the journal's that holds them; empty where there are none.
    pub directory: String,
    /// Ranges of positions that are lost to the journal, first and last.
    pub lost: Vec<(u64, u64)>,
    /// The journal afterwards.
    pub verified: Verified,
}

/// Repairs the journal in `dir`, which nobody may have open. Damaged segments go to a directory
/// `damaged-LABEL` in it. A sound journal is left as it is.
pub fn repair(dir: &Path, label: &str) -> Result<Repaired, JournalError> {
    repair_in(Arc::new(DiskStorage::new(dir)), label)
}

/// As [`repair`], in any storage.
pub fn repair_in(storage: Arc<dyn Storage>, label: &str) -> Result<Repaired, JournalError> {
    let _lock = storage
        .lock()
        .map_err(JournalError::io("lock", "lock"))?
        .map_err(|owner| JournalError::Locked { owner })?;
    let verified = verify_in(&*storage)?;
    if verified.damage.is_empty() {
        return Ok(Repaired {
            verified,
            ..Repaired::default()
        });
    }
    let mut bench = Bench {
        directory: format!("damaged-{label}"),
        storage,
        set_aside: Vec::new(),
        lost: Vec::new(),
    };
    bench.work()?;
    Ok(Repaired {
        verified: verify_in(&*bench.storage)?,
        set_aside: bench.set_aside,
        directory: bench.directory,
        lost: bench.lost,
    })
}

struct Bench {
    storage: Arc<dyn Storage>,
    directory: String,
    set_aside: Vec<String>,
    lost: Vec<(u64, u64)>,
}

/// A segment whose header can be read or made out.
struct Usable {
    file: Arc<dyn StorageFile>,
    header: Header,
    /// Its header page is whole.
    sound: bool,
}

/// Where something ends: first position of the segment, next position, chain value.
#[derive(Clone, Copy)]
struct End {
    first: u64,
    next: u64,
    chain: Chain,
}

impl Bench {
    fn work(&mut self) -> Result<(), JournalError> {
        self.storage
            .create_dir(&self.directory)
            .map_err(JournalError::io("create", &self.directory))?;
        self.storage
            .sync_dir("")
            .map_err(JournalError::io("sync", ""))?;
        let identity = known_identity(&*self.storage)?;
        let firsts = segments(&*self.storage)?;
        let mut end: Option<End> = None;
        for (index, first) in firsts.iter().copied().enumerate() {
            let newest = index + 1 == firsts.len();
            let Some(segment) = self.usable(first, identity, end.as_ref())? else {
                end = self.give_up(first, identity, end, newest)?;
                continue;
            };
            if let Some(before) = end {
                self.bridge(&segment.header, before)?;
            }
            let next = firsts.get(index + 1).copied();
            let target = match next {
                Some(next) => self.target(next, first)?,
                None => None,
            };
            end = Some(self.settle(&segment, target, newest)?);
        }
        Ok(())
    }

    /// Opens a segment; `None` where it is none of this journal's or not to be read.
    fn usable(
        &self,
        first: u64,
        identity: Option<Identity>,
        end: Option<&End>,
    ) -> Result<Option<Usable>, JournalError> {
        let file = open(&*self.storage, first)?;
        let page = read_page(&*file, &segment_name(first))?;
        let sound = Header::decode(&page).is_ok();
        let read = match Header::salvage(&page) {
            Err(flaw @ Flaw::Version { .. }) => {
                return Err(JournalError::Damaged(super::error::Damage {
                    segment: segment_name(first),
                    offset: 0,
                    position: first,
                    flaw,
                }));
            }
            Err(_) => None,
            Ok(header) => Some(header),
        };
        let header = match (read, identity, end) {
            (Some(header), _, _) => Some(header),
            // Both copies are bad. What the header should say is known; if records fit it, so be it.
            (None, Some(identity), Some(end)) => {
                let header = Header {
                    identity,
                    first,
                    before: end.first,
                    chain: end.chain,
                };
                let whole = Scanner::new(Arc::clone(&file), &header).salvage()?;
                (!whole.is_empty()).then_some(header)
            }
            (None, _, _) => None,
        };
        Ok(header
            .filter(|header| header.first == first)
            .filter(|header| identity.is_none_or(|identity| identity == header.identity))
            // It must not start before the end of what is there.
            .filter(|_| end.is_none_or(|end| end.next <= first))
            .map(|header| Usable {
                file,
                header,
                sound,
            }))
    }

    /// What the segment `first` must end with so that `next` follows it.
    fn target(&self, next: u64, first: u64) -> Result<Option<End>, JournalError> {
        let page = read_page(&*open(&*self.storage, next)?, &segment_name(next))?;
        let header = Header::salvage(&page).ok();
        Ok(header
            .filter(|header| header.first == next && header.before == first)
            .map(|header| End {
                first,
                next,
                chain: header.chain,
            }))
    }

    /// Leaves a sound segment as it is and makes a damaged one anew.
    fn settle(
        &mut self,
        segment: &Usable,
        target: Option<End>,
        newest: bool,
    ) -> Result<End, JournalError> {
        let mut scanner = Scanner::new(Arc::clone(&segment.file), &segment.header);
        let (tail, _) = run(&mut scanner)?;
        let whole = match tail {
            Tail::Blank => true,
            Tail::Torn { .. } => newest,
            Tail::Damaged(_) => false,
        };
        let links = target
            .is_none_or(|target| (target.next, target.chain) == (scanner.next, scanner.chain));
        let end = End {
            first: segment.header.first,
            next: scanner.next,
            chain: scanner.chain,
        };
        if segment.sound && whole && links {
            return Ok(end);
        }
        self.rebuild(segment, &scanner, end, target)
    }

    /// Writes the whole batches before the damage as they are, the whole records behind it in
    /// batches of their own, and marks for what is lost.
    fn rebuild(
        &mut self,
        segment: &Usable,
        scanner: &Scanner,
        mut end: End,
        target: Option<End>,
    ) -> Result<End, JournalError> {
        let name = segment.header.file_name();
        let io = |error| JournalError::io("read", &name)(error);
        let kept = usize::try_from(scanner.offset).unwrap_or(usize::MAX);
        let mut bytes = vec![0; kept];
        read_full(&*segment.file, &mut bytes, 0).map_err(io)?;
        let page = segment.header.encode();
        if let Some(front) = bytes.get_mut(..page.len()) {
            front.copy_from_slice(&page);
        }
        let salt = segment.header.salt();
        for run in runs(scanner.salvage()?) {
            let Some((position, at_ms, _)) = run.first() else {
                continue;
            };
            if *position > end.next {
                self.lose(end.next, *position);
                mark(&mut bytes, salt, &mut end, *position, *at_ms, None);
            }
            batch(&mut bytes, salt, &mut end, &run);
        }
        let claimed = scanner.last_claimed()?;
        if end.next <= claimed {
            self.lose(end.next, claimed + 1);
            mark(&mut bytes, salt, &mut end, claimed + 1, 0, None);
        }
        if let Some(target) = target
            && (target.next, target.chain) != (end.next, end.chain)
        {
            self.lose(end.next, target.next);
            mark(
                &mut bytes,
                salt,
                &mut end,
                target.next,
                0,
                Some(target.chain),
            );
        }
        let len = segment.file.len().map_err(io)?;
        if (bytes.len() as u64) < len {
            bytes.resize(usize::try_from(len).unwrap_or(bytes.len()), 0);
        }
        self.exchange(&name, &bytes)?;
        Ok(end)
    }

    /// Stand-ins for segments that are missing between `before` and the one with `header`.
    fn bridge(&mut self, header: &Header, mut before: End) -> Result<(), JournalError> {
        let whole = link_flaw_of(header, before.first, before.next, &before.chain).is_none();
        if whole || header.before < before.next {
            // Nothing is missing, or nothing that a stand-in could mend; `verify` tells.
            return Ok(());
        }
        self.lose(before.next, header.first);
        if header.before > before.next {
            before = self.stand_in(header.identity, before, header.before, [0; 32])?;
        }
        self.stand_in(header.identity, before, header.first, header.chain)?;
        Ok(())
    }

    /// A segment behind `before` with nothing but a mark that leads to `next`.
    fn stand_in(
        &self,
        identity: Identity,
        before: End,
        next: u64,
        chain: Chain,
    ) -> Result<End, JournalError> {
        let header = Header {
            identity,
            first: before.next,
            before: before.first,
            chain: before.chain,
        };
        let mut end = End {
            first: header.first,
            ..before
        };
        let mut bytes = header.encode();
        mark(&mut bytes, header.salt(), &mut end, next, 0, Some(chain));
        self.write(&header.file_name(), &bytes)?;
        Ok(end)
    }

    /// Sets a segment aside whole. Behind the newest one no position is used a second time.
    fn give_up(
        &mut self,
        first: u64,
        identity: Option<Identity>,
        end: Option<End>,
        newest: bool,
    ) -> Result<Option<End>, JournalError> {
        let name = segment_name(first);
        let file = open(&*self.storage, first)?;
        let len = file.len().map_err(JournalError::io("read", &name))?;
        let aside = format!("{}/{name}", self.directory);
        self.storage
            .rename(&name, &aside)
            .map_err(JournalError::io("set aside", &name))?;
        self.sync_dirs()?;
        self.set_aside.push(name);
        let (true, Some(identity)) = (newest, identity) else {
            return Ok(end);
        };
        let before = end.unwrap_or(End {
            first: 0,
            next: first,
            chain: [0; 32],
        });
        let next = first.max(before.next) + len / RECORD_HEAD as u64;
        self.lose(before.next, next);
        self.stand_in(identity, before, next, before.chain)
            .map(Some)
    }

    /// Puts `bytes` in the place of the segment `name`, which gets its second name before.
    fn exchange(&mut self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        let aside = format!("{}/{name}", self.directory);
        self.storage
            .link(name, &aside)
            .map_err(JournalError::io("set aside", name))?;
        self.sync_dirs()?;
        self.set_aside.push(name.to_owned());
        self.write(name, bytes)
    }

    /// Makes a durable segment `name`, in one step for whoever looks.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        const NEW: &str = "repair.new";
        let io = |error| JournalError::io("write", name)(error);
        // One left by a repair that was cut short.
        let _ = self.storage.remove(NEW);
        let file = self.storage.create(NEW).map_err(io)?;
        write_all(&*file, bytes, 0).map_err(io)?;
        file.sync_all().map_err(io)?;
        self.storage.rename(NEW, name).map_err(io)?;
        self.storage.sync_dir("").map_err(io)
    }

    fn sync_dirs(&self) -> Result<(), JournalError> {
        for dir in [self.directory.as_str(), ""] {
            self.storage
                .sync_dir(dir)
                .map_err(JournalError::io("sync", dir))?;
        }
        Ok(())
    }

    /// Positions from `from` to the one before `next` are lost.
    fn lose(&mut self, from: u64, next: u64) {
        if from < next {
            self.lost.push((from, next - 1));
        }
    }
}

/// A record that was found whole: position, time, payload.
type Found = (u64, i64, Vec<u8>);

/// Cuts records into runs of consecutive positions and equal time.
fn runs(records: Vec<Found>) -> Vec<Vec<Found>> {
    let mut runs: Vec<Vec<Found>> = Vec::new();
    for record in records {
        let follows = |run: &Vec<Found>| {
            run.last()
                .is_some_and(|last| (last.0 + 1, last.1) == (record.0, record.1))
        };
        match runs.last_mut().filter(|run| follows(run)) {
            Some(run) => run.push(record),
            None => runs.push(vec![record]),
        }
    }
    runs
}

/// Appends a batch with one mark and moves `end` behind it.
fn mark(out: &mut Vec<u8>, salt: u32, end: &mut End, next: u64, at_ms: i64, chain: Option<Chain>) {
    let mut bytes = Vec::new();
    let goes_on = chain.unwrap_or(end.chain);
    encode_mark(&mut bytes, salt, next, at_ms, &goes_on);
    encode_trailer(&mut bytes, salt, next - 1, at_ms, 0, &end.chain);
    out.extend_from_slice(&bytes);
    (end.next, end.chain) = (next, goes_on);
}

/// Appends a batch of records and moves `end` behind it.
fn batch(out: &mut Vec<u8>, salt: u32, end: &mut End, records: &[Found]) {
    let mut bytes = Vec::new();
    for (position, at_ms, body) in records {
        encode_record(&mut bytes, salt, *position, *at_ms, body);
        end.next = position + 1;
    }
    let at_ms = records.last().map_or(0, |record| record.1);
    let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
    end.chain = encode_trailer(&mut bytes, salt, end.next - 1, at_ms, count, &end.chain);
    out.extend_from_slice(&bytes);
}
