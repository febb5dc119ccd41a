//! Readers: from anywhere, across segments, while the journal is written.
use std::sync::Arc;

use super::faulty::Disk;
use super::{append, open, options};
use crate::journal::{Journal, JournalError, Reader};

fn reader(disk: &Disk, from: u64) -> Reader {
    Reader::open_in(Arc::new(disk.clone()), from).unwrap()
}

/// Positions that the reader gives until it is at the end.
fn rest(reader: &mut Reader) -> Vec<u64> {
    let mut positions = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        assert_eq!(
            entry.payload,
            format!("{:0500}", entry.position).into_bytes()
        );
        positions.push(entry.position);
    }
    positions
}

fn write(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        let text = format!("{:0500}", journal.next_position());
        append(journal, &[&text]);
    }
}

#[test]
fn from_any_position() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk);
    write(&mut journal, 30);
    for from in 0..=31 {
        let expected: Vec<u64> = (from.max(1)..=30).collect();
        assert_eq!(rest(&mut reader(&disk, from)), expected, "from {from}");
    }
}

#[test]
fn follows_the_writer_over_segments() {
    let disk = Disk::new(2);
    let mut early = reader(&disk, 1);
    assert_eq!(early.next().unwrap(), None);
    let (mut journal, _) = open(&disk);
    let mut seen = Vec::new();
    for step in 0..25 {
        write(&mut journal, step % 4);
        seen.extend(rest(&mut early));
        assert_eq!(seen.len() as u64, journal.published().position());
        assert_eq!(early.next().unwrap(), None);
    }
}

#[test]
fn stops_at_the_limit_and_goes_on() {
    let disk = Disk::new(3);
    let (mut journal, _) = open(&disk);
    append(&mut journal, &["a", "b", "c"]);
    let mut reader = reader(&disk, 1);
    let position = |entry: Option<crate::journal::Entry>| entry.map(|entry| entry.position);
    assert_eq!(position(reader.next_until(2).unwrap()), Some(1));
    assert_eq!(position(reader.next_until(2).unwrap()), Some(2));
    assert_eq!(position(reader.next_until(2).unwrap()), None);
    assert_eq!(position(reader.next_until(3).unwrap()), Some(3));
    assert_eq!(position(reader.next_until(9).unwrap()), None);
}

#[test]
fn half_a_batch_is_not_shown_and_damage_is_told() {
    let disk = Disk::new(4);
    let (mut journal, _) = open(&disk);
    write(&mut journal, 4);
    let name = "00000000000000000001.seg";
    let whole = disk.bytes(name);
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    disk.edit(name, |bytes| bytes[end - 200..].fill(0));
    let mut half = reader(&disk, 1);
    assert_eq!(rest(&mut half), [1, 2, 3]);
    disk.edit(name, |bytes| bytes.copy_from_slice(&whole));
    assert_eq!(rest(&mut half), [4], "the other half came");
    disk.edit(name, |bytes| bytes[4096 + 100] ^= 1);
    let mut damaged = reader(&disk, 1);
    assert!(matches!(damaged.next(), Err(JournalError::Damaged(_))));
}

#[test]
fn reads_a_real_directory_while_another_thread_writes() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(16 << 10);
    options.ahead = true;
    let (mut journal, _) = Journal::open(dir.path(), &options).unwrap();
    let writer = std::thread::spawn(move || write(&mut journal, 300));
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 300 {
        seen.extend(rest(&mut reader));
        std::thread::yield_now();
    }
    writer.join().unwrap();
    assert_eq!(seen, (1..=300).collect::<Vec<u64>>());
}
