//! Does a feed over a real journal show each event once, and the newest at once?
use std::path::Path;

use larm_event::{Event, Kind};

use super::super::{Feed, Filler, Filter, Tail, directory};
use super::{LATE_NOVEMBER_MS, event, positions};
use crate::journal::{Journal, Options, Reader};
use crate::record;

/// Segments so small that a few events fill one.
fn journal(data: &Path) -> Journal {
    let options = Options {
        segment_len: 16 << 10,
        reserve: 0,
        ahead: false,
    };
    Journal::open(&data.join("journal"), &options).unwrap().0
}

/// Appends invented events `from..to` in batches of three.
fn append(journal: &mut Journal, from: u64, to: u64) {
    let payloads: Vec<Vec<u8>> = (from..to)
        .map(|n| record::encode(&event(n, at(n)), None))
        .collect();
    for batch in payloads.chunks(3) {
        journal
            .append(batch.iter().map(Vec::as_slice), at(from))
            .unwrap();
    }
}

fn at(n: u64) -> i64 {
    LATE_NOVEMBER_MS + i64::try_from(n).unwrap() * 100
}

fn feed(data: &Path, filter: Filter) -> Feed<Tail> {
    let journal = data.join("journal");
    Feed::open(&directory(data), filter, |from| Tail::open(&journal, from)).unwrap()
}

/// Copies what the journal holds now into the history.
fn fill(data: &Path, journal: &Journal) {
    let (from, published) = (data.join("journal"), journal.published());
    let filler = Filler::spawn(
        directory(data),
        move |position| Tail::open(&from, position),
        move || published.position(),
    )
    .unwrap();
    let progress = filler.progress();
    while progress.last() < journal.published().position() {
        std::thread::yield_now();
    }
    assert!(filler.stop());
}

fn everything(feed: &mut Feed<Tail>) -> Vec<Event> {
    let mut events: Vec<Event> = feed.stored().collect::<Result<_, _>>().unwrap();
    while let Some(event) = feed.arrived().unwrap() {
        events.push(event);
    }
    events
}

#[test]
fn what_is_not_in_the_history_yet_comes_from_the_journal() {
    let data = tempfile::tempdir().unwrap();
    let mut journal = journal(data.path());
    append(&mut journal, 0, 70);
    fill(data.path(), &journal);
    append(&mut journal, 70, 90);

    let mut feed = feed(data.path(), Filter::default());
    assert_eq!(feed.stored().count(), 70);
    let events = everything(&mut feed);
    assert_eq!(positions(&events), (1..=90).collect::<Vec<_>>());
    let mut wanted = event(83, at(83));
    wanted.position = Some(84);
    assert_eq!(events[83], wanted);
}

#[test]
fn following_goes_on_over_segments_while_the_filler_catches_up() {
    let data = tempfile::tempdir().unwrap();
    let mut journal = journal(data.path());
    let segments = || {
        std::fs::read_dir(data.path().join("journal"))
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".seg")
            })
            .count()
    };
    append(&mut journal, 0, 10);
    let filter = Filter {
        kinds: vec![Kind::Alarm],
        ..Filter::default()
    };
    let mut feed = feed(data.path(), filter.clone());
    let mut found = everything(&mut feed);
    let before = segments();
    for n in 1..20 {
        append(&mut journal, n * 10, n * 10 + 10);
        if n == 7 {
            fill(data.path(), &journal);
        }
        while let Some(event) = feed.arrived().unwrap() {
            found.push(event);
        }
    }
    assert!(segments() > before + 2, "the journal grew by segments");
    let wanted: Vec<u64> = (0..200)
        .filter(|n| filter.matches(&event(*n, at(*n))))
        .map(|n| n + 1)
        .collect();
    assert_eq!(positions(&found), wanted);
}

#[test]
fn the_newest_are_taken_from_both() {
    let data = tempfile::tempdir().unwrap();
    let mut journal = journal(data.path());
    append(&mut journal, 0, 30);
    fill(data.path(), &journal);
    append(&mut journal, 30, 35);
    for (limit, first) in [(3, 33), (5, 31), (12, 24), (35, 1), (100, 1)] {
        let newest = feed(data.path(), Filter::default()).newest(limit).unwrap();
        assert_eq!(
            positions(&Vec::from(newest)),
            (first..=35).collect::<Vec<_>>(),
            "limit {limit}"
        );
    }
    assert!(
        feed(data.path(), Filter::default())
            .newest(0)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_journal_that_is_made_later_is_followed_from_its_start() {
    let data = tempfile::tempdir().unwrap();
    let mut feed = feed(data.path(), Filter::default());
    assert_eq!(everything(&mut feed), []);
    let mut journal = journal(data.path());
    append(&mut journal, 0, 4);
    let mut found = Vec::new();
    while let Some(event) = feed.arrived().unwrap() {
        found.push(event);
    }
    assert_eq!(positions(&found), [1, 2, 3, 4]);
    // A reader of the journal itself sees the same.
    let mut reader = Reader::open(&data.path().join("journal"), 4).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().position, 4);
}
