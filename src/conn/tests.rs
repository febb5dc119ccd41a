//! Conversations over real sockets and a real journal, with a protocol of a few lines.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use larm_carrier::{
    Accounts, Answer, CloseReason, Delivery, FrameVerdict, Identity, Intent, Moment, Noise, Proof,
    Request, Session, Step, Verdict,
};
use larm_event::{Event, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

use super::{Admission, AdmissionLimits, Notice, Shared};
use crate::clock::{Clock, SystemClock};
use crate::intake::{Intake, Parts, QuotaLimits, Rules};
use crate::journal::{Journal, Options, Reader};
use crate::listen;
use crate::metrics::{Fate, Link, Metrics};
use crate::sink::{Hooks, Limits, Sink};

/// `A<number> <content>\n` is an alarm, `T\n` a link test, `X\n` damaged; anything else is noise.
struct Toy;

impl Session for Toy {
    type Ticket = String;

    fn receive<'b>(
        &mut self,
        input: &'b [u8],
        _: Delivery,
        _: Moment,
        _: &dyn Accounts,
    ) -> Step<'b, String> {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return if input.len() > self.frame_len_max() {
                Step::Close {
                    reason: CloseReason::FrameTooLong,
                }
            } else {
                Step::More {
                    consumed: 0,
                    begun: !input.is_empty(),
                }
            };
        };
        let (frame, consumed) = (&input[..=end], end + 1);
        let text = String::from_utf8_lossy(&input[..end]).into_owned();
        let (number, content) = text.split_once(' ').unwrap_or((&text, ""));
        let mut digest = [0; 16];
        digest
            .iter_mut()
            .zip(content.bytes())
            .for_each(|(to, from)| *to = from);
        let alarm = text.starts_with('A');
        let damaged = text == "X";
        if !alarm && !damaged && text != "T" {
            return Step::Skip {
                consumed,
                noise: Noise::Unknown,
            };
        }
        let mut event = Event::draft("toy".to_owned());
        event.kind = Kind::Alarm;
        event.text = Some(content.to_owned());
        let request = Request {
            ticket: number.to_owned(),
            frame,
            receiver: None,
            line: None,
            account: None,
            known: true,
            verdict: if damaged {
                FrameVerdict::BadCrc
            } else {
                FrameVerdict::Ok
            },
            link_test: text == "T",
            intent: if damaged {
                Intent::Withhold
            } else {
                Intent::Accept
            },
            events: if text == "T" { Vec::new() } else { vec![event] },
            identity: Identity {
                content: digest,
                account: [0; 16],
                sequence: number.get(1..).and_then(|digits| digits.parse().ok()),
                sent_at: None,
                renumbers: false,
                constant_sequence: false,
            },
        };
        Step::Request { consumed, request }
    }

    fn reply<P: Proof>(
        &self,
        ticket: String,
        verdict: Verdict<P>,
        _: Moment,
        _: impl FnOnce() -> [u8; 32],
        out: &mut Vec<u8>,
    ) -> Answer {
        match verdict {
            Verdict::Committed(_) | Verdict::Repeat(_) => {
                out.extend_from_slice(format!("+{ticket}\n").as_bytes());
                Answer::Positive
            }
            Verdict::Refused | Verdict::Overloaded | Verdict::Late => Answer::Silence,
        }
    }

    fn frame_len_max(&self) -> usize {
        64
    }
}

const OPTIONS: Options = Options {
    segment_len: 1 << 20,
    reserve: 0,
    ahead: false,
};

struct Bench {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    sink: Option<Sink>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn start(connections_max: usize, udp: bool) -> Self {
        Self::start_at("127.0.0.1:0", connections_max, udp)
    }

    fn start_at(address: &str, connections_max: usize, udp: bool) -> Self {
        Self::start_in(
            tempfile::tempdir().unwrap(),
            &OPTIONS,
            address,
            connections_max,
            udp,
        )
    }

    fn start_in(
        dir: tempfile::TempDir,
        options: &Options,
        address: &str,
        connections_max: usize,
        udp: bool,
    ) -> Self {
        let (journal, _) = Journal::open(dir.path(), options).unwrap();
        let sink = Sink::start(journal, &Limits::default(), Hooks::default()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let parts = Parts {
            node: "test".to_owned(),
            lanes: sink.lanes(),
            here: Some(sink.here()),
            published: sink.published(),
            accounts: Arc::new(ArcSwap::default()),
            metrics: Arc::clone(&metrics),
            on_repeat: Box::new(|_| {}),
            repeats_max: 100_000,
        };
        let rules = Rules {
            hold_unknown: false,
            ack_deadline: Duration::from_secs(5),
            repeat_window: Duration::from_secs(90),
            quota: QuotaLimits {
                per_peer: 2,
                total: 2,
            },
        };
        let stop = CancellationToken::new();
        let notice = Notice::new(1, Arc::clone(&clock), Arc::clone(&metrics), |_| None);
        let shared = Arc::new(Shared {
            name: "toy".into(),
            role: None,
            first_byte_timeout: Duration::from_millis(400),
            frame_timeout: Duration::from_millis(400),
            idle_timeout: Duration::from_mins(1),
            datagrams_max: 16,
            intake: Arc::new(Intake::new(parts, rules)),
            clock,
            turns: Arc::default(),
            notice: Arc::new(notice),
            stop: stop.clone(),
        });
        let any = address.parse().unwrap();
        let (address, served) = if udp {
            let (socket, address) = listen::open_udp(any).unwrap();
            (
                address,
                tokio::spawn(super::udp::serve(socket, || Toy, shared)),
            )
        } else {
            let (socket, address) = listen::open_tcp(any).unwrap();
            let limits = AdmissionLimits {
                connections_max,
                per_peer_max: 100,
            };
            let admission = Admission::new(limits);
            (
                address,
                tokio::spawn(listen::serve_tcp(socket, || Toy, admission, shared)),
            )
        };
        Self {
            address,
            metrics,
            stop,
            sink: Some(sink),
            served,
            dir,
        }
    }

    /// Drains and returns the texts in the journal.
    async fn finish(mut self) -> Vec<String> {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
        self.sink.take().unwrap().stop().unwrap();
        let mut reader = Reader::open(self.dir.path(), 1).unwrap();
        let mut texts = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            let event = crate::record::decode(entry.position, &entry.payload).unwrap();
            texts.push(event.text.unwrap_or_default());
        }
        texts
    }
}

async fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    loop {
        let byte = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await;
        match byte.expect("an answer within ten seconds") {
            Ok(b'\n') | Err(_) => break,
            Ok(byte) => line.push(byte),
        }
    }
    String::from_utf8(line).unwrap()
}

/// Waits until the peer has closed.
async fn closed(stream: &mut TcpStream) -> bool {
    let mut rest = [0; 16];
    matches!(
        tokio::time::timeout(Duration::from_secs(10), stream.read(&mut rest)).await,
        Ok(Ok(0) | Err(_))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_frames_are_answered_in_order_and_are_in_the_journal() {
    let bench = Bench::start(10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream
        .write_all(b"A1 one\nT\nA2 two\nnoise\nA3 three\nA1 one\n")
        .await
        .unwrap();
    for expected in ["+A1", "+T", "+A2", "+A3", "+A1"] {
        assert_eq!(read_line(&mut stream).await, expected);
    }
    assert_eq!(bench.metrics.fate_count(Fate::Repeat), 1);
    assert_eq!(bench.metrics.fate_count(Fate::LinkTest), 1);
    assert_eq!(bench.finish().await, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_cut_at_every_byte_arrives_whole() {
    let bench = Bench::start(10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"A7 bit by bit\n" {
        stream.write_u8(*byte).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read_line(&mut stream).await, "+A7");
    assert_eq!(bench.finish().await, ["bit by bit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_on_another_connection_joins_and_is_answered() {
    let bench = Bench::start(10, false);
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        stream.write_all(b"A5 same\n").await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        assert_eq!(read_line(stream).await, "+A5");
    }
    assert_eq!(bench.finish().await, ["same"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_nobody_vouches_for_are_recorded_up_to_the_quota_and_never_answered() {
    let bench = Bench::start(10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(b"X\nX\nX\nX\nA1 good\n").await.unwrap();
    assert_eq!(read_line(&mut stream).await, "+A1");
    assert_eq!(bench.metrics.fate_count(Fate::OverQuota), 2);
    assert_eq!(bench.finish().await, ["", "", "good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_and_a_half_frame_time_out_and_are_counted() {
    let bench = Bench::start(10, false);
    let mut silent = TcpStream::connect(bench.address).await.unwrap();
    let mut half = TcpStream::connect(bench.address).await.unwrap();
    half.write_all(b"A1 ha").await.unwrap();
    assert!(closed(&mut silent).await && closed(&mut half).await);
    let metrics = Arc::clone(&bench.metrics);
    assert_eq!(bench.finish().await, Vec::<String>::new());
    assert_eq!(metrics.link_count(Link::SilentTimeout), 1);
    assert_eq!(metrics.link_count(Link::HalfFrameTimeout), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proven_connection_outlives_the_first_byte_timeout() {
    let bench = Bench::start(10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(b"T\n").await.unwrap();
    assert_eq!(read_line(&mut stream).await, "+T");
    tokio::time::sleep(Duration::from_millis(800)).await;
    stream.write_all(b"A1 later\n").await.unwrap();
    assert_eq!(read_line(&mut stream).await, "+A1");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_make_room_for_transmitters() {
    let bench = Bench::start(2, false);
    let mut proven = TcpStream::connect(bench.address).await.unwrap();
    proven.write_all(b"T\n").await.unwrap();
    assert_eq!(read_line(&mut proven).await, "+T");
    let mut stranger = TcpStream::connect(bench.address).await.unwrap();
    let mut newcomer = TcpStream::connect(bench.address).await.unwrap();
    newcomer.write_all(b"A9 urgent\n").await.unwrap();
    assert_eq!(read_line(&mut newcomer).await, "+A9");
    assert!(closed(&mut stranger).await);
    proven.write_all(b"T\n").await.unwrap();
    assert_eq!(read_line(&mut proven).await, "+T");
    assert_eq!(bench.finish().await, ["urgent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_line_ends_its_connection_with_a_counted_reason() {
    let bench = Bench::start(10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(&[b'A'; 10_000]).await.unwrap();
    assert!(closed(&mut stream).await);
    let text = bench.metrics.print(crate::metrics::Gauges::default());
    assert!(
        text.contains("larm_session_closes_total{reason=\"frame-too-long\"} 1"),
        "{text}"
    );
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_answers_what_was_read_and_closes_idle_connections() {
    let bench = Bench::start(10, false);
    let mut idle = TcpStream::connect(bench.address).await.unwrap();
    idle.write_all(b"A1 last\n").await.unwrap();
    assert_eq!(read_line(&mut idle).await, "+A1");
    let texts = bench.finish().await;
    assert!(closed(&mut idle).await);
    assert_eq!(texts, ["last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datagram_is_answered_to_its_sender_and_noise_is_not() {
    let bench = Bench::start(10, true);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(bench.address).await.unwrap();
    let mut reply = [0; 64];
    socket.send(b"garbage\n").await.unwrap();
    socket.send(b"X\n").await.unwrap();
    socket.send(b"A1 by datagram\n").await.unwrap();
    let len = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut reply)).await;
    assert_eq!(&reply[..len.unwrap().unwrap()], b"+A1\n");
    assert_eq!(bench.metrics.link_count(Link::Datagram), 3);
    assert_eq!(bench.finish().await, ["", "by datagram"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_connection_whose_reads_end_inside_frames_is_not_timed_out() {
    let bench = Bench::start(10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    // Each write ends one frame and begins the next: the buffer is never empty for 800 ms.
    stream.write_all(b"A0 x").await.unwrap();
    for number in 1..=8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let text = format!("{number}\nA{number} x");
        stream.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(read_line(&mut stream).await, format!("+A{}", number - 1));
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_leaves_from_the_address_that_the_datagram_was_sent_to() {
    let bench = Bench::start_at("0.0.0.0:0", 10, true);
    let port = bench.address.port();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut reply = [0; 64];
    for (number, ours) in (1..).zip(["127.0.0.1", "127.0.0.2", "127.1.2.3"]) {
        let to: SocketAddr = format!("{ours}:{port}").parse().unwrap();
        let frame = format!("A{number} to {ours}\n");
        socket.send_to(frame.as_bytes(), to).await.unwrap();
        let received = socket.recv_from(&mut reply);
        let (_, from) = tokio::time::timeout(Duration::from_secs(10), received)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(from, to);
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_full_disk_gets_another_try() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        segment_len: 16 << 10,
        ..OPTIONS
    };
    let (journal, _) = Journal::open(dir.path(), &small).unwrap();
    journal.close(0).unwrap();
    // No file system has that much room: the segment that is there is the last one.
    let full = Options {
        reserve: 1 << 60,
        ..small
    };
    let bench = Bench::start_in(dir, &full, "127.0.0.1:0", 10, false);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    let fence = "A0 x0\n";
    stream.write_all(fence.as_bytes()).await.unwrap();
    assert_eq!(read_line(&mut stream).await, "+A0");
    let mut frames: Vec<String> = (1..200).map(|n| format!("A{n} x{n}\n")).collect();
    frames.push(fence.to_owned());
    stream.write_all(frames.concat().as_bytes()).await.unwrap();
    let mut answered = Vec::new();
    while answered.last().is_none_or(|line| line != "+A0") {
        answered.push(read_line(&mut stream).await);
    }
    let silent = (1..200).find(|number| !answered.contains(&format!("+A{number}")));
    let silent = silent.expect("the disk was full before the last frame");
    let retry = format!("A{silent} x{silent}\n{fence}");
    stream.write_all(retry.as_bytes()).await.unwrap();
    while read_line(&mut stream).await != "+A0" {}
    // What is durable is a repeat, twice; what failed is none, and is tried anew if it can be.
    let [new, down, repeat] =
        [Fate::New, Fate::JournalDown, Fate::Repeat].map(|fate| bench.metrics.fate_count(fate));
    assert_eq!((new + down, repeat), (201, 2));
}
