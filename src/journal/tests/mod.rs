//! The journal's tests, by question: what survives, what is told, what is read.
mod crash;
mod damage;
mod faults;
pub(crate) mod faulty;
mod reading;
mod repairing;

use std::sync::Arc;

use super::{Journal, Options, Reader, Recovery};
use faulty::Disk;

/// Segments with room for little, made when they are needed, so that tests repeat exactly.
fn options(segment_len: u64) -> Options {
    Options {
        segment_len,
        reserve: 0,
        ahead: false,
    }
}

fn open(disk: &Disk) -> (Journal, Recovery) {
    Journal::open_in(Arc::new(disk.clone()), &options(8192)).expect("this disk is sound")
}

/// Appends one batch.
fn append(journal: &mut Journal, records: &[&str]) {
    let records = records.iter().map(|record| record.as_bytes());
    journal.append(records, 1).expect("this disk is sound");
}

/// All records from the start, which must stand at 1, 2, 3, …
fn all(disk: &Disk) -> Vec<Vec<u8>> {
    let mut reader = Reader::open_in(Arc::new(disk.clone()), 1).expect("readable");
    let mut records = Vec::new();
    while let Some(entry) = reader.next().expect("readable") {
        assert_eq!(entry.position, records.len() as u64 + 1);
        records.push(entry.payload);
    }
    records
}

fn is_segment(name: &str) -> bool {
    super::format::segment_first(name).is_some()
}

fn texts(disk: &Disk) -> Vec<String> {
    let text = |bytes| String::from_utf8(bytes).expect("tests write text");
    all(disk).into_iter().map(text).collect()
}
