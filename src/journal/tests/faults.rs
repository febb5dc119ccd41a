//! Each fault of a disk, and what the journal promises for it.
use std::io::ErrorKind;
use std::sync::Arc;

use super::faulty::{Disk, Fault, Loss, Op};
use super::{append, open, options, texts};
use crate::journal::{Journal, JournalError, Published};

fn try_append(journal: &mut Journal, text: &str) -> Result<(), JournalError> {
    journal.append([text.as_bytes()], 1).map(|_| ())
}

/// Nothing is accepted or shown as durable any more, however well the disk works again.
fn assert_poisoned(journal: &mut Journal) {
    let published = journal.published();
    assert!(!published.healthy() && published.pulse().is_none() && published.token(1).is_none());
    let error = try_append(journal, "later").unwrap_err();
    assert!(matches!(error, JournalError::Poisoned), "{error}");
    assert!(journal.look_for_room().is_ok() && !published.healthy());
}

#[test]
fn a_failed_write_is_final() {
    for kind in [
        ErrorKind::Other,
        ErrorKind::StorageFull,
        ErrorKind::ReadOnlyFilesystem,
    ] {
        let disk = Disk::new(1);
        let (mut journal, _) = open(&disk);
        append(&mut journal, &["a"]);
        disk.fail(Op::Write, 0, Fault::Error(kind));
        let error = try_append(&mut journal, "b").unwrap_err();
        assert!(
            matches!(error, JournalError::Io { doing: "write", .. }),
            "{error}"
        );
        assert_poisoned(&mut journal);
        drop(journal);
        drop(open(&disk));
        assert_eq!(texts(&disk), ["a"]);
    }
}

#[test]
fn a_failed_sync_is_final_though_the_next_would_succeed() {
    let disk = Disk::new(2);
    let (mut journal, _) = open(&disk);
    append(&mut journal, &["a"]);
    disk.fail(Op::SyncData, 0, Fault::Error(ErrorKind::Other));
    let error = try_append(&mut journal, "b").unwrap_err();
    assert!(
        matches!(error, JournalError::Io { doing: "sync", .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("00000000000000000001.seg"),
        "{error}"
    );
    assert_poisoned(&mut journal);
}

#[test]
fn recovery_is_not_fooled_by_the_page_cache() {
    let mut fooled = 0;
    for seed in 0..100 {
        let disk = Disk::new(seed);
        let (mut journal, _) = open(&disk);
        append(&mut journal, &["a"]);
        disk.fail(Op::SyncData, 0, Fault::Error(ErrorKind::Other));
        let long = "b".repeat(1500);
        assert!(try_append(&mut journal, &long).is_err());
        drop(journal);
        // The cache shows the batch whole, to the reader of another process too.
        assert_eq!(texts(&disk).len(), 2);
        // The same disk, the same cache, a new process.
        let (_, recovery) = open(&disk);
        let (crashed, believed) = (disk.crash(seed, Loss::Prefix), texts(&disk));
        drop(open(&crashed));
        assert_eq!(
            texts(&crashed),
            believed,
            "seed {seed}: believes what is not on the disk"
        );
        fooled += usize::from(recovery.last == 1);
    }
    assert!(fooled > 50, "the cache was never wrong: {fooled}");
}

#[test]
fn a_short_or_interrupted_write_is_carried_on() {
    let disk = Disk::new(3);
    let (mut journal, _) = open(&disk);
    disk.fail(Op::Write, 0, Fault::Short(10));
    disk.fail(Op::Write, 1, Fault::Error(ErrorKind::Interrupted));
    disk.fail(Op::Write, 2, Fault::Short(1));
    append(&mut journal, &["one", "two"]);
    drop(journal);
    drop(open(&disk.crash(3, Loss::Prefix)));
    assert_eq!(texts(&disk), ["one", "two"]);
}

#[test]
fn a_write_that_takes_nothing_is_final() {
    let disk = Disk::new(3);
    let (mut journal, _) = open(&disk);
    disk.fail(Op::Write, 0, Fault::Short(0));
    assert!(try_append(&mut journal, "a").is_err());
    assert_poisoned(&mut journal);
}

/// Appends until the present segment is full, so that the next batch needs a new one.
fn fill_segment(disk: &Disk, journal: &mut Journal) -> usize {
    let segments = |disk: &Disk| disk.names().iter().filter(|n| super::is_segment(n)).count();
    let before = segments(disk);
    disk.set_free(0);
    let mut count = 0;
    while try_append(journal, &"x".repeat(500)).is_ok() {
        count += 1;
    }
    assert_eq!(segments(disk), before);
    count
}

#[test]
fn a_full_disk_is_met_at_a_new_segment_and_passes() {
    let disk = Disk::new(4);
    let (mut journal, _) = open(&disk);
    let published = journal.published();
    let count = fill_segment(&disk, &mut journal);
    assert!(count > 3 && published.position() == count as u64);
    let error = try_append(&mut journal, &"y".repeat(500)).unwrap_err();
    assert!(
        matches!(
            error,
            JournalError::Full {
                free: 0,
                needed: 8192
            }
        ),
        "{error}"
    );
    assert!(!published.healthy() && published.pulse().is_none());
    assert!(published.token(1).is_some(), "what is durable stays so");
    journal.look_for_room().unwrap();
    assert!(!published.healthy());
    disk.set_free(100_000);
    journal.look_for_room().unwrap();
    assert!(published.healthy() && published.token(1).is_some());
    append(&mut journal, &["after"]);
    drop(journal);
    drop(open(&disk));
    assert_eq!(texts(&disk).len(), count + 1);
}

#[test]
fn the_disk_may_fill_while_a_segment_is_made() {
    let disk = Disk::new(5);
    let (mut journal, _) = open(&disk);
    fill_segment(&disk, &mut journal);
    disk.set_free(100_000);
    disk.fail(Op::Write, 0, Fault::Error(ErrorKind::StorageFull));
    let error = try_append(&mut journal, &"y".repeat(500)).unwrap_err();
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    let published = journal.published();
    assert!(!published.healthy());
    journal.look_for_room().unwrap();
    assert!(published.healthy());
    append(&mut journal, &["after"]);
}

#[test]
fn the_reserve_stays_free() {
    let disk = Disk::new(6);
    disk.set_free(10_016);
    let mut options = options(8192);
    options.reserve = 4096;
    let error = Journal::open_in(Arc::new(disk), &options).err().unwrap();
    let JournalError::Full { free, needed } = error else {
        panic!("{error}");
    };
    assert_eq!((free, needed), (10_000, 12_288));
}

#[test]
fn trouble_with_a_new_segment_is_final() {
    for op in [
        Op::Create,
        Op::Rename,
        Op::SyncDir,
        Op::SyncAll,
        Op::SyncData,
    ] {
        let disk = Disk::new(7);
        let (mut journal, _) = open(&disk);
        let count = fill_segment(&disk, &mut journal);
        disk.set_free(100_000);
        disk.fail(op, 0, Fault::Error(ErrorKind::Other));
        let error = try_append(&mut journal, &"y".repeat(500)).unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }), "{op:?}: {error}");
        assert_poisoned(&mut journal);
        drop(journal);
        let disk = disk.crash(7, Loss::Prefix);
        let (mut journal, _) = open(&disk);
        append(&mut journal, &["after"]);
        assert_eq!(texts(&disk).len(), count + 1, "{op:?}");
    }
}

#[test]
fn a_disk_that_became_read_only_is_final() {
    let disk = Disk::new(8);
    let (mut journal, _) = open(&disk);
    append(&mut journal, &["a"]);
    disk.set_read_only();
    let error = try_append(&mut journal, "b").unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_poisoned(&mut journal);
    assert_eq!(texts(&disk), ["a"]);
}

#[test]
fn a_second_writer_is_refused_by_name() {
    let disk = Disk::new(9);
    let (journal, _) = open(&disk);
    let second = Journal::open_in(Arc::new(disk.clone()), &options(8192))
        .err()
        .unwrap();
    assert!(matches!(second, JournalError::Locked { .. }), "{second}");
    drop(journal);
    drop(open(&disk));
}

#[test]
fn a_second_process_is_refused_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), &options(8192)).unwrap();
    let second = Journal::open(dir.path(), &options(8192)).err().unwrap();
    let owner = format!("process {}", std::process::id());
    assert!(second.to_string().contains(&owner), "{second}");
    drop(first);
    assert!(Journal::open(dir.path(), &options(8192)).is_ok());
}

#[test]
fn a_token_needs_durability_and_a_pulse_needs_room() {
    let published = Published::new(0);
    assert!(published.token(0).is_none() && published.token(1).is_none());
    assert_eq!(published.pulse().map(|c| c.position()), Some(0));
    published.advance(2);
    assert_eq!(published.token(2).map(|c| c.position()), Some(2));
    assert!(published.token(3).is_none());
    published.full(true);
    assert!(published.token(2).is_some() && published.pulse().is_none());
    published.full(false);
    assert!(published.pulse().is_some());
    published.fail();
    published.full(false);
    assert!(published.token(2).is_none() && published.pulse().is_none());
}
