//! The journal on the disk of this machine: a commit beside the bare sync, and recovery.
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use larm::journal::{Journal, Options, verify};
use tempfile::TempDir;

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

/// Reading 48 MiB back: what a start does with the newest segment, and what `verify` does.
fn recovery(criterion: &mut Criterion) {
    let dir = directory();
    let mut journal = open(&dir);
    let record = [0x5A; 200];
    let batch = vec![record.as_slice(); 4096];
    for _ in 0..51 {
        journal.append(batch.iter().copied(), 1).expect("durable");
    }
    drop(journal);
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(51 * 4096 * 228));
    group.bench_function("open", |bencher| bencher.iter(|| open(&dir)));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| black_box(verify(dir.path()).expect("readable")));
    });
    group.finish();
}

criterion_group!(benches, commit, recovery);
criterion_main!(benches);
