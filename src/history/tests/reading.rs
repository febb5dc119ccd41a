//! Does a reader get exactly what it asked for, in order, also while the writer works?
use larm_event::{Category, Kind, Timestamp};

use super::super::{Filter, HistoryError, Key, Month, Order, Query, Writer};
use super::{LATE_NOVEMBER_MS, entries, expected, positions, select};

/// 1,300 events, one each 10 ms but four of a kind at a time, over the end of a month.
fn filled() -> (tempfile::TempDir, Vec<larm_event::Event>) {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = entries(0, 1300, 0, 0);
    for entry in &mut journal {
        let at = LATE_NOVEMBER_MS + i64::try_from(entry.position / 4).unwrap() * 40;
        *entry = super::entry(entry.position, &super::event(entry.position, at));
    }
    Writer::open(directory.path())
        .unwrap()
        .append(&journal)
        .unwrap();
    (directory, expected(&journal))
}

#[test]
fn every_filter_gives_what_its_plain_meaning_gives() {
    let (directory, events) = filled();
    let at = |second: i64| Some(Timestamp::from_millis(LATE_NOVEMBER_MS + second * 1000));
    let filters = [
        Filter::default(),
        Filter {
            account: Some("1001".to_owned()),
            ..Filter::default()
        },
        Filter {
            account: Some("1001' OR '1'='1".to_owned()),
            ..Filter::default()
        },
        Filter {
            since: at(3),
            until: at(11),
            ..Filter::default()
        },
        Filter {
            until: at(10),
            ..Filter::default()
        },
        Filter {
            since: at(10),
            ..Filter::default()
        },
        Filter {
            known: Some(false),
            ..Filter::default()
        },
        Filter {
            known: Some(true),
            ..Filter::default()
        },
        Filter {
            kinds: vec![Kind::Alarm, Kind::Test],
            ..Filter::default()
        },
        Filter {
            categories: vec![Category::Fire],
            kinds: vec![Kind::Restoral],
            account: Some("1002".to_owned()),
            since: at(2),
            ..Filter::default()
        },
        Filter {
            code: Some("RP".to_owned()),
            up_to: Some(1200),
            ..Filter::default()
        },
    ];
    for filter in filters {
        let mut wanted: Vec<_> = events
            .iter()
            .filter(|e| filter.matches(e))
            .cloned()
            .collect();
        assert_eq!(
            select(directory.path(), &filter, Order::Rising),
            wanted,
            "{filter:?}"
        );
        wanted.reverse();
        assert_eq!(
            select(directory.path(), &filter, Order::Falling),
            wanted,
            "{filter:?}"
        );
    }
}

#[test]
fn reading_can_be_taken_up_at_any_event() {
    let (directory, events) = filled();
    let query = Query::open(directory.path()).unwrap();
    for at in [0, 1, 2, 3, 499, 500, 998, 1000, 1298, 1299] {
        let key = Key {
            received_at: events[at].received_at,
            position: events[at].position.unwrap(),
        };
        let read = |order| -> Vec<_> {
            let found = query.select(&Filter::default(), order, Some(key));
            found.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(read(Order::Rising), events[at + 1..], "from {at}");
        let mut before = events[..at].to_vec();
        before.reverse();
        assert_eq!(read(Order::Falling), before, "before {at}");
    }
}

#[test]
fn a_reader_works_between_two_commits_of_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let journal = entries(0, 3000, LATE_NOVEMBER_MS, 10);
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.append(&journal[..1000]).unwrap();
    let query = Query::open(directory.path()).unwrap();
    assert_eq!(query.last().unwrap(), 1000);
    let mut select = query.select(&Filter::default(), Order::Rising, None);
    let mut found = vec![select.next().unwrap().unwrap()];
    writer.append(&journal[1000..]).unwrap();
    writer.sync().unwrap();
    found.extend(select.map(Result::unwrap));
    // What came in between is found as well where its month was listed.
    let found = positions(&found);
    assert_eq!(found[..1000], (1..=1000).collect::<Vec<_>>()[..]);
    assert!(found.is_sorted());
    assert_eq!(query.last().unwrap(), 3000);
}

#[test]
fn a_row_that_only_a_later_larm_can_read_is_shown_as_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let journal = entries(0, 3, LATE_NOVEMBER_MS, 10);
    Writer::open(directory.path())
        .unwrap()
        .append(&journal)
        .unwrap();
    let month = Month::parse("2026-11").unwrap().file(directory.path());
    let later = rusqlite::Connection::open(month).unwrap();
    let sql = "UPDATE event SET kind = 'omen', event = replace(event, '\"alarm\"', '\"omen\"')
               WHERE position = 2";
    assert_eq!(later.execute(sql, []).unwrap(), 1);
    let found = select(directory.path(), &Filter::default(), Order::Rising);
    assert_eq!(positions(&found), [1, 2, 3]);
    let wanted = expected(&journal);
    assert_eq!((&found[0], &found[2]), (&wanted[0], &wanted[2]));
    assert_eq!(found[1].kind, Kind::Unknown);
    assert_eq!(
        (found[1].id, found[1].received_at),
        (wanted[1].id, wanted[1].received_at)
    );
    assert!(String::from_utf8_lossy(&found[1].raw.0).contains("\"omen\""));
}

#[test]
fn a_missing_history_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("history");
    let Err(error @ HistoryError::Missing { .. }) = Query::open(&missing) else {
        panic!("found one");
    };
    assert!(error.to_string().contains("larm serve"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("2026-11.sqlite"), [0x42; 5000]).unwrap();
    let query = Query::open(directory.path()).unwrap();
    let mut select = query.select(&Filter::default(), Order::Rising, None);
    let error = select.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("2026-11.sqlite"), "{error}");
    assert!(error.contains("larm history rebuild"), "{error}");
    assert!(select.next().is_none());
}
