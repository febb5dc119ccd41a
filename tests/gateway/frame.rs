//! DC-09 frames as a transmitter builds them and replies as it reads them, written again by hand:
//! the proof must not share a mistake with the crate that it checks.
use std::io::Read;
use std::net::TcpStream;

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

/// CRC-16/ARC, bit by bit.
pub(crate) fn crc(body: &[u8]) -> u16 {
    body.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xA001 * (crc & 1))
        })
    })
}

/// LF, checksum, length, body, CR.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = format!("\n{:04X}{:04X}", crc(body), body.len()).into_bytes();
    out.extend_from_slice(body);
    out.push(b'\r');
    out
}

/// The same with the checksum as two raw bytes.
pub(crate) fn frame_binary(body: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\n'];
    out.extend_from_slice(&crc(body).to_be_bytes());
    out.extend_from_slice(format!("{:04X}", body.len()).as_bytes());
    out.extend_from_slice(body);
    out.push(b'\r');
    out
}

/// A clear SIA-DCS frame with one event: `code` and its address, such as `BA123`.
pub(crate) fn sia(sequence: u32, account: &str, event: &str) -> Vec<u8> {
    frame(format!("\"SIA-DCS\"{sequence:04}L0#{account}[#{account}|N{event}]").as_bytes())
}

/// A clear link test.
pub(crate) fn link_test(sequence: u32, account: &str) -> Vec<u8> {
    frame(format!("\"NULL\"{sequence:04}L0#{account}[]").as_bytes())
}

/// What a receiver sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// `ACK`, `*ACK`, `NAK`, `DUH`, …
    pub(crate) id: String,
    /// Four digits.
    pub(crate) sequence: String,
    /// Behind `R`; absent and empty are different.
    pub(crate) receiver: Option<String>,
    /// Behind `L`.
    pub(crate) line: Option<String>,
    /// Behind `#`, or behind `A` in a NAK.
    pub(crate) account: Option<String>,
    /// From the bracket on.
    pub(crate) rest: Vec<u8>,
    /// Two raw checksum bytes in place of four digits.
    pub(crate) binary: bool,
}

impl Reply {
    /// Reads one whole reply; the message says what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let shown = bytes.escape_ascii().to_string();
        let wrong = |what: &str| format!("{what}: {shown}");
        let quote = bytes
            .iter()
            .take(10)
            .rposition(|byte| *byte == b'"')
            .filter(|at| *at == 9 || *at == 7)
            .ok_or_else(|| wrong("no quote where the header ends"))?;
        let binary = quote == 7;
        if bytes.first() != Some(&b'\n') || bytes.last() != Some(&b'\r') {
            return Err(wrong("not between LF and CR"));
        }
        let body = &bytes[quote..bytes.len() - 1];
        let digits = |range: std::ops::Range<usize>| {
            std::str::from_utf8(&bytes[range])
                .ok()
                .and_then(|text| u16::from_str_radix(text, 16).ok())
        };
        let sent_crc = if binary {
            Some(u16::from_be_bytes([bytes[1], bytes[2]]))
        } else {
            digits(1..5)
        };
        if sent_crc != Some(crc(body)) {
            return Err(wrong("checksum"));
        }
        if digits(quote - 4..quote).map(usize::from) != Some(body.len()) {
            return Err(wrong("length"));
        }
        let text = String::from_utf8_lossy(body).into_owned();
        let (header, _) = text.split_once('[').ok_or_else(|| wrong("no bracket"))?;
        let mut parts = header.splitn(3, '"');
        let (Some(""), Some(id), Some(fields)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("no id between quotes"));
        };
        let (sequence, mut fields) = fields
            .split_at_checked(4)
            .ok_or_else(|| wrong("no sequence"))?;
        let account_mark = if id == "NAK" { 'A' } else { '#' };
        let account = fields.rsplit_once(account_mark).map(|(before, account)| {
            fields = before;
            account.to_owned()
        });
        let line = fields.split_once('L').map(|(before, line)| {
            fields = before;
            line.to_owned()
        });
        let receiver = match fields.strip_prefix('R') {
            Some(receiver) => Some(receiver.to_owned()),
            None if fields.is_empty() => None,
            None => return Err(wrong("unknown header fields")),
        };
        Ok(Self {
            id: id.to_owned(),
            sequence: sequence.to_owned(),
            receiver,
            line,
            account,
            rest: body[header.len()..].to_vec(),
            binary,
        })
    }

    /// Splits a run of replies.
    pub(crate) fn parse_all(mut bytes: &[u8]) -> Result<Vec<Self>, String> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let len =
                whole_len(bytes).ok_or_else(|| format!("a cut reply: {}", bytes.escape_ascii()))?;
            let (one, rest) = bytes
                .split_at_checked(len)
                .ok_or_else(|| format!("a cut reply: {}", bytes.escape_ascii()))?;
            all.push(Self::parse(one)?);
            bytes = rest;
        }
        Ok(all)
    }
}

/// Length of the frame at the front as its own header tells it; `None` while the header is not
/// there yet.
fn whole_len(bytes: &[u8]) -> Option<usize> {
    let quote = if *bytes.get(9)? == b'"' { 9 } else { 7 };
    let digits = std::str::from_utf8(bytes.get(quote - 4..quote)?).ok()?;
    Some(quote + usize::from_str_radix(digits, 16).ok()? + 1)
}

/// Reads one reply from a stream; `None` when it ends, resets or times out before a whole one.
pub(crate) fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::with_capacity(128);
    let mut byte = [0u8; 1];
    loop {
        if let Some(len) = whole_len(&bytes)
            && bytes.len() >= len
        {
            return Some(Reply::parse(&bytes).expect("a sound reply"));
        }
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
}

/// AES in CBC mode with a zero initial vector; `text` fills whole blocks.
pub(crate) fn encrypt(key: &[u8], text: &[u8]) -> Vec<u8> {
    match key.len() {
        16 => chain::<aes::Aes128>(key, text),
        24 => chain::<aes::Aes192>(key, text),
        _ => chain::<aes::Aes256>(key, text),
    }
}

/// The inverse of [`encrypt`].
pub(crate) fn decrypt(key: &[u8], cipher: &[u8]) -> Vec<u8> {
    match key.len() {
        16 => unchain::<aes::Aes128>(key, cipher),
        24 => unchain::<aes::Aes192>(key, cipher),
        _ => unchain::<aes::Aes256>(key, cipher),
    }
}

fn chain<C: BlockCipherEncrypt + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let cipher = C::new_from_slice(key).expect("16, 24 or 32 bytes");
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut previous = vec![0u8; 16];
    for plain in text.chunks_exact(16) {
        let mixed: Vec<u8> = plain.iter().zip(&previous).map(|(a, b)| a ^ b).collect();
        let mut block = Block::<C>::try_from(mixed.as_slice()).expect("one block");
        cipher.encrypt_block(&mut block);
        previous.copy_from_slice(&block);
        out.extend_from_slice(&block);
    }
    assert_eq!(out.len(), text.len(), "whole blocks");
    out
}

fn unchain<C: BlockCipherDecrypt + KeyInit>(key: &[u8], sealed: &[u8]) -> Vec<u8> {
    let cipher = C::new_from_slice(key).expect("16, 24 or 32 bytes");
    let mut out: Vec<u8> = Vec::with_capacity(sealed.len());
    let mut previous: &[u8] = &[0u8; 16];
    for chunk in sealed.chunks_exact(16) {
        let mut block = Block::<C>::try_from(chunk).expect("one block");
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(a, b)| a ^ b));
        previous = chunk;
    }
    assert_eq!(out.len(), sealed.len(), "whole blocks");
    out
}

/// Bytes of a hex text.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).expect("hex digits"))
        .collect()
}

/// Upper-case hex of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            write!(text, "{byte:02X}").expect("writing to a text");
            text
        })
}

/// The current time as frames carry it: `HH:MM:SS,MM-DD-YYYY`, UTC.
pub(crate) fn stamp_now() -> String {
    jiff::Timestamp::now()
        .strftime("%H:%M:%S,%m-%d-%Y")
        .to_string()
}
