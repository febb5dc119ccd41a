//! Bad transmitters: does the gateway keep serving a good one, stay small, and count each outcome?
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::frame::{frame, link_test, read_reply, sia};
use crate::harness::{Gateway, PATIENCE, Random, config, name};

/// Most resident memory that any of these may cost, in KiB.
const RESIDENT_MAX_KIB: u64 = 256 * 1024;

/// Runs `bad` while a good transmitter sends one alarm after another, each over its own
/// connection; every one must be acknowledged. Gives back what `bad` does.
fn while_serving<T>(gateway: &Gateway, bad: impl FnOnce() -> T) -> T {
    let ending = AtomicBool::new(false);
    let served = AtomicU64::new(0);
    let to = gateway.tcp;
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0u32;
            // At least one after the bad one has ended.
            loop {
                let last = ending.load(Ordering::SeqCst);
                number += 1;
                let frame = sia(number % 9999 + 1, "600D", &format!("BA{number}"));
                // As a panel does: silence means the same message again.
                let reply = (0..3).find_map(|_| ask_from(to, "127.0.0.99", &frame));
                assert_eq!(
                    reply.map(|reply| reply.id).as_deref(),
                    Some("ACK"),
                    "alarm {number}"
                );
                served.store(u64::from(number), Ordering::SeqCst);
                if last {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let result = bad();
        ending.store(true, Ordering::SeqCst);
        result
    });
    let served = usize::try_from(served.into_inner()).unwrap();
    let events = gateway.events(served);
    let good = events
        .iter()
        .filter(|event| name(event).starts_with("600D/BA/"))
        .count();
    assert_eq!(good, served, "each alarm of the good transmitter once");
    let resident = gateway.resident_kib();
    println!("{served} alarms served meanwhile, {resident} KiB resident");
    assert!(resident < RESIDENT_MAX_KIB, "{resident} KiB resident");
    result
}

/// One question from a loopback address of its own.
fn ask_from(to: SocketAddr, from: &str, frame: &[u8]) -> Option<crate::frame::Reply> {
    let mut stream = connect_from(to, from, 0).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(frame).ok()?;
    read_reply(&mut stream)
}

fn connect_from(to: SocketAddr, from: &str, port: u16) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    let from: SocketAddr = format!("{from}:{port}").parse().expect("an address");
    socket.bind(&from.into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

/// Sends bytes, ends its side, reads to the end.
fn exchange(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut stream = gateway.connect();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn half_frames_and_single_bytes() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let whole = sia(3, "BAD0", "ri1/BA3");
    let answers = while_serving(&gateway, || {
        let mut answers = 0;
        for len in 1..whole.len() {
            answers += exchange(&gateway, &whole[..len]).len();
        }
        // One byte at a time is slow, not bad.
        let mut slow = gateway.connect();
        for byte in &whole {
            slow.write_all(std::slice::from_ref(byte)).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(
            read_reply(&mut slow).map(|reply| reply.id).as_deref(),
            Some("ACK")
        );
        answers
    });
    assert_eq!(answers, 0, "half frames are not answered");
    let figures = gateway.figures();
    let cut = figures["larm_noise_total{kind=\"cut\"}"]
        + figures["larm_frames_total{verdict=\"truncated\"}"]
        + figures["larm_frames_total{verdict=\"bad-syntax\"}"]
        + figures["larm_frames_total{verdict=\"bad-crc\"}"]
        + figures["larm_frames_total{verdict=\"bad-length\"}"]
        + figures["larm_frames_total{verdict=\"bad-crc-length\"}"];
    let expected = i64::try_from(whole.len()).unwrap() - 1;
    assert!(
        cut >= expected - 1,
        "{cut} of {expected} counted: {figures:?}"
    );
}

#[test]
fn lines_that_never_end() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let before = gateway.resident_kib();
    let sent = while_serving(&gateway, || {
        let mut sent = 0u64;
        for opening in [
            &b"\n12340FFF\"SIA-DCS\"0001L0#BAD1[#BAD1|NBA"[..],
            b"\n",
            b"AAAAAAAA",
            b"\"",
            b"\n0000FFFF\"",
        ] {
            for filler in [b"A".repeat(4096), b"\n".repeat(4096), b"\"[|".repeat(1365)] {
                let mut stream = gateway.connect();
                stream
                    .set_write_timeout(Some(Duration::from_secs(2)))
                    .unwrap();
                let _ = stream.write_all(opening);
                for _ in 0..256 {
                    // The gateway may cut it off; that is the point.
                    match stream.write(&filler) {
                        Ok(len) => sent += len as u64,
                        Err(_) => break,
                    }
                }
            }
        }
        sent
    });
    let grown = gateway.resident_kib().saturating_sub(before);
    println!("{sent} bytes without an end, {grown} KiB more resident");
    assert!(grown < 64 * 1024, "{grown} KiB more");
    let figures = gateway.figures();
    assert!(figures["larm_noise_bytes_total"] > 0);
    let closed: i64 = figures
        .iter()
        .filter(|(name, _)| name.starts_with("larm_session_closes_total"))
        .map(|(_, count)| count)
        .sum();
    assert!(closed > 0, "cut off with a counted reason: {figures:?}");
}

#[test]
fn wrong_lengths_and_checksums() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let mut random = Random::seeded("wrong lengths and checksums");
    let good = sia(9, "BAD2", "ri1/BA9");
    while_serving(&gateway, || {
        for _ in 0..300 {
            let mut bytes = good.clone();
            match random.below(3) {
                // Another checksum, digits of the body, or the length.
                0 => bytes[1 + usize::try_from(random.below(4)).unwrap()] = b'0',
                1 => {
                    let at = 20 + usize::try_from(random.below(bytes.len() as u64 - 21)).unwrap();
                    bytes[at] ^= 1 << random.below(7);
                }
                _ => bytes[6 + usize::try_from(random.below(3)).unwrap()] = b'F',
            }
            if bytes == good {
                continue;
            }
            let answer = exchange(&gateway, &bytes);
            assert!(
                answer.is_empty(),
                "{} got {}",
                bytes.escape_ascii(),
                answer.escape_ascii()
            );
        }
        // A good frame behind a damaged one on the same connection is heard.
        let mut damaged = good.clone();
        damaged[30] ^= 1;
        damaged.extend_from_slice(&good);
        let answer = exchange(&gateway, &damaged);
        let replies = crate::frame::Reply::parse_all(&answer).unwrap();
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].id, "ACK");
    });
    let figures = gateway.figures();
    assert!(
        figures["larm_frames_total{verdict=\"bad-crc\"}"] > 50,
        "{figures:?}"
    );
    let suspects = gateway
        .events(1)
        .iter()
        .filter(|event| event["authenticity"]["grade"] == "suspect")
        .count();
    assert!(suspects > 0, "damaged frames can be found afterwards");
}

#[test]
fn other_protocols_on_the_port() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let tls = crate::frame::unhex("160301020001000001FC0303");
    while_serving(&gateway, || {
        for _ in 0..50 {
            assert!(exchange(&gateway, &tls).is_empty());
            assert!(exchange(&gateway, b"GET / HTTP/1.1\r\nHost: larm\r\n\r\n").is_empty());
            assert!(exchange(&gateway, b"SSH-2.0-scan\r\n").is_empty());
        }
    });
    let figures = gateway.figures();
    let foreign = "larm_session_closes_total{reason=\"foreign-protocol\"}";
    assert_eq!(figures[foreign], 100, "{figures:?}");
    assert_eq!(
        figures["larm_noise_total{kind=\"unknown\"}"], 50,
        "{figures:?}"
    );
    let stderr = gateway.stderr();
    let lines = String::from_utf8_lossy(&stderr).lines().count();
    assert!(
        lines < 150,
        "{lines} lines in the log: the same thing is not told over and over"
    );
}

#[test]
fn ten_thousand_connections_that_say_nothing() {
    let wanted: usize = 10_000;
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let limit = raise_descriptors();
    let count = wanted.min(usize::try_from(limit).unwrap().saturating_sub(500));
    let gateway = Gateway::start(&data);
    let before = gateway.resident_kib();
    let silent = while_serving(&gateway, || {
        let mut silent = Vec::with_capacity(count);
        for at in 0..count {
            let from = format!("127.0.{}.{}", 1 + at / 250 % 200, 1 + at % 250);
            match connect_from(gateway.tcp, &from, 0) {
                Ok(stream) => silent.push(stream),
                Err(why) => panic!("connection {at} from {from}: {why}"),
            }
        }
        std::thread::sleep(Duration::from_millis(500));
        silent
    });
    let figures = gateway.figures();
    let open = figures["larm_connections_open"];
    let grown = gateway.resident_kib().saturating_sub(before);
    println!(
        "{} silent connections, {open} open, {grown} KiB more resident",
        silent.len()
    );
    assert!(grown < 256 * 1024, "{grown} KiB for {count} connections");
    let accepted = figures["larm_links_total{event=\"accepted\"}"];
    assert!(accepted >= i64::try_from(count).unwrap(), "{figures:?}");
}

#[test]
fn silent_connections_make_room() {
    let room = tempfile::tempdir().unwrap();
    let _ = raise_descriptors();
    let file = room.path().join("few.toml");
    let few = config("").replacen(
        "transport = \"tcp\"",
        "transport = \"tcp\"\nconnections_max = 300",
        1,
    );
    std::fs::write(&file, few).unwrap();
    let data = room.path().join("data");
    let gateway = Gateway::start_with(&data, &["--config", file.to_str().unwrap()]);
    // One that has sent a sound frame keeps its place.
    let mut proven = gateway.connect();
    proven.write_all(&link_test(1, "BAD8")).unwrap();
    assert_eq!(
        read_reply(&mut proven).map(|reply| reply.id).as_deref(),
        Some("ACK")
    );
    let silent = while_serving(&gateway, || {
        let mut silent = Vec::new();
        for _ in 0..900 {
            silent.extend(connect_from(gateway.tcp, "127.0.0.66", 0));
        }
        for number in 1..=5 {
            let frame = sia(number, "BAD9", &format!("BA{number}"));
            let reply = ask_from(gateway.tcp, "127.0.0.66", &frame);
            assert_eq!(
                reply.map(|reply| reply.id).as_deref(),
                Some("ACK"),
                "{number}"
            );
        }
        silent
    });
    proven.write_all(&link_test(2, "BAD8")).unwrap();
    assert_eq!(
        read_reply(&mut proven).map(|reply| reply.id).as_deref(),
        Some("ACK")
    );
    let figures = gateway.figures();
    let evicted = figures["larm_links_total{event=\"evicted\"}"];
    assert!(evicted >= 600, "{} silent: {figures:?}", silent.len());
    assert!(figures["larm_connections_open"] <= 300, "{figures:?}");
}

#[test]
fn replies_that_nobody_reads() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let before = gateway.resident_kib();
    let sent = while_serving(&gateway, || {
        let mut deaf: Vec<TcpStream> = (0..20).map(|_| gateway.connect()).collect();
        let many = link_test(1, "BADA").repeat(500);
        let mut sent = 0u64;
        for stream in &mut deaf {
            stream.set_nonblocking(true).unwrap();
        }
        // Until no socket takes anything any more, or each has been cut off.
        for _ in 0..400 {
            let mut taken = 0u64;
            for stream in &mut deaf {
                if let Ok(len) = stream.write(&many) {
                    taken += len as u64;
                }
            }
            sent += taken;
            if taken == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        sent
    });
    let grown = gateway.resident_kib().saturating_sub(before);
    println!("{sent} bytes asked and no reply read, {grown} KiB more resident");
    assert!(grown < 64 * 1024, "{grown} KiB more");
    assert!(sent > 1_000_000, "only {sent} bytes were sent");
}

#[test]
fn floods_of_datagrams_from_many_ports() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let mut random = Random::seeded("datagrams");
    let sent = while_serving(&gateway, || {
        let mut sent = 0u32;
        for round in 0..200u32 {
            let socket = gateway.datagrams();
            socket.set_nonblocking(true).unwrap();
            for at in 0..100u32 {
                let bytes = match random.below(4) {
                    0 => (0..random.below(1400))
                        .map(|_| random.next().to_le_bytes()[0])
                        .collect(),
                    1 => link_test(0, "BAD5"),
                    2 => frame(b"\"SIA-DCS\"0001L0#BAD5[#BAD5|NBA"),
                    _ => sia(at + 1, "BAD5", &format!("UX{}", round * 100 + at)),
                };
                match socket.send(&bytes) {
                    Ok(_) => sent += 1,
                    Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                    Err(why) => panic!("{why}"),
                }
            }
        }
        sent
    });
    // The good one over UDP is heard when the flood is over.
    let socket = gateway.datagrams();
    let mut buffer = [0u8; 512];
    let heard = (0..50).any(|_| {
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        socket.send(&sia(1, "600E", "BA1")).unwrap();
        socket.recv(&mut buffer).is_ok()
    });
    assert!(heard, "UDP still works");
    let figures = gateway.figures();
    println!("{sent} datagrams: {figures:?}");
    assert!(figures["larm_links_total{event=\"datagram\"}"] > 0);
}

#[test]
fn replays_make_one_event() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&room.path().join("data"));
    let replayed = sia(77, "BAD6", "ri1/BA77");
    while_serving(&gateway, || {
        let mut stream = gateway.connect();
        let socket = gateway.datagrams();
        let mut buffer = [0u8; 512];
        for _ in 0..500 {
            stream.write_all(&replayed).unwrap();
            assert_eq!(
                read_reply(&mut stream).map(|reply| reply.id).as_deref(),
                Some("ACK")
            );
            socket.send(&replayed).unwrap();
            assert!(socket.recv(&mut buffer).is_ok());
        }
        // Pipelined, many at once.
        stream.write_all(&replayed.repeat(100)).unwrap();
        for _ in 0..100 {
            assert_eq!(
                read_reply(&mut stream).map(|reply| reply.id).as_deref(),
                Some("ACK")
            );
        }
    });
    let times = gateway
        .events(1)
        .iter()
        .filter(|event| name(event) == "BAD6/BA/77")
        .count();
    assert_eq!(times, 1);
    assert_eq!(gateway.figures()["larm_fates_total{fate=\"repeat\"}"], 1099);
}

#[test]
fn control_characters_reach_no_terminal() {
    let room = tempfile::tempdir().unwrap();
    let gateway = Gateway::start_with(&room.path().join("data"), &[]);
    let nasty = "\u{1b}[2J\u{7}\n2026-11-25 ERROR forged line\n\u{0}\u{9b}31m\r\u{8}";
    while_serving(&gateway, || {
        for number in 1..50u32 {
            let body =
                format!("\"SIA-DCS\"{number:04}L0#BAD7[#BAD7|NBA{number}^{nasty}^][I{nasty}]");
            let answer = exchange(&gateway, &frame(body.as_bytes()));
            let replies = crate::frame::Reply::parse_all(&answer).unwrap();
            assert!(replies.len() <= 1);
            // In the header, in a token, in noise.
            exchange(
                &gateway,
                &frame(format!("\"{nasty}\"0001L0#BAD7[]").as_bytes()),
            );
            exchange(
                &gateway,
                &frame(format!("\"SIA-DCS\"0001L0#{nasty}[]").as_bytes()),
            );
            exchange(&gateway, nasty.as_bytes());
        }
    });
    let raw = gateway.stderr();
    let bad = raw
        .iter()
        .position(|byte| matches!(byte, 0..=8 | 11..=31 | 127))
        .map(|at| {
            raw[at.saturating_sub(80)..(at + 20).min(raw.len())]
                .escape_ascii()
                .to_string()
        });
    assert_eq!(bad, None, "a control byte in the log");
    let log = String::from_utf8_lossy(&raw);
    assert!(!log.contains('\u{9b}'), "a C1 control in the log");
    assert!(
        !log.lines()
            .any(|line| line.starts_with("2026-11-25 ERROR forged")),
        "a forged line in the log"
    );
    // The same for what people see of it afterwards.
    let shown = crate::harness::larm_ok(&[
        "events".as_ref(),
        "--data".as_ref(),
        gateway.data.as_os_str(),
    ]);
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{}",
        shown.escape_debug()
    );
    let found = gateway.events(1).iter().any(|event| {
        event["text"]
            .as_str()
            .is_some_and(|text| text.contains("forged") && !text.contains('\n'))
    });
    assert!(found, "the text itself is kept, escaped");
}

/// Raises this process's limit of open files as far as it goes; the gateway inherits it.
fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(1 << 20).max(65_536);
    for maximum in [Some(most), now.maximum] {
        let wanted = Rlimit {
            current: maximum,
            maximum,
        };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}
