//! What lies in an envelope that opens: any clear text at all, encrypted with the account's key;
//! and any cipher text. Answers are frames, and nothing but a sound envelope gets a positive one.
#![no_main]
use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use larm_carrier::{FrameVerdict, Intent, Mode};
use larm_fuzz::{Heard, KEY, Register, datagram, frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((how, text)) = data.split_first() else {
        return;
    };
    let key_len = [16, 24, 32][usize::from(how % 3)];
    let token = ["SIA-DCS", "ADM-CID", "NULL", "XNM"][usize::from(how / 3 % 4)];
    let sealed = if how & 0x80 == 0 {
        seal(key_len, text)
    } else {
        text.to_vec()
    };
    let digits: String = sealed.iter().map(|byte| format!("{byte:02X}")).collect();
    let body = format!("\"*{token}\"0001R1L1#1234[{digits}");
    for mode in [Mode::Tolerant, Mode::Strict] {
        let right = datagram(&frame(body.as_bytes()), &Register::new(key_len, mode), mode);
        for heard in &right {
            positive_only_when_sound(heard);
        }
        // Without a key nothing opens.
        for heard in datagram(&frame(body.as_bytes()), &Register::new(0, mode), mode) {
            if let Heard::Request { intent, .. } = heard {
                assert_eq!(intent, Intent::Withhold);
            }
        }
    }
});

fn positive_only_when_sound(heard: &Heard) {
    if let Heard::Request {
        verdict,
        intent: Intent::Accept,
        reply,
        ..
    } = heard
    {
        assert_eq!(*verdict, FrameVerdict::Ok);
        let text = String::from_utf8_lossy(reply);
        assert!(text.contains("\"*ACK\"0001R1L1#1234["), "{text}");
    }
}

/// Padded in front to whole blocks, then AES-CBC with a zero initial vector.
fn seal(key_len: usize, text: &[u8]) -> Vec<u8> {
    let mut plain = vec![b'p'; (16 - text.len() % 16) % 16];
    plain.extend_from_slice(text);
    match key_len {
        16 => chain::<aes::Aes128>(key_len, &plain),
        24 => chain::<aes::Aes192>(key_len, &plain),
        _ => chain::<aes::Aes256>(key_len, &plain),
    }
}

fn chain<C: BlockCipherEncrypt + KeyInit>(key_len: usize, plain: &[u8]) -> Vec<u8> {
    let cipher = C::new_from_slice(&KEY[..key_len]).expect("a length of AES");
    let mut out = Vec::with_capacity(plain.len());
    let mut previous = [0u8; 16];
    for chunk in plain.chunks_exact(16) {
        let mixed: Vec<u8> = chunk.iter().zip(previous).map(|(a, b)| a ^ b).collect();
        let mut block = Block::<C>::try_from(mixed.as_slice()).expect("one block");
        cipher.encrypt_block(&mut block);
        previous.copy_from_slice(&block);
        out.extend_from_slice(&block);
    }
    out
}
