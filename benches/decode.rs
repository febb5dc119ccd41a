//! One frame in memory: checksum, decoding, the whole session with and without a key, replies, encoding.
//!
//! All frames carry about what panels send. Nothing here touches a socket or a disk.
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use larm_carrier::{Accounts, NoAccounts, Session as _, Verdict};
use larm_dc09::cid::CidRules;
use larm_dc09::{Outgoing, decode};
use larm_wire::crc::crc16_arc;

#[path = "samples/mod.rs"]
#[expect(dead_code, reason = "other benches need more of it")]
mod samples;

use samples::{Durable, NOISE, OneKey, cid, clear, closed, key, moment, sia};

/// Checksum of 200 bytes, and of a frame that is read down to its events, borrowed.
fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let bytes = [0x5A; 200];
    group.throughput(Throughput::Bytes(200));
    group.bench_function("checksum of 200 bytes", |bencher| {
        bencher.iter(|| crc16_arc(black_box(&bytes)));
    });
    let frame = clear(&sia(7));
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("SIA", |bencher| {
        bencher.iter(|| {
            let message = decode(black_box(&frame)).expect("a sound frame");
            let content = message.content().expect("in clear");
            content.sia().map(|event| event.code.len()).sum::<usize>()
        });
    });
    let frame = clear(&cid(7));
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

/// What a connection does with a frame: found, opened, judged, and owned as records; then the reply.
fn session(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let one_key = OneKey::new();
    let link_test = Outgoing::link_test(7, "1234");
    let cases: [(&str, Vec<u8>, &dyn Accounts); 4] = [
        ("SIA in clear", clear(&sia(7)), &NoAccounts),
        ("Contact ID in clear", clear(&cid(7)), &NoAccounts),
        ("link test", clear(&link_test), &NoAccounts),
        ("SIA encrypted, AES-128", closed(&sia(7)), &one_key),
    ];
    for (name, frame, accounts) in &cases {
        group.throughput(Throughput::Elements(1));
        group.bench_function(*name, |bencher| {
            bencher.iter_batched_ref(
                samples::session,
                |session| samples::receive(session, black_box(frame), *accounts),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("reply to {name}"), |bencher| {
            let mut session = samples::session();
            let answers = samples::session();
            bencher.iter_batched(
                || samples::receive(&mut session, frame, *accounts).ticket,
                |ticket| {
                    let mut out = Vec::with_capacity(256);
                    let verdict = Verdict::Committed(Durable);
                    answers.reply(ticket, verdict, moment(), || NOISE, &mut out);
                    out
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
    let frame = sia(7);
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
