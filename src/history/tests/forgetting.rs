//! Do old months go, and only they?
use super::super::{Month, Writer, remove_months_before};
use super::{LATE_NOVEMBER_MS, all, entries, positions};

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
