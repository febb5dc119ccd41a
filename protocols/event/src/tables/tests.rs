//! Whether every row of the tables is sane, and whether codes mean what operators expect.
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::words::Category;

/// The columns of a table that are not compiled in, as `(code, value)`.
fn column<'t>(csv: &'t str, behind: usize) -> Vec<(&'t str, &'t str)> {
    let value = |line: &'t str| (line.split(',').next(), line.rsplit(',').nth(behind));
    csv.lines()
        .skip(1)
        .map(value)
        .map(|(code, value)| (code.unwrap(), value.unwrap()))
        .collect()
}

/// Every form of every code, with a name for messages.
fn forms() -> impl Iterator<Item = (String, Form, Category)> {
    let sia = sia_codes()
        .iter()
        .map(|row| (String::from(row.code), row.form, row.category));
    let cid = cid_codes().iter().flat_map(|row| {
        [("1", row.new), ("3", row.restore), ("6", row.still)]
            .map(|(qualifier, form)| (String::from(qualifier) + row.code, form, row.category))
    });
    sia.chain(cid)
}

#[test]
fn codes_are_well_formed_sorted_and_found() {
    assert_eq!((sia_codes().len(), cid_codes().len()), (325, 294));
    assert!(sia_codes().is_sorted_by(|a, b| a.code < b.code));
    assert!(cid_codes().is_sorted_by(|a, b| a.code < b.code));
    for row in sia_codes() {
        assert!(row.code.len() == 2 && row.code.bytes().all(|b| b.is_ascii_uppercase()));
        assert_eq!(sia(row.code), Some(row));
    }
    for row in cid_codes() {
        assert!(row.code.len() == 3 && row.code.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(cid(row.code), Some(row));
    }
}

#[test]
fn names_are_there_in_both_languages_and_tell_codes_apart() {
    for (code, form, _) in forms() {
        for name in [form.name, form.name_sv] {
            assert!(!name.is_empty() && name.trim() == name, "{code}: `{name}`");
            assert!(name.starts_with(char::is_alphanumeric), "{code}: `{name}`");
            assert!(!name.contains(char::is_control), "{code}: `{name}`");
        }
        assert_ne!(form.name, form.name_sv, "{code}");
    }
    let distinct = |names: Vec<&str>| {
        let set: BTreeSet<_> = names.iter().collect();
        assert_eq!(set.len(), names.len());
    };
    distinct(sia_codes().iter().map(|row| row.form.name).collect());
    distinct(sia_codes().iter().map(|row| row.form.name_sv).collect());
    distinct(cid_codes().iter().map(|row| row.new.name).collect());
    distinct(cid_codes().iter().map(|row| row.new.name_sv).collect());
}

#[test]
fn urgency_fits_what_happened() {
    for (code, form, category) in forms() {
        let most_urgent = match category {
            Category::Fire | Category::HoldUp | Category::Medical | Category::Social => 1,
            Category::Gas if form.name.starts_with("Carbon monoxide") => 1,
            _ => 2,
        };
        let allowed = match form.kind {
            Kind::Alarm => most_urgent..=2,
            Kind::Unknown => 2..=2,
            // Jamming and a switched-off system are close to sabotage; an empty printer is not.
            Kind::Trouble | Kind::Supervision => 2..=4,
            Kind::Bypass => 3..=4,
            Kind::Restoral | Kind::TroubleRestoral | Kind::Open | Kind::Close => 4..=4,
            Kind::Test | Kind::Access => 4..=5,
            Kind::Status => 3..=5,
        };
        let (kind, priority) = (form.kind, form.priority.get());
        assert!(allowed.contains(&priority), "{code}: {kind} {priority}");
    }
}

#[test]
fn alarms_that_concern_lives_come_first() {
    let spared = ["1118", "6118"]; // A pre-alarm near the threshold.
    for (code, form, category) in forms().filter(|(_, form, _)| form.kind == Kind::Alarm) {
        let life = matches!(
            category,
            Category::Fire | Category::HoldUp | Category::Medical | Category::Social
        );
        if life && !spared.contains(&code.as_str()) {
            assert_eq!(form.priority, Priority::LIFE, "{code}");
        }
    }
}

#[test]
fn kinds_agree_with_the_direction_in_the_sources() {
    for (code, direction) in column(include_str!("../../tables/sia.csv"), 1) {
        let kind = sia(code).unwrap().form.kind;
        let fits = match direction {
            "new" => matches!(
                kind,
                Kind::Alarm
                    | Kind::Trouble
                    | Kind::Supervision
                    | Kind::Open
                    | Kind::Bypass
                    | Kind::Access
                    | Kind::Unknown
            ),
            "restore" => matches!(
                kind,
                Kind::Restoral | Kind::TroubleRestoral | Kind::Close | Kind::Bypass | Kind::Access
            ),
            "status" => matches!(
                kind,
                Kind::Status | Kind::Test | Kind::Access | Kind::Bypass
            ),
            _ => false,
        };
        assert!(fits, "{code}: {direction} {kind}");
    }
}

#[test]
fn origins_are_of_the_known_ones() {
    let sia = column(include_str!("../../tables/sia.csv"), 0);
    assert!(sia.iter().all(|row| ["DC-03", "vendor"].contains(&row.1)));
    let cid = column(include_str!("../../tables/cid.csv"), 0);
    let known = ["DC-05", "DC-05-2016", "later-or-vendor"];
    assert!(cid.iter().all(|row| known.contains(&row.1)));
}

#[test]
fn a_restore_is_never_more_urgent_than_what_it_ends() {
    for row in cid_codes() {
        let (code, new, restore) = (row.code, row.new, row.restore);
        assert!(restore.priority >= new.priority, "{code}");
        let over = match new.kind {
            Kind::Alarm => &[Kind::Restoral][..],
            Kind::Trouble => &[Kind::TroubleRestoral, Kind::Open, Kind::Close],
            Kind::Open => &[Kind::Close],
            Kind::Unknown => &[Kind::Restoral],
            _ => &[new.kind],
        };
        let same_both_ways = new == restore;
        assert!(over.contains(&restore.kind) || same_both_ways, "{code}");
        assert_ne!(
            (restore.kind, same_both_ways),
            (Kind::Alarm, true),
            "{code}"
        );
    }
}

#[test]
fn contact_id_classes_hold_what_they_are_for() {
    for row in cid_codes() {
        let kind = row.new.kind;
        let fits = match row.code.as_bytes().first() {
            Some(b'1') => matches!(kind, Kind::Alarm) || row.code == "156",
            Some(b'2') => matches!(kind, Kind::Trouble),
            Some(b'3') => !matches!(kind, Kind::Open | Kind::Close | Kind::Test),
            Some(b'5') => matches!(kind, Kind::Bypass | Kind::Status | Kind::Trouble),
            _ => true,
        };
        assert!(fits, "{}: {kind}", row.code);
    }
}

#[test]
fn everyday_sia_codes() {
    for expected in [
        "BA alarm intrusion 2 Zone Inbrottslarm",
        "BR restoral intrusion 4 Zone Återställning, inbrott",
        "BB bypass intrusion 4 Zone Förbikoppling, inbrottssektion",
        "FA alarm fire 1 Zone Brandlarm",
        "KA alarm fire 1 Zone Värmelarm",
        "HA alarm hold_up 1 Zone Överfallslarm",
        "PA alarm hold_up 1 Zone Paniklarm",
        "MA alarm medical 1 Zone Medicinskt larm",
        "NA alarm social 1 Zone Ingen aktivitet, inaktivitetslarm",
        "TA alarm tamper 2 Zone Sabotagelarm",
        "WA alarm water 2 Zone Vattenlarm",
        "GA alarm gas 2 Zone Gaslarm",
        "ZA alarm temperature 2 Zone Fryslarm",
        "OP open access 4 User Frånkoppling",
        "CL close access 4 User Tillkoppling",
        "CG close access 4 Area Tillkoppling av område",
        "AT trouble power 3 None Nätbortfall",
        "AR trouble_restoral power 4 None Nätspänning åter",
        "YT trouble power 3 None Låg batterispänning",
        "LT trouble communication 3 Line Fel på telelinje",
        "RP test test 5 None Automatiskt prov, provlarm",
        "XX supervision communication 3 None Uteblivet provlarm",
        "DF alarm access 2 Door Uppbruten dörr",
        "DG access access 5 Door Passage beviljad",
    ] {
        let code = &expected[..2];
        let meaning = classify_sia(code);
        let found = format!(
            "{code} {} {} {} {:?} {}",
            meaning.kind,
            meaning.category,
            meaning.priority.get(),
            meaning.address,
            meaning.name_sv
        );
        assert_eq!(found, expected);
    }
}

#[test]
fn arming_codes_are_those_of_the_sources() {
    let of_kind = |kind| {
        let rows = sia_codes().iter().filter(move |row| row.form.kind == kind);
        rows.map(|row| row.code)
    };
    assert!(of_kind(Kind::Open).all(|code| code.starts_with('O')));
    assert!(of_kind(Kind::Close).all(|code| code.starts_with(['C', 'N'])));
    for code in ["NA", "NC", "NR", "NS", "NT"] {
        assert_ne!(classify_sia(code).kind, Kind::Close, "{code}");
    }
}

#[test]
fn contact_id_depends_on_the_qualifier() {
    for (code, qualifier, kind, priority, name) in [
        ("130", 1, Kind::Alarm, 2, "Burglary alarm"),
        ("130", 3, Kind::Restoral, 4, "Burglary alarm: over"),
        ("130", 6, Kind::Alarm, 2, "Burglary alarm, still present"),
        ("130", 2, Kind::Restoral, 4, "Burglary alarm: over"),
        ("130", 9, Kind::Alarm, 2, "Burglary alarm"),
        ("401", 1, Kind::Open, 4, "Disarmed by user"),
        ("401", 3, Kind::Close, 4, "Armed by user"),
        ("401", 6, Kind::Status, 4, "Disarmed by user"),
        ("441", 3, Kind::Close, 4, "Armed stay"),
        ("301", 3, Kind::TroubleRestoral, 4, "Mains lost: mains back"),
        ("602", 1, Kind::Test, 5, "Periodic test report"),
        ("602", 3, Kind::Test, 5, "Periodic test report"),
        ("570", 1, Kind::Bypass, 4, "Zone bypassed"),
        ("101", 1, Kind::Alarm, 1, "Personal emergency button"),
    ] {
        let meaning = classify_cid(code, qualifier);
        let found = (meaning.kind, meaning.priority.get(), meaning.name);
        assert_eq!(found, (kind, priority, name), "{qualifier}{code}");
    }
    assert_eq!(classify_cid("101", 1).category, Category::Social);
    assert_eq!(classify_cid("102", 1).category, Category::Social);
    assert_eq!(classify_cid("401", 1).address, AddressKind::User);
    assert_eq!(cid("789").map(|row| row.code), Some("750"));
}

#[test]
fn an_unknown_code_may_be_an_alarm() {
    for code in ["QQ", "ZX", "", "ba", "B", "BAA", "Bä", "\u{10FFFF}"] {
        assert_eq!(classify_sia(code), Meaning::UNKNOWN, "{code}");
    }
    for code in [
        "700", "1B0", "", "13", "1300", "75", "75A", "7500", "790", "ä0",
    ] {
        assert_eq!(classify_cid(code, 1), Meaning::UNKNOWN, "{code}");
    }
    assert_eq!(Meaning::UNKNOWN.kind, Kind::Unknown);
    assert_eq!(Meaning::UNKNOWN.priority, Priority::PROPERTY);
}
