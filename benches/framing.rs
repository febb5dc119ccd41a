//! Frames found in bytes: whole, many at once, byte by byte, damaged, and in noise.
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use larm_dc09::frame::{BODY_LEN_MAX, Scan, scan};

#[path = "samples/mod.rs"]
#[expect(dead_code, reason = "other benches need more of it")]
mod samples;

use samples::{clear, sia};

/// Finds everything in `bytes`, behind which nothing follows; the number of frames.
fn frames(bytes: &[u8]) -> usize {
    let (mut rest, mut found) = (bytes, 0);
    loop {
        let used = match scan(rest, true, BODY_LEN_MAX) {
            Scan::Frame(frame) => {
                found += 1;
                frame.bytes.len()
            }
            Scan::Noise(len) | Scan::Cut(len, _) => len,
            Scan::More | Scan::TooLong(_) => return found,
        };
        rest = rest.get(used..).unwrap_or_default();
    }
}

/// As many times as bytes come, since each may be the last one of the frame.
fn byte_by_byte(bytes: &[u8]) -> usize {
    let found = |end: usize| matches!(scan(&bytes[..end], false, BODY_LEN_MAX), Scan::Frame(_));
    (1..=bytes.len()).filter(|end| found(*end)).count()
}

/// One frame with `spoil` applied, and a sound one behind it.
fn damaged(spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = clear(&sia(7));
    spoil(&mut bytes);
    bytes.extend(clear(&sia(8)));
    bytes
}

fn framing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("framing");
    let one = clear(&sia(7));
    let many: Vec<u8> = (1..65).flat_map(|sequence| clear(&sia(sequence))).collect();
    let longest = clear(&sia(7).with_payload(&[b'A'; 3_900]));
    let digits = damaged(|bytes| bytes[1..5].copy_from_slice(b"0000"));
    let length = damaged(|bytes| bytes[5..9].copy_from_slice(b"0FFF"));
    let cut = damaged(|bytes| bytes.truncate(40));
    let mut noise = vec![b'~'; 4_096];
    noise.extend(clear(&sia(7)));
    let cases: [(&str, &[u8], usize); 7] = [
        ("one frame", &one, 1),
        ("64 frames", &many, 64),
        ("3,900 bytes of data", &longest, 1),
        ("wrong checksum, then a frame", &digits, 2),
        ("wrong length, then a frame", &length, 2),
        ("cut, then a frame", &cut, 1),
        ("4 KiB of noise, then a frame", &noise, 1),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(frames(bytes), expected, "{name}");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| frames(black_box(bytes))));
    }
    assert_eq!(byte_by_byte(&one), 1);
    group.throughput(Throughput::Bytes(one.len() as u64));
    group.bench_function("one frame, byte by byte", |bencher| {
        bencher.iter(|| byte_by_byte(black_box(&one)));
    });
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
