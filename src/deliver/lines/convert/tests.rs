//! The tables are whole and sorted, and what was an alarm stays one.
use larm_event::tables::{cid_codes, sia_codes};
use larm_event::{Category, Kind, classify_cid, classify_sia};

use super::{TO_CID, TO_SIA, cid_of, rows, sia_of, to_cid, to_sia};
use crate::deliver::lines::surgard::Qualifier;

#[test]
fn every_row_is_read_and_sorted() {
    assert_eq!(TO_CID.len(), rows(super::SIA_ROWS).count());
    assert_eq!(TO_SIA.len(), rows(super::CID_ROWS).count());
    assert!(TO_CID.windows(2).all(|two| two[0].0 < two[1].0));
    assert!(TO_SIA.windows(2).all(|two| two[0].0 < two[1].0));
    assert_eq!(to_sia("760", Qualifier::Event), Some("UX"));
    assert_eq!(to_sia("76a", Qualifier::Event), None);
}

#[test]
fn every_sia_code_has_a_known_contact_id_code() {
    // A door that is held open and an exit error have codes of their own in both tables, which
    // larm ranks differently.
    const RANKED_LOWER: [&str; 2] = ["DL", "EE"];
    for row in sia_codes() {
        let cid = to_cid(row.code).unwrap_or_else(|| panic!("{} has no row", row.code));
        let meaning = classify_cid(cid.code, cid.qualifier.digit());
        assert_ne!(meaning.name, "", "{}: {cid:?} is in no table", row.code);
        let alarm = row.form.kind == Kind::Alarm && !RANKED_LOWER.contains(&row.code);
        assert!(
            !alarm || (meaning.kind == Kind::Alarm && meaning.priority <= row.form.priority),
            "{} is an alarm, {cid:?} is not, or a less urgent one",
            row.code
        );
    }
}

#[test]
fn every_contact_id_code_has_a_known_sia_code() {
    for row in cid_codes() {
        for (qualifier, form) in [
            (Qualifier::Event, &row.new),
            (Qualifier::Restore, &row.restore),
            (Qualifier::Previous, &row.still),
        ] {
            let sia = to_sia(row.code, qualifier);
            let sia = sia.unwrap_or_else(|| panic!("{} has no row", row.code));
            let meaning = classify_sia(sia);
            assert_ne!(meaning.name, "", "{}: {sia} is in no table", row.code);
            assert!(
                form.kind != Kind::Alarm || meaning.kind == Kind::Alarm,
                "{} {qualifier:?} is an alarm, {sia} is not",
                row.code
            );
        }
    }
}

#[test]
fn what_has_no_row_goes_by_kind_and_category() {
    for &kind in Kind::ALL {
        for &category in Category::ALL {
            let cid = cid_of(kind, category);
            assert!(to_sia(cid.code, cid.qualifier).is_some(), "{cid:?}");
            let meaning = classify_cid(cid.code, cid.qualifier.digit());
            let sia = classify_sia(sia_of(kind, category));
            assert_ne!(sia.name, "");
            if kind == Kind::Alarm {
                assert_eq!((meaning.kind, sia.kind), (kind, kind), "{category}");
            }
        }
    }
    assert_eq!(cid_of(Kind::Unknown, Category::Other).code, "140");
    assert_eq!(sia_of(Kind::Unknown, Category::Other), "UX");
    assert_eq!(sia_of(Kind::Close, Category::Access), "CL");
}
