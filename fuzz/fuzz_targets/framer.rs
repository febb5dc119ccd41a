//! Any split of a stream gives the same requests, in the same order, with the same replies; and no
//! session ever wants more bytes than it announced.
#![no_main]
use larm_carrier::Mode;
use larm_fuzz::{Heard, Register, converse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[first, second], stream)) = data.split_first_chunk::<2>() else {
        return;
    };
    let register = Register::new(16, Mode::Tolerant);
    let whole = converse([stream], &register, Mode::Tolerant);
    let bytes = converse(stream.chunks(1), &register, Mode::Tolerant);
    same(&whole, &bytes, "one byte at a time");
    let pieces = cut(stream, first, second);
    let pieces = converse(pieces.iter().copied(), &register, Mode::Tolerant);
    same(&whole, &pieces, &format!("cut by {first} and {second}"));
});

/// Says where two conversations part, not all that was said in them.
fn same(whole: &[Heard], pieces: &[Heard], how: &str) {
    let parted = whole
        .iter()
        .zip(pieces)
        .position(|(one, other)| one != other);
    let at = parted.unwrap_or_else(|| whole.len().min(pieces.len()));
    assert!(
        whole == pieces,
        "{how}: at {at}\n whole: {:?}\n{how}: {:?}",
        whole.get(at).map(Heard::brief),
        pieces.get(at).map(Heard::brief)
    );
}

/// Pieces of two alternating lengths.
fn cut(mut stream: &[u8], first: u8, second: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    for len in [first, second].into_iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at((usize::from(len) + 1).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}
