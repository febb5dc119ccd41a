//! How long an event takes from the connector's hand-over to the receiver's socket, at a steady pace
//! over TLS. It prints figures and demands none: the machine may be busy.
//!
//! `LARM_PACE_EVENTS=10000 LARM_PACE_PER_SECOND=1000` sets how many, and how fast.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use larm::deliver::Verdict;
use larm::tls::{ServerTls, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;
use crate::driver::{build, delivery, once};

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

#[tokio::test(flavor = "multi_thread")]
async fn from_hand_over_to_the_receivers_socket() {
    let (events, per_second) = (
        setting("LARM_PACE_EVENTS", 500),
        setting("LARM_PACE_PER_SECOND", 1_000),
    );
    let authority = Authority::new();
    let arrivals = Arrivals::default();
    let port = receiver(&authority, Arc::clone(&arrivals)).await;
    let secret = authority.directory().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        .expect("a writable directory");
    let hook = build(&format!(
        "[[connector]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://127.0.0.1:{port}/\"\n\
         secret_file = \"{}\"\nca_file = \"{}\"\n",
        secret.display(),
        authority.ca().display()
    ))
    .expect("sound settings");

    let permits = Arc::new(Semaphore::new(hook.connector.limits().in_flight));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for position in 1..=events {
        let due = begun + Duration::from_nanos(position * 1_000_000_000 / per_second.max(1));
        tokio::time::sleep_until(due.into()).await;
        let (connector, arrivals) = (hook.connector.clone(), Arc::clone(&arrivals));
        let permits = Arc::clone(&permits);
        tasks.spawn(async move {
            let delivery = delivery(position, &position.to_string());
            let handed_over = Instant::now();
            // As many at a time as the connector wants, as the engine would have it.
            let _permit = permits.acquire().await.expect("never closed");
            while once(&connector, &delivery).await != Verdict::Delivered {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let arrived = arrivals.lock().expect("no panic")[&delivery.event.id.to_string()];
            arrived.saturating_duration_since(handed_over)
        });
    }
    let mut taken = tasks.join_all().await;
    taken.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank"
        )]
        let rank = ((taken.len() - 1) as f64 * part) as usize;
        taken[rank]
    };
    println!(
        "{events} events at {per_second}/s: p50 {:?}, p99 {:?}, longest {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert_eq!(taken.len() as u64, events);
}
