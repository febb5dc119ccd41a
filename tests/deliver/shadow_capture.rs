//! `larm shadow compare`: what a running receiver answered, written into a capture, and held against
//! larm by the command.
use std::io::{Read as _, Write as _};
use std::path::Path;

use etherparse::PacketBuilder;
use serde_json::Value;

use crate::frame::{encrypt, frame, hex, sia, stamp_now, unhex};
use crate::gateway::{Gateway, import_accounts, larm};

const PORT: u16 = 3061;
const KEY: &str = "00112233445566778899AABBCCDDEEFF";

/// A capture that grows exchange by exchange, of one connection.
struct Capture {
    bytes: Vec<u8>,
    sequences: [u32; 2],
    packets: u32,
    /// Added to its clock, in seconds.
    late: u32,
}

impl Capture {
    fn new() -> Self {
        let mut bytes = 0xA1B2_C3D4_u32.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0]);
        for word in [0_u32, 0, 65_535, 1] {
            bytes.extend(word.to_le_bytes());
        }
        Self {
            bytes,
            sequences: [1_000, 9_000],
            packets: 0,
            late: 0,
        }
    }

    /// A packet of one second after the one before, the first of now.
    fn packet(&mut self, to_receiver: bool, payload: &[u8]) {
        let side = usize::from(!to_receiver);
        let (from, to) = if to_receiver { (10, 1) } else { (1, 10) };
        let (source, destination) = if to_receiver {
            (40_000, PORT)
        } else {
            (PORT, 40_000)
        };
        let mut packet = Vec::new();
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([192, 0, 2, from], [192, 0, 2, to], 64)
            .tcp(source, destination, self.sequences[side], 65_000)
            .write(&mut packet, payload)
            .unwrap();
        let len = u32::try_from(packet.len()).unwrap();
        self.sequences[side] += u32::try_from(payload.len()).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let second = u32::try_from(now.unwrap().as_secs()).unwrap() + self.packets / 10 + self.late;
        self.packets += 1;
        for word in [second, 0, len, len] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(packet);
    }

    /// A request and what the receiver says to it.
    fn exchange(&mut self, receiver: &Gateway, request: &[u8]) {
        let mut stream = receiver.connect();
        stream.write_all(request).unwrap();
        let mut reply = Vec::new();
        while reply.last() != Some(&b'\r') {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a reply");
            reply.extend(byte);
        }
        self.packet(true, request);
        self.packet(false, &reply);
    }
}

/// Exit code, both outputs.
fn compare(capture: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let file = capture.to_str().unwrap();
    let mut arguments = vec!["shadow", "compare", "--capture", file, "--receiver", "3061"];
    arguments.extend(more);
    let output = larm(&arguments);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_answers_of_a_receiver_in_a_capture_are_compared() {
    let room = tempfile::tempdir().unwrap();
    let (theirs, ours) = (room.path().join("theirs"), room.path().join("ours"));
    let accounts = format!("account,key\n2001,{KEY}\n");
    import_accounts(&theirs, &accounts);
    import_accounts(&ours, &accounts);
    let receiver = Gateway::start(&theirs);
    let mut capture = Capture::new();
    for sequence in 1..=5 {
        capture.exchange(&receiver, &sia(sequence, "1234", "BA01"));
    }
    let content = format!("|#2001|NPA5]_{}", stamp_now());
    let pad = 32 - content.len() % 16;
    let plain = ["x".repeat(pad).as_bytes(), content.as_bytes()].concat();
    let cipher = hex(&encrypt(&unhex(KEY), &plain));
    let sealed = frame(format!("\"*SIA-DCS\"0006L0#2001[{cipher}").as_bytes());
    capture.exchange(&receiver, &sealed);
    let file = room.path().join("old.pcap");
    std::fs::write(&file, &capture.bytes).unwrap();

    let data = ours.to_str().unwrap();
    let (code, report, said) = compare(&file, &["--data", data]);
    assert_eq!(
        report, "tcp: 6 answers compared, 6 the same, 0 different\n",
        "{said}"
    );
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "12 of 12 packets are the receiver's\n")
    );

    // Without the register nobody can open the last one.
    let (code, report, _) = compare(&file, &["--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (code, &report["compared"], &report["same"]),
        (Some(3), &6.into(), &5.into())
    );
    assert_eq!(report["kinds"][0]["larm"], "none");

    // The same frame an hour later by the capture's clock is an old one.
    let mut late = Capture::new();
    late.late = 3_600;
    late.packet(true, &sealed);
    late.packet(false, &frame(b"\"ACK\"0006L0#2001[]"));
    let other = room.path().join("late.pcap");
    std::fs::write(&other, &late.bytes).unwrap();
    let (code, report, _) = compare(&other, &["--data", data]);
    assert_eq!(code, Some(3));
    assert!(report.contains("larm nak, receiver ack"), "{report}");

    // A receiver that declines what larm takes, and a file that is cut.
    capture.packet(true, &sia(7, "1234", "BA01"));
    capture.packet(false, &frame(b"\"DUH\"0007L0#1234[]"));
    capture.packet(true, &sia(8, "1234", "BA01"));
    capture.bytes.truncate(capture.bytes.len() - 1);
    std::fs::write(&file, &capture.bytes).unwrap();
    let (code, report, said) = compare(&file, &["--data", data, "--all"]);
    let difference: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((code, &difference["receiver"]), (Some(3), &"duh".into()));
    assert!(said.contains("the last packet is cut"), "{said}");
    assert!(!data_has_events(&ours), "a comparison journals nothing");
}

fn data_has_events(data: &Path) -> bool {
    data.join("journal").exists()
}

#[test]
fn what_cannot_be_compared_is_said() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("x");
    let said = |more: &[&str]| {
        let (code, out, said) = compare(&file, more);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        said
    };
    assert!(said(&[]).contains("No such file"));
    std::fs::write(&file, "no capture at all").unwrap();
    assert!(said(&[]).contains("is no capture"));
    assert!(said(&["--data", "/nowhere"]).contains("is no directory"));
    std::fs::write(&file, Capture::new().bytes).unwrap();
    let (code, out, said) = compare(&file, &[]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(said.contains("nobody has port 3061"), "{said}");
}
