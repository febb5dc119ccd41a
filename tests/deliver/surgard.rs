//! Sur-Gard lines to a case system on a real socket: receipts that are late, joined, missing or of
//! the wrong kind, in both roles.
//!
//! One thing holds in every case: what is reported as delivered, the case system has taken.
#![expect(clippy::unwrap_used, reason = "a test says what broke by panicking")]
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use larm::deliver::lines::frame::Marks;
use larm::deliver::lines::surgard;
use larm::deliver::{Delivery, LinkState, Verdict};
use larm::tls::{ClientTls, ServerTls, client, server, server_name};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::case_system::{CaseSystem, Do, Log, is_heartbeat};
use crate::certificates::Authority;
use crate::line_driver::{Driven, alarms, eventually, record_of};

/// Longer than a busy machine needs for a receipt.
const AMPLE: &str = "receipt_timeout = \"10s\"\nheartbeat = \"0ms\"\nquiet = \"0ms\"";
/// For scripts that stay silent.
const SHORT: &str = "receipt_timeout = \"300ms\"\nheartbeat = \"200ms\"\nquiet = \"50ms\"";

fn client_of(address: SocketAddr, more: &str) -> String {
    format!("kind = \"surgard\"\nconnect = \"{address}\"\n{more}")
}

/// An address that nobody uses now.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn records_of(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(record_of).collect()
}

/// Every delivered event was taken, and the events of each account in their order.
fn assert_taken(case: &CaseSystem, deliveries: &[Delivery], delivered: &[u64]) {
    let taken = case.log(Log::taken_once);
    for one in deliveries
        .iter()
        .filter(|one| delivered.contains(&one.position))
    {
        assert!(
            taken.contains(&record_of(one)),
            "{} was not taken",
            one.position
        );
    }
    let mut accounts: Vec<&Option<String>> =
        deliveries.iter().map(|one| &one.event.account).collect();
    accounts.sort();
    accounts.dedup();
    for account in accounts {
        let own: Vec<String> = deliveries
            .iter()
            .filter(|one| one.event.account == *account)
            .map(record_of)
            .collect();
        let order: Vec<&String> = taken.iter().filter(|record| own.contains(record)).collect();
        let expected: Vec<&String> = own.iter().filter(|record| taken.contains(record)).collect();
        assert_eq!(order, expected, "{account:?}");
    }
}

#[tokio::test]
async fn every_event_arrives_once_and_in_order() {
    let (case, mut tasks) = (CaseSystem::willing(Marks::DC4), JoinSet::new());
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, AMPLE));
    let sent = alarms(100, 7);
    let delivered = driven.deliver_all(&sent).await;
    assert_eq!(delivered.len(), 100);
    assert_eq!(case.log(Log::events), records_of(&sent));
    for record in case.log(Log::events) {
        let read = surgard::parse(record.as_bytes(), 1).unwrap();
        assert_eq!(read.to_string(), record);
    }
    assert_eq!(driven.link.state(), LinkState::Up);
    driven.stop().await;
}

#[tokio::test]
async fn a_record_that_is_declined_is_sent_again() {
    let mut tasks = JoinSet::new();
    let case = CaseSystem::new(Marks::DC4, |log, _| match log.seen.len() {
        1 | 2 => vec![Do::Nak],
        _ => vec![Do::Ack],
    });
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, AMPLE));
    let sent = alarms(2, 1);
    driven.deliver_all(&sent).await;
    let [first, second] = [record_of(&sent[0]), record_of(&sent[1])];
    let seen = case.log(Log::events);
    assert_eq!(seen, [first.clone(), first.clone(), first, second]);
    driven.stop().await;
}

#[tokio::test]
async fn receipts_come_split_joined_and_with_noise() {
    let mut tasks = JoinSet::new();
    // The second receipt of each pair is for nothing: the next record is sent after it came.
    let case = CaseSystem::new(Marks::DC4, |log, record| match log.seen.len() % 3 {
        // Counts as taken, and one byte too many in the same segment.
        0 => vec![Do::Send(b"\r\n".to_vec()), Do::Ack],
        1 => vec![Do::Ack],
        _ if log.taken.contains(&record.to_owned()) => vec![Do::Ack],
        _ => vec![Do::Send(b"\r\x15\x06".to_vec())],
    });
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, AMPLE));
    let sent = alarms(30, 3);
    let delivered = driven.deliver_all(&sent).await;
    assert_eq!(delivered.len(), 30);
    assert_taken(&case, &sent, &delivered);
    driven.stop().await;

    let text = format!("{AMPLE}\nreceipts = \"text\"\nend = \"cr_lf\"");
    let words = CaseSystem::new(Marks::CR_LF, |log, _| match log.seen.len() {
        1 => vec![Do::Send(b"NAK\r\n".to_vec())],
        _ => [&b"AC"[..], b"K\r", b"\n"]
            .into_iter()
            .flat_map(|part| [Do::Send(part.to_vec()), Do::Wait(Duration::from_millis(5))])
            .collect(),
    });
    let driven = Driven::start(&client_of(words.listen(&mut tasks).await, &text));
    driven.deliver_all(&sent[..3]).await;
    assert_eq!(words.log(Log::events).len(), 4);
    driven.stop().await;
}

#[tokio::test]
async fn a_late_receipt_counts_for_nothing_else() {
    let mut tasks = JoinSet::new();
    // The receipt for the first sending comes long after the repeat; all repeats are declined
    // twice, so that whoever counts the late one is wrong.
    let case = CaseSystem::new(Marks::DC4, |log, record| {
        let times = log.seen.iter().filter(|seen| seen.record == record).count();
        match times {
            _ if is_heartbeat(record) => vec![Do::Ack],
            1 => vec![
                Do::Wait(Duration::from_millis(700)),
                Do::Send(b"\x06".to_vec()),
            ],
            2 => vec![Do::Nak],
            _ => vec![Do::Ack],
        }
    });
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, SHORT));
    let sent = alarms(4, 2);
    let delivered = driven.deliver_all(&sent).await;
    assert_eq!(delivered.len(), 4);
    assert_taken(&case, &sent, &delivered);
    driven.stop().await;
}

#[tokio::test]
async fn with_quiet_what_is_owed_is_waited_for() {
    let mut tasks = JoinSet::new();
    // Silent for the first sending of each record, then both receipts one after the other. The
    // second one must not count for the next record.
    let case = CaseSystem::new(Marks::DC4, |log, record| {
        let times = log.seen.iter().filter(|seen| seen.record == record).count();
        match times {
            _ if is_heartbeat(record) => vec![Do::Ack],
            1 => vec![],
            _ => vec![
                Do::Ack,
                Do::Wait(Duration::from_millis(20)),
                Do::Send(b"\x06".to_vec()),
            ],
        }
    });
    let more = "receipt_timeout = \"300ms\"\nheartbeat = \"0ms\"\nquiet = \"500ms\"\nlate_receipts = \"quiet\"";
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, more));
    let sent = alarms(3, 1);
    let delivered = driven.deliver_all(&sent).await;
    assert_taken(&case, &sent, &delivered);
    assert_eq!(case.log(|log| log.connections), 1);
    driven.stop().await;
}

#[tokio::test]
async fn after_silence_only_heartbeats_until_one_is_acknowledged() {
    let mut tasks = JoinSet::new();
    let awake = Arc::new(AtomicBool::new(false));
    let listening = awake.clone();
    let case = CaseSystem::new(Marks::DC4, move |_, _| {
        if listening.load(Ordering::SeqCst) {
            vec![Do::Ack]
        } else {
            vec![]
        }
    });
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, SHORT));
    let sent = alarms(10, 2);
    let verdicts = driven.try_once(&sent).await;
    assert!(
        verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Retry { .. }))
    );
    driven
        .link_is(|state| matches!(state, LinkState::Down(_)))
        .await;
    eventually(|| case.log(|log| log.seen.iter().any(|seen| is_heartbeat(&seen.record)))).await;
    // The first try and three repeats of the oldest one, and nothing but heartbeats since.
    let events = case.log(Log::events);
    assert_eq!(events, vec![record_of(&sent[0]); 4]);
    let asleep = case.log(|log| log.seen.len());
    awake.store(true, Ordering::SeqCst);
    let delivered = driven.deliver_all(&sent).await;
    assert_taken(&case, &sent, &delivered);
    // The first thing that it took was a heartbeat; then the oldest event.
    let taken = case.log(|log| log.taken.clone());
    assert!(is_heartbeat(&taken[0]), "{taken:?}");
    let first = taken.iter().find(|record| !is_heartbeat(record));
    assert_eq!(first, Some(&record_of(&sent[0])));
    let between = case.log(|log| log.seen[4..asleep].to_vec());
    assert!(
        between.iter().all(|seen| is_heartbeat(&seen.record)),
        "{between:?}"
    );
    assert_eq!(driven.link.state(), LinkState::Up);
    driven.stop().await;
}

#[tokio::test]
async fn heartbeats_go_out_on_an_idle_link_and_their_receipts_are_their_own() {
    let mut tasks = JoinSet::new();
    // Every connection greets with receipts that are for nothing, and every heartbeat is answered
    // by two at once.
    let mut case = CaseSystem::new(Marks::DC4, |log, record| {
        let times = log.seen.iter().filter(|seen| seen.record == record).count();
        match times {
            _ if is_heartbeat(record) => vec![Do::Send(b"\x06\x06".to_vec())],
            1 => vec![Do::Wait(Duration::from_millis(60)), Do::Nak],
            _ => vec![Do::Ack],
        }
    });
    case.greeting = b"\x06\x06";
    let more = "receipt_timeout = \"10s\"\nheartbeat = \"30ms\"\nquiet = \"200ms\"";
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, more));
    eventually(|| case.log(|log| log.seen.len() >= 3)).await;
    assert_eq!(driven.link.state(), LinkState::Up);
    let sent = alarms(3, 1);
    for one in sent.chunks(1) {
        let beats = case.log(|log| log.seen.len());
        let delivered = driven.deliver_all(one).await;
        assert_taken(&case, one, &delivered);
        eventually(|| case.log(|log| log.seen.len() > beats + 3)).await;
    }
    let beat = "1011           @    ".to_owned();
    assert!(case.log(|log| log.seen[0].record == beat));
    driven.stop().await;
}

#[tokio::test]
async fn one_record_that_is_refused_for_ever_stops_no_other() {
    for (limit, dead) in [(0, false), (6, true)] {
        let mut tasks = JoinSet::new();
        let sent = alarms(20, 4);
        let poison = record_of(&sent[2]);
        let case = CaseSystem::new(Marks::DC4, move |_, record| {
            vec![if record == poison { Do::Nak } else { Do::Ack }]
        });
        let more = format!("{AMPLE}\nrefuse_alarms_after = {limit}");
        let driven = Driven::start(&client_of(case.listen(&mut tasks).await, &more));
        let mut verdicts = Vec::new();
        for _ in 0..4 {
            verdicts = driven.try_once(&sent).await;
            for (one, verdict) in sent.iter().zip(&verdicts) {
                let behind = one.event.account == sent[2].event.account && one.position >= 3;
                assert!(
                    *verdict == Verdict::Delivered || behind,
                    "{one:?}: {verdict:?}"
                );
            }
            if matches!(verdicts[2], Verdict::Refused { .. }) {
                break;
            }
        }
        assert_eq!(
            matches!(verdicts[2], Verdict::Refused { .. }),
            dead,
            "{verdicts:?}"
        );
        // What stands behind it goes on when it is out of the way.
        assert_eq!(verdicts[6] == Verdict::Delivered, dead, "{verdicts:?}");
        driven.stop().await;
    }
}

#[tokio::test]
async fn a_case_system_that_declines_everything_refuses_nothing() {
    let mut tasks = JoinSet::new();
    let case = CaseSystem::new(Marks::DC4, |_, _| vec![Do::Nak]);
    let more = format!("{AMPLE}\nrefuse_alarms_after = 1\nrefuse_after = 1");
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, &more));
    for _ in 0..3 {
        let verdicts = driven.try_once(&alarms(6, 3)).await;
        let kept = |verdict: &Verdict| matches!(verdict, Verdict::Retry { .. });
        assert!(verdicts.iter().all(kept), "{verdicts:?}");
    }
    driven.stop().await;
}

#[tokio::test]
async fn a_hundred_restarts_lose_nothing() {
    let mut tasks = JoinSet::new();
    let restarts = Arc::new(AtomicUsize::new(0));
    let count = restarts.clone();
    // It ends before it took the record, after it took it without a word, and after the receipt.
    let case = CaseSystem::new(Marks::DC4, move |log, _| {
        if !log.seen.len().is_multiple_of(3) || count.load(Ordering::SeqCst) >= 100 {
            return vec![Do::Ack];
        }
        match count.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => vec![Do::Close],
            1 => vec![Do::Send(b"\x15".to_vec()), Do::Close],
            _ => vec![Do::Ack, Do::Close],
        }
    });
    let more = "receipt_timeout = \"1s\"\nheartbeat = \"100ms\"\nquiet = \"0ms\"";
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, more));
    let sent = alarms(300, 9);
    let delivered = driven.deliver_all(&sent).await;
    assert_eq!(delivered.len(), sent.len());
    assert_taken(&case, &sent, &delivered);
    assert_eq!(case.log(|log| log.taken_once().len()), sent.len());
    assert!(restarts.load(Ordering::SeqCst) >= 100);
    driven.stop().await;
}

#[tokio::test]
async fn a_slow_reader_is_waited_for() {
    let mut tasks = JoinSet::new();
    let case = CaseSystem::new(Marks::DC4, |_, _| {
        vec![Do::Wait(Duration::from_millis(20)), Do::Ack]
    });
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, AMPLE));
    let sent = alarms(25, 5);
    driven.deliver_all(&sent).await;
    assert_eq!(case.log(Log::events), records_of(&sent));
    driven.stop().await;
}

#[tokio::test]
async fn the_next_endpoint_takes_over_and_back() {
    let mut tasks = JoinSet::new();
    let second = CaseSystem::willing(Marks::DC4);
    let (dead, alive) = (free_address().await, second.listen(&mut tasks).await);
    let section = format!("kind = \"surgard\"\nconnect = [\"{dead}\", \"{alive}\"]\n{SHORT}");
    let driven = Driven::start(&section);
    let sent = alarms(20, 4);
    driven.deliver_all(&sent[..10]).await;
    assert_eq!(second.log(|log| log.taken_once().len()), 10);
    // The second one is gone, the first one is there.
    tasks.shutdown().await;
    let first = CaseSystem::willing(Marks::DC4);
    let listener = TcpListener::bind(dead).await.unwrap();
    let talking = first.clone();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            talking.talk(stream).await;
        }
    });
    driven.deliver_all(&sent[10..]).await;
    assert_eq!(first.log(Log::taken_once), records_of(&sent[10..]));
    driven.stop().await;
}

#[tokio::test]
async fn a_dropped_delivery_leaves_the_link_usable() {
    let mut tasks = JoinSet::new();
    let case = CaseSystem::new(Marks::DC4, |_, _| {
        vec![Do::Wait(Duration::from_millis(30)), Do::Ack]
    });
    let driven = Driven::start(&client_of(case.listen(&mut tasks).await, AMPLE));
    let sent = alarms(12, 3);
    for cut in [0, 10, 40, 70] {
        let delivery = driven.connector.deliver(&sent[..8]);
        let _ = tokio::time::timeout(Duration::from_millis(cut), delivery).await;
    }
    let delivered = driven.deliver_all(&sent).await;
    assert_eq!(delivered.len(), sent.len());
    assert_taken(&case, &sent, &delivered);
    driven.stop().await;
}

#[tokio::test]
async fn nobody_there_at_the_start() {
    let address = free_address().await;
    let driven = Driven::start(&client_of(address, SHORT));
    let sent = alarms(10, 2);
    let verdicts = driven.try_once(&sent).await;
    assert!(
        verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Retry { .. }))
    );
    driven
        .link_is(|state| matches!(state, LinkState::Down(_)))
        .await;
    let case = CaseSystem::willing(Marks::DC4);
    let listener = TcpListener::bind(address).await.unwrap();
    let talking = case.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            talking.talk(stream).await;
        }
    });
    let delivered = driven.deliver_all(&sent).await;
    assert_taken(&case, &sent, &delivered);
    driven.stop().await;
}

fn server_of(address: SocketAddr, more: &str) -> String {
    format!("kind = \"surgard\"\nlisten = \"{address}\"\n{more}")
}

const LOOPBACK: &str = "peers = [\"127.0.0.0/8\"]";

/// Connects as soon as somebody listens.
async fn reach(address: SocketAddr) -> TcpStream {
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test]
async fn the_case_system_connects_and_a_second_one_is_refused() {
    let address = free_address().await;
    let driven = Driven::start(&server_of(address, &format!("{AMPLE}\n{LOOPBACK}")));
    let case = CaseSystem::willing(Marks::DC4);
    let (talking, mut tasks) = (case.clone(), JoinSet::new());
    let first = reach(address).await;
    tasks.spawn(async move { talking.talk(first).await });
    let sent = alarms(20, 4);
    driven.deliver_all(&sent[..10]).await;
    let mut second = reach(address).await;
    let mut heard = Vec::new();
    second.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty(), "{heard:?}");
    driven.deliver_all(&sent[10..]).await;
    assert_eq!(case.log(Log::events), records_of(&sent));
    assert_eq!(case.log(|log| log.connections), 1);
    driven.stop().await;
}

#[tokio::test]
async fn a_second_one_gets_heartbeats_and_takes_over() {
    let address = free_address().await;
    let more = format!("{SHORT}\n{LOOPBACK}\nsecond = \"heartbeats\"");
    let driven = Driven::start(&server_of(address, &more));
    let (first, second) = (
        CaseSystem::willing(Marks::DC4),
        CaseSystem::willing(Marks::DC4),
    );
    let (mut first_task, mut second_task) = (JoinSet::new(), JoinSet::new());
    let (talking, stream) = (first.clone(), reach(address).await);
    first_task.spawn(async move { talking.talk(stream).await });
    let sent = alarms(20, 4);
    driven.deliver_all(&sent[..5]).await;
    let (talking, stream) = (second.clone(), reach(address).await);
    second_task.spawn(async move { talking.talk(stream).await });
    eventually(|| second.log(|log| log.seen.len() >= 2)).await;
    driven.deliver_all(&sent[5..10]).await;
    let seen = second.log(|log| log.seen.clone());
    assert!(
        seen.iter().all(|seen| is_heartbeat(&seen.record)),
        "{seen:?}"
    );
    first_task.shutdown().await;
    let delivered = driven.deliver_all(&sent[10..]).await;
    assert_taken(&second, &sent[10..], &delivered);
    assert_eq!(first.log(Log::taken_once), records_of(&sent[..10]));
    driven.stop().await;
}

#[tokio::test]
async fn a_case_system_that_comes_back_again_and_again_misses_nothing() {
    let address = free_address().await;
    let driven = Driven::start(&server_of(address, &format!("{SHORT}\n{LOOPBACK}")));
    let case = CaseSystem::new(Marks::DC4, |log, _| match log.seen.len() % 5 {
        0 => vec![Do::Close],
        3 => vec![Do::Ack, Do::Close],
        _ => vec![Do::Ack],
    });
    let (talking, mut tasks) = (case.clone(), JoinSet::new());
    tasks.spawn(async move {
        loop {
            talking.connect(address).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let sent = alarms(40, 4);
    let delivered = driven.deliver_all(&sent).await;
    assert_taken(&case, &sent, &delivered);
    driven.stop().await;
}

#[tokio::test]
async fn who_is_not_listed_gets_nothing() {
    let address = free_address().await;
    let more = format!("{SHORT}\npeers = [\"192.0.2.0/24\"]");
    let driven = Driven::start(&server_of(address, &more));
    let mut stranger = reach(address).await;
    let mut heard = Vec::new();
    // Closed without a byte, or reset.
    let _ = stranger.read_to_end(&mut heard).await;
    assert!(heard.is_empty());
    let verdicts = driven.try_once(&alarms(1, 1)).await;
    assert!(matches!(verdicts[0], Verdict::Retry { .. }), "{verdicts:?}");
    driven
        .link_is(|state| matches!(state, LinkState::Down(_)))
        .await;
    driven.stop().await;
}

#[tokio::test]
async fn events_go_to_the_right_certificate_only() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = ours.ca();
    for (authority, right) in [(&theirs, false), (&ours, true)] {
        let leaf = authority.server("case");
        let files = ServerTls {
            certificate: leaf.certificate.clone(),
            key: leaf.key.clone(),
            client_ca: None,
        };
        let mut case = CaseSystem::willing(Marks::DC4);
        case.tls = Some(TlsAcceptor::from(server(&files).unwrap()));
        let mut tasks = JoinSet::new();
        let port = case.listen(&mut tasks).await.port();
        let section = format!(
            "kind = \"surgard\"\nconnect = \"localhost:{port}\"\ntls = true\nca_file = \"{}\"\n{SHORT}",
            ca.display()
        );
        let driven = Driven::start(&section);
        let sent = alarms(3, 1);
        if right {
            let delivered = driven.deliver_all(&sent).await;
            assert_taken(&case, &sent, &delivered);
        } else {
            let verdicts = driven.try_once(&sent).await;
            assert!(matches!(verdicts[0], Verdict::Retry { .. }));
            let told = |state: &LinkState| matches!(state, LinkState::Down(why) if why.contains("ertificate"));
            driven.link_is(told).await;
            assert_eq!(case.log(|log| log.seen.len()), 0);
        }
        driven.stop().await;
    }
}

#[tokio::test]
async fn a_case_system_without_our_certificate_gets_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let gateway = ours.server("gateway");
    let address = free_address().await;
    let more = format!(
        "tls = true\ncertificate_file = \"{}\"\nkey_file = \"{}\"\nca_file = \"{}\"\n{SHORT}\n{LOOPBACK}",
        gateway.certificate.display(),
        gateway.key.display(),
        ours.ca().display()
    );
    let driven = Driven::start(&server_of(address, &more));
    let sent = alarms(3, 1);
    for (leaf, right) in [
        (theirs.client("stranger"), false),
        (ours.client("case"), true),
    ] {
        let files = ClientTls {
            ca: Some(ours.ca()),
            certificate: Some(leaf.certificate.clone()),
            key: Some(leaf.key.clone()),
        };
        let connector = TlsConnector::from(client(&files).unwrap());
        let case = CaseSystem::willing(Marks::DC4);
        let (talking, mut tasks) = (case.clone(), JoinSet::new());
        let socket = reach(address).await;
        let name = server_name("localhost").unwrap();
        tasks.spawn(async move {
            if let Ok(stream) = connector.connect(name, socket).await {
                talking.talk(stream).await;
            }
        });
        if right {
            let delivered = driven.deliver_all(&sent).await;
            assert_taken(&case, &sent, &delivered);
        } else {
            let verdicts = driven.try_once(&sent).await;
            assert!(matches!(verdicts[0], Verdict::Retry { .. }));
            assert_eq!(case.log(|log| log.seen.len()), 0);
        }
    }
    driven.stop().await;
}
