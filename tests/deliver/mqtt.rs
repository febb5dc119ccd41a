//! MQTT 5: a real broker, and a subscriber that nobody here wrote.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use larm::deliver::{LinkState, Verdict};
use larm_event::Kind;
use serde_json::Value;

use crate::broker::Broker;
use crate::certificates::Authority;
use crate::driver::{
    self, Built, backlog, build, build_in, delivery, down, drive, drive_counting, event, once,
    until, whole_and_in_order,
};
use crate::lines::Program;

/// What these tests ask of a broker.
impl Broker {
    fn section(&self, further: &str) -> String {
        format!(
            "[[connector]]\nname = \"out\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n{further}\n",
            self.port()
        )
    }

    fn connector(&self, further: &str) -> Built {
        build(&self.section(further)).expect("sound settings")
    }

    fn subscriber(&self, topic: &str) -> Subscriber {
        Subscriber {
            program: self.subscribed(topic),
            got: Vec::new(),
        }
    }

    /// The retained messages below a topic, by topic.
    fn retained(&self, topic: &str) -> BTreeMap<String, String> {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-V", "mqttv5", "-W", "1", "--retained-only", "-F", "%j"]);
        command.args(["-h", "127.0.0.1", "-p", &self.port().to_string()]);
        let output = command.args(["-t", topic]).output();
        let output = output.expect("the package `mosquitto-clients`");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let read = |line| {
            let found: Value = serde_json::from_str(line).ok()?;
            Some((
                found["topic"].as_str()?.to_owned(),
                found["payload"].as_str()?.to_owned(),
            ))
        };
        lines.lines().filter_map(read).collect()
    }
}

struct Subscriber {
    program: Program,
    got: Vec<Value>,
}

impl Subscriber {
    fn until(&mut self, what: &str, done: impl Fn(&[Value]) -> bool) {
        while !done(&self.got) {
            let line = self.program.line();
            self.got.push(line);
        }
        assert!(!what.is_empty());
    }

    /// Waits for the events of these positions, and for nothing else.
    fn events(&mut self, expected: &[u64]) {
        let mut read = 0;
        let mut found: Vec<(String, u64)> = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            for place in self.got.iter().skip(read).filter_map(place) {
                seen.insert(place.1);
                found.push(place);
            }
            read = self.got.len();
            if seen.len() >= expected.len() {
                return whole_and_in_order(found, expected);
            }
            self.got.push(self.program.line());
        }
    }
}

/// Account and position of a message that holds a record.
fn place(message: &Value) -> Option<(String, u64)> {
    let record: Value = serde_json::from_str(message["payload"].as_str()?).ok()?;
    let record = record.get("data").cloned().unwrap_or(record);
    let account = record["account"].as_str()?.to_owned();
    Some((account, record["position"].as_u64()?))
}

fn why(verdict: Verdict) -> String {
    match verdict {
        Verdict::Retry { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_whole_in_order_and_with_their_ids() {
    let broker = Broker::start("");
    let mut subscriber = broker.subscriber("larm/#");
    let out = broker.connector("");
    let mut events = backlog(5, 20);
    events.push(delivery(101, "a/b+#%"));
    let verdicts = out.connector.deliver(&events).await;
    assert_eq!(verdicts, vec![Verdict::Delivered; 101]);
    subscriber.events(&(1..=101).collect::<Vec<_>>());
    assert_eq!(out.link.state(), LinkState::Up);
    let last = subscriber
        .got
        .iter()
        .find(|message| message["payload"].to_string().contains("a/b+#%"));
    let last = last.expect("the odd one");
    assert_eq!(last["topic"], "larm/west/event/a%2Fb%2B%23%25/intrusion");
    assert_eq!(last["retain"], 0);
    let properties = &last["properties"];
    assert_eq!(
        properties["user-properties"]["id"],
        events[100].event.id.to_string()
    );
    assert_eq!(properties["content-type"], "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_event_by_a_topic_of_ones_own() {
    let broker = Broker::start("");
    let mut subscriber = broker.subscriber("centre/#");
    let out = broker
        .connector("topic = \"centre/{priority}/{account}/{zone}\"\npayload = \"cloudevents\"");
    assert_eq!(
        once(&out.connector, &delivery(1, "1000")).await,
        Verdict::Delivered
    );
    subscriber.events(&[1]);
    assert_eq!(subscriber.got[0]["topic"], "centre/2/1000/5");
    assert_eq!(
        subscriber.got[0]["properties"]["content-type"],
        "application/cloudevents+json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_late_gets_everything() {
    let mut broker = Broker::prepared("");
    let out = broker.connector("no_subscriber = \"delivered\"\nstate_prefix = \"s\"");
    let said = why(once(&out.connector, &delivery(1, "1000")).await);
    assert!(said.contains("refused"), "{said}");
    assert!(down(&out.link).contains("refused"));
    broker.run();
    let mut subscriber = broker.subscriber("larm/#");
    let outcome = drive(&out.connector, backlog(3, 5)).await;
    subscriber.events(&outcome.delivered);
    assert_eq!(outcome.delivered.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_ends_again_and_again_misses_nothing() {
    let ends: usize = std::env::var("LARM_KILLS").map_or(3, |text| text.parse().expect("a number"));
    let mut broker = Broker::start("");
    let mut subscriber = broker.subscriber("larm/#");
    let out = broker.connector("");
    let (connector, count) = (out.connector.clone(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&count);
    let events = backlog(4, 250 * ends);
    let driving = tokio::spawn(async move { drive_counting(&connector, events, &counting).await });
    for end in 0..ends {
        until(&count, 1_000 * end + 200).await;
        broker.stop();
        broker.run();
    }
    let outcome = driving.await.expect("no panic");
    assert_eq!(outcome.delivered.len(), 1_000 * ends);
    assert_eq!(outcome.refused, []);
    tokio::task::spawn_blocking(move || subscriber.events(&outcome.delivered))
        .await
        .expect("no panic");
}

/// What a killed broker had confirmed and not passed on is gone with it, as the protocol has it; so
/// here only larm's side is in question.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_is_found_again() {
    let mut broker = Broker::start("");
    let out = broker.connector("no_subscriber = \"delivered\"");
    let (connector, count) = (out.connector.clone(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&count);
    let events = backlog(4, 500);
    let driving = tokio::spawn(async move { drive_counting(&connector, events, &counting).await });
    until(&count, 500).await;
    broker.kill();
    broker.run();
    let outcome = driving.await.expect("no panic");
    assert_eq!(outcome.delivered.len(), 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_confirms_nothing_is_left() {
    let mut broker = Broker::start("");
    let _subscriber = broker.subscriber("larm/#");
    let out = broker.connector("timeout = \"500ms\"");
    // A broker that has just started may outlast the time-out once.
    let outcome = drive(&out.connector, vec![delivery(1, "1000")]).await;
    assert_eq!(outcome.delivered, [1]);
    broker.freeze();
    let said = why(once(&out.connector, &delivery(2, "1000")).await);
    assert!(said.contains("confirms nothing"), "{said}");
    assert!(why(once(&out.connector, &delivery(2, "1000")).await).contains("no greeting"));
    assert!(down(&out.link).contains("no greeting"));
    broker.thaw();
    let outcome = drive(&out.connector, vec![delivery(2, "1000")]).await;
    assert_eq!(outcome.delivered, [2]);
    broker.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_record_stops_nobody() {
    let room = tempfile::tempdir().expect("a directory");
    let acl = room.path().join("acl");
    let rules = "topic readwrite #\ntopic deny larm/west/event/bad/#\n";
    std::fs::write(&acl, rules).expect("a writable directory");
    let text = format!("acl_file {}", acl.display());
    let broker = Broker::start(&text);
    let mut subscriber = broker.subscriber("larm/#");
    let mut events = backlog(2, 5);
    events.insert(3, delivery(100, "bad"));
    let waiting = broker.connector("").connector.deliver(&events).await;
    let denied = why(waiting[3].clone());
    assert!(denied.contains("0x87"), "{denied}");
    let letters = broker
        .connector("on_denied = \"dead-letter\"")
        .connector
        .deliver(&events)
        .await;
    for (at, (waiting, letter)) in waiting.iter().zip(&letters).enumerate() {
        if at == 3 {
            assert!(
                matches!(letter, Verdict::Refused { why } if why.contains("0x87")),
                "{letter:?}"
            );
        } else {
            assert_eq!(
                (waiting, letter),
                (&Verdict::Delivered, &Verdict::Delivered)
            );
        }
    }
    subscriber.events(&(1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_cannot_take_becomes_a_dead_letter() {
    let broker = Broker::start("max_packet_size 2000");
    let mut subscriber = broker.subscriber("larm/#");
    let mut long = delivery(1, "1000");
    long.json = long
        .json
        .replace("Burglary alarm", &"x".repeat(3_000))
        .into();
    let out = broker.connector("");
    let verdicts = out.connector.deliver(&[long, delivery(2, "1000")]).await;
    assert!(
        matches!(&verdicts[0], Verdict::Refused { why } if why.contains("longer")),
        "{verdicts:?}"
    );
    assert_eq!(verdicts[1], Verdict::Delivered);
    subscriber.events(&[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nobody_hears_waits_for_somebody() {
    let broker = Broker::start("");
    let out = broker.connector("");
    let said = why(once(&out.connector, &delivery(1, "1000")).await);
    assert!(said.contains("nobody is subscribed"), "{said}");
    let lenient = broker.connector("no_subscriber = \"delivered\"\nclient_id = \"other\"");
    assert_eq!(
        once(&lenient.connector, &delivery(1, "1000")).await,
        Verdict::Delivered
    );
    let mut subscriber = broker.subscriber("larm/#");
    assert_eq!(
        drive(&out.connector, vec![delivery(1, "1000")])
            .await
            .delivered,
        [1]
    );
    subscriber.events(&[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_allows_few_messages_at_a_time_gets_them_all() {
    let broker = Broker::start("max_inflight_messages 2");
    let mut subscriber = broker.subscriber("larm/#");
    let out = broker.connector("");
    let verdicts = out.connector.deliver(&backlog(50, 4)).await;
    assert_eq!(verdicts, vec![Verdict::Delivered; 200]);
    subscriber.events(&(1..=200).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_arrives() {
    let events =
        std::env::var("LARM_BACKLOG").map_or(5_000, |text| text.parse().expect("a number"));
    let broker = Broker::start("");
    let mut subscriber = broker.subscriber("larm/#");
    let out = broker.connector("");
    let outcome = drive(&out.connector, backlog(100, events / 100)).await;
    tokio::task::spawn_blocking(move || subscriber.events(&outcome.delivered))
        .await
        .expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_a_password_let_in_and_keep_out() {
    let authority = Authority::new();
    let leaf = authority.server("broker");
    let passwords = authority.directory().join("passwords");
    let mut passwd = Command::new("mosquitto_passwd");
    let made = passwd
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["larm", "of-a-test"])
        .status();
    assert!(made.expect("the package `mosquitto`").success());
    let settings = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nallow_anonymous false\npassword_file {}",
        authority.ca().display(),
        leaf.certificate.display(),
        leaf.key.display(),
        passwords.display()
    );
    let broker = Broker::start(&settings);
    let me = authority.client("gateway");
    let secret = authority.directory().join("secret");
    std::fs::write(&secret, "of-a-test\n").expect("a writable directory");
    let section = |ca: &Path, further: &str| {
        let mut text = broker
            .section("no_subscriber = \"delivered\"\nuser = \"larm\"")
            .replace("mqtt://", "mqtts://");
        write!(
            text,
            "password_file = \"{}\"\nca_file = \"{}\"\n{further}\n",
            secret.display(),
            ca.display()
        )
        .expect("a string grows");
        build(&text).expect("sound settings")
    };
    let shown = format!(
        "certificate_file = \"{}\"\nkey_file = \"{}\"",
        me.certificate.display(),
        me.key.display()
    );
    let event = delivery(1, "1000");
    assert_eq!(
        once(&section(&authority.ca(), &shown).connector, &event).await,
        Verdict::Delivered
    );

    let stranger = Authority::new();
    let other_authority = section(&stranger.ca(), &shown);
    let said = why(once(&other_authority.connector, &event).await);
    assert!(said.contains("certificate"), "{said}");
    assert!(down(&other_authority.link).contains("certificate"));
    let other_name = section(
        &authority.ca(),
        &format!("{shown}\nserver_name = \"alarm.example.org\""),
    );
    assert!(why(once(&other_name.connector, &event).await).contains("not valid for name"));
    why(once(&section(&authority.ca(), "").connector, &event).await);

    std::fs::write(&secret, "hunter2\n").expect("a writable directory");
    let said = why(once(&section(&authority.ca(), &shown).connector, &event).await);
    assert!(said.contains("refused"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

/// What Home Assistant finds with the broker when it starts, and hears while it runs.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_appear_in_home_assistant_and_stay() {
    let mut broker = Broker::start("");
    let mut subscriber = broker.subscriber("larm/west/state/+/event");
    let room = tempfile::tempdir().expect("a directory");
    let section = broker.section("home_assistant = true\ndevices_max = 2");
    let out = build_in(&section, room.path()).expect("sound settings");
    let events = [
        event(1, "1000", Kind::Close, None),
        event(2, "1000", Kind::Alarm, Some("5")),
        event(3, "1001", Kind::Alarm, Some("7")),
        event(4, "1002", Kind::Alarm, Some("9")),
    ];
    let verdicts = out.connector.deliver(&events[..3]).await;
    assert_eq!(
        verdicts,
        vec![Verdict::Delivered; 3],
        "home assistant is somebody"
    );
    let said = why(once(&out.connector, &events[3]).await);
    assert!(
        said.contains("nobody"),
        "an account without a place, and no other subscriber: {said}"
    );
    subscriber.until("the entity heard both", |got| got.len() >= 3);
    let told: Value =
        serde_json::from_str(subscriber.got[0]["payload"].as_str().expect("text")).expect("JSON");
    assert!(told["event_type"].is_string() && told["id"].is_string());

    let found = broker.retained("homeassistant/#");
    assert_eq!(found.len(), 2, "{found:?}");
    let config: Value =
        serde_json::from_str(&found["homeassistant/device/larm_west___1000/config"]).expect("JSON");
    let parts = config["components"].as_object().expect("parts");
    for part in ["event", "alarm", "mode", "connected", "zone_5"] {
        assert!(parts.contains_key(part), "{part}");
    }
    assert_eq!(config["origin"]["name"], "larm");
    let states = broker.retained("larm/west/state/#");
    assert_eq!(states["larm/west/state/out"], "online");
    let state: Value =
        serde_json::from_str(&states[config["state_topic"].as_str().expect("a topic")])
            .expect("JSON");
    assert_eq!(
        (state["alarm"].as_str(), state["mode"].as_str()),
        (Some("ON"), Some("alarm"))
    );
    assert_eq!(state["zones"]["5"], "ON");
    out.connector.close().await;
    assert_eq!(
        broker.retained("larm/west/state/out")["larm/west/state/out"],
        "offline"
    );

    // The gateway begins again, and so does the broker, which has forgotten everything.
    broker.stop();
    std::fs::remove_file(broker.path("mosquitto.db")).expect("what it kept");
    broker.run();
    let again = build_in(&section, room.path()).expect("sound settings");
    let mut subscriber = broker.subscriber("larm/west/state/#");
    let restored = event(5, "1000", Kind::Restoral, Some("5"));
    assert_eq!(drive(&again.connector, vec![restored]).await.delivered, [5]);
    subscriber.until("both are shown again", |got| {
        let shown = |account: &str| {
            got.iter()
                .any(|one| one["topic"] == format!("larm/west/state/__{account}/state"))
        };
        shown("1000") && shown("1001")
    });
    let found = broker.retained("homeassistant/#");
    assert_eq!(found.len(), 2, "{found:?}");
    let state = &broker.retained("larm/west/state/__1000/state")["larm/west/state/__1000/state"];
    let state: Value = serde_json::from_str(state).expect("JSON");
    assert_eq!(
        (state["alarm"].as_str(), state["mode"].as_str()),
        (Some("OFF"), Some("armed"))
    );

    // A gateway that dies says so by its will.
    drop(again);
    let gone = |got: &[Value]| {
        got.iter()
            .any(|one| one["topic"] == "larm/west/state/out" && one["payload"] == "offline")
    };
    subscriber.until("the will is there", gone);
}

#[test]
fn what_cannot_work_is_told_before_it_starts() {
    let broker = Broker::prepared("");
    let problem = |text: &str| match build(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    };
    assert!(problem(&broker.section("topic = \"a/#\"")).starts_with("`topic`: holds"));
    assert!(problem(&broker.section("topic = \"{acount}\"")).contains("`{acount}`"));
    assert!(problem(&broker.section("state_prefix = \"+\"")).starts_with("`state_prefix`"));
    let no_user = broker.section("password_file = \"/nowhere\"");
    assert!(problem(&no_user).starts_with("`password_file`: is set without"));
    let missing = broker.section("user = \"a\"\npassword_file = \"/nowhere\"");
    assert!(problem(&missing).contains("cannot be read"));
    assert!(problem(&broker.section("ca_file = \"/nowhere\"")).contains("write mqtts"));
    let path = broker
        .section("")
        .replace("mqtt://127.0.0.1", "mqtt://127.0.0.1/a?");
    assert!(problem(&path).starts_with("`url`"), "{path}");
    assert!(driver::build(&broker.section("")).is_ok());
}

/// The second half of the book's example, with this test's broker.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_book_runs() {
    let broker = Broker::start("");
    let text = include_str!("../../docs/examples/connectors/mqtt.toml");
    let house = text.rsplit_once("[[connector]]").expect("two connectors").1;
    let address = format!("mqtt://127.0.0.1:{}", broker.port());
    let house = format!("[[connector]]{house}").replace("mqtt://127.0.0.1", &address);
    let _home = broker.subscriber("house/#");
    let out = build(&house).expect("the example can be built");
    let outcome = drive(&out.connector, vec![delivery(1, "2001")]).await;
    assert_eq!(outcome.delivered, [1]);
    assert_eq!(broker.retained("discovery/#").len(), 1);
}
