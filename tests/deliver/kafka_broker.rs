//! The Kafka connector against a broker that runs on its own, read by a client that nobody here
//! wrote: cut off, stopped, not there yet, with a wrong certificate, refusing a login.
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use larm::config::Kafka as KafkaSettings;
use larm::deliver::connectors::kafka::Kafka;
use larm::deliver::{Link, Verdict};
use larm::tls::ServerTls;
use serde_json::Value;

use crate::certificates::Authority;
use crate::driver::{Built, build, delivery, down, drive, once};
use crate::front::Front;
use crate::harness::{Crowd, Got, World, distinct, eventually, verify};
use crate::lines::Program;
use crate::load::{self, Stored};
use crate::peer::python;
use crate::servers::free_port;
use crate::servers::kafka::KafkaBroker;

const TOPIC: &str = "alarms";
const PARTITIONS: usize = 3;

/// Everything in the topic, as it comes.
struct Reader {
    program: Program,
    got: Vec<Value>,
}

impl Reader {
    fn start(broker: &KafkaBroker) -> Self {
        let mut command: Command = python("topic.py");
        command.args([&broker.port().to_string(), TOPIC]);
        Self {
            program: Program::start(&mut command),
            got: Vec::new(),
        }
    }

    /// What has been read until now.
    fn got(&mut self) -> &[Value] {
        self.got.extend(self.program.told());
        &self.got
    }

    /// Waits until this many different events were read.
    fn wait_for(&mut self, events: usize) {
        let mut read = 0;
        eventually("the topic has everything", || {
            read = distinct(&records(self.got()));
            read >= events
        });
    }

    /// The next records, at least `least` altogether.
    fn at_least(&mut self, least: usize) -> &[Value] {
        while self.got.len() < least {
            let line = self.program.line();
            self.got.push(line);
        }
        &self.got
    }
}

/// The events of these records; offsets of a partition have to be without a gap.
fn records(got: &[Value]) -> Vec<Got> {
    let mut next = [0; PARTITIONS];
    let record = |record: &Value| {
        let partition = usize::try_from(record["partition"].as_u64().unwrap()).unwrap();
        assert_eq!(record["offset"], next[partition], "{record}");
        next[partition] += 1;
        let event: Value = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        assert_eq!(record["headers"]["ce_id"], event["id"]);
        assert_eq!(record["key"], event["account"]);
        Got::from_json(&event)
    };
    got.iter().map(record).collect()
}

fn broker() -> KafkaBroker {
    let broker = KafkaBroker::start();
    broker.create(TOPIC, PARTITIONS);
    broker
}

/// A broker whose clients come in by a front.
fn broker_behind(port: u16, front: &Front) -> KafkaBroker {
    let broker = KafkaBroker::start_with(port, front.port(), &[]);
    broker.create(TOPIC, PARTITIONS);
    broker
}

fn section(port: u16, more: &str) -> String {
    format!(
        "[[connector]]\nname = \"log\"\nkind = \"kafka\"\nservers = [\"127.0.0.1:{port}\"]\n\
         topic = \"{TOPIC}\"\nretry_min = \"50ms\"\nretry_max = \"200ms\"\ntimeout = \"1s\"\n{more}\n"
    )
}

fn built(section: &str) -> Built {
    build(section).unwrap_or_else(|error| panic!("{error}"))
}

/// What a verdict says, where the event stays to be delivered.
fn waits(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { why, .. } => why,
        other => panic!("expected a retry: {other:?}"),
    }
}

/// Connections are cut, the broker stands still, and the gateway is killed, while events come in.
#[test]
fn a_link_that_breaks_and_a_gateway_that_dies_lose_nothing() {
    let port = free_port();
    let front = Front::plain(port);
    let broker = broker_behind(port, &front);
    let mut reader = Reader::start(&broker);
    let mut world = World::new(&section(front.port(), ""));
    world.start();
    for turn in 0..4 {
        world.send(&Crowd::small());
        front.cut();
        world.send(&Crowd::small());
        match turn {
            0 => {
                broker.freeze();
                world.send(&Crowd::small());
                broker.thaw();
            }
            1 => {
                world.kill();
                world.start();
            }
            2 => {
                world.kill();
                world.tear_cursor("log");
                world.start();
            }
            _ => {}
        }
    }
    reader.wait_for(world.sent());
    let journal = world.journal();
    let found = verify(&journal, &records(reader.got()), |_| true);
    println!("{found:?}");
}

/// Until the broker is there, events are acknowledged and wait; then all of them arrive.
#[test]
fn a_broker_that_comes_late_gets_what_has_waited() {
    let port = free_port();
    let mut broker = KafkaBroker::stopped(port, port, &[]);
    let mut world = World::new(&section(port, ""));
    world.start();
    world.send(&Crowd::small());
    eventually("the status says that the link is down", || {
        world.deliver(&["status"]).contains("down")
    });
    broker.restart();
    broker.create(TOPIC, PARTITIONS);
    let mut reader = Reader::start(&broker);
    reader.wait_for(world.sent());
    verify(&world.journal(), &records(reader.got()), |_| true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_what_the_book_says() {
    let broker = broker();
    let mut reader = Reader::start(&broker);
    let out = built(&section(broker.port(), ""));
    let sent: Vec<_> = (1..=40)
        .map(|position| delivery(position, &format!("{:04}", position * 31)))
        .collect();
    let outcome = drive(&out.connector, sent.clone()).await;
    assert_eq!(outcome.delivered.len(), sent.len());
    let got = reader.at_least(sent.len());
    records(got);
    for delivery in &sent {
        let event = &delivery.event;
        let record = got
            .iter()
            .find(|record| record["headers"]["ce_id"] == event.id.to_string())
            .unwrap();
        assert_eq!(record["value"].as_str(), Some(&*delivery.json));
        assert_eq!(record["timestamp"], event.received_at.as_millis());
        // Where another producer of the same keys would have put it.
        assert_eq!(record["partition"], record["java_partition"], "{record}");
        let headers = &record["headers"];
        assert_eq!(headers["ce_specversion"], "1.0");
        assert_eq!(headers["ce_type"], "io.github.larm-gateway.event.v1");
        assert_eq!(headers["ce_source"], "/gateway/west");
        assert_eq!(headers["ce_subject"].as_str(), event.account.as_deref());
        assert_eq!(headers["ce_time"], event.received_at.to_string());
        assert_eq!(headers["ce_journalseq"], delivery.position.to_string());
        assert_eq!(headers["content-type"], "application/json");
    }
    out.connector.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_broker_with_the_right_certificate_is_sent_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = ours.server("broker");
    let files = ServerTls {
        certificate: server.certificate,
        key: server.key,
        client_ca: Some(ours.ca()),
    };
    let port = free_port();
    let front = Front::tls(port, &files);
    // Its own tools come in without TLS: they are sent on to where it listens itself.
    let bare = KafkaBroker::start_with(port, front.port(), &[]);
    let me = ours.client("gateway");
    let tls = |authority: &Authority, certificate: bool| {
        let path = |path: &Path| path.display().to_string();
        let mut lines = format!("tls = true\nca_file = \"{}\"\n", path(&authority.ca()));
        if certificate {
            let (certificate, key) = (path(&me.certificate), path(&me.key));
            lines.extend(["certificate_file = \"", &certificate, "\"\n"]);
            lines.extend(["key_file = \"", &key, "\"\n"]);
        }
        section(front.port(), &lines)
    };
    for wrong in [tls(&theirs, true), tls(&ours, false)] {
        let out = built(&wrong);
        waits(&once(&out.connector, &delivery(1, "1001")).await);
        assert!(!down(&out.link).is_empty());
        out.connector.close().await;
    }
    let out = built(&tls(&ours, true));
    let outcome = drive(&out.connector, vec![delivery(1, "1001")]).await;
    assert_eq!(outcome.delivered, [1]);
    drop(bare);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_is_said_and_loses_nothing() {
    let port = free_port();
    let _broker = KafkaBroker::start_with(port, port, &["--authentication"]);
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "not known there\n").unwrap();
    let lines = format!(
        "user = \"larm\"\npassword_file = \"{}\"\n",
        password.display()
    );
    let out = built(&section(port, &lines));
    let verdict = once(&out.connector, &delivery(1, "1001")).await;
    waits(&verdict);
    let said = down(&out.link);
    assert!(said.contains("uthentication"), "{said}");
    assert!(!said.contains("not known there"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_is_waited_for() {
    let broker = broker();
    let out = built(&section(broker.port(), ""));
    // A broker that has just started makes the topic first, which may outlast the time-out.
    let outcome = drive(&out.connector, vec![delivery(1, "1001")]).await;
    assert_eq!(outcome.delivered, [1]);
    broker.freeze();
    let begun = Instant::now();
    waits(&once(&out.connector, &delivery(2, "1001")).await);
    assert!(begun.elapsed() >= Duration::from_millis(900), "too early");
    broker.thaw();
    let outcome = drive(&out.connector, vec![delivery(2, "1001")]).await;
    assert_eq!(outcome.delivered, [2]);
    let mut reader = Reader::start(&broker);
    let found: Vec<Got> = records(reader.at_least(2));
    assert_eq!(distinct(&found), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_whole_and_in_order() {
    let broker = broker();
    let mut reader = Reader::start(&broker);
    let link = Link::default();
    let settings = KafkaSettings {
        servers: vec![format!("127.0.0.1:{}", broker.port())],
        topic: TOPIC.to_owned(),
        ..KafkaSettings::default()
    };
    let connector = Kafka::new(settings, load::context(&link)).expect("settings that are right");
    let sent: Vec<_> = (1..=load::backlog())
        .map(|position| load::delivery(position, 500))
        .collect();
    let begun = Instant::now();
    let outcome = load::drive(&connector, sent.clone()).await;
    println!("{} events in {:?}", sent.len(), begun.elapsed());
    assert_eq!((outcome.delivered, outcome.refused.len()), (sent.len(), 0));
    let stored = |record: &Value| Stored {
        id: record["headers"]["ce_id"].as_str().unwrap().to_owned(),
        json: record["value"].as_str().unwrap().to_owned(),
    };
    let got = reader.at_least(sent.len());
    load::check(&got.iter().map(stored).collect::<Vec<_>>(), &sent);
}

/// The book's example with this test's broker, certificates and without its user, since a broker
/// that keeps its users in memory knows none.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_book_runs() {
    let authority = Authority::new();
    let server = authority.server("broker");
    let files = ServerTls {
        certificate: server.certificate,
        key: server.key,
        client_ca: Some(authority.ca()),
    };
    let port = free_port();
    let front = Front::tls(port, &files);
    let broker = KafkaBroker::start_with(port, front.port(), &[]);
    let me = authority.client("gateway");
    let path = |path: &Path| path.display().to_string();
    let address = format!("localhost:{}", front.port());
    let replaced = [
        ("kafka-1.example.org:9093", address.clone()),
        ("kafka-2.example.org:9093", address),
        ("user = \"larm\"\n", String::new()),
        (
            "password_file = \"/etc/larm/kafka.password\"\n",
            String::new(),
        ),
        ("/etc/larm/kafka-ca.pem", path(&authority.ca())),
        ("/etc/larm/larm.pem", path(&me.certificate)),
        ("/etc/larm/larm.key", path(&me.key)),
    ];
    let mut text = include_str!("../../docs/examples/connectors/kafka.toml").to_owned();
    for (invented, real) in replaced {
        assert!(text.contains(invented), "{invented}");
        text = text.replace(invented, &real);
    }
    let out = built(&text);
    let outcome = drive(&out.connector, vec![delivery(1, "1001")]).await;
    assert_eq!(outcome.delivered, [1]);
    drop(broker);
}
