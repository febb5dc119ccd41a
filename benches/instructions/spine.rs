//! Behind the protocol: repeats, records, journal.
use std::time::Duration;

use gungraun::prelude::*;
use larm::intake::{Finding, Repeats};
use larm::journal::{Appended, Journal};
use larm::record;
use larm_carrier::Identity;
use larm_event::Event;
use uuid::Uuid;

use crate::in_memory;
use crate::samples::{self, identity};

/// Bytes of a segment: enough for what runs here, and quickly made.
const SEGMENT: u64 = 4 << 20;

/// Frames that the full window holds.
const FULL: u64 = 10_000;

/// Look-ups at once: the place of an entry depends on a seed, and so does what one of them costs.
const MANY: u64 = 1_000;

const NOW: Duration = Duration::from_secs(10);

/// Its frames are those with the numbers below [`FULL`].
fn full() -> &'static mut Repeats<u64> {
    let entries_max = usize::try_from(FULL).expect("small");
    let mut repeats = Repeats::new(Duration::from_secs(90), entries_max);
    // More than fit, so that the maps have their size and the ring has turned.
    for index in 0..2 * FULL {
        let index = index % FULL;
        repeats.remember(&identity(index), NOW, Uuid::from_u128(1), index);
    }
    Box::leak(Box::new(repeats))
}

/// The window, and the frames that are looked up: numbers from `from` on.
fn window(from: u64) -> (&'static mut Repeats<u64>, Vec<Identity>) {
    (full(), (from..from + MANY).map(identity).collect())
}

// A thousand frames that are new push a thousand out of a full window.
#[library_benchmark]
#[bench::new_1000(window(FULL))]
#[bench::repeated_1000(window(FULL - MANY))]
fn identify((repeats, frames): (&'static mut Repeats<u64>, Vec<Identity>)) -> (u64, Vec<Identity>) {
    let mut new = 0;
    for frame in &frames {
        if let Finding::Repeat { .. } = repeats.find(frame, NOW) {
            continue;
        }
        repeats.remember(frame, NOW, Uuid::from_u128(2), 0);
        new += 1;
    }
    (new, frames)
}

type Sample = &'static (Event, Identity);

fn sample() -> Sample {
    let sample = Box::leak(Box::new(samples::event()));
    drop(record::encode(&sample.0, Some((&sample.1, 1))));
    sample
}

#[library_benchmark]
#[bench::sia(sample())]
fn record_encode((event, identity): Sample) -> Vec<u8> {
    record::encode(event, Some((identity, 1)))
}

fn payload() -> &'static [u8] {
    let (event, identity) = sample();
    let payload = record::encode(event, Some((identity, 1)));
    drop(record::decode(1, &payload).expect("it was just written"));
    payload.leak()
}

#[library_benchmark]
#[bench::sia(payload())]
fn record_decode(payload: &'static [u8]) -> Event {
    record::decode(1, payload).expect("it was just written")
}

fn open() -> (&'static mut Journal, &'static [u8]) {
    let journal = Box::leak(Box::new(in_memory::journal(SEGMENT)));
    let payload = payload();
    for _ in 0..4 {
        journal.append([payload], 1).expect("there is room");
    }
    (journal, payload)
}

// Into memory: format, checksums, chain and one copy.
#[library_benchmark]
#[bench::one_record(open())]
fn journal_append((journal, payload): (&'static mut Journal, &'static [u8])) -> Option<Appended> {
    journal.append([payload], 1).expect("there is room")
}

library_benchmark_group!(
    name = intake,
    benchmarks = [identify, record_encode, record_decode, journal_append]
);
