//! How fast the history takes entries, and how fast it gives them back.
//!
//! `insert/new` is an empty month, `insert/grown` one with a million rows, whose account index no
//! longer fits the cache.
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use larm::history::{Filter, Order, Query, Writer};
use larm::journal::Entry;
use larm::record;
use larm_event::{Category, Code, Event, Kind, Path as Way, Raw, Scheme, Timestamp, Transport};

const BATCH: u64 = 16_384;
const ACCOUNTS: u64 = 20_000;
/// 2026-11-01T00:00:00Z.
const START_MS: i64 = 1_793_491_200_000;

/// A burglary as a real panel sends it, one each millisecond from accounts in no order.
fn entry(position: u64) -> Entry {
    let at_ms = START_MS + i64::try_from(position).unwrap_or(0);
    let account = position.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ACCOUNTS;
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    event.id = uuid::Uuid::from_u128(u128::from(position));
    "gateway-1".clone_into(&mut event.node);
    event.received_at = Timestamp::from_millis(at_ms);
    event.path = Some(Way {
        listener: "panels".to_owned(),
        transport: Transport::Tcp,
        peer: "192.0.2.17:51234".to_owned(),
        role: None,
        number: None,
    });
    event.receiver = Some("0".to_owned());
    event.line = Some("0".to_owned());
    event.account = Some(format!("{account:06}"));
    event.sequence = Some("0042".to_owned());
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: "BA".to_owned(),
        qualifier: Some("N".to_owned()),
        address: Some("12".to_owned()),
        name: "Burglary alarm".to_owned(),
        name_sv: "Inbrottslarm".to_owned(),
    });
    event.kind = Kind::Alarm;
    event.category = Category::Intrusion;
    event.zone = Some("12".to_owned());
    event.text = Some("Kitchen window".to_owned());
    event.raw = Raw(vec![0x41; 80]);
    Entry {
        position,
        at_ms,
        payload: record::encode(&event, None),
    }
}

fn batch(first: u64) -> Vec<Entry> {
    (first..first + BATCH).map(entry).collect()
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory takes files")
}

fn append(writer: &mut Writer, batch: &[Entry]) {
    let appended = writer.append(batch).expect("the disk takes the rows");
    assert_eq!(appended.rows, BATCH);
}

fn insert(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert");
    group
        .throughput(Throughput::Elements(BATCH))
        .sample_size(10);
    for (name, rows) in [("new", 0), ("grown", 1_000_000)] {
        let directory = directory();
        let mut writer = Writer::open(directory.path()).expect("a new directory opens");
        let mut next = 1;
        while next < rows {
            append(&mut writer, &batch(next));
            next += BATCH;
        }
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    next += BATCH;
                    batch(next - BATCH)
                },
                |batch| append(&mut writer, &batch),
                BatchSize::LargeInput,
            );
        });
        drop(writer);
        if rows > 0 {
            size(directory.path(), next);
        }
    }
    group.finish();
}

#[expect(clippy::print_stderr, reason = "a figure of the bench")]
fn size(directory: &Path, rows: u64) {
    let file: PathBuf = directory.join("2026-11.sqlite");
    let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
    eprintln!(
        "{} bytes on disk per row, {} of payload",
        bytes / rows,
        entry(1).payload.len()
    );
}

fn select(c: &mut Criterion) {
    let directory = directory();
    let mut writer = Writer::open(directory.path()).expect("a new directory opens");
    for first in (0..98_304).step_by(16_384) {
        append(&mut writer, &batch(first + 1));
    }
    let query = Query::open(directory.path()).expect("it was just made");
    let mut group = c.benchmark_group("select among 98,304");
    let filters = [
        ("newest 100", Filter::default()),
        (
            "one account",
            Filter {
                account: Some("000042".to_owned()),
                ..Filter::default()
            },
        ),
        (
            "one account, newest 100 of a kind",
            Filter {
                account: Some("000042".to_owned()),
                kinds: vec![Kind::Alarm],
                ..Filter::default()
            },
        ),
    ];
    for (name, filter) in filters {
        group.bench_function(name, |b| {
            b.iter(|| {
                query
                    .select(black_box(&filter), Order::Falling, None)
                    .take(100)
                    .map(|event| event.expect("the rows are records").priority.get())
                    .max()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, insert, select);
criterion_main!(benches);
