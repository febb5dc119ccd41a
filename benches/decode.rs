//! One frame in memory: checksum, decoding, the whole session with and without a key, encoding.
//!
//! All frames carry about what panels send. Nothing here touches a socket or a disk.
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use larm_carrier::{Accounts, Delivery, Key, Mode, Moment, NoAccounts, Policy, Session as _, Step};
use larm_dc09::cid::CidRules;
use larm_dc09::{Dc09, Limits, Outgoing, decode};
use larm_event::Timestamp;
use larm_wire::crc::crc16_arc;

const NOISE: [u8; 32] = [0x5A; 32];

/// A register in which everybody has the same key.
struct OneKey(Arc<Policy>);

impl Accounts for OneKey {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        Some(Arc::clone(&self.0))
    }
}

fn key() -> Key {
    Key::from_bytes(b"0123456789abcdef").expect("16 bytes")
}

fn moment() -> Moment {
    Moment {
        mono: Duration::from_secs(1),
        utc: Timestamp::from_millis(1_790_000_000_000),
    }
}

fn sia() -> Outgoing {
    let mut frame =
        Outgoing::new("SIA-DCS", 7, "1234").with_payload(b"Nri1/BA012^Window in the hall^");
    frame.timestamp = Some(moment().utc);
    frame
}

fn cid() -> Outgoing {
    Outgoing::new("ADM-CID", 7, "1234").with_payload(b"1131 01 012")
}

/// Checksum of 200 bytes, and of a frame that is read down to its events, borrowed.
fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let bytes = [0x5A; 200];
    group.throughput(Throughput::Bytes(200));
    group.bench_function("checksum of 200 bytes", |bencher| {
        bencher.iter(|| crc16_arc(black_box(&bytes)));
    });
    let frame = sia().encode(None).expect("a frame");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("SIA", |bencher| {
        bencher.iter(|| {
            let message = decode(black_box(&frame)).expect("a sound frame");
            let content = message.content().expect("in clear");
            content.sia().map(|event| event.code.len()).sum::<usize>()
        });
    });
    let frame = cid().encode(None).expect("a frame");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("Contact ID", |bencher| {
        bencher.iter(|| {
            let message = decode(black_box(&frame)).expect("a sound frame");
            let content = message.content().expect("in clear");
            let event = content.cid(message.header.account, CidRules::default());
            event.expect("an event").code.len()
        });
    });
    group.finish();
}

/// What a connection does with a frame: found, opened, judged, and owned as records.
fn session(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let policy = Policy {
        keys: [Some(key()), None],
        ..Policy::default()
    };
    let one_key = OneKey(Arc::new(policy));
    let clear = sia().encode(None).expect("a frame");
    let closed = sia().encode(Some((&key(), &NOISE))).expect("a frame");
    let cases: [(&str, &[u8], &dyn Accounts); 2] = [
        ("SIA in clear", &clear, &NoAccounts),
        ("SIA encrypted, AES-128", &closed, &one_key),
    ];
    for (name, frame, accounts) in cases {
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || Dc09::new(Mode::Tolerant, Limits::default()),
                |session| match session.receive(
                    black_box(frame),
                    Delivery::Stream,
                    moment(),
                    accounts,
                ) {
                    Step::Request { request, .. } => request.events.len(),
                    step => unreachable!("a sound frame is a request, not {step:?}"),
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// What `larm send` does.
fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let frame = sia();
    group.bench_function("SIA in clear", |bencher| {
        bencher.iter(|| black_box(&frame).encode(None).expect("a frame"));
    });
    let key = key();
    group.bench_function("SIA encrypted, AES-128", |bencher| {
        bencher.iter(|| {
            black_box(&frame)
                .encode(Some((&key, &NOISE)))
                .expect("a frame")
        });
    });
    group.finish();
}

criterion_group!(benches, read, session, write);
criterion_main!(benches);
