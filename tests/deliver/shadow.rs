//! The shadow: do transmitters and their receiver notice that larm stands between them, and does
//! larm notice where it would have answered otherwise?
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larm::config::Transport;
use larm::shadow::{Pieces, Proxy, Settings, Tap, Tapped, Watch};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use crate::frame::{frame, read_reply, sia};
use crate::gateway::{self, Gateway, PATIENCE, Random, import_accounts, larm, larm_command};
use crate::peer::{Peer, python};
use crate::scripted::{Act, Scripted};

const KEY_128: &str = "00112233445566778899AABBCCDDEEFF";
const KEY_256: &str = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4";

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A shadow section.
fn section(name: &str, transport: &str, address: SocketAddr, receiver: SocketAddr) -> String {
    format!(
        "[[shadow]]\nname = \"{name}\"\ntransport = \"{transport}\"\naddress = \"{address}\"\n\
         receiver = \"{receiver}\"\nanswer_timeout = \"1s\"\n"
    )
}

fn write_config(data: &Path, shadows: &str) -> String {
    let path = data.with_extension("toml");
    std::fs::write(&path, gateway::config("") + shadows).unwrap();
    path.to_str().unwrap().to_owned()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("the shadow accepts");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn report(data: &Path) -> (Option<i32>, Value) {
    let output = larm(&[
        "shadow",
        "report",
        "--json",
        "--data",
        data.to_str().unwrap(),
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
    (output.status.code(), json)
}

/// The dialler of `my-dc09-spt` in front, larm as the old receiver behind, over TCP and UDP.
#[test]
fn a_dialler_and_its_receiver_notice_nothing_and_everything_is_seen() {
    let room = tempfile::tempdir().unwrap();
    let accounts = format!(
        "account,key\n1003,{KEY_128}\n1004,{KEY_256}\n1005,{KEY_256}\n\
         1007,{KEY_128}\n1008,{KEY_128}\n1009,{KEY_128}\n"
    );
    let (old_data, data) = (room.path().join("old"), room.path().join("shadow"));
    import_accounts(&old_data, &accounts);
    import_accounts(&data, &accounts);
    let old = Gateway::start(&old_data);
    let (tcp, udp, dead) = (free_port(), free_port(), free_port());
    let config = write_config(
        &data,
        &(section("old-tcp", "tcp", tcp, old.tcp) + &section("old-udp", "udp", udp, old.udp)),
    );
    let shadow = Gateway::start_with(&data, &["--config", &config]);

    let ports = [tcp, udp, dead].map(|address| address.port().to_string());
    let mut dialler = Peer::start(python("dialler.py").args(ports));
    let mut told = 0;
    loop {
        let line = dialler.next();
        if line.get("polls").is_some() {
            assert_eq!(line["connected"], true, "{line}");
            break;
        }
        told += 1;
    }
    let rest = dialler.end();
    told += rest
        .iter()
        .filter(|line| line.get("account").is_some())
        .count();
    assert!(told > 500, "the dialler sent only {told}");
    let there = old.events(told);
    let seen = shadow.events(told);
    assert_eq!(gateway::tally(&there), gateway::tally(&seen));
    assert!(seen.iter().all(|event| event["shadow"] == true));
    assert!(there.iter().all(|event| event.get("shadow").is_none()));
    let figures = shadow.figures();
    assert_eq!(figures["larm_shadow_answers_total{found=\"different\"}"], 0);
    assert!(figures["larm_shadow_answers_total{found=\"same\"}"] >= i64::try_from(told).unwrap());
    // It answered nothing itself.
    let answers = figures
        .iter()
        .filter(|(name, _)| name.starts_with("larm_answers_total"));
    assert_eq!(answers.map(|(_, count)| count).sum::<i64>(), 0);
    assert!(shadow.terminate().success());
    let output = larm(&["shadow", "report", "--data", data.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("old-tcp: ") && said.contains(" 0 different"),
        "{said}"
    );
}

#[test]
fn every_kind_of_difference_is_reported() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("shadow");
    let old = Scripted::start(|came, _| match came.sequence.as_str() {
        "0002" => Act::Duh,
        "0003" => Act::Nak("10:00:00,01-02-2031".to_owned()),
        "0004" => Act::Silence,
        "0005" => Act::AckAs("0005L0#7777".to_owned()),
        _ => Act::Ack,
    });
    let at = free_port();
    let config = write_config(&data, &section("old", "tcp", at, old.address));
    let shadow = Gateway::start_with(&data, &["--config", &config]);
    let mut stream = connect(at);
    let mut replies = Vec::new();
    for number in 1..=6u32 {
        let mut bytes = sia(number, "1234", &format!("BA{number}"));
        if number == 6 {
            // larm says nothing to a checksum that does not fit; this receiver does not look.
            bytes[1..5].copy_from_slice(b"0000");
        }
        stream.write_all(&bytes).unwrap();
        if number != 4 {
            replies.push(read_reply(&mut stream).expect("an answer").id);
        }
    }
    assert_eq!(replies, ["ACK", "DUH", "NAK", "ACK", "ACK"]);
    drop(stream);
    let deadline = Instant::now() + PATIENCE;
    while shadow.figures()["larm_shadow_answers_total{found=\"different\"}"] < 5 {
        assert!(Instant::now() < deadline, "{:?}", shadow.figures());
    }
    let log = String::from_utf8_lossy(&shadow.stderr()).into_owned();
    assert!(log.contains("answers differ"), "{log}");
    assert!(shadow.terminate().success());
    let (code, json) = report(&data);
    assert_eq!(code, Some(3));
    assert_eq!(
        (&json["compared"], &json["same"]),
        (&6.into(), &1.into()),
        "{json}"
    );
    let mut kinds: Vec<String> = json["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let text = |key: &str| kind[key].as_str().unwrap_or("-").to_owned();
            format!("{}/{} {}", text("larm"), text("receiver"), text("why"))
        })
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "ack/ack it repeats another account",
            "ack/duh -",
            "ack/nak -",
            "ack/none -",
            "none/ack bad-crc",
        ]
    );
}

/// Another make of receiver: `iobroker.sia` behind larm's sending side.
#[test]
fn iobroker_behind_a_shadow_hears_what_it_would_hear_without() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("shadow");
    let mut receiver = Peer::iobroker();
    let ports = receiver.ports();
    let old = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (tcp, udp) = (free_port(), free_port());
    import_accounts(&data, &format!("account,key\n4128,{KEY_128}\n"));
    let config = write_config(
        &data,
        &(section("old-tcp", "tcp", tcp, old(ports[0]))
            + &section("old-udp", "udp", udp, old(ports[1]))),
    );
    let shadow = Gateway::start_with(&data, &["--config", &config]);
    // The same alarm by the second way would be a repeat of the first one.
    for (at, zone, more) in [(tcp, "7", &[][..]), (udp, "8", &["--udp"][..])] {
        for (account, key) in [("4001", &[][..]), ("4128", &["--key", KEY_128][..])] {
            let to = at.to_string();
            let mut arguments = vec![
                "send",
                "--to",
                &to,
                "--account",
                account,
                "--code",
                "BA",
                "--zone",
                zone,
            ];
            arguments.extend(more);
            arguments.extend(key);
            let output = larm(&arguments);
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            let heard = receiver.next();
            assert_eq!(heard["account"], account, "{heard}");
        }
    }
    let seen = shadow.events(4);
    assert_eq!(seen.len(), 4);
    assert!(
        seen.iter()
            .all(|event| event["shadow"] == true && event["code"]["code"] == "BA")
    );
    assert!(shadow.terminate().success());
    assert_eq!(receiver.end(), Vec::<Value>::new());
}

/// The old receiver does not answer, so the transmitter takes its second path, which is larm's own:
/// there it is no repeat of what the shadow saw.
#[test]
fn what_the_shadow_saw_does_not_hide_what_larm_receives_itself() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("shadow");
    let old = Scripted::start(|_, _| Act::Silence);
    let at = free_port();
    let config = write_config(&data, &section("old", "tcp", at, old.address));
    let shadow = Gateway::start_with(&data, &["--config", &config]);
    let alarm = sia(1, "1234", "FA1");
    connect(at).write_all(&alarm).unwrap();
    assert_eq!(shadow.events(1).len(), 1);
    assert_eq!(shadow.ask(&alarm).expect("an answer").id, "ACK");
    let mut marks: Vec<bool> = shadow
        .events(2)
        .iter()
        .map(|event| event["shadow"] == true)
        .collect();
    marks.sort_unstable();
    assert_eq!(marks, [false, true]);
}

/// A proxy with a watcher that a test brings.
struct Between {
    proxy: Proxy,
    stop: Arc<AtomicBool>,
}

impl Between {
    fn start(transport: Transport, receiver: SocketAddr, watch: Option<Box<dyn Watch>>) -> Self {
        let settings = Settings {
            name: "test".to_owned(),
            address: "127.0.0.1:0".parse().unwrap(),
            transport,
            receiver: receiver.to_string(),
            connections_max: 100,
            answer_timeout: Duration::from_secs(1),
        };
        let (tap, pieces) = Tap::new();
        let proxy = Proxy::start(&settings, tap).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        if let Some(watch) = watch {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || drain(&pieces, watch, &stop));
        }
        Self { proxy, stop }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }
}

fn drain(pieces: &Pieces, mut watch: Box<dyn Watch>, stop: &AtomicBool) {
    pieces.drain(watch.as_mut(), stop);
}

impl Drop for Between {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Panics;

impl Watch for Panics {
    fn saw(&mut self, _: Tapped) {
        panic!("a decoder with a fault, as the test wants it");
    }
    fn tick(&mut self) {}
    fn end(&mut self) {}
}

struct Hangs;

impl Watch for Hangs {
    fn saw(&mut self, _: Tapped) {
        std::thread::sleep(Duration::from_hours(1));
    }
    fn tick(&mut self) {}
    fn end(&mut self) {}
}

/// Bytes of a random length in pieces of random lengths, from a thread of its own.
fn pour(mut stream: TcpStream, bytes: Vec<u8>, seed: u64) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut random = Random::new(seed);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let len = usize::try_from(1 + random.below(3000))
                .unwrap()
                .min(rest.len());
            let (piece, behind) = rest.split_at(len);
            stream.write_all(piece).unwrap();
            rest = behind;
            if random.below(8) == 0 {
                std::thread::yield_now();
            }
        }
        stream.shutdown(Shutdown::Write).unwrap();
    })
}

fn some_bytes(random: &mut Random) -> Vec<u8> {
    let len = random.below(200_000);
    (0..len)
        .map(|_| u8::try_from(random.next() % 256).unwrap())
        .collect()
}

/// Nothing is added, lost or changed, in either direction, however it is cut, also behind a
/// half-closed end; whether the watcher works, panics, hangs or is not there at all.
#[test]
fn every_byte_goes_through_both_ways_whatever_the_watcher_does() {
    type Make = fn() -> Option<Box<dyn Watch>>;
    let mut random = Random::seeded("shadow");
    let watchers: [Make; 3] = [|| None, || Some(Box::new(Panics)), || Some(Box::new(Hangs))];
    for watch in watchers {
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        let between = Between::start(Transport::Tcp, receiver.local_addr().unwrap(), watch());
        for _ in 0..6 {
            let (there, back) = (some_bytes(&mut random), some_bytes(&mut random));
            let mut front = connect(between.address());
            let (mut behind, _) = receiver.accept().unwrap();
            behind.set_read_timeout(Some(PATIENCE)).unwrap();
            let pouring = [
                pour(front.try_clone().unwrap(), there.clone(), random.next()),
                pour(behind.try_clone().unwrap(), back.clone(), random.next()),
            ];
            let arriving = std::thread::spawn(move || {
                let mut all = Vec::new();
                behind.read_to_end(&mut all).unwrap();
                all
            });
            let mut all = Vec::new();
            front.read_to_end(&mut all).unwrap();
            assert!(all == back, "{} bytes of {} back", all.len(), back.len());
            let all = arriving.join().unwrap();
            assert!(all == there, "{} bytes of {} there", all.len(), there.len());
            for one in pouring {
                one.join().unwrap();
            }
        }
    }
}

#[test]
fn datagrams_find_their_way_back_whatever_the_watcher_does() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0u8; 2048];
        while let Ok((len, peer)) = receiver.recv_from(&mut buffer) {
            let answer = [b"re:", &buffer[..len]].concat();
            let _ = receiver.send_to(&answer, peer);
        }
    });
    for watch in [
        None,
        Some(Box::new(Panics) as Box<dyn Watch>),
        Some(Box::new(Hangs) as Box<dyn Watch>),
    ] {
        let between = Between::start(Transport::Udp, address, watch);
        let senders: Vec<UdpSocket> = (0..5)
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(between.address()).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket
            })
            .collect();
        for round in 0..20 {
            for (at, sender) in senders.iter().enumerate() {
                sender.send(format!("{round} of {at}").as_bytes()).unwrap();
            }
            for (at, sender) in senders.iter().enumerate() {
                let mut buffer = [0u8; 64];
                let len = sender.recv(&mut buffer).expect("an answer");
                assert_eq!(buffer[..len], *format!("re:{round} of {at}").as_bytes());
            }
        }
    }
}

/// What a transmitter meets: nothing but the end of the connection.
fn meets_nothing(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes.is_empty(),
        Err(error) => bytes.is_empty() && error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_receiver_that_is_down_or_dies_is_just_that() {
    let address = free_port();
    let between = Between::start(Transport::Tcp, address, None);
    let mut stream = connect(between.address());
    let _ = stream.write_all(&sia(1, "1234", "BA1"));
    assert!(meets_nothing(&mut stream), "the receiver is down");

    // It comes, answers once, and breaks the connection off.
    let _old = Scripted::start_at(
        address,
        |_, before| if before == 0 { Act::Ack } else { Act::Break },
    );
    let mut stream = connect(between.address());
    stream.write_all(&sia(1, "1234", "BA1")).unwrap();
    assert_eq!(read_reply(&mut stream).expect("an answer").id, "ACK");
    stream.write_all(&sia(2, "1234", "BA2")).unwrap();
    let mut rest = [0u8; 16];
    let error = stream.read(&mut rest).expect_err("a reset goes through");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// A process whose journal fails from the start, or while it runs.
struct Failing(Child);

impl Failing {
    /// SIGXFSZ is ignored, so that a file that must not grow is an error and no signal.
    fn start(config: &Path) -> Self {
        let larm = larm_command();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; exec \"$0\" serve --config \"$1\""])
            .arg(larm.get_program())
            .arg(config)
            .env_remove("LARM_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(shell.spawn().expect("sh starts"))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// SIGTERM ends it; the exit code tells that something was wrong.
    fn ends_with_an_error(mut self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        assert!(!self.0.wait().unwrap().success());
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks over the shadow until it is there; then its answers must never fail.
fn ask_through(at: SocketAddr, number: u32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(mut stream) = TcpStream::connect(at) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
                .write_all(&sia(number, "1234", &format!("BA{number}")))
                .unwrap();
            assert_eq!(
                read_reply(&mut stream).expect("the receiver's answer").id,
                "ACK"
            );
            return;
        }
        assert!(Instant::now() < deadline, "the shadow never listened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn traffic_goes_on_though_the_gateway_cannot_start() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let old = Scripted::start(|_, _| Act::Ack);
    let at = free_port();
    let config = room.path().join("larm.toml");
    let data = format!("[gateway]\ndata = \"{}/data\"\n", file.display());
    std::fs::write(
        &config,
        data + &gateway::config("") + &section("old", "tcp", at, old.address),
    )
    .unwrap();
    let process = Failing::start(&config);
    for number in 1..=20 {
        ask_through(at, number);
    }
    assert_eq!(old.came().len(), 20);
    process.ends_with_an_error();
}

#[test]
fn traffic_goes_on_though_the_journal_fails() {
    let room = tempfile::tempdir().unwrap();
    let old = Scripted::start(|_, _| Act::Ack);
    let (at, own) = (free_port(), free_port());
    let config = room.path().join("larm.toml");
    let text = format!(
        "[gateway]\ndata = \"{}\"\n[[listener]]\nname = \"own\"\naddress = \"{own}\"\n{}{}",
        room.path().join("data").display(),
        gateway::SMALL_JOURNAL,
        section("old", "tcp", at, old.address)
    );
    std::fs::write(&config, text).unwrap();
    let process = Failing::start(&config);
    ask_through(at, 1);
    // Its own listener is up as well, so the gateway runs.
    let deadline = Instant::now() + PATIENCE;
    let mut direct = loop {
        match TcpStream::connect(own) {
            Ok(stream) => break stream,
            Err(_) => assert!(Instant::now() < deadline, "larm does not listen"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    direct.set_read_timeout(Some(PATIENCE)).unwrap();
    direct.write_all(&sia(1, "9999", "BA1")).unwrap();
    assert_eq!(read_reply(&mut direct).expect("an answer").id, "ACK");
    // From now on no file may be written: every write of the journal fails.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(Some(process.pid()), Resource::Fsize, none).unwrap();
    direct.write_all(&sia(2, "9999", "BA2")).unwrap();
    assert!(
        meets_nothing(&mut direct),
        "what is not durable is not acknowledged"
    );
    for number in 2..=30 {
        ask_through(at, number);
    }
    assert_eq!(old.came().len(), 30);
    process.ends_with_an_error();
}

/// What is no frame goes through as well, and is none of larm's business.
#[test]
fn other_protocols_go_through() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("shadow");
    let at = free_port();
    let config = write_config(
        &data,
        &section("old", "tcp", at, receiver.local_addr().unwrap()),
    );
    let shadow = Gateway::start_with(&data, &["--config", &config]);
    let mut front = connect(at);
    let (mut behind, _) = receiver.accept().unwrap();
    for request in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00",
        &frame(b"\"XYZ\"0001L0#1[]"),
    ] {
        front.write_all(request).unwrap();
        let mut heard = vec![0; request.len()];
        behind.read_exact(&mut heard).unwrap();
        assert_eq!(heard, request);
        behind.write_all(b"\x06").unwrap();
        let mut answer = [0u8; 1];
        front.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"\x06");
    }
    assert!(shadow.terminate().success());
}
