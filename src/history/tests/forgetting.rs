//! Do old months go, and only they?
use larm_event::Timestamp;

use super::super::{Month, Writer, keep_months, remove_months_before};
use super::{Journal, LATE_NOVEMBER_MS, all, entries, positions};

const DAY_MS: i64 = 86_400_000;

#[test]
fn months_before_the_given_one_go_with_their_logs() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    // One every ten days: 30 November to 8 February.
    writer
        .append(&entries(0, 8, LATE_NOVEMBER_MS, 10 * DAY_MS))
        .unwrap();
    let january = Month::parse("2027-01").unwrap();
    let outcome = remove_months_before(directory.path(), january).unwrap();
    let removed: Vec<_> = outcome.removed.iter().map(ToString::to_string).collect();
    assert_eq!(removed, ["2026-11", "2026-12"]);
    assert_eq!(outcome.kept_for_cursor, None);
    assert_eq!(positions(&all(directory.path())), [5, 6, 7, 8]);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("2027-"), "{name} was left");
    }
    // The writer that was open all the time goes on.
    writer
        .append(&entries(8, 9, LATE_NOVEMBER_MS, 10 * DAY_MS))
        .unwrap();
    assert_eq!(positions(&all(directory.path())), [5, 6, 7, 8, 9]);
}

#[test]
fn the_month_with_the_cursor_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    writer.append(&entries(0, 3, LATE_NOVEMBER_MS, 1)).unwrap();
    let outcome = remove_months_before(directory.path(), Month::parse("2027-06").unwrap()).unwrap();
    assert_eq!(outcome.removed, []);
    assert_eq!(outcome.kept_for_cursor, Month::parse("2026-11"));
    assert_eq!(Writer::open(directory.path()).unwrap().last(), 3);
}

fn months(directory: &std::path::Path) -> Vec<String> {
    let months = Month::list(directory).unwrap();
    months.iter().map(ToString::to_string).collect()
}

#[test]
fn so_many_months_are_kept_besides_the_current_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    // 30 November to 8 February.
    writer
        .append(&entries(0, 8, LATE_NOVEMBER_MS, 10 * DAY_MS))
        .unwrap();
    let february = Timestamp::parse("2027-02-20T00:00:00Z").unwrap();
    let keep = |months, now| {
        keep_months(directory.path(), months, now)
            .unwrap()
            .removed
            .len()
    };
    assert_eq!(keep(0, february), 0);
    assert_eq!(keep(3, february), 0);
    assert_eq!(keep(2, february), 1);
    assert_eq!(months(directory.path()), ["2026-12", "2027-01", "2027-02"]);
    // A clock far ahead counts from the newest event.
    let ahead = Timestamp::parse("2090-01-01T00:00:00Z").unwrap();
    assert_eq!(keep(2, ahead), 0);
    assert_eq!(keep(1, ahead), 1);
    assert_eq!(months(directory.path()), ["2027-01", "2027-02"]);
}

#[test]
fn the_filler_removes_old_months_when_told() {
    let directory = tempfile::tempdir().unwrap();
    // Long ago, so that the machine's clock does not matter: 31 December to 11 March.
    let start_ms = Timestamp::parse("2020-12-31T12:00:00Z")
        .unwrap()
        .as_millis();
    let journal = Journal::of(entries(0, 8, start_ms, 10 * DAY_MS));
    let filler = super::filling::filler(directory.path(), &journal);
    let progress = filler.progress();
    super::filling::until(|| progress.last() == 8);
    assert_eq!(months(directory.path()).len(), 4);
    filler.keep_months(1);
    super::filling::until(|| months(directory.path()).len() == 2);
    assert!(filler.stop());
    assert_eq!(months(directory.path()), ["2021-02", "2021-03"]);
    assert_eq!(progress.errors(), 0);
}
