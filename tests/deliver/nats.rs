//! The NATS connector against a real server: down, killed, frozen, full, refusing, with the wrong
//! certificate, and with a backlog.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use futures_util::StreamExt as _;
use larm::config::{Nats as NatsSettings, StreamSetup};
use larm::deliver::connectors::nats::Nats;
use larm::deliver::{BuildError, Connector, Delivery, Link, LinkState, Verdict};

use crate::certificates::Authority;
use crate::load::{self, Stored};
use crate::servers::nats::NatsServer;

const STREAM: &str = "ALARMS";

fn settings(server: &NatsServer) -> NatsSettings {
    NatsSettings {
        servers: vec![server.url()],
        stream: Some(STREAM.to_owned()),
        stream_setup: StreamSetup::Create,
        ..NatsSettings::default()
    }
}

fn build(settings: NatsSettings) -> (Nats, Link) {
    let link = Link::default();
    let connector = Nats::new(settings, load::context(&link)).expect("settings that are right");
    (connector, link)
}

fn events(positions: std::ops::RangeInclusive<u64>, accounts: u64) -> Vec<Delivery> {
    positions
        .map(|position| load::delivery(position, accounts))
        .collect()
}

async fn stream_of(server: &NatsServer) -> stream::Stream {
    let client = async_nats::connect(server.url())
        .await
        .expect("a server that runs");
    let stream = jetstream::new(client).get_stream(STREAM).await;
    stream.expect("a stream")
}

/// Every message of the stream, as `(subject, record)`, oldest first.
async fn read(server: &NatsServer) -> Vec<(String, Stored)> {
    let mut stream = stream_of(server).await;
    let count = stream.info().await.expect("a stream").state.messages;
    let config = consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let messages = consumer.messages().await.expect("messages");
    let mut found = Vec::new();
    let mut messages = messages.take(usize::try_from(count).expect("a count"));
    while let Some(message) = messages.next().await {
        let message = message.expect("a message");
        let headers = message.headers.as_ref().expect("headers");
        let stored = Stored {
            id: headers.get("Nats-Msg-Id").expect("an id").to_string(),
            json: String::from_utf8(message.payload.to_vec()).expect("text"),
        };
        found.push((message.subject.to_string(), stored));
    }
    found
}

async fn check(server: &NatsServer, expected: &[Delivery]) {
    let stored: Vec<Stored> = read(server)
        .await
        .into_iter()
        .map(|(_, stored)| stored)
        .collect();
    load::check(&stored, expected);
}

fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { why, .. } => why,
        other => panic!("expected a retry: {other:?}"),
    }
}

#[tokio::test]
async fn events_arrive_once_under_their_subject_with_their_id() {
    let server = NatsServer::start();
    let (connector, link) = build(settings(&server));
    let mut sent = events(1..=20, 3);
    sent.push(load::changed(&load::delivery(21, 3), |event| {
        event.account = Some("a.b *>".to_owned());
    }));
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (21, 0));
    assert_eq!(link.state(), LinkState::Up);

    let again = connector.deliver(&sent).await;
    assert_eq!(again, vec![Verdict::Delivered; 21], "a repeat is confirmed");
    let stored = read(&server).await;
    assert_eq!(stored.len(), 21, "and stored once");
    assert!(
        stored
            .iter()
            .any(|(subject, _)| subject == "alarm.01.0000.fire")
    );
    assert!(
        stored
            .iter()
            .any(|(subject, _)| subject == "alarm.01.a%2Eb%20%2A%3E.fire")
    );
    check(&server, &sent).await;
    connector.close().await;
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_waited_for() {
    let mut server = NatsServer::stopped_with("");
    let (connector, link) = build(settings(&server));
    let sent = events(1..=50, 5);
    let verdicts = connector.deliver(&sent).await;
    assert!(verdicts.iter().all(|verdict| !why(verdict).is_empty()));
    assert!(matches!(link.state(), LinkState::Down(_)));
    server.restart();
    load::drive(&connector, sent.clone()).await;
    assert_eq!(link.state(), LinkState::Up);
    check(&server, &sent).await;
}

/// SIGKILL at whatever it is doing, 100 times (`LARM_KILLS`), under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_loses_nothing() {
    let kills: usize = std::env::var("LARM_KILLS")
        .map_or(100, |text| text.parse().expect("LARM_KILLS is a number"));
    let mut server = NatsServer::start();
    let (connector, _) = build(settings(&server));
    let connector = Arc::new(connector);
    let (done, delivered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let sender = tokio::spawn({
        let (connector, done, delivered) = (
            Arc::clone(&connector),
            Arc::clone(&done),
            Arc::clone(&delivered),
        );
        async move {
            let (mut sent, mut interrupted) = (Vec::new(), 0);
            while !done.load(Ordering::Relaxed) {
                let first = sent.len() as u64 + 1;
                let batch = events(first..=first + 99, 10);
                sent.extend(batch.iter().cloned());
                let outcome = load::drive(&*connector, batch).await;
                interrupted += usize::from(outcome.retries > 0);
                delivered.fetch_add(outcome.delivered, Ordering::Relaxed);
            }
            (sent, interrupted)
        }
    });
    for kill in 0..kills {
        let before = delivered.load(Ordering::Relaxed);
        while delivered.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Another moment of a batch each time.
        tokio::time::sleep(Duration::from_micros(kill as u64 * 137 % 5_000)).await;
        server.kill();
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .expect("a server that starts again");
    }
    done.store(true, Ordering::Relaxed);
    let (sent, interrupted) = sender.await.expect("nothing panics");
    assert!(interrupted > 0 || kills == 0, "no kill hit anything");
    check(&server, &sent).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for() {
    let server = NatsServer::start();
    let (connector, link) = build(NatsSettings {
        timeout: Duration::from_millis(300),
        ..settings(&server)
    });
    let sent = events(1..=100, 10);
    load::drive(&connector, sent[..50].to_vec()).await;
    server.freeze();
    let verdicts = connector.deliver(&sent[50..]).await;
    assert!(verdicts.iter().all(|verdict| !why(verdict).is_empty()));
    assert!(matches!(link.state(), LinkState::Down(_)));
    server.thaw();
    load::drive(&connector, sent[50..].to_vec()).await;
    check(&server, &sent).await;
}

#[tokio::test]
async fn one_record_that_is_too_large_stops_no_other() {
    let server = NatsServer::start_with("max_payload: 4096");
    let (connector, _) = build(settings(&server));
    let mut sent = events(1..=30, 3);
    sent[9] = load::changed(&sent[9], |event| event.text = Some("x".repeat(5_000)));
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (29, 0));
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(outcome.refused[0].0, 10);
    assert!(
        outcome.refused[0].1.contains("max_payload"),
        "{:?}",
        outcome.refused
    );
    sent.remove(9);
    check(&server, &sent).await;
}

/// Makes the stream as somebody else would.
async fn make_stream(server: &NatsServer, config: stream::Config) {
    let client = async_nats::connect(server.url())
        .await
        .expect("a server that runs");
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["alarm.>".to_owned()],
        ..config
    };
    jetstream::new(client)
        .create_stream(config)
        .await
        .expect("a stream");
}

#[tokio::test]
async fn what_the_stream_limits_is_refused_alone() {
    let server = NatsServer::start();
    let config = stream::Config {
        max_message_size: 2_048,
        ..stream::Config::default()
    };
    make_stream(&server, config).await;
    let (connector, _) = build(settings(&server));
    let mut sent = events(1..=30, 3);
    sent[9] = load::changed(&sent[9], |event| event.text = Some("x".repeat(3_000)));
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.refused.len()), (29, 1));
    assert!(
        outcome.refused[0].1.contains("max_msg_size"),
        "{:?}",
        outcome.refused
    );
}

/// A full stream refuses for the moment. What follows in an account must not overtake.
#[tokio::test]
async fn a_stream_that_is_full_is_waited_for_in_order() {
    let server = NatsServer::start();
    let config = stream::Config {
        max_messages: 25,
        discard: stream::DiscardPolicy::New,
        ..stream::Config::default()
    };
    make_stream(&server, config.clone()).await;
    let (connector, _) = build(settings(&server));
    let sent = events(1..=60, 4);
    let verdicts = connector.deliver(&sent).await;
    let mut held: HashMap<&str, u64> = HashMap::new();
    for (delivery, verdict) in sent.iter().zip(&verdicts) {
        let account = delivery.event.account.as_deref().expect("an account");
        match verdict {
            Verdict::Delivered => assert!(!held.contains_key(account), "overtaken: {account}"),
            _ => {
                held.entry(account).or_insert(delivery.position);
            }
        }
    }
    let delivered = verdicts
        .iter()
        .filter(|verdict| **verdict == Verdict::Delivered)
        .count();
    assert_eq!(delivered, 25);

    let client = async_nats::connect(server.url())
        .await
        .expect("a server that runs");
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["alarm.>".to_owned()],
        max_messages: -1,
        ..config
    };
    jetstream::new(client)
        .update_stream(config)
        .await
        .expect("a stream");
    let rest: Vec<Delivery> = sent
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| **verdict != Verdict::Delivered)
        .map(|(delivery, _)| delivery.clone())
        .collect();
    load::drive(&connector, rest).await;
    check(&server, &sent).await;
}

#[tokio::test]
async fn a_stream_that_is_missing_or_another_one_is_said() {
    let server = NatsServer::start();
    let only_check = NatsSettings {
        stream_setup: StreamSetup::Check,
        ..settings(&server)
    };
    let (connector, _) = build(only_check.clone());
    let verdicts = connector.deliver(&events(1..=1, 1)).await;
    assert!(
        why(&verdicts[0]).contains("there is no stream `ALARMS`"),
        "{verdicts:?}"
    );

    let (connector, _) = build(NatsSettings {
        stream: None,
        ..only_check.clone()
    });
    let verdicts = connector.deliver(&events(1..=1, 1)).await;
    assert!(
        why(&verdicts[0]).contains("no stream takes"),
        "{verdicts:?}"
    );

    make_stream(&server, stream::Config::default()).await;
    let (connector, _) = build(NatsSettings {
        stream: Some("OTHER".to_owned()),
        stream_setup: StreamSetup::Trust,
        ..only_check
    });
    let verdicts = connector.deliver(&events(1..=1, 1)).await;
    assert!(why(&verdicts[0]).contains("another stream"), "{verdicts:?}");
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_and_the_right_one_trusted() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let leaf = trusted.server("server");
    let client = trusted.client("client");
    let tls = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
        leaf.certificate.display(),
        leaf.key.display(),
        trusted.ca().display()
    );
    let server = NatsServer::start_with(&tls);
    let right = NatsSettings {
        servers: vec![format!("tls://localhost:{}", server.port())],
        ca_file: Some(trusted.ca()),
        certificate_file: Some(client.certificate),
        key_file: Some(client.key),
        ..settings(&server)
    };
    let (connector, link) = build(NatsSettings {
        ca_file: Some(other.ca()),
        ..right.clone()
    });
    let verdicts = connector.deliver(&events(1..=3, 1)).await;
    assert!(
        why(&verdicts[0]).to_lowercase().contains("certificate"),
        "{verdicts:?}"
    );
    assert!(matches!(link.state(), LinkState::Down(_)));

    let (connector, _) = build(NatsSettings {
        certificate_file: None,
        key_file: None,
        ..right.clone()
    });
    let verdicts = connector.deliver(&events(1..=3, 1)).await;
    assert!(
        !why(&verdicts[0]).is_empty(),
        "a client without a certificate: {verdicts:?}"
    );

    let (connector, _) = build(right);
    let outcome = load::drive(&connector, events(1..=3, 1)).await;
    assert_eq!((outcome.delivered, outcome.retries), (3, 0));
}

#[tokio::test]
async fn a_password_is_read_from_its_file_at_each_connection() {
    let server = NatsServer::start_with("authorization { user: larm, password: \"correct\" }");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    std::fs::write(&file, "wrong\n").expect("a writable directory");
    let (connector, _) = build(NatsSettings {
        user: Some("larm".to_owned()),
        password_file: Some(file.clone()),
        ..settings(&server)
    });
    let verdicts = connector.deliver(&events(1..=1, 1)).await;
    assert!(why(&verdicts[0]).contains("credentials"), "{verdicts:?}");
    assert!(
        !why(&verdicts[0]).contains("wrong"),
        "a secret in {verdicts:?}"
    );
    std::fs::write(&file, "correct\n").expect("a writable directory");
    let outcome = load::drive(&connector, events(1..=1, 1)).await;
    assert_eq!(outcome.delivered, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_whole_and_in_order() {
    let server = NatsServer::start();
    let (connector, _) = build(settings(&server));
    let sent = events(1..=load::backlog(), 500);
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (sent.len(), 0));
    check(&server, &sent).await;
}

#[test]
fn settings_that_cannot_work_are_said_before_anything_starts() {
    let right = || NatsSettings {
        servers: vec!["nats://127.0.0.1:4222".to_owned()],
        ..NatsSettings::default()
    };
    let key = |settings| -> Option<&'static str> {
        let built = Nats::new(settings, load::context(&Link::default()));
        built.err().map(|BuildError { key, .. }| key)
    };
    assert_eq!(key(right()), None);
    assert_eq!(
        key(NatsSettings {
            servers: Vec::new(),
            ..right()
        }),
        Some("servers")
    );
    let servers = vec!["nats://larm:secret@host".to_owned()];
    assert_eq!(key(NatsSettings { servers, ..right() }), Some("servers"));
    assert_eq!(
        key(NatsSettings {
            subject: "a..b".to_owned(),
            ..right()
        }),
        Some("subject")
    );
    let user = Some("larm".to_owned());
    assert_eq!(key(NatsSettings { user, ..right() }), Some("user"));
    let stream_setup = StreamSetup::Create;
    assert_eq!(
        key(NatsSettings {
            stream_setup,
            ..right()
        }),
        Some("stream")
    );
    let both = NatsSettings {
        token_file: Some("token".into()),
        nkey_file: Some("nkey".into()),
        ..right()
    };
    assert_eq!(key(both), Some("token_file"));
}
