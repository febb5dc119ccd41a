//! Between session and disk: repeats, records, lanes, and the whole way of a frame to its reply, in
//! memory.
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use larm::intake::{Finding, Repeats};
use larm::sink::{Entry, Lane, Sink, Slot, State};
use larm::{journal, record};
use larm_carrier::Answer;
use larm_dc09::Outgoing;
use uuid::Uuid;

#[path = "samples/gateway.rs"]
mod gateway;
#[path = "samples/in_memory.rs"]
mod in_memory;
#[path = "../fuzz/src/memory.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the fuzz targets need more of it"
)]
mod memory;
#[path = "samples/mod.rs"]
#[expect(dead_code, reason = "other benches need more of it")]
mod samples;

use gateway::Gateway;
use samples::{clear, identity, sia};

/// Bytes of a journal in memory, which is begun anew before it is full.
const SEGMENT: u64 = 64 << 20;

/// Records of a usual event that surely fit in one.
const RECORDS: u64 = SEGMENT / 2_048;

/// Frames that a window holds, as by default.
const FULL: u64 = 200_000;

/// A window of repeats with as many frames as it holds.
fn full() -> Repeats<u64> {
    let entries_max = usize::try_from(FULL).expect("small");
    let mut repeats = Repeats::new(Duration::from_secs(90), entries_max);
    for index in 0..FULL {
        repeats.remember(&identity(index), NOW, Uuid::from_u128(1), index);
    }
    repeats
}

const NOW: Duration = Duration::from_secs(10);

fn identify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("identify");
    let mut next = 0;
    let mut few = Repeats::new(Duration::ZERO, usize::MAX);
    group.bench_function("new, in an empty window", |bencher| {
        bencher.iter(|| {
            next += 1;
            let (frame, at) = (identity(next), Duration::from_secs(next));
            assert_eq!(few.find(&frame, at), Finding::New);
            few.remember(&frame, at, Uuid::from_u128(2), next);
        });
    });
    let mut repeats = full();
    let mut index = 0;
    group.bench_function("repeat, in a full window", |bencher| {
        bencher.iter(|| {
            index = (index + 7_919) % FULL;
            let found = repeats.find(&identity(index), NOW);
            assert!(matches!(found, Finding::Repeat { .. }));
        });
    });
    let mut next = FULL;
    group.bench_function("new, pushes one out of a full window", |bencher| {
        bencher.iter(|| {
            next += 1;
            let frame = identity(next);
            assert_eq!(repeats.find(&frame, NOW), Finding::New);
            repeats.remember(&frame, NOW, Uuid::from_u128(2), next);
        });
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    let (event, identity) = samples::event();
    let payload = record::encode(&event, Some((&identity, 1)));
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| record::encode(black_box(&event), Some((&identity, 1))));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| record::decode(1, black_box(&payload)).expect("it was just written"));
    });
    group.finish();
}

/// A sink whose journal is begun anew before it outgrows the machine.
struct Queue {
    sink: Sink,
    left: u64,
}

impl Queue {
    fn new() -> Self {
        let sink = gateway::sink(SEGMENT);
        Self {
            sink,
            left: RECORDS,
        }
    }

    /// Makes room for `count` records.
    fn room(&mut self, count: u64) {
        if self.left < count {
            let old = std::mem::replace(self, Self::new());
            old.sink.stop().expect("memory takes everything");
        }
        self.left -= count;
    }
}

fn entry(payload: &[u8]) -> (Entry, Arc<Slot>) {
    let slot = Slot::new();
    let entry = Entry::new(vec![payload.to_vec()], Arc::clone(&slot));
    (entry, slot)
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    let (event, identity) = samples::event();
    let payload = record::encode(&event, Some((&identity, 1)));
    let mut queue = Queue::new();
    group.bench_function("one, committed by who brings it", |bencher| {
        bencher.iter(|| {
            queue.room(1);
            let (entry, slot) = entry(&payload);
            let lanes = queue.sink.lanes();
            lanes.put(entry, Lane::Alarms).expect("there is room");
            if !queue.sink.here().commit() {
                lanes.ring();
            }
            gateway::outcome(slot.committed())
        });
    });
    for count in [1, 64, 1_024] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{count}, committed by the sink"), |bencher| {
            bencher.iter(|| {
                queue.room(count);
                let lanes = queue.sink.lanes();
                let slots: Vec<_> = (0..count)
                    .map(|_| {
                        let (entry, slot) = entry(&payload);
                        lanes.put(entry, Lane::Rest).expect("there is room");
                        slot
                    })
                    .collect();
                lanes.ring();
                for slot in slots {
                    let state = gateway::outcome(slot.committed());
                    assert!(matches!(state, State::Committed { .. }));
                }
            });
        });
    }
    group.finish();
}

/// From the bytes of a frame to the bytes of its reply.
fn whole_way(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("whole way");
    let mut number = 0;
    // Each from another account, so that none is a repeat; its making is not measured.
    let mut next = || {
        number += 1;
        clear(&Outgoing::new("SIA-DCS", 7, &format!("{number:08X}")).with_payload(b"Nri1/BA012"))
    };
    let gateway = RefCell::new((Gateway::new(SEGMENT), RECORDS));
    group.bench_function("SIA", |bencher| {
        bencher.iter_batched(
            || {
                let mut gateway = gateway.borrow_mut();
                gateway.1 -= 1;
                if gateway.1 == 0 {
                    std::mem::replace(&mut *gateway, (Gateway::new(SEGMENT), RECORDS))
                        .0
                        .close();
                }
                next()
            },
            |frame| {
                let answer = gateway.borrow_mut().0.answer(&frame);
                assert_eq!(answer, Answer::Positive);
                frame
            },
            BatchSize::SmallInput,
        );
    });
    let mut gateway = Gateway::new(SEGMENT);
    for (name, frame) in [
        ("repeat", clear(&sia(1))),
        ("link test", clear(&Outgoing::link_test(1, "1234"))),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| gateway.answer(&frame)));
    }
    gateway.close();
    group.finish();
}

criterion_group!(benches, identify, records, queue, whole_way);
criterion_main!(benches);
