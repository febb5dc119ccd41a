//! Webhook: a receiver over TLS that checks every signature with a library that nobody here wrote.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use larm::deliver::{LinkState, Verdict};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::certificates::{Authority, Leaf};
use crate::driver::{
    Built, Outcome, backlog, build, delivery, down, drive, drive_counting, once, until,
    whole_and_in_order,
};
use crate::receiver::{Receiver, SECRET};

const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What these tests ask of a receiver.
impl Receiver {
    /// Kills it: the events that it took.
    fn kill(&mut self) -> Vec<(String, u64)> {
        self.end();
        self.taken()
    }

    /// Waits for the events of these positions, and for nothing else.
    fn events(&mut self, expected: &[u64]) {
        let distinct = |taken: &[(String, u64)]| {
            let mut seen: Vec<u64> = taken.iter().map(|(_, position)| *position).collect();
            seen.sort_unstable();
            seen.dedup();
            seen.len()
        };
        while distinct(&self.taken()) < expected.len() {
            self.one_more();
        }
        whole_and_in_order(self.taken(), expected);
    }

    /// The events that were taken, as account and position, in the order of their requests.
    fn taken(&mut self) -> Vec<(String, u64)> {
        let taken = self
            .requests()
            .iter()
            .filter(|request| request["answer"] == 200);
        let events = taken.flat_map(|request| match &request["body"] {
            Value::Array(events) => events.clone(),
            event => vec![event.clone()],
        });
        events.map(|event| place(&event)).collect()
    }
}

fn place(event: &Value) -> (String, u64) {
    let account = event["subject"].as_str().expect("an account").to_owned();
    (
        account,
        event["data"]["position"].as_u64().expect("a position"),
    )
}

/// An authority, a secret file, and the connector's section for a receiver at `port`.
struct Room {
    authority: Authority,
    server: Leaf,
    secret: PathBuf,
}

impl Room {
    fn new() -> Self {
        let authority = Authority::new();
        let server = authority.server("receiver");
        let secret = authority.directory().join("secret");
        std::fs::write(&secret, format!("# in use\n{SECRET}\n")).expect("a writable directory");
        Self {
            authority,
            server,
            secret,
        }
    }

    fn receiver(&self) -> Receiver {
        Receiver::start(0, &self.server, None)
    }

    fn section(&self, port: u16, further: &str) -> String {
        format!(
            "[[connector]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://127.0.0.1:{port}/alarms?c=7\"\n\
             secret_file = \"{}\"\nca_file = \"{}\"\n{further}\n",
            self.secret.display(),
            self.authority.ca().display()
        )
    }

    fn hook(&self, port: u16, further: &str) -> Built {
        build(&self.section(port, further)).expect("sound settings")
    }
}

fn everything(outcome: &Outcome) -> Vec<u64> {
    assert_eq!((outcome.refused.len(), outcome.halted), (0, false));
    outcome.delivered.clone()
}

fn why(verdict: Verdict) -> String {
    match verdict {
        Verdict::Retry { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_events_arrive_whole_and_in_order_by_mutual_tls() {
    let room = Room::new();
    let mut receiver = Receiver::start(0, &room.server, Some(&room.authority));
    let me = room.authority.client("gateway");
    let token = room.authority.directory().join("headers");
    std::fs::write(&token, "Authorization: Bearer of-a-test\n").expect("a writable directory");
    let further = format!(
        "certificate_file = \"{}\"\nkey_file = \"{}\"\nheader_file = \"{}\"",
        me.certificate.display(),
        me.key.display(),
        token.display()
    );
    let hook = room.hook(receiver.port(), &further);
    let outcome = drive(&hook.connector, backlog(5, 10)).await;
    receiver.events(&everything(&outcome));
    assert_eq!(hook.link.state(), LinkState::Up);

    let request = receiver.until(1)[0].clone();
    let (headers, body) = (&request["headers"], &request["body"]);
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    assert_eq!(headers["webhook-id"], body["id"]);
    assert_eq!(headers["authorization"], "Bearer of-a-test");
    assert_eq!(request["path"], "/alarms?c=7");
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["source"], "/gateway/west");
    assert_eq!(body["data"]["id"], body["id"]);
    assert_eq!(body["data"]["code"]["code"], "BA");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_comes_late_gets_everything() {
    let room = Room::new();
    // Found by binding, then given back.
    let port = room.receiver().port();
    let hook = room.hook(port, "");
    let first = delivery(1, "1000");
    let said = why(once(&hook.connector, &first).await);
    assert!(said.contains("refused"), "{said}");
    assert!(down(&hook.link).contains("refused"));
    let driving = drive(&hook.connector, backlog(3, 5));
    let coming = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::task::spawn_blocking(move || (Receiver::start(port, &room.server, None), room)).await
    };
    let (outcome, receiver) = tokio::join!(driving, coming);
    let (mut receiver, _room) = receiver.expect("no panic");
    receiver.events(&everything(&outcome));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_killed_again_and_again_misses_nothing() {
    let kills: usize =
        std::env::var("LARM_KILLS").map_or(3, |text| text.parse().expect("a number"));
    let room = Room::new();
    let mut receiver = room.receiver();
    let port = receiver.port();
    let hook = room.hook(port, "");
    let (connector, count) = (hook.connector.clone(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&count);
    let events = backlog(4, 20 * kills);
    let driving = tokio::spawn(async move { drive_counting(&connector, events, &counting).await });
    let mut taken = Vec::new();
    for kill in 0..kills {
        until(&count, 80 * kill + 20).await;
        taken.extend(receiver.kill());
        receiver = Receiver::start(port, &room.server, None);
    }
    let outcome = driving.await.expect("no panic");
    taken.extend(receiver.kill());
    let expected = everything(&outcome);
    assert_eq!(expected.len(), 80 * kills);
    // It tells of a request before it answers, so whatever counts as delivered was told.
    whole_and_in_order(taken, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_is_waited_for_no_longer_than_told() {
    let room = Room::new();
    let mut receiver = room.receiver();
    let hook = room.hook(receiver.port(), "timeout = \"500ms\"");
    receiver.order(&json!({ "answer": 200, "delay": 1.5, "times": 1 }));
    let first = delivery(1, "1000");
    let said = why(once(&hook.connector, &first).await);
    assert!(said.contains("no answer within 500ms"), "{said}");
    let outcome = drive(&hook.connector, vec![first.clone()]).await;
    assert_eq!(everything(&outcome), [1]);
    // The slow request ends after the quick one; both carried the same id.
    let requests = receiver.until(2);
    let id = first.event.id.to_string();
    let same = |request: &Value| request["headers"]["webhook-id"] == id.as_str();
    assert!(requests.iter().all(same), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_record_stops_nobody() {
    for mode in ["single", "batch"] {
        let room = Room::new();
        let mut receiver = room.receiver();
        let hook = room.hook(receiver.port(), &format!("mode = \"{mode}\""));
        receiver.order(&json!({ "answer": 422, "subject": "bad" }));
        let mut events = backlog(2, 5);
        events.insert(4, delivery(100, "bad"));
        let verdicts = if mode == "batch" {
            hook.connector.deliver(&events).await
        } else {
            let outcome = drive(&hook.connector, events.clone()).await;
            assert_eq!(outcome.refused, [(100, "answered 422".to_owned())]);
            continue;
        };
        for (delivery, verdict) in events.iter().zip(verdicts) {
            let expected = match delivery.position {
                100 => Verdict::Refused {
                    why: "answered 422".to_owned(),
                },
                _ => Verdict::Delivered,
            };
            assert_eq!(verdict, expected, "{}", delivery.position);
        }
        let all: Vec<u64> = (1..=10).collect();
        receiver.events(&all);
        assert_eq!(hook.link.state(), LinkState::Up);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_keep_their_order_and_their_id() {
    let room = Room::new();
    let mut receiver = room.receiver();
    let hook = room.hook(receiver.port(), "mode = \"batch\"");
    assert_eq!(hook.connector.limits().batch_events, 100);
    receiver.order(&json!({ "answer": 503, "times": 1 }));
    let events = backlog(3, 4);
    let verdicts = hook.connector.deliver(&events).await;
    assert!(
        verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Retry { .. })),
        "{verdicts:?}"
    );
    assert_eq!(
        hook.connector.deliver(&events).await,
        vec![Verdict::Delivered; 12]
    );
    let requests = receiver.until(2);
    let id = |at: usize| requests[at]["headers"]["webhook-id"].clone();
    assert_eq!(id(0), id(1));
    assert_eq!(
        requests[0]["headers"]["content-type"],
        "application/cloudevents-batch+json"
    );
    let all: Vec<u64> = (1..=12).collect();
    receiver.events(&all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_certificate_gets_nothing() {
    let room = Room::new();
    let stranger = Authority::new();
    let mut receiver = Receiver::start(0, &stranger.server("receiver"), None);
    let hook = room.hook(receiver.port(), "");
    let said = why(once(&hook.connector, &delivery(1, "1000")).await);
    assert!(said.contains("certificate"), "{said}");
    assert!(down(&hook.link).contains("certificate"));
    assert_eq!(receiver.requests(), [] as [Value; 0]);

    // The right authority, for another host.
    let elsewhere = room
        .authority
        .server_named("elsewhere", "DNS:alarm.example.org");
    let mut receiver = Receiver::start(0, &elsewhere, None);
    let said = why(once(
        &room.hook(receiver.port(), "").connector,
        &delivery(1, "1000"),
    )
    .await);
    assert!(said.contains("not valid for name"), "{said}");
    assert_eq!(receiver.requests(), [] as [Value; 0]);
    let named = room.hook(receiver.port(), "server_name = \"alarm.example.org\"");
    assert_eq!(
        once(&named.connector, &delivery(1, "1000")).await,
        Verdict::Delivered
    );

    // A receiver that wants to know who comes.
    let mut receiver = Receiver::start(0, &room.server, Some(&room.authority));
    why(once(
        &room.hook(receiver.port(), "").connector,
        &delivery(1, "1000"),
    )
    .await);
    assert_eq!(receiver.requests(), [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_wait_holds_for_every_account() {
    let room = Room::new();
    let mut receiver = room.receiver();
    let hook = room.hook(receiver.port(), "");
    let wish = json!({ "Retry-After": "2" });
    receiver.order(&json!({ "answer": 429, "times": 1, "headers": wish }));
    let after = |verdict| match verdict {
        Verdict::Retry {
            after: Some(after), ..
        } => after,
        other => panic!("{other:?}"),
    };
    let asked = after(once(&hook.connector, &delivery(1, "1000")).await);
    assert_eq!(asked, Duration::from_secs(2));
    let other = after(once(&hook.connector, &delivery(2, "1001")).await);
    assert!(other > Duration::ZERO && other <= asked, "{other:?}");
    assert_eq!(
        receiver.requests().len(),
        1,
        "the other account did not knock"
    );
    let outcome = drive(&hook.connector, backlog(2, 1)).await;
    assert_eq!(everything(&outcome), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_stops_the_connector() {
    let room = Room::new();
    let mut receiver = room.receiver();
    let hook = room.hook(receiver.port(), "");
    receiver.order(&json!({ "answer": 410 }));
    let halted = once(&hook.connector, &delivery(1, "1000")).await;
    assert_eq!(
        halted,
        Verdict::Halt {
            why: "answered 410".to_owned()
        }
    );
    assert!(down(&hook.link).contains("410"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_loses_nothing() {
    let room = Room::new();
    let mut receiver = room.receiver();
    for status in [401, 403, 404, 407, 302] {
        receiver.order(
            &json!({ "answer": status, "times": 1, "headers": { "Location": "/elsewhere" } }),
        );
        let hook = room.hook(receiver.port(), "");
        let said = why(once(&hook.connector, &delivery(1, "1000")).await);
        assert!(
            said.contains(&format!("answered {status}: check")),
            "{said}"
        );
        assert!(down(&hook.link).contains(&status.to_string()));
    }
    assert!(
        receiver
            .requests()
            .iter()
            .all(|request| request["path"] == "/alarms?c=7")
    );
    receiver.order(&json!({ "answer": 403, "times": 1 }));
    let strict = room.hook(receiver.port(), "on_denied = \"dead-letter\"");
    let refused = once(&strict.connector, &delivery(1, "1000")).await;
    assert_eq!(
        refused,
        Verdict::Refused {
            why: "answered 403".to_owned()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_replaced_without_a_gap() {
    let room = Room::new();
    let mut receiver = room.receiver();
    let hook = room.hook(receiver.port(), "");
    let stop = CancellationToken::new();
    let (connector, stopped) = (hook.connector.clone(), stop.clone());
    let attending = tokio::spawn(async move { connector.attend(stopped).await });
    assert_eq!(
        once(&hook.connector, &delivery(1, "1000")).await,
        Verdict::Delivered
    );

    // A file that cannot be used leaves the old secret in force.
    std::fs::write(&room.secret, "hunter2\n").expect("a writable directory");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        once(&hook.connector, &delivery(2, "1000")).await,
        Verdict::Delivered
    );

    // Both sign; the receiver goes over when it likes.
    std::fs::write(&room.secret, format!("{OTHER}\n{SECRET}\n")).expect("a writable directory");
    let signatures = |receiver: &mut Receiver| {
        let last = receiver.requests().last().cloned().unwrap_or_default();
        last["headers"]["webhook-signature"]
            .as_str()
            .unwrap_or("")
            .split(' ')
            .count()
    };
    for position in 3.. {
        assert_eq!(
            once(&hook.connector, &delivery(position, "1000")).await,
            Verdict::Delivered
        );
        if signatures(&mut receiver) == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(position < 600, "the new secret was never taken over");
    }
    receiver.order(&json!({ "secret": OTHER }));
    assert_eq!(
        once(&hook.connector, &delivery(9_001, "1000")).await,
        Verdict::Delivered
    );
    assert!(
        receiver
            .requests()
            .iter()
            .all(|request| request["answer"] == 200)
    );
    stop.cancel();
    attending.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_arrives_by_batches() {
    let events =
        std::env::var("LARM_BACKLOG").map_or(2_000, |text| text.parse().expect("a number"));
    let room = Room::new();
    let mut receiver = room.receiver();
    let hook = room.hook(receiver.port(), "mode = \"batch\"");
    let outcome = drive(&hook.connector, backlog(20, events / 20)).await;
    receiver.events(&everything(&outcome));
}

#[test]
fn what_cannot_work_is_told_before_it_starts() {
    let room = Room::new();
    let problem = |text: String| match build(&text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    };
    let section = room.section(1, "");
    let clear = section.replace("https://127.0.0.1", "http://192.0.2.7");
    assert!(problem(clear).starts_with("`url`: goes over the network in clear"));
    assert!(build(&section.replace("https://127.0.0.1", "http://[::1]")).is_ok());
    let user = section.replace("https://", "https://me@");
    assert!(problem(user).contains("header_file"));
    let networks = room.section(1, "networks = [\"10.0.0.1/8\"]");
    assert!(problem(networks).starts_with("`networks`: `10.0.0.1/8` is no address range"));
    let half = room.section(1, &format!("key_file = \"{}\"", room.server.key.display()));
    assert!(problem(half).starts_with("`key_file`: "));
    std::fs::write(&room.secret, "hunter2").expect("a writable directory");
    let secret = problem(section.clone());
    assert!(
        secret.starts_with("`secret_file`: ") && secret.contains("line 1"),
        "{secret}"
    );
    assert!(!secret.contains("hunter2"), "{secret}");
    std::fs::remove_file(&room.secret).expect("it was there");
    assert!(problem(section).contains("cannot be read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_does_not_lead_into_the_private_network() {
    let room = Room::new();
    let receiver = room.receiver();
    // The machine's own name leads to a private or loopback address, wherever the tests run.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let section = room.section(receiver.port(), "server_name = \"localhost\"");
    let section = section.replace("127.0.0.1", name.trim());
    let hook = build(&section).expect("sound settings");
    let said = why(once(&hook.connector, &delivery(1, "1000")).await);
    assert!(
        said.contains("`networks`") || said.contains("resolve") || said.contains("lookup"),
        "{said}"
    );
}

/// The book's example, with this test's addresses and files in place of the invented ones.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_book_runs() {
    let room = Room::new();
    let mut receiver = Receiver::start(0, &room.server, Some(&room.authority));
    let me = room.authority.client("gateway");
    let headers = room.authority.directory().join("headers");
    std::fs::write(&headers, "x-centre: 7\n").expect("a writable directory");
    let path = |path: &Path| path.display().to_string();
    let replaced = [
        (
            "https://case.example.net",
            format!("https://127.0.0.1:{}", receiver.port()),
        ),
        ("/etc/larm/case-system.secret", path(&room.secret)),
        ("/etc/larm/case-system.headers", path(&headers)),
        ("/etc/larm/case-system-ca.pem", path(&room.authority.ca())),
        ("/etc/larm/gateway.pem", path(&me.certificate)),
        ("/etc/larm/gateway.key", path(&me.key)),
        ("alarms.case.example.net", "localhost".to_owned()),
    ];
    let mut text = include_str!("../../docs/examples/connectors/webhook.toml").to_owned();
    for (invented, real) in replaced {
        assert!(text.contains(invented), "{invented}");
        text = text.replace(invented, &real);
    }
    let first = text.rsplit_once("[[connector]]").expect("two connectors").0;
    let hook = build(first).expect("the example can be built");
    let outcome = drive(&hook.connector, backlog(2, 2)).await;
    receiver.events(&everything(&outcome));
}
