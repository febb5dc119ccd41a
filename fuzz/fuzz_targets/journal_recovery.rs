//! A real journal is written, its files are spoiled, it is opened again: never a panic, never a
//! record that was not written, and what is appended afterwards is there at the next opening.
#![no_main]
use std::sync::Arc;

use arbitrary::Arbitrary;
use larm_fuzz::journal::{Journal, Options, Reader};
use larm_fuzz::memory::Memory;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    /// Pages of a segment.
    pages: u8,
    batches: Vec<Vec<Vec<u8>>>,
    clean_stop: bool,
    spoils: Vec<Spoil>,
}

#[derive(Arbitrary, Debug)]
enum Spoil {
    Flip {
        file: u8,
        at: u32,
        with: u8,
    },
    Zero {
        file: u8,
        at: u32,
        len: u16,
    },
    Write {
        file: u8,
        at: u32,
        bytes: Vec<u8>,
    },
    Cut {
        file: u8,
        len: u32,
    },
    Remove {
        file: u8,
    },
    Copy {
        from: u8,
        to: u8,
    },
    /// A segment of arbitrary bytes.
    Foreign {
        first: u8,
        bytes: Vec<u8>,
    },
}

fuzz_target!(|case: Case| {
    let options = Options {
        segment_len: 4096 * (2 + u64::from(case.pages % 4)),
        reserve: 0,
        ahead: false,
    };
    let disk = Memory::default();
    let mut written: Vec<Vec<u8>> = Vec::new();
    let (mut journal, _) = Journal::open_in(Arc::new(disk.clone()), &options).expect("empty");
    for batch in case.batches.iter().take(24) {
        let batch: Vec<&[u8]> = batch
            .iter()
            .take(16)
            .map(|record| &record[..record.len().min(6000)])
            .collect();
        if batch.is_empty() {
            continue;
        }
        let done = journal
            .append(batch.iter().copied(), 7)
            .expect("a disk without faults");
        let count = done.expect("records").last as usize;
        written.extend(batch.iter().map(|record| record.to_vec()));
        assert_eq!(count, written.len(), "positions rise without gaps");
    }
    if case.clean_stop {
        journal.close(8).expect("a disk without faults");
    } else {
        drop(journal);
    }
    for spoil in &case.spoils {
        apply(&disk, spoil);
    }
    let Ok((mut journal, recovery)) = Journal::open_in(Arc::new(disk.clone()), &options) else {
        assert!(!case.spoils.is_empty(), "a whole journal opens");
        return;
    };
    if case.spoils.is_empty() {
        assert_eq!(recovery.last, written.len() as u64, "nothing is lost");
    }
    let last = recovery.last;
    only_what_was_written(&disk, recovery.first, last, &written);
    let appended = journal
        .append([&b"afterwards"[..]], 9)
        .expect("takes records");
    let appended = appended.expect("one record");
    assert_eq!(appended.first, last + 1);
    drop(journal);
    let (_, again) = Journal::open_in(Arc::new(disk.clone()), &options).expect("opens again");
    assert_eq!(again.last, last + 1);
    let mut reader = Reader::open_in(Arc::new(disk), last + 1).expect("reads");
    let entry = reader.next().expect("reads").expect("is there");
    assert_eq!(
        (entry.position, &entry.payload[..]),
        (last + 1, &b"afterwards"[..])
    );
});

fn only_what_was_written(disk: &Memory, first: u64, last: u64, written: &[Vec<u8>]) {
    let Ok(mut reader) = Reader::open_in(Arc::new(disk.clone()), first) else {
        return;
    };
    // Older segments are not checked at the start: the reader may stop there, but not lie.
    while let Ok(Some(entry)) = reader.next_until(last) {
        let at = usize::try_from(entry.position).expect("small") - 1;
        assert_eq!(
            written.get(at),
            Some(&entry.payload.to_vec()),
            "invented {}",
            entry.position
        );
    }
}

fn apply(disk: &Memory, spoil: &Spoil) {
    let files = disk.files();
    let pick = |number: u8| files.get(usize::from(number) % files.len().max(1)).cloned();
    match spoil {
        Spoil::Flip { file, at, with } => change(disk, pick(*file), |bytes| {
            let len = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(*at as usize % len) {
                *byte ^= with;
            }
        }),
        Spoil::Zero { file, at, len } => change(disk, pick(*file), |bytes| {
            let start = *at as usize % bytes.len().max(1);
            bytes
                .iter_mut()
                .skip(start)
                .take(usize::from(*len))
                .for_each(|byte| *byte = 0);
        }),
        Spoil::Write {
            file,
            at,
            bytes: new,
        } => change(disk, pick(*file), |bytes| {
            let start = *at as usize % bytes.len().max(1);
            bytes
                .iter_mut()
                .skip(start)
                .zip(new)
                .for_each(|(old, new)| *old = *new);
        }),
        Spoil::Cut { file, len } => change(disk, pick(*file), |bytes| {
            let len = *len as usize % bytes.len().max(1);
            bytes.truncate(len);
        }),
        Spoil::Remove { file } => {
            if let Some((name, _)) = pick(*file) {
                let _ = larm_fuzz::journal::Storage::remove(disk, &name);
            }
        }
        Spoil::Copy { from, to } => {
            if let (Some((_, bytes)), Some((name, _))) = (pick(*from), pick(*to)) {
                disk.put(&name, bytes);
            }
        }
        Spoil::Foreign { first, bytes } => {
            disk.put(&format!("{:020}.seg", u64::from(*first)), bytes.clone());
        }
    }
}

fn change(disk: &Memory, file: Option<(String, Vec<u8>)>, with: impl FnOnce(&mut Vec<u8>)) {
    if let Some((name, mut bytes)) = file {
        with(&mut bytes);
        disk.put(&name, bytes);
    }
}
