//! Is every entry there exactly once, whatever happened between two batches?
use rusqlite::Connection;

use super::super::{Month, Writer};
use super::{LATE_NOVEMBER_MS, all, entries, expected, positions};

#[test]
fn a_commit_that_never_came_is_replayed_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let journal = entries(0, 30, LATE_NOVEMBER_MS, 10);
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.append(&journal[..10]).unwrap();
    drop(writer);

    // A killed process leaves a transaction open: rows and cursor, neither committed.
    let month = Month::parse("2026-11").unwrap().file(directory.path());
    let killed = Connection::open(&month).unwrap();
    killed
        .execute_batch("BEGIN; DELETE FROM event WHERE position > 5; UPDATE cursor SET last = 99;")
        .unwrap();
    drop(killed);

    let mut writer = Writer::open(directory.path()).unwrap();
    assert_eq!(writer.last(), 10);
    // The reader may begin earlier than asked; what is there already is passed over.
    let appended = writer.append(&journal[5..]).unwrap();
    assert_eq!(appended.rows, 20);
    assert_eq!(all(directory.path()), expected(&journal));
}

#[test]
fn rows_and_cursor_go_back_together() {
    let directory = tempfile::tempdir().unwrap();
    let journal = entries(0, 20, LATE_NOVEMBER_MS, 10);
    let month = Month::parse("2026-11").unwrap().file(directory.path());
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.append(&journal[..10]).unwrap();
    writer.sync().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let kept = copy.path().join("2026-11.sqlite");
    // What a power cut leaves: the file as it was at the last sync, without later commits.
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", month.display());
        let to = format!("{}{suffix}", kept.display());
        std::fs::copy(from, to).unwrap();
    }
    writer.append(&journal[10..]).unwrap();

    let mut writer = Writer::open(copy.path()).unwrap();
    assert_eq!(writer.last(), 10);
    writer.append(&journal[10..]).unwrap();
    assert_eq!(all(copy.path()), expected(&journal));
}

#[test]
fn a_batch_over_the_end_of_a_month_fills_two_files() {
    let directory = tempfile::tempdir().unwrap();
    // One a second: ten in November, ten in December.
    let journal = entries(0, 20, LATE_NOVEMBER_MS, 1000);
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.append(&journal).unwrap();
    // November was synced before December took over.
    assert_eq!((writer.durable(), writer.last()), (10, 20));
    drop(writer);
    let months: Vec<String> = Month::list(directory.path())
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(months, ["2026-11", "2026-12"]);
    assert_eq!(all(directory.path()), expected(&journal));
    assert_eq!(Writer::open(directory.path()).unwrap().last(), 20);
}

#[test]
fn a_clock_set_back_over_the_end_of_a_month_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Positions 1 to 20 step back in time, from December into November.
    let journal = entries(0, 20, LATE_NOVEMBER_MS + 19_000, -1000);
    let mut writer = Writer::open(directory.path()).unwrap();
    for batch in journal.chunks(7) {
        writer.append(batch).unwrap();
    }
    drop(writer);
    let found = positions(&all(directory.path()));
    assert_eq!(found, (1..=20).rev().collect::<Vec<_>>());
    assert_eq!(Writer::open(directory.path()).unwrap().last(), 20);
}

#[test]
fn an_entry_that_is_no_record_is_kept_and_the_next_follows() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = entries(0, 9, LATE_NOVEMBER_MS, 10);
    journal[3].payload = b"\x07not of this version".to_vec();
    journal[5].payload = b"\x01\x00{\"kind\":\"alarm\"}".to_vec();
    let mut writer = Writer::open(directory.path()).unwrap();
    let appended = writer.append(&journal).unwrap();
    assert_eq!((appended.rows, appended.unreadable), (9, 2));
    let events = all(directory.path());
    assert_eq!(events, expected(&journal));
    assert_eq!(events[3].raw.0, journal[3].payload);
    assert_eq!(events[3].protocol, "larm/unreadable");
}
