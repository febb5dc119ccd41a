//! The Kafka connector against the mock brokers of the client library, which are three and do on
//! request what a sound broker does not: down, slow, refusing, too small, gone and back. They keep
//! the last few thousand records only. `kafka_broker` has a broker that runs on its own.
use std::time::Duration;

use larm::config::Kafka as KafkaSettings;
use larm::deliver::connectors::kafka::Kafka;
use larm::deliver::{BuildError, Connector, Delivery, Link, LinkState, Verdict};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Answer};
use rdkafka::{Offset, TopicPartitionList};

use crate::load::{self, Stored};

const TOPIC: &str = "alarms";
const PARTITIONS: i32 = 3;

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(3).expect("mock brokers");
    cluster.create_topic(TOPIC, PARTITIONS, 3).expect("a topic");
    cluster
}

fn settings(servers: &str) -> KafkaSettings {
    KafkaSettings {
        servers: servers.split(',').map(str::to_owned).collect(),
        topic: TOPIC.to_owned(),
        ..KafkaSettings::default()
    }
}

fn build(settings: KafkaSettings) -> (Kafka, Link) {
    let link = Link::default();
    let connector = Kafka::new(settings, load::context(&link)).expect("settings that are right");
    (connector, link)
}

fn events(positions: std::ops::RangeInclusive<u64>, accounts: u64) -> Vec<Delivery> {
    positions
        .map(|position| load::delivery(position, accounts))
        .collect()
}

/// Every record, partition by partition; at least `least` of them. An account has one partition.
fn read(servers: &str, least: usize) -> Vec<Stored> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "reader")
        .set("enable.partition.eof", "false")
        .create()
        .expect("a consumer");
    let mut places = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        places
            .add_partition_offset(TOPIC, partition, Offset::Beginning)
            .expect("a place");
    }
    consumer.assign(&places).expect("partitions");
    let mut found: Vec<(i32, Stored)> = Vec::new();
    // Silence for a while after the last one that has to be there: then there are no more.
    loop {
        let patience = if found.len() < least { 30 } else { 1 };
        let Some(message) = consumer.poll(Duration::from_secs(patience)) else {
            break;
        };
        let message = message.expect("a record");
        let headers = message.headers().expect("headers");
        let id = headers
            .iter()
            .find(|header| header.key == "ce_id")
            .expect("an id");
        let text =
            |bytes: Option<&[u8]>| String::from_utf8(bytes.expect("bytes").to_vec()).expect("text");
        let stored = Stored {
            id: text(id.value),
            json: text(message.payload()),
        };
        assert!(
            stored
                .json
                .contains(&format!("\"account\":\"{}\"", text(message.key())))
        );
        found.push((message.partition(), stored));
    }
    found.sort_by_key(|(partition, _)| *partition);
    found.into_iter().map(|(_, stored)| stored).collect()
}

fn check(cluster: &Cluster, expected: &[Delivery]) {
    load::check(
        &read(&cluster.bootstrap_servers(), expected.len()),
        expected,
    );
}

fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { why, .. } => why,
        other => panic!("expected a retry: {other:?}"),
    }
}

#[tokio::test]
async fn events_arrive_with_their_id_and_their_account_as_key() {
    let cluster = cluster();
    let (connector, link) = build(settings(&cluster.bootstrap_servers()));
    let sent = events(1..=60, 7);
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (60, 0));
    assert_eq!(link.state(), LinkState::Up);
    let stored = read(&cluster.bootstrap_servers(), sent.len());
    assert_eq!(stored.len(), 60);
    load::check(&stored, &sent);
    connector.close().await;
}

#[tokio::test]
async fn brokers_that_are_down_at_the_start_are_waited_for() {
    let cluster = cluster();
    for broker in 1..=3 {
        cluster.broker_down(broker).expect("a broker");
    }
    let (connector, link) = build(KafkaSettings {
        timeout: Duration::from_secs(1),
        ..settings(&cluster.bootstrap_servers())
    });
    let sent = events(1..=30, 5);
    let verdicts = connector.deliver(&sent).await;
    assert!(verdicts.iter().all(|verdict| !why(verdict).is_empty()));
    assert!(matches!(link.state(), LinkState::Down(_)));
    for broker in 1..=3 {
        cluster.broker_up(broker).expect("a broker");
    }
    load::drive(&connector, sent.clone()).await;
    assert_eq!(link.state(), LinkState::Up);
    check(&cluster, &sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_come_and_go_lose_nothing() {
    let cluster = cluster();
    let (connector, _) = build(KafkaSettings {
        timeout: Duration::from_secs(1),
        ..settings(&cluster.bootstrap_servers())
    });
    let sent = events(1..=3_000, 20);
    let driving = tokio::spawn({
        let sent = sent.clone();
        async move { load::drive(&connector, sent).await }
    });
    for turn in 0..6 {
        let broker = turn % 3 + 1;
        cluster.broker_down(broker).expect("a broker");
        tokio::time::sleep(Duration::from_millis(100)).await;
        cluster.broker_up(broker).expect("a broker");
    }
    let outcome = driving.await.expect("nothing panics");
    assert_eq!(outcome.delivered, sent.len());
    check(&cluster, &sent);
}

#[tokio::test]
async fn brokers_that_refuse_for_a_moment_are_asked_again_in_order() {
    let cluster = cluster();
    let (connector, _) = build(KafkaSettings {
        timeout: Duration::from_secs(2),
        ..settings(&cluster.bootstrap_servers())
    });
    let passing = [
        Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ];
    cluster.request_errors(Api::Produce, &passing);
    let sent = events(1..=200, 10);
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.refused.len()), (200, 0));
    check(&cluster, &sent);
}

#[tokio::test]
async fn a_slow_broker_is_waited_for() {
    let cluster = cluster();
    for broker in 1..=3 {
        cluster
            .broker_round_trip_time(broker, Duration::from_millis(200))
            .expect("a broker");
    }
    let (connector, _) = build(settings(&cluster.bootstrap_servers()));
    let sent = events(1..=30, 10);
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (30, 0));
    check(&cluster, &sent);
}

/// A broker refuses a whole request for one record's sake: the others must not share its fate.
#[tokio::test]
async fn a_request_that_is_refused_is_taken_apart() {
    let cluster = cluster();
    let (connector, _) = build(settings(&cluster.bootstrap_servers()));
    let sent = events(1..=50, 50);
    load::drive(&connector, sent[..10].to_vec()).await;
    cluster.request_errors(
        Api::Produce,
        &[Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE],
    );
    let outcome = load::drive(&connector, sent[10..].to_vec()).await;
    assert_eq!((outcome.delivered, outcome.refused.len()), (40, 0));
    check(&cluster, &sent);
}

#[tokio::test]
async fn one_record_that_is_too_large_stops_no_other() {
    let cluster = cluster();
    let (connector, _) = build(settings(&cluster.bootstrap_servers()));
    let mut sent = events(1..=30, 3);
    sent[9] = load::changed(&sent[9], |event| event.text = Some("x".repeat(1_100_000)));
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.refused.len()), (29, 1));
    assert_eq!(outcome.refused[0].0, 10);
    sent.remove(9);
    check(&cluster, &sent);
}

#[test]
fn settings_that_cannot_work_are_said_before_anything_starts() {
    let key = |settings| -> Option<&'static str> {
        let built = Kafka::new(settings, load::context(&Link::default()));
        built.err().map(|BuildError { key, .. }| key)
    };
    let right = || settings("localhost:9092");
    assert_eq!(key(right()), None);
    let topic = "a b".to_owned();
    assert_eq!(key(KafkaSettings { topic, ..right() }), Some("topic"));
    let servers = vec!["kafka://host".to_owned()];
    assert_eq!(key(KafkaSettings { servers, ..right() }), Some("servers"));
    let user = Some("larm".to_owned());
    assert_eq!(key(KafkaSettings { user, ..right() }), Some("user"));
}
