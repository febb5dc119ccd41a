//! Is a rebuilt history the same as the one that was lost?
use super::super::{HistoryError, Query, Source, SourceError, Writer, rebuild};
use super::{Journal, LATE_NOVEMBER_MS, all, entries};
use crate::journal::Entry;

#[test]
fn a_rebuilt_history_equals_the_original() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("history");
    let mut entries = entries(0, 2500, LATE_NOVEMBER_MS, 10);
    entries[77].payload = b"no record".to_vec();
    let mut writer = Writer::open(&directory).unwrap();
    for batch in entries.chunks(400) {
        writer.append(batch).unwrap();
    }
    drop(writer);
    let original = all(&directory);
    let journal = Journal::of(entries);

    // Over the old one, and again after it is lost.
    for _ in 0..2 {
        let rebuilt = rebuild(&directory, &mut journal.read_from(0), |_| ()).unwrap();
        assert_eq!(
            (rebuilt.rows, rebuilt.unreadable, rebuilt.last),
            (2500, 1, 2500)
        );
        assert_eq!(all(&directory), original);
        assert_eq!(Query::open(&directory).unwrap().last().unwrap(), 2500);
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

/// A journal that ends in an error.
struct Damaged(Vec<Entry>);

impl Source for Damaged {
    fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        self.0
            .pop()
            .map(Some)
            .ok_or_else(|| SourceError("segment 3 is damaged".into()))
    }
}

#[test]
fn a_rebuild_that_fails_leaves_the_old_history() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("history");
    let entries = entries(0, 50, LATE_NOVEMBER_MS, 10);
    Writer::open(&directory).unwrap().append(&entries).unwrap();
    let original = all(&directory);
    let mut source = Damaged(entries[..20].iter().rev().cloned().collect());
    let Err(error @ HistoryError::Source(_)) = rebuild(&directory, &mut source, |_| ()) else {
        panic!("rebuilt from a damaged journal");
    };
    assert!(
        error.to_string().contains("segment 3 is damaged"),
        "{error}"
    );
    assert_eq!(all(&directory), original);
}
