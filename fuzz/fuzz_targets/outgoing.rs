//! Message to bytes to message: whatever the sending side agrees to write is read back as it was,
//! in clear and inside an envelope.
#![no_main]
use arbitrary::Arbitrary;
use larm_carrier::{FrameVerdict, Key, Mode};
use larm_dc09::frame::CrcForm;
use larm_dc09::{Body, Outgoing, decode};
use larm_event::Timestamp;
use larm_fuzz::{Heard, KEY, Register, datagram};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    id: u8,
    sequence: u16,
    receiver: Option<u32>,
    line: Option<u32>,
    account: u64,
    payload: Vec<u8>,
    extended: Vec<(u8, Vec<u8>)>,
    stamped: bool,
    binary: bool,
    noise: [u8; 32],
    key_len: u8,
}

fuzz_target!(|case: Case| {
    let outgoing = message(&case);
    if let Ok(bytes) = outgoing.encode(None) {
        read_back(&outgoing, &bytes);
    }
    let key_len = [16, 24, 32][usize::from(case.key_len % 3)];
    let key = Key::from_bytes(&KEY[..key_len]).expect("a length of AES");
    if let Ok(bytes) = outgoing.encode(Some((&key, &case.noise))) {
        let register = Register::new(key_len, Mode::Tolerant);
        let heard = datagram(&bytes, &register, Mode::Tolerant);
        let [Heard::Request { frame, verdict, .. }] = heard.as_slice() else {
            panic!("one frame, not {}", heard.len());
        };
        assert_eq!((frame, *verdict), (&bytes, FrameVerdict::Ok));
    }
});

fn message(case: &Case) -> Outgoing {
    let id = ["SIA-DCS", "ADM-CID", "NULL", "XNM", "ACK", "ACR-SF"][usize::from(case.id % 6)];
    let account = format!("{:X}", case.account);
    let mut outgoing = Outgoing::new(id, case.sequence % 10_000, &account);
    if !case.payload.is_empty() {
        outgoing = outgoing.with_payload(&case.payload);
    }
    let hex = |number: u32| format!("{:X}", number & 0x00FF_FFFF);
    outgoing.receiver = case.receiver.map(hex);
    outgoing.line = case.line.map(hex);
    // A key's value is not kept when it is read.
    let letter = |number: u8| char::from(b"ABCDEFGHIJLMNOPQRSTUVWXYZ"[usize::from(number % 25)]);
    let extended = case.extended.iter().take(8);
    outgoing.extended = extended
        .map(|(at, value)| (letter(*at), value.clone()))
        .collect();
    // The time at which the register's clock stands.
    outgoing.timestamp = case
        .stamped
        .then(|| Timestamp::from_millis(1_795_608_000_000));
    outgoing.form = if case.binary {
        CrcForm::Binary
    } else {
        CrcForm::Ascii
    };
    outgoing
}

fn read_back(outgoing: &Outgoing, bytes: &[u8]) {
    let inside = &bytes[7..bytes.len() - 1];
    // A line break inside may end a frame by a vendor's rule, or begin the next one.
    if inside.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return;
    }
    let message = decode(bytes).expect("what was written is read");
    assert!(message.frame.check().is_ok());
    assert_eq!(message.frame.form, outgoing.form);
    assert_eq!(message.header.id, outgoing.id);
    assert_eq!(
        message.header.sequence_number(),
        Some(u32::from(outgoing.sequence))
    );
    assert_eq!(message.header.receiver, outgoing.receiver.as_deref());
    assert_eq!(message.header.line, outgoing.line.as_deref());
    assert_eq!(message.header.account, outgoing.account.as_deref());
    let Body::Clear(block) = message.body else {
        panic!("written in clear");
    };
    assert_eq!(block.data, outgoing.data);
    assert_eq!(block.timestamp.is_some(), outgoing.timestamp.is_some());
    let blocks: Vec<(char, Vec<u8>)> = block
        .extended
        .into_iter()
        .map(|one| (one.letter, one.value.to_vec()))
        .collect();
    assert_eq!(blocks, outgoing.extended);
}
