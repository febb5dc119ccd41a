//! Verify finds what is wrong; repair sets aside, keeps the rest, and loses nothing twice.
use std::sync::Arc;
use std::time::Duration;

use super::faulty::{Disk, Loss, Random};
use super::{append, open};
use crate::journal::{Reader, Repaired, repair_in, verify_in};

/// 60 records in several segments; gives their names.
fn several() -> (Disk, Vec<String>) {
    let disk = Disk::new(3);
    let (mut journal, _) = open(&disk);
    for n in 0..30 {
        append(
            &mut journal,
            &[&format!("a{n:0200}"), &format!("b{n:0200}")],
        );
    }
    drop(journal);
    let names = disk.names().into_iter();
    let segments: Vec<_> = names.filter(|name| super::is_segment(name)).collect();
    assert!(segments.len() > 3, "{segments:?}");
    (disk, segments)
}

fn repair(disk: &Disk) -> Repaired {
    repair_in(Arc::new(disk.clone()), "now").unwrap()
}

fn positions(disk: &Disk) -> Vec<u64> {
    let mut reader = Reader::open_in(Arc::new(disk.clone()), 1).unwrap();
    std::iter::from_fn(|| reader.next().unwrap().map(|entry| entry.position)).collect()
}

/// The journal is sound, holds all but what is said to be lost, and goes on behind its end.
fn assert_usable(disk: &Disk, repaired: &Repaired, what: &str) {
    assert_eq!(repaired.verified.damage, [], "{what}");
    let lost = |position: &u64| {
        let within = |range: &(u64, u64)| (range.0..=range.1).contains(position);
        repaired.lost.iter().any(within)
    };
    let expected: Vec<u64> = (1..=60).filter(|position| !lost(position)).collect();
    assert_eq!(positions(disk), expected, "{what}: {:?}", repaired.lost);
    let (mut journal, _) = open(disk);
    let next = journal.next_position();
    assert!(next > 60, "{what}: position {next} would be used twice");
    append(&mut journal, &["after"]);
    drop(journal);
    assert_eq!(positions(disk).last(), Some(&next), "{what}");
    assert_eq!(verify_in(disk).unwrap().damage, [], "{what}");
}

#[test]
fn a_sound_journal_is_counted_and_left_alone() {
    let (disk, segments) = several();
    let verified = verify_in(&disk).unwrap();
    assert_eq!((verified.segments, verified.batches), (segments.len(), 30));
    assert_eq!(
        (verified.records, verified.first, verified.last),
        (60, 1, 60)
    );
    assert!(verified.damage.is_empty() && !verified.clean);
    let before = disk.names();
    assert_eq!(repair(&disk).set_aside, Vec::<String>::new());
    assert_eq!(disk.names(), before);
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let (whole, segments) = several();
    let mut random = Random(5);
    for round in 0..150 {
        let disk = whole.copy();
        let name = &segments[random.below(segments.len())];
        let used = disk
            .bytes(name)
            .iter()
            .rposition(|byte| *byte != 0)
            .unwrap()
            + 1;
        let (byte, bit) = (random.below(used), random.below(8));
        disk.edit(name, |bytes| bytes[byte] ^= 1 << bit);
        let what = format!("round {round}, {name} byte {byte} bit {bit}");
        let verified = verify_in(&disk).unwrap();
        assert_eq!(verified.damage.len(), 1, "{what}");
        assert_eq!(&verified.damage[0].segment, name, "{what}");
        let damaged = disk.bytes(name);
        let repaired = repair(&disk);
        let lost: u64 = repaired
            .lost
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum();
        assert!(
            lost <= 1 && repaired.verified.lost == lost,
            "{what}: {lost}"
        );
        assert_eq!(&repaired.set_aside, std::slice::from_ref(name), "{what}");
        assert_eq!(
            disk.bytes(&format!("damaged-now/{name}")),
            damaged,
            "{what}"
        );
        assert_usable(&disk, &repaired, &what);
    }
}

#[test]
fn lost_segments_are_marked() {
    let (whole, segments) = several();
    for gone in [
        &segments[1..2],
        &segments[1..3],
        &segments[2..3],
        &segments[..1],
    ] {
        let disk = whole.copy();
        for name in gone {
            disk.take(name);
        }
        let repaired = repair(&disk);
        if gone == &segments[..1] {
            assert!(repaired.lost.is_empty(), "the oldest may be gone by age");
            continue;
        }
        assert_usable(&disk, &repaired, &format!("without {gone:?}"));
    }
}

#[test]
fn an_unreadable_header_costs_no_record_while_its_neighbour_stands() {
    let (whole, segments) = several();
    for name in &segments[1..] {
        let disk = whole.copy();
        disk.edit(name, |bytes| bytes[..4096].fill(0xFF));
        let repaired = repair(&disk);
        assert_eq!(repaired.lost, [], "{name}");
        assert_usable(&disk, &repaired, name);
    }
}

#[test]
fn a_segment_of_noise_is_set_aside_whole() {
    let (whole, segments) = several();
    for name in &segments[1..] {
        let disk = whole.copy();
        disk.edit(name, |bytes| bytes.fill(0x55));
        let repaired = repair(&disk);
        assert_eq!(&repaired.set_aside, std::slice::from_ref(name));
        assert_usable(&disk, &repaired, name);
    }
}

#[test]
fn a_repair_that_is_cut_short_is_run_again() {
    let (whole, segments) = several();
    for operations in 0..40 {
        let disk = whole.copy();
        for (name, byte) in segments.iter().zip([4500, 5000, 4300]) {
            disk.edit(name, |bytes| bytes[byte] ^= 4);
        }
        disk.power_off_after(operations);
        let done = repair_in(Arc::new(disk.clone()), "first").is_ok();
        let disk = disk.crash(operations, Loss::Sectors(512));
        let repaired = repair_in(Arc::new(disk.clone()), "second").unwrap();
        assert_eq!(repaired.verified.damage, [], "after {operations}");
        assert_eq!(positions(&disk).len(), 57, "after {operations}");
        assert_eq!(done, repaired.set_aside.is_empty(), "after {operations}");
    }
}

#[test]
fn old_segments_go_when_everybody_is_past_them() {
    let (disk, segments) = several();
    let (journal, _) = open(&disk);
    let keep = Duration::from_secs(10);
    let second: u64 = segments[1][..20].parse().unwrap();
    // Everything was written at 1 ms.
    assert_eq!(
        journal.remove_before(61, keep, 10_000).unwrap(),
        0,
        "too young"
    );
    assert_eq!(
        journal.remove_before(second - 1, keep, 10_001).unwrap(),
        0,
        "still wanted"
    );
    assert_eq!(journal.remove_before(second, keep, 10_001).unwrap(), 1);
    assert_eq!(positions(&disk).first(), Some(&second));
    assert_eq!(
        journal.remove_before(1000, keep, 10_001).unwrap(),
        segments.len() - 2
    );
    drop(journal);
    assert_eq!(verify_in(&disk).unwrap().damage, []);
    let (journal, recovery) = open(&disk);
    assert_eq!((journal.next_position(), recovery.segments), (61, 1));
}
