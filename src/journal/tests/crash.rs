//! Whatever a power cut leaves: what was acknowledged is there once, nothing half is.
use std::sync::Arc;

use super::faulty::{Disk, Fault, Loss, Op, Random};
use super::{all, open, options};
use crate::journal::{Journal, JournalError};

/// What the writer was told, and what it may find.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<Vec<u8>>,
    /// The batch that was under way when the power went; it is whole or not there.
    under_way: Vec<Vec<u8>>,
    written: u64,
}

impl Ledger {
    fn check(&mut self, found: &[Vec<u8>], seed: u64) {
        let known = self.acknowledged.len();
        assert!(
            found.len() >= known,
            "seed {seed}: {} of {known}",
            found.len()
        );
        assert!(
            found[..known] == self.acknowledged[..],
            "seed {seed}: other records"
        );
        let more = &found[known..];
        assert!(
            more.is_empty() || more == self.under_way,
            "seed {seed}: a torn batch of {} shows {} records",
            self.under_way.len(),
            more.len()
        );
        self.acknowledged = found.to_vec();
        self.under_way.clear();
    }

    /// Records of many sizes; some look like nothing was written.
    fn batch(&mut self, random: &mut Random) -> Vec<Vec<u8>> {
        let count = 1 + random.below(5);
        let most = [20, 400, 1800][random.below(3)];
        let mut batch = Vec::new();
        for _ in 0..count {
            self.written += 1;
            let mut record = self.written.to_be_bytes().to_vec();
            let filler = if random.below(4) == 0 { 0 } else { 0xA5 };
            record.resize(8 + random.below(most), filler);
            batch.push(record);
        }
        batch
    }
}

/// Appends until the power goes or enough was written.
fn run(disk: &Disk, ledger: &mut Ledger, random: &mut Random) {
    let opened = Journal::open_in(Arc::new(disk.clone()), &options(8192));
    let mut journal = match opened {
        Ok((journal, _)) => journal,
        Err(JournalError::Damaged(damage)) => panic!("taken for damage: {damage}"),
        Err(_) => return,
    };
    for _ in 0..40 {
        let batch = ledger.batch(random);
        let published = journal.published();
        if journal.append(batch.iter().map(Vec::as_slice), 7).is_err() {
            ledger.under_way = batch;
            assert!(published.pulse().is_none() && published.token(1).is_none());
            return;
        }
        ledger.acknowledged.extend(batch);
        assert_eq!(published.position(), ledger.acknowledged.len() as u64);
    }
    if random.coin() {
        // An empty batch may be under way; it shows no records.
        let _ = journal.close(8);
    }
}

fn lives(seed: u64, loss: Loss, failing_sync: bool) {
    let mut random = Random(seed);
    let mut disk = Disk::new(seed);
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        disk.power_off_after(1 + random.below(120) as u64);
        if failing_sync {
            let error = Fault::Error(std::io::ErrorKind::Other);
            disk.fail(Op::SyncData, random.below(30) as u64, error);
        }
        run(&disk, &mut ledger, &mut random);
        disk = disk.crash(random.next(), loss);
        // The look after the crash may be cut short as well, and must change nothing.
        disk.power_off_after(random.below(8) as u64);
        let _ = Journal::open_in(Arc::new(disk.clone()), &options(8192));
        disk = disk.crash(random.next(), loss);
        drop(open_sound(&disk, seed));
        ledger.check(&all(&disk), seed);
    }
}

fn open_sound(disk: &Disk, seed: u64) -> Journal {
    match Journal::open_in(Arc::new(disk.clone()), &options(8192)) {
        Ok((journal, _)) => journal,
        Err(error) => panic!("seed {seed}: {error}"),
    }
}

/// 100 lives of six crashes each, unless the variable asks for another number.
fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("LARM_CRASH_SEEDS").ok();
    0..wanted.and_then(|count| count.parse().ok()).unwrap_or(100)
}

#[test]
fn any_prefix_of_what_was_not_synced() {
    seeds().for_each(|seed| lives(seed, Loss::Prefix, false));
}

#[test]
fn any_pages_of_what_was_not_synced() {
    seeds().for_each(|seed| lives(seed, Loss::Sectors(4096), false));
}

#[test]
fn any_sectors_of_what_was_not_synced() {
    seeds().for_each(|seed| lives(seed, Loss::Sectors(512), false));
}

#[test]
fn a_killed_process_keeps_what_it_wrote() {
    seeds().for_each(|seed| lives(seed, Loss::Nothing, false));
}

#[test]
fn a_sync_that_fails_once_and_then_seems_to_work() {
    seeds().for_each(|seed| lives(seed, Loss::Sectors(512), true));
}

#[test]
fn the_model_can_lose() {
    // The same model without the sync in between must lose something, or it proves nothing.
    let lost = (0..50).any(|seed| {
        let disk = Disk::new(seed);
        let (mut journal, _) = open(&disk);
        super::append(&mut journal, &["kept"]);
        disk.fail(Op::SyncData, 0, Fault::Error(std::io::ErrorKind::Other));
        let unsynced = journal.append([b"not synced".as_slice()], 1);
        assert!(unsynced.is_err());
        let disk = disk.crash(seed, Loss::Prefix);
        drop(open(&disk));
        super::texts(&disk) == ["kept"]
    });
    assert!(lost);
}
