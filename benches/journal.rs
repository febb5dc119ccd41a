//! The journal: a commit beside the bare sync on the disk of this machine, what larm itself adds to
//! one (`append`, into memory), and recovery, verification and reading (`recovery`, from memory, by
//! the number of records in a batch).
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use larm::journal::{self, Journal, Options, Reader, verify_in};
use tempfile::TempDir;

#[path = "../fuzz/src/memory.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the fuzz targets need more of it"
)]
mod memory;

use memory::Memory;

/// On the same disk as the build, since `/tmp` may be memory.
fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory can be written")
}

fn open(dir: &TempDir) -> Journal {
    let options = Options {
        reserve: 0,
        ..Options::default()
    };
    Journal::open(dir.path(), &options)
        .expect("a new journal")
        .0
}

/// Append and sync of 1 and 64 records of 200 bytes, beside one write and sync without a journal.
fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.measurement_time(Duration::from_secs(3));
    let record = [0x5A; 200];
    for count in [1, 64] {
        group.throughput(Throughput::Elements(count));
        let dir = directory();
        let mut journal = open(&dir);
        let batch = vec![record.as_slice(); usize::try_from(count).expect("small")];
        group.bench_function(format!("journal, {count} records"), |bencher| {
            bencher.iter(|| journal.append(batch.iter().copied(), 1).expect("durable"));
        });
        let file = File::create(dir.path().join("bare")).expect("a new file");
        file.write_all_at(&vec![0; 16 << 20], 0).expect("room");
        file.sync_all().expect("a disk");
        let bytes = record.repeat(batch.len());
        let mut at = 0;
        group.bench_function(format!("bare sync, {count} records"), |bencher| {
            bencher.iter(|| {
                at = (at + bytes.len() as u64) % (15 << 20);
                file.write_all_at(&bytes, at).expect("room");
                file.sync_data().expect("a disk");
            });
        });
    }
    group.finish();
}

/// What larm adds to the disk: encoding, checksums, chain and a copy, of records as long as events.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let record = [0x5A; RECORD_LEN];
    for count in [1, 64, 1024] {
        group.throughput(Throughput::Elements(count));
        let batch = vec![record.as_slice(); usize::try_from(count).expect("small")];
        let mut journal = in_memory(&Memory::default(), 1 << 30);
        let mut left = ROOM;
        group.bench_function(format!("{count} records"), |bencher| {
            bencher.iter(|| {
                // A segment in memory is begun anew before it outgrows the machine.
                let need = batch.len() * (RECORD_LEN + 28) + 72;
                if left < need {
                    journal = in_memory(&Memory::default(), 1 << 30);
                    left = ROOM;
                }
                left -= need;
                journal
                    .append(batch.iter().copied(), 1)
                    .expect("there is room");
            });
        });
    }
    group.finish();
}

/// Bytes of a usual event.
const RECORD_LEN: usize = 900;
/// Bytes that are appended before a journal in memory is begun anew.
const ROOM: usize = (1 << 30) - (1 << 20);

fn in_memory(memory: &Memory, segment_len: u64) -> Journal {
    let options = Options {
        segment_len,
        reserve: 0,
        ahead: false,
    };
    let opened = Journal::open_in(Arc::new(memory.clone()), &options);
    opened.expect("memory takes everything").0
}

/// Reading one full segment back: what a start does with the newest one, what `verify` does with
/// all, and what history and connectors do.
fn recovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10);
    for count in [1, 16, 1024] {
        let memory = Memory::default();
        let mut journal = in_memory(&memory, SEGMENT);
        let record = [0x5A; RECORD_LEN];
        let batch = vec![record.as_slice(); count];
        let len = batch.len() * (RECORD_LEN + 28) + 72;
        let batches = usize::try_from(SEGMENT).expect("small") / len;
        for _ in 1..batches {
            journal
                .append(batch.iter().copied(), 1)
                .expect("there is room");
        }
        drop(journal);
        group.throughput(Throughput::Bytes(SEGMENT));
        group.bench_function(format!("open, {count} in a batch"), |bencher| {
            bencher.iter(|| in_memory(&memory, SEGMENT));
        });
        group.bench_function(format!("verify, {count} in a batch"), |bencher| {
            bencher.iter(|| {
                let verified = verify_in(&memory).expect("readable");
                assert!(verified.damage.is_empty());
            });
        });
        group.bench_function(format!("read, {count} in a batch"), |bencher| {
            bencher.iter(|| {
                let from = Reader::open_in(Arc::new(memory.clone()), 1);
                let mut reader = from.expect("it is there");
                while let Some(entry) = reader.next().expect("sound") {
                    black_box(entry);
                }
            });
        });
    }
    group.finish();
}

const SEGMENT: u64 = 64 << 20;

criterion_group!(benches, commit, append, recovery);
criterion_main!(benches);
