//! Explanations: every byte belongs to exactly one piece, every named part lies within its piece,
//! every word is one of the fixed ones, and no text holds a control character.
#![no_main]
use larm_carrier::{Inspection, Key};
use larm_fuzz::KEY;
use libfuzzer_sys::fuzz_target;

const VERDICTS: [&str; 8] = [
    "ok",
    "bad-crc",
    "bad-length",
    "bad-crc-length",
    "truncated",
    "bad-syntax",
    "undecryptable",
    "not-dc09",
];
const REPLIES: [&str; 6] = ["ACK", "*ACK", "NAK", "DUH", "none", "-"];

fuzz_target!(|data: &[u8]| {
    let key = Key::from_bytes(&KEY[..16]).expect("16 bytes");
    for keys in [&[][..], &[key]] {
        let pieces = larm_dc09::inspect(data, keys, None);
        let bytes: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.bytes.iter().copied())
            .collect();
        assert_eq!(bytes, data, "every byte in one piece");
        for piece in &pieces {
            check(piece);
        }
    }
});

fn check(piece: &Inspection) {
    assert!(
        VERDICTS.contains(&piece.verdict.as_str()),
        "{}",
        piece.verdict
    );
    assert_eq!(piece.error.is_none(), piece.verdict == "ok", "{piece:?}");
    assert!(REPLIES.contains(&piece.reply.as_str()), "{}", piece.reply);
    for field in &piece.fields {
        assert!(
            field.start <= field.end && field.end <= piece.bytes.len(),
            "{field:?}"
        );
    }
    let texts = [
        &piece.error,
        &piece.payload,
        &piece.timestamp,
        &piece.account,
    ];
    let texts = texts.into_iter().flatten().chain(&piece.notes);
    let texts = texts.chain(piece.fields.iter().map(|field| &field.meaning));
    let texts = texts.chain(piece.events.iter().filter_map(|event| event.text.as_ref()));
    for text in texts.chain(piece.extended.iter().map(|block| &block.value)) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
