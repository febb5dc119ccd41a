//! Is it told how often an event came, wherever and whenever its repeats are counted?
use larm_event::{Event, Part, Path, Repeat, Timestamp, Transport};
use rusqlite::Connection;
use uuid::Uuid;

use super::super::{Month, Repeated, Writer, event_of, rebuild};
use super::filling::{filler, until};
use super::{Journal, LATE_NOVEMBER_MS, all, entries, entry, expected};
use crate::journal::Entry;

/// An event as the gateway makes it: its `id` tells the time, and it came over a path.
fn received(n: u64, at_ms: i64) -> Event {
    let mut event = super::event(n, at_ms);
    let mut rest = [0; 10];
    rest[2..].copy_from_slice(&n.to_be_bytes());
    let ms = u64::try_from(at_ms).unwrap();
    event.id = uuid::Builder::from_unix_timestamp_millis(ms, &rest).into_uuid();
    event.path = Some(Path {
        listener: "main".to_owned(),
        transport: Transport::Tcp,
        peer: "192.0.2.7:40000".to_owned(),
        role: None,
        number: None,
    });
    event
}

fn again(event: &Event, path: &str) -> Repeated {
    Repeated {
        event: event.id,
        at: Timestamp::from_millis(event.received_at.as_millis() + 11_000),
        path: path.to_owned(),
    }
}

fn repeat(seen: u32, paths: &[&str]) -> Repeat {
    Repeat {
        seen: Some(seen),
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
        possible_repeat_of: None,
    }
}

fn append(writer: &mut Writer, events: &[Event]) -> Vec<Entry> {
    let entries: Vec<Entry> = (writer.last() + 1..)
        .zip(events)
        .map(|(position, event)| entry(position, event))
        .collect();
    writer.append(&entries).unwrap();
    entries
}

#[test]
fn repeats_are_counted_with_their_paths_and_nothing_else_changes() {
    let directory = tempfile::tempdir().unwrap();
    let mut events = [received(0, LATE_NOVEMBER_MS), received(1, LATE_NOVEMBER_MS)];
    let possible = Repeat {
        seen: None,
        paths: Vec::new(),
        possible_repeat_of: Some(Uuid::from_u128(9)),
    };
    events[1].repeat = Some(possible.clone());
    let mut writer = Writer::open(directory.path()).unwrap();
    let entries = append(&mut writer, &events);
    let month = Month::of(events[0].received_at);
    let told = ["spare/udp", "main/tcp", "spare/udp"].map(|path| again(&events[0], path));
    writer.add_repeats(month, &told).unwrap();
    let told = [again(&events[0], "main/udp"), again(&events[1], "main/tcp")];
    writer.add_repeats(month, &told).unwrap();

    let mut wanted = expected(&entries);
    wanted[0].repeat = Some(repeat(5, &["main/tcp", "main/udp", "spare/udp"]));
    wanted[1].repeat = Some(Repeat {
        possible_repeat_of: possible.possible_repeat_of,
        ..repeat(2, &["main/tcp"])
    });
    assert_eq!(all(directory.path()), wanted);
}

#[test]
fn every_event_of_a_frame_came_as_often_as_the_frame() {
    let directory = tempfile::tempdir().unwrap();
    let mut events: Vec<Event> = (0..4).map(|n| received(n, LATE_NOVEMBER_MS)).collect();
    for (index, event) in (1..).zip(&mut events[1..]) {
        event.part = Some(Part { index, of: 3 });
    }
    let mut writer = Writer::open(directory.path()).unwrap();
    append(&mut writer, &events);
    let told = [again(&events[1], "main/udp")];
    writer.add_repeats(told[0].month(), &told).unwrap();
    let found: Vec<Option<Repeat>> = all(directory.path())
        .into_iter()
        .map(|event| event.repeat)
        .collect();
    let twice = Some(repeat(2, &["main/tcp", "main/udp"]));
    assert_eq!(found, [None, twice.clone(), twice.clone(), twice]);
}

#[test]
fn a_repeat_may_come_before_its_event_and_after_its_month() {
    let directory = tempfile::tempdir().unwrap();
    let november = received(0, LATE_NOVEMBER_MS);
    let december = received(1, LATE_NOVEMBER_MS + 15_000);
    let mut writer = Writer::open(directory.path()).unwrap();
    for event in [&november, &december] {
        let told = again(event, "main/udp");
        assert_eq!(told.month(), Month::of(event.received_at));
        writer.add_repeats(told.month(), &[told]).unwrap();
    }
    append(&mut writer, &[november.clone(), december]);
    // December's file is open now, and holds the cursor.
    let late = again(&november, "main/udp");
    writer.add_repeats(late.month(), &[late]).unwrap();
    drop(writer);
    let seen: Vec<_> = all(directory.path())
        .into_iter()
        .map(|event| event.repeat.unwrap().seen)
        .collect();
    assert_eq!(seen, [Some(3), Some(2)]);
    assert_eq!(Writer::open(directory.path()).unwrap().last(), 2);
}

#[test]
fn a_month_that_is_gone_is_not_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    append(&mut writer, &[received(0, LATE_NOVEMBER_MS)]);
    let october = received(1, LATE_NOVEMBER_MS - 40 * 86_400_000);
    let told = again(&october, "main/udp");
    writer.add_repeats(told.month(), &[told]).unwrap();
    assert_eq!(Month::list(directory.path()).unwrap().len(), 1);
}

#[test]
fn a_file_without_the_table_is_read_and_gets_one() {
    let directory = tempfile::tempdir().unwrap();
    let all_entries = entries(0, 3, LATE_NOVEMBER_MS, 1);
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.append(&all_entries).unwrap();
    drop(writer);
    let month = Month::of(Timestamp::from_millis(LATE_NOVEMBER_MS));
    let connection = Connection::open(month.file(directory.path())).unwrap();
    connection.execute_batch("DROP TABLE repeat").unwrap();
    drop(connection);
    assert_eq!(all(directory.path()), expected(&all_entries));

    let first = event_of(&all_entries[0]);
    let told = [again(&first, "main/udp")];
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.add_repeats(month, &told).unwrap();
    let found = all(directory.path());
    assert_eq!(found[0].repeat, Some(repeat(2, &["main/udp"])));
    assert_eq!(found[1..], expected(&all_entries)[1..]);
}

#[test]
fn the_thread_counts_what_it_is_told_and_a_rebuild_forgets_it() {
    let directory = tempfile::tempdir().unwrap();
    let history = directory.path().join("history");
    let events = [received(0, LATE_NOVEMBER_MS), received(1, LATE_NOVEMBER_MS)];
    let journal = Journal::of(vec![entry(1, &events[0]), entry(2, &events[1])]);
    let filler = filler(&history, &journal);
    let (repeats, progress) = (filler.repeats(), filler.progress());
    until(|| progress.last() == 2);
    repeats.tell(again(&events[1], "main/udp"));
    repeats.tell(again(&events[1], "main/tcp"));
    assert!(filler.stop());
    let found = all(&history);
    assert_eq!(found[0].repeat, None);
    let thrice = repeat(3, &["main/tcp", "main/udp"]);
    assert_eq!(found[1].repeat, Some(thrice));
    assert_eq!(progress.repeats_dropped(), 0);

    // Nobody counts any more.
    repeats.tell(again(&events[1], "main/udp"));
    assert_eq!(progress.repeats_dropped(), 1);

    rebuild(&history, &mut journal.read_from(1), |_| {}).unwrap();
    assert!(all(&history).iter().all(|event| event.repeat.is_none()));
}

#[test]
fn a_thread_that_cannot_store_makes_nobody_wait() {
    let directory = tempfile::tempdir().unwrap();
    // A plain file stands where the directory should be, so nothing is ever taken in.
    let history = directory.path().join("history");
    std::fs::write(&history, "").unwrap();
    let filler = filler(&history, &Journal::default());
    let (repeats, progress) = (filler.repeats(), filler.progress());
    let told = again(&received(0, LATE_NOVEMBER_MS), "main/udp");
    for _ in 0..10_000 {
        repeats.tell(told.clone());
    }
    assert_eq!(progress.repeats_dropped(), 10_000 - 8_192);
    assert!(filler.stop());
}
