//! Captures made here: what a receiver said in them, in every form of file, and files that are wrong.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use etherparse::PacketBuilder;
use larm_carrier::Mode;
use proptest::prelude::*;

use super::file::{self, CaptureError};
use super::packet::Segment;
use super::streams::{Streams, Told};
use super::*;
use crate::shadow::{Summary, summarise};

const AT_US: i64 = 1_764_072_000_000_000;
const PORT: u16 = 3061;

/// The sides: 192.0.2.10 sends, 192.0.2.1 receives.
fn udp(to_receiver: bool, payload: &[u8]) -> Vec<u8> {
    let (from, to) = if to_receiver { (10, 1) } else { (1, 10) };
    let (source, destination) = if to_receiver {
        (40_000, PORT)
    } else {
        (PORT, 40_000)
    };
    let mut out = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, from], [192, 0, 2, to], 64)
        .udp(source, destination)
        .write(&mut out, payload)
        .unwrap();
    out
}

/// Bits of [`tcp`].
const SYN: u8 = 1;
const FIN: u8 = 2;

fn tcp(to_receiver: bool, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = if to_receiver { (10, 1) } else { (1, 10) };
    let (source, destination) = if to_receiver {
        (40_000, PORT)
    } else {
        (PORT, 40_000)
    };
    let mut builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, from], [192, 0, 2, to], 64)
        .tcp(source, destination, sequence, 65_000);
    if flags & SYN != 0 {
        builder = builder.syn();
    }
    if flags & FIN != 0 {
        builder = builder.fin();
    }
    let mut out = Vec::new();
    builder.write(&mut out, payload).unwrap();
    out
}

/// A pcap file; each packet a second after the one before.
fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    pcap_by(link, packets, 0xA1B2_C3D4, u32::to_le_bytes, 1)
}

fn pcap_by(
    link: u32,
    packets: &[Vec<u8>],
    magic: u32,
    order: fn(u32) -> [u8; 4],
    fraction: u32,
) -> Vec<u8> {
    let mut out = order(magic).to_vec();
    let version = [order(2 << 16 | 4), order(4 << 16 | 2)];
    // Two halves of 16 bits each, in the file's order.
    out.extend(if order(1)[0] == 1 {
        version[1]
    } else {
        version[0]
    });
    for word in [0, 0, 65_535, link] {
        out.extend(order(word));
    }
    for (at, packet) in packets.iter().enumerate() {
        let second = u32::try_from(AT_US / 1_000_000).unwrap() + u32::try_from(at).unwrap();
        let len = u32::try_from(packet.len()).unwrap();
        for word in [second, 500_000 * fraction, len, len] {
            out.extend(order(word));
        }
        out.extend(packet);
    }
    out
}

/// A pcapng file with nanoseconds, a name for its interface and a block that nobody knows.
fn pcapng(packets: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let padded = body.len().div_ceil(4) * 4;
        let len = u32::try_from(padded + 12).unwrap().to_le_bytes();
        let mut out = kind.to_le_bytes().to_vec();
        out.extend(len);
        out.extend(body);
        out.resize(8 + padded, 0);
        out.extend(len);
        out
    };
    let mut header = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
    header.extend([1, 0, 0, 0]);
    header.extend([0xFF; 8]);
    let mut out = block(0x0A0D_0D0A, &header);
    // Ethernet, 64 KiB, name "eth0", ticks of 10^-9 s, end of options.
    let mut interface = vec![1, 0, 0, 0, 0, 0, 1, 0];
    interface.extend([2, 0, 4, 0]);
    interface.extend(b"eth0");
    interface.extend([9, 0, 1, 0, 9, 0, 0, 0]);
    interface.extend([0, 0, 0, 0]);
    out.extend(block(1, &interface));
    out.extend(block(0x0000_0BAD, b"unknown!"));
    for (at, packet) in packets.iter().enumerate() {
        let ns = u64::try_from(AT_US + i64::try_from(at).unwrap() * 1_000_000).unwrap() * 1_000;
        let len = u32::try_from(packet.len()).unwrap();
        let halves = [u32::try_from(ns >> 32).unwrap(), (ns & 0xFFFF_FFFF) as u32];
        let mut body = 0_u32.to_le_bytes().to_vec();
        for word in [halves[0], halves[1], len, len] {
            body.extend(word.to_le_bytes());
        }
        body.extend(packet);
        out.extend(block(6, &body));
    }
    out
}

/// What the comparison makes of a file.
fn compare(bytes: &[u8]) -> (Result<Captured, CaptureError>, Vec<Summary>) {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("capture");
    std::fs::write(&path, bytes).unwrap();
    let parts = CaptureParts {
        receiver: ReceiverAt {
            address: None,
            port: PORT,
        },
        protocol: Protocol::Dc09,
        settings: registry::Settings {
            mode: Mode::Tolerant,
            frame_len_max: 4_096,
            acknowledge_unsupported: false,
        },
        accounts: Arc::default(),
        holds_unknown: false,
        answer_timeout: Duration::from_secs(5),
        reports: crate::shadow::directory(room.path()),
    };
    let captured = compare_capture(&path, &parts);
    let summaries = summarise(room.path()).unwrap_or_default();
    (captured, summaries)
}

fn frame(body: &str) -> Vec<u8> {
    let crc = larm_wire::crc::crc16_arc(body.as_bytes());
    format!("\n{crc:04X}{:04X}{body}\r", body.len()).into_bytes()
}

fn alarm(sequence: u32) -> Vec<u8> {
    frame(&format!("\"SIA-DCS\"{sequence:04}L0#1234[#1234|NBA1]"))
}

fn answer(word: &str, sequence: u32) -> Vec<u8> {
    frame(&format!("\"{word}\"{sequence:04}L0#1234[]"))
}

/// An acknowledged alarm, a declined one and one without an answer.
fn datagrams() -> Vec<Vec<u8>> {
    vec![
        udp(true, &alarm(1)),
        udp(false, &answer("ACK", 1)),
        udp(true, &alarm(2)),
        udp(false, &answer("DUH", 2)),
        udp(true, &alarm(3)),
        udp(true, b"something else"),
        udp(true, b""),
        udp(true, &alarm(4)),
        udp(false, &answer("ACK", 4)),
        udp(true, b"time"),
        udp(true, b"passes"),
    ]
}

fn check(summaries: &[Summary]) {
    let found: Vec<_> = summaries
        .iter()
        .map(|summary| (summary.shadow.as_str(), summary.compared, summary.same))
        .collect();
    assert_eq!(found, [("udp", 4, 2)]);
    let kinds: Vec<_> = summaries[0]
        .kinds
        .iter()
        .map(|kind| (kind.larm.as_str(), kind.receiver.as_str(), kind.count))
        .collect();
    assert!(kinds.contains(&("ack", "duh", 1)), "{kinds:?}");
    assert!(kinds.contains(&("ack", "none", 1)), "{kinds:?}");
}

#[test]
fn every_form_of_file_tells_the_same() {
    let ether = datagrams();
    let with = |head: &[u8]| {
        let swap = |packet: &Vec<u8>| [head, &packet[14..]].concat();
        ether.iter().map(swap).collect::<Vec<_>>()
    };
    let mut cooked = vec![0; 14];
    cooked.extend([8, 0]);
    let mut cooked_2 = vec![8, 0];
    cooked_2.resize(20, 0);
    let swapped = 0xA1B2_C3D4;
    let forms = [
        ("ethernet", pcap(1, &ether)),
        (
            "big endian",
            pcap_by(1, &ether, swapped, u32::to_be_bytes, 1),
        ),
        (
            "nanoseconds",
            pcap_by(1, &ether, 0xA1B2_3C4D, u32::to_le_bytes, 1_000),
        ),
        (
            "vlan",
            pcap(1, &ether.iter().map(|p| vlan(p)).collect::<Vec<_>>()),
        ),
        ("raw", pcap(101, &with(&[]))),
        ("loopback", pcap(0, &with(&[2, 0, 0, 0]))),
        ("cooked", pcap(113, &with(&cooked))),
        ("cooked 2", pcap(276, &with(&cooked_2))),
        ("pcapng", pcapng(&ether)),
    ];
    for (name, bytes) in forms {
        let (captured, summaries) = compare(&bytes);
        let captured = captured.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((captured.packets, captured.of_receiver), (11, 11), "{name}");
        assert_eq!(captured.end, End::default(), "{name}");
        check(&summaries);
    }
}

fn vlan(packet: &[u8]) -> Vec<u8> {
    [&packet[..12], &[0x81, 0, 0, 7], &packet[12..]].concat()
}

#[test]
fn a_stream_is_put_together_before_it_is_read() {
    let (one, two) = (alarm(1), alarm(2));
    let both = [one.clone(), two].concat();
    let (first, rest) = both.split_at(10);
    let sequence = u32::MAX - 20;
    let next = sequence.wrapping_add(1);
    let at = |offset: usize| next.wrapping_add(u32::try_from(offset).unwrap());
    let packets = [
        tcp(true, sequence, SYN, b""),
        tcp(false, 500, SYN, b""),
        // Late, twice, and the second half of it before the first.
        tcp(true, at(10), 0, rest),
        tcp(true, at(0), 0, first),
        tcp(true, at(0), 0, first),
        tcp(false, 501, 0, &answer("ACK", 1)),
        tcp(
            false,
            501 + u32::try_from(answer("ACK", 1).len()).unwrap(),
            FIN,
            &answer("NAK", 2),
        ),
        tcp(true, at(both.len()), FIN, b""),
    ];
    let (captured, summaries) = compare(&pcap(1, &packets));
    assert_eq!(captured.unwrap().of_receiver, 8);
    let tcp = &summaries[0];
    assert_eq!((tcp.shadow.as_str(), tcp.compared, tcp.same), ("tcp", 2, 1));
    assert_eq!(
        (tcp.kinds[0].larm.as_str(), tcp.kinds[0].receiver.as_str()),
        ("ack", "nak")
    );
}

#[test]
fn a_capture_that_begins_or_loses_something_in_the_middle_goes_on() {
    let late = alarm(7);
    let mut packets = vec![
        tcp(true, 9_000, 0, &alarm(1)),
        tcp(false, 70, 0, &answer("ACK", 1)),
        // A hole of 50 bytes, and so much behind it that nobody waits for them any longer.
        tcp(
            true,
            9_000 + u32::try_from(alarm(1).len()).unwrap() + 50,
            0,
            &late,
        ),
    ];
    let mut at = 9_050 + u32::try_from(alarm(1).len() + late.len()).unwrap();
    for number in 8..308 {
        let frame = alarm(number);
        packets.push(tcp(true, at, 0, &frame));
        at += u32::try_from(frame.len()).unwrap();
    }
    let (captured, summaries) = compare(&pcap(1, &packets));
    assert_eq!(captured.unwrap().of_receiver, 303);
    let tcp = &summaries[0];
    assert_eq!((tcp.missed, tcp.same), (1, 1));
    assert!(tcp.compared > 40, "{tcp:?}");
}

#[test]
fn a_file_that_is_cut_is_read_up_to_the_cut() {
    let packets = &datagrams()[..3];
    for whole in [pcap(1, packets), pcapng(packets)] {
        for len in 0..whole.len() {
            let (captured, _) = compare(&whole[..len]);
            match captured {
                Ok(captured) => assert!(captured.packets < 3 && captured.end.damage.is_none()),
                Err(CaptureError::NotACapture { .. }) => assert!(len < 28, "{len}"),
                Err(error) => panic!("{len}: {error}"),
            }
        }
    }
}

#[test]
fn what_is_no_capture_is_said() {
    for bytes in [&b""[..], b"\n1BC10012\"ACK\"0001L0#1234[]\r", &[0; 100]] {
        let (captured, _) = compare(bytes);
        let error = captured.expect_err("no capture").to_string();
        assert!(error.contains("is no capture"), "{error}");
    }
    let missing = file::each(Path::new("/nowhere/at/all"), |_| ()).expect_err("no file");
    assert!(matches!(missing, CaptureError::Unreadable { .. }));
    let directory = file::each(Path::new("/"), |_| ()).expect_err("no file");
    assert!(directory.to_string().contains("directory"), "{directory}");
}

fn end() -> (SocketAddr, SocketAddr) {
    (
        "192.0.2.10:40000".parse().unwrap(),
        "192.0.2.1:3061".parse().unwrap(),
    )
}

proptest! {
    /// Bytes of a stream in pieces that overlap, come twice and overtake each other are the stream.
    #[test]
    fn any_order_of_pieces_gives_the_stream(
        bytes in proptest::collection::vec(any::<u8>(), 1..600),
        cuts in proptest::collection::vec(0_usize..600, 0..20),
        swaps in proptest::collection::vec((0_usize..40, 0_usize..40), 0..20),
        start in any::<u32>(),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        // Each piece reaches a little into the next one.
        let mut pieces: Vec<(usize, &[u8])> = cuts
            .windows(2)
            .map(|two| (two[0], &bytes[two[0]..(two[1] + 3).min(bytes.len())]))
            .collect();
        pieces.extend(pieces.clone().into_iter().take(2));
        for (one, other) in swaps {
            let len = pieces.len();
            pieces.swap(one % len, other % len);
        }
        let mut streams = Streams::new(4);
        let (transmitter, receiver) = end();
        let syn = Segment { sequence: start, syn: true, fin: false, rst: false, payload: b"" };
        let told = streams.piece(transmitter, receiver, Direction::ToReceiver, &syn);
        prop_assert_eq!(told, vec![]);
        let mut got = Vec::new();
        for (at, payload) in pieces {
            let sequence = start.wrapping_add(1).wrapping_add(u32::try_from(at).unwrap());
            let piece = Segment { sequence, syn: false, fin: false, rst: false, payload };
            for told in streams.piece(transmitter, receiver, Direction::ToReceiver, &piece) {
                let Told::Bytes { bytes, gap, .. } = told else {
                    return Err(TestCaseError::fail("the connection ended"));
                };
                prop_assert!(!gap);
                got.extend(bytes);
            }
        }
        prop_assert_eq!(got, bytes);
    }

    /// Whatever happens to a file, it is read or refused.
    #[test]
    fn no_file_makes_it_panic(
        ng in any::<bool>(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..12),
        cut in any::<usize>(),
    ) {
        let mut bytes = if ng { pcapng(&datagrams()) } else { pcap(1, &datagrams()) };
        for (at, value) in changes {
            let len = bytes.len();
            bytes[at % len] = value;
        }
        bytes.truncate(cut % (2 * bytes.len()));
        let _ = compare(&bytes);
    }

    /// Nor do packets that are none.
    #[test]
    fn no_packet_makes_it_panic(
        link in prop_oneof![Just(0), Just(1), Just(101), Just(113), Just(276), any::<u32>()],
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 1..6),
    ) {
        let (captured, _) = compare(&pcap(link, &packets));
        prop_assert!(captured.is_ok());
    }
}
