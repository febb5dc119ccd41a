//! Torn or damaged: cut everywhere, every bit flipped, sectors and segments moved.
use std::sync::Arc;

use super::faulty::Disk;
use super::{append, open, options, texts};
use crate::journal::{Checked, Flaw, Journal, JournalError, Verifier};

const SEGMENT: &str = "00000000000000000001.seg";
const HEADER: usize = 4096;

/// Three batches; gives the disk and where each batch ends.
fn three_batches() -> (Disk, Vec<usize>) {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk);
    let mut ends = Vec::new();
    for batch in [&["one", "two"][..], &["three"], &["four", "five", "six"]] {
        append(&mut journal, batch);
        let bytes = disk.bytes(SEGMENT);
        ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    (disk, ends)
}

fn try_open(disk: &Disk) -> Result<crate::journal::Recovery, JournalError> {
    Journal::open_in(Arc::new(disk.clone()), &options(8192)).map(|(_, recovery)| recovery)
}

#[test]
fn cut_at_every_byte() {
    let (whole, ends) = three_batches();
    for cut in HEADER..=ends[2] {
        for shorter in [false, true] {
            let disk = whole.copy();
            disk.edit(SEGMENT, |bytes| {
                bytes[cut..].fill(0);
                if shorter {
                    bytes.truncate(cut);
                }
            });
            let recovery = match try_open(&disk) {
                Ok(recovery) => recovery,
                Err(error) => panic!("cut at {cut}: {error}"),
            };
            let batches = ends.iter().filter(|end| **end <= cut).count();
            let kept = [0, 2, 3, 6][batches];
            assert_eq!(recovery.last, kept as u64, "cut at {cut}");
            assert_eq!(texts(&disk).len(), kept, "cut at {cut}");
            let start = if batches == 0 {
                HEADER
            } else {
                ends[batches - 1]
            };
            assert!(recovery.cut <= (cut - start) as u64, "cut at {cut}");
            assert_eq!(try_open(&disk).unwrap().cut, 0, "what was cut is gone");
            let (mut journal, _) = open(&disk);
            append(&mut journal, &["after"]);
            assert_eq!(texts(&disk).len(), kept + 1, "cut at {cut}");
        }
    }
}

#[test]
fn flip_every_bit() {
    let (whole, ends) = three_batches();
    for bit in 0..(ends[2] + 64) * 8 {
        let byte = bit / 8;
        let disk = whole.copy();
        disk.edit(SEGMENT, |bytes| bytes[byte] ^= 1 << (bit % 8));
        match try_open(&disk) {
            Err(JournalError::Damaged(damage)) => {
                assert!(byte < ends[2], "bit {bit}: nothing was written there");
                assert!(damage.offset <= byte as u64, "bit {bit}: {damage}");
                assert_eq!(damage.segment, SEGMENT);
            }
            Ok(recovery) => {
                assert!(byte >= ends[2], "bit {bit} was silently accepted");
                assert_eq!((recovery.last, texts(&disk).len()), (6, 6), "bit {bit}");
            }
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
}

#[test]
fn the_message_says_where_and_what_to_do() {
    let (disk, ends) = three_batches();
    disk.edit(SEGMENT, |bytes| bytes[ends[0] + 30] ^= 1);
    let text = try_open(&disk).unwrap_err().to_string();
    let place = format!(
        "segment {SEGMENT} at byte {}, position 3: checksum",
        ends[0]
    );
    assert!(text.contains(&place), "{text}");
    assert!(text.contains("larm journal repair --data DIR"), "{text}");
}

/// A journal of long batches, so that sectors are wholly inside.
fn long_batches() -> Disk {
    let disk = Disk::new(2);
    let (mut journal, _) = open(&disk);
    append(&mut journal, &[&"a".repeat(1200)]);
    append(&mut journal, &[&"b".repeat(700), &"c".repeat(700)]);
    disk
}

#[test]
fn swapped_sectors_are_damage() {
    for (one, other) in [(4608, 5120), (4608, 6144), (5632, 6144)] {
        let disk = long_batches();
        disk.edit(SEGMENT, |bytes| {
            let (front, back) = bytes.split_at_mut(other);
            front[one..one + 512].swap_with_slice(&mut back[..512]);
        });
        assert!(
            matches!(try_open(&disk), Err(JournalError::Damaged(_))),
            "{one} {other}"
        );
    }
}

#[test]
fn a_blank_sector_before_the_last_batch_is_damage() {
    let disk = long_batches();
    disk.edit(SEGMENT, |bytes| bytes[4608..5120].fill(0));
    assert!(matches!(try_open(&disk), Err(JournalError::Damaged(_))));
}

#[test]
fn a_blank_sector_is_damage_after_a_stop_in_good_order() {
    let disk = Disk::new(2);
    let (mut journal, _) = open(&disk);
    append(&mut journal, &[&"a".repeat(1200)]);
    journal.close(2).unwrap();
    assert!(try_open(&disk.copy()).unwrap().clean);
    disk.edit(SEGMENT, |bytes| bytes[4608..5120].fill(0));
    assert!(matches!(try_open(&disk), Err(JournalError::Damaged(_))));
}

#[test]
fn stale_bytes_behind_the_end_are_never_replayed() {
    let (disk, ends) = three_batches();
    // Two former batches and a piece of one, as an old file system block would show them.
    let stale = disk.bytes(SEGMENT)[HEADER..ends[1]].to_vec();
    disk.edit(SEGMENT, |bytes| {
        bytes[6000..6000 + stale.len()].copy_from_slice(&stale);
    });
    assert!(
        try_open(&disk).is_err(),
        "whole batches behind the end need a look"
    );
    let (disk, ends) = three_batches();
    let stale = disk.bytes(SEGMENT)[HEADER..ends[0] - 10].to_vec();
    disk.edit(SEGMENT, |bytes| {
        bytes[ends[2]..ends[2] + stale.len()].copy_from_slice(&stale);
    });
    assert!(
        try_open(&disk).is_err(),
        "so are records that say another position"
    );
}

/// A journal of several segments.
fn several() -> (Disk, Vec<String>) {
    let disk = Disk::new(3);
    let (mut journal, _) = open(&disk);
    for n in 0..40 {
        append(&mut journal, &[&format!("{n:0500}")]);
    }
    let names = disk.names();
    let segments: Vec<_> = names.into_iter().filter(|n| super::is_segment(n)).collect();
    assert!(segments.len() > 3);
    (disk, segments)
}

#[test]
fn many_segments_come_back_whole() {
    let (disk, segments) = several();
    let recovery = try_open(&disk).unwrap();
    assert_eq!(
        (recovery.segments, recovery.first, recovery.last),
        (segments.len(), 1, 40)
    );
    assert_eq!(texts(&disk).len(), 40);
}

#[test]
fn a_missing_segment_is_told() {
    let (disk, segments) = several();
    disk.take(&segments[1]);
    let Err(JournalError::Damaged(damage)) = try_open(&disk) else {
        panic!("a gap went unseen");
    };
    assert!(
        matches!(damage.flaw, Flaw::Gap { .. }) && damage.segment == segments[2],
        "{damage}"
    );
}

#[test]
fn a_segment_of_another_journal_is_not_replayed() {
    let (disk, segments) = several();
    let (other, _) = several();
    disk.put(&segments[2], other.bytes(&segments[2]));
    let Err(JournalError::Damaged(damage)) = try_open(&disk) else {
        panic!("a foreign segment went unseen");
    };
    assert_eq!(damage.flaw, Flaw::Foreign);
}

#[test]
fn a_copied_segment_under_another_name_is_not_replayed() {
    let (disk, segments) = several();
    disk.put("00000000000000000099.seg", disk.bytes(&segments[2]));
    let Err(JournalError::Damaged(damage)) = try_open(&disk) else {
        panic!("a doubled segment went unseen");
    };
    assert!(matches!(damage.flaw, Flaw::Name { .. }), "{damage}");
}

#[test]
fn a_lost_identity_is_found_in_the_segments() {
    let (disk, _) = several();
    disk.take("id");
    assert_eq!(try_open(&disk).unwrap().last, 40);
    assert_eq!(disk.bytes("id").len(), 16);
}

#[test]
fn a_newer_format_is_refused() {
    let (disk, _) = three_batches();
    disk.edit(SEGMENT, |bytes| {
        bytes[8] = 2;
        let checksum = crc32c::crc32c(&bytes[..2044]);
        bytes[2044..2048].copy_from_slice(&checksum.to_le_bytes());
        bytes.copy_within(..2048, 2048);
    });
    let text = try_open(&disk).unwrap_err().to_string();
    assert!(text.contains("format version 2 is newer"), "{text}");
    assert!(!text.contains("repair"), "{text}");
}

/// Every step of checking the older segments.
fn checked(disk: &Disk) -> Vec<Checked> {
    let mut verifier = Verifier::new(Arc::new(disk.clone())).unwrap();
    let mut steps = Vec::new();
    while let Some(step) = verifier.next(&mut |_| true).unwrap() {
        steps.push(step);
    }
    steps
}

/// Three segments; gives the disk and the names of the two older ones.
fn three_segments() -> (Disk, Vec<String>) {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk);
    for _ in 0..5 {
        append(&mut journal, &[&"x".repeat(1_500)]);
    }
    let mut names: Vec<String> = (disk.names().into_iter())
        .filter(|name| super::is_segment(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names.len(), 3);
    names.pop();
    (disk, names)
}

#[test]
fn every_damage_in_an_older_segment_is_found_after_the_start() {
    let (whole, names) = three_segments();
    let sound = [Checked::Sound { last: 2 }, Checked::Sound { last: 4 }];
    assert_eq!(checked(&whole), sound);
    for (at, name) in names.iter().enumerate() {
        let end = whole
            .bytes(name)
            .iter()
            .rposition(|byte| *byte != 0)
            .unwrap()
            + 1;
        for byte in (HEADER..end).step_by(7) {
            let disk = whole.copy();
            disk.edit(name, |bytes| bytes[byte] ^= 1);
            assert_eq!(
                try_open(&disk).unwrap().last,
                5,
                "alarms are received all the same"
            );
            let steps = checked(&disk);
            let Some(Checked::Damaged(damage)) = steps.get(at) else {
                panic!("{name} at {byte}: {steps:?}");
            };
            assert_eq!(&damage.segment, name);
            let others = steps
                .iter()
                .filter(|step| matches!(step, Checked::Sound { .. }));
            assert_eq!(others.count(), 1, "{name} at {byte}");
        }
    }
}

#[test]
fn an_older_segment_that_lost_its_end_does_not_reach_the_next() {
    let (disk, names) = three_segments();
    let name = &names[1];
    let end = disk
        .bytes(name)
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap()
        + 1;
    // The whole last batch: what is left is sound in itself.
    disk.edit(name, |bytes| bytes[end - 1_600..end].fill(0));
    let steps = checked(&disk);
    assert_eq!(steps.first(), Some(&Checked::Sound { last: 2 }));
    assert!(
        matches!(&steps.last(), Some(Checked::Damaged(_))),
        "{steps:?}"
    );
    assert_eq!(steps.len(), 3, "{steps:?}");
}

#[test]
fn checking_ends_when_it_is_told_and_passes_over_what_is_removed() {
    let (disk, names) = three_segments();
    let mut verifier = Verifier::new(Arc::new(disk.clone())).unwrap();
    assert_eq!(verifier.left(), 2);
    disk.take(&names[0]);
    let step = |verifier: &mut Verifier, go| verifier.next(&mut |_| go).unwrap();
    assert_eq!(step(&mut verifier, true), Some(Checked::Gone));
    assert_eq!(step(&mut verifier, false), Some(Checked::Stopped));
}
