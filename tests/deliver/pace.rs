//! How long an event takes from its commit in the journal to the webhook receiver's socket, at a steady
//! pace, over TLS, through the engine. It prints figures and demands none: the machine may be busy.
//!
//! `LARM_PACE_EVENTS=10000 LARM_PACE_PER_SECOND=1000` sets how many, and how fast.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use larm::deliver::engine::{Decision, Engine, Settings, Setup};
use larm::journal::{Journal, Options};
use larm::record;
use larm::tls::{ServerTls, server};
use larm_event::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;
use crate::driver::{build, delivery};

/// When each event's request was there, by the event's id.
type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

/// Takes every request of one connection, and notes when its last byte was read.
async fn serve(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    arrivals: Arrivals,
) {
    let mut read = Vec::new();
    let mut piece = vec![0; 16 * 1_024];
    while let Ok(len @ 1..) = stream.read(&mut piece).await {
        read.extend_from_slice(&piece[..len]);
        let at = Instant::now();
        while let Some((id, request_len)) = request(&read) {
            arrivals.lock().expect("no panic").entry(id).or_insert(at);
            read.drain(..request_len);
            if stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// The id of a whole request at the beginning, and its length.
fn request(read: &[u8]) -> Option<(String, usize)> {
    let head_len = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..head_len]).expect("a head is text");
    let field = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map(|(_, value)| value.to_owned())
    };
    let body_len: usize = field("content-length:")?.parse().expect("a length");
    let whole = head_len + body_len;
    (read.len() >= whole).then(|| (field("webhook-id:").expect("an id"), whole))
}

async fn receiver(authority: &Authority, arrivals: Arrivals) -> u16 {
    let leaf = authority.server("receiver");
    let files = ServerTls {
        certificate: leaf.certificate,
        key: leaf.key,
        client_ca: None,
    };
    let acceptor = TlsAcceptor::from(server(&files).expect("sound files"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, arrivals) = (acceptor.clone(), Arc::clone(&arrivals));
            socket.set_nodelay(true).expect("a socket");
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(socket).await {
                    serve(stream, arrivals).await;
                }
            });
        }
    });
    port
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Commits events at a steady pace, those that are due together in one batch, as the gateway's sink
/// does. When each was durable, by its id.
fn commit(mut journal: Journal, events: u64, per_second: u64) -> HashMap<String, Instant> {
    let mut committed = HashMap::new();
    let (begun, mut done) = (Instant::now(), 0);
    while done < events {
        let elapsed = u64::try_from(begun.elapsed().as_micros()).expect("a short run");
        let due = (elapsed * per_second / 1_000_000).min(events);
        if due == done {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        let batch: Vec<_> = (done + 1..=due)
            .map(|at| delivery(at, &at.to_string()).event)
            .collect();
        let records: Vec<Vec<u8>> = batch
            .iter()
            .map(|event| record::encode(event, None))
            .collect();
        let now = batch[0].received_at.as_millis();
        journal
            .append(records.iter().map(Vec::as_slice), now)
            .expect("a sound disk");
        let at = Instant::now();
        journal.published().ring();
        committed.extend(batch.iter().map(|event| (event.id.to_string(), at)));
        done = due;
    }
    committed
}

#[tokio::test(flavor = "multi_thread")]
async fn from_commit_to_the_receivers_socket() {
    let (events, per_second) = (
        setting("LARM_PACE_EVENTS", 500),
        setting("LARM_PACE_PER_SECOND", 1_000),
    );
    let authority = Authority::new();
    let arrivals = Arrivals::default();
    let port = receiver(&authority, Arc::clone(&arrivals)).await;
    let room = authority.directory();
    let secret = room.join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        .expect("a writable directory");
    let hook = build(&format!(
        "[[connector]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://127.0.0.1:{port}/\"\n\
         secret_file = \"{}\"\nca_file = \"{}\"\n",
        secret.display(),
        authority.ca().display()
    ))
    .expect("sound settings");
    let (journal, _) =
        Journal::open(&room.join("journal"), &Options::default()).expect("a journal");
    let engine = Engine::start(Setup {
        name: "hook".into(),
        directory: room.join("hook"),
        journal: room.join("journal"),
        published: journal.published(),
        route: Arc::new(|_: &Event| Decision::Pass),
        connector: Arc::clone(&hook.connector),
        link: hook.link.clone(),
        notices: Box::new(|_| ()),
        settings: Settings::default(),
    })
    .expect("an engine");
    let committing = tokio::task::spawn_blocking(move || commit(journal, events, per_second));
    let committed = committing.await.expect("no panic");
    while (arrivals.lock().expect("no panic").len() as u64) < events {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let drained = engine.drain(Duration::from_secs(10)).await;
    assert!(drained.in_time);
    let arrivals = arrivals.lock().expect("no panic");
    let mut taken: Vec<Duration> = committed
        .iter()
        .map(|(id, at)| arrivals[id].saturating_duration_since(*at))
        .collect();
    taken.sort_unstable();
    let at = |percent: usize| taken[(taken.len() - 1) * percent / 100];
    println!(
        "{events} events at {per_second}/s, commit to socket: p50 {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        at(100)
    );
}
