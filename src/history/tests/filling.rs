//! Does the thread keep up, catch up, and survive what goes wrong?
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::super::{Filler, Month, Query, SourceError, Writer};
use super::{Journal, LATE_NOVEMBER_MS, all, entries, expected, positions};

pub(super) fn filler(directory: &Path, journal: &Journal) -> Filler {
    let (to_read, to_ask) = (journal.clone(), journal.clone());
    Filler::spawn(
        directory.to_owned(),
        move |from| Ok(to_read.read_from(from)),
        move || to_ask.last(),
    )
    .unwrap()
}

/// Waits for something that must come; a hang is a failure of the test run, not of a timer.
pub(super) fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_is_published_arrives_also_after_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    let all_entries = entries(0, 900, LATE_NOVEMBER_MS, 20);
    let journal = Journal::of(all_entries[..300].to_vec());
    let first = filler(directory.path(), &journal);
    let progress = first.progress();
    until(|| progress.last() == 300);
    journal.extend(all_entries[300..600].to_vec());
    until(|| progress.last() == 600 && progress.lag() == 0);
    assert!(first.is_running());
    assert!(first.stop());
    assert_eq!((progress.durable(), progress.rows()), (600, 600));

    journal.extend(all_entries[600..].to_vec());
    let second = filler(directory.path(), &journal);
    let progress = second.progress();
    until(|| progress.last() == 900);
    assert!(second.stop());
    assert_eq!((progress.rows(), progress.errors()), (300, 0));
    assert_eq!(all(directory.path()), expected(&all_entries));
}

#[test]
fn nothing_unpublished_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::of(entries(0, 100, LATE_NOVEMBER_MS, 1));
    let published = Arc::new(AtomicU64::new(40));
    let asked = Arc::clone(&published);
    let filler = Filler::spawn(
        directory.path().to_owned(),
        move |from| Ok(journal.read_from(from)),
        move || asked.load(Ordering::Acquire),
    )
    .unwrap();
    let progress = filler.progress();
    until(|| progress.last() == 40);
    assert_eq!(Query::open(directory.path()).unwrap().last().unwrap(), 40);
    published.store(100, Ordering::Release);
    until(|| progress.last() == 100);
    assert!(filler.stop());
}

#[test]
fn a_locked_file_and_a_failing_journal_are_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let entries = entries(0, 50, LATE_NOVEMBER_MS, 1);
    let journal = Journal::of(entries.clone());
    Writer::open(directory.path())
        .unwrap()
        .append(&entries[..10])
        .unwrap();
    let month = Month::parse("2026-11").unwrap().file(directory.path());
    let other_program = Connection::open(&month).unwrap();
    other_program.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failures = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&failures);
    let to_ask = journal.clone();
    let filler = Filler::spawn(
        directory.path().to_owned(),
        move |from| {
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(SourceError("segment is locked".into()));
            }
            Ok(journal.read_from(from))
        },
        move || to_ask.last(),
    )
    .unwrap();
    let progress = filler.progress();
    // One error of the journal, one of the locked file.
    until(|| progress.errors() >= 2);
    assert_eq!(progress.last(), 10);
    other_program.execute_batch("COMMIT").unwrap();
    until(|| progress.last() == 50);
    assert!(filler.stop());
    assert_eq!(all(directory.path()), expected(&entries));
}

#[test]
fn a_damaged_month_is_kept_aside_and_filled_anew() {
    let directory = tempfile::tempdir().unwrap();
    // One each second: ten in November, ten in December, which is then damaged.
    let entries = entries(0, 20, LATE_NOVEMBER_MS, 1000);
    Writer::open(directory.path())
        .unwrap()
        .append(&entries)
        .unwrap();
    let december = Month::parse("2026-12").unwrap().file(directory.path());
    std::fs::write(&december, [0x42; 5000]).unwrap();
    let filler = filler(directory.path(), &Journal::of(entries.clone()));
    let progress = filler.progress();
    until(|| progress.last() == 20);
    assert!(filler.stop());
    assert_eq!(progress.errors(), 1);
    assert_eq!(all(directory.path()), expected(&entries));
    let kept = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("2026-12.sqlite.set-aside-"))
        .unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), [0x42; 5000]);
}

#[test]
fn a_damaged_old_month_does_not_stop_the_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    let entries = entries(0, 20, LATE_NOVEMBER_MS, 1000);
    Writer::open(directory.path())
        .unwrap()
        .append(&entries[..15])
        .unwrap();
    let november = Month::parse("2026-11").unwrap().file(directory.path());
    std::fs::write(&november, [0x42; 5000]).unwrap();
    let filler = filler(directory.path(), &Journal::of(entries));
    let progress = filler.progress();
    until(|| progress.last() == 20);
    assert!(filler.stop());
    assert_eq!((progress.errors(), progress.rows()), (0, 5));
    assert_eq!(std::fs::read(november).unwrap(), [0x42; 5000]);
}

#[test]
fn a_history_ahead_of_its_journal_is_set_aside() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("history");
    let old = entries(0, 100, LATE_NOVEMBER_MS, 1);
    Writer::open(&directory).unwrap().append(&old).unwrap();
    // The journal was cut to 5 and has given out position 6 again.
    let mut new = old[..5].to_vec();
    new.push(super::entry(6, &super::event(4242, LATE_NOVEMBER_MS + 500)));
    let journal = Journal::of(new.clone());
    let filler = filler(&directory, &journal);
    let progress = filler.progress();
    until(|| progress.last() == 6);
    assert!(filler.stop());
    assert_eq!(all(&directory), expected(&new));
    let aside = std::fs::read_dir(data.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("history.set-aside-"))
        .unwrap();
    assert_eq!(positions(&all(&aside)), (1..=100).collect::<Vec<_>>());
}
