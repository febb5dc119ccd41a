//! The relay: does what larm received arrive at another receiver, whatever that one does?
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use larm::accounts::{Defaults, Register, Snapshot};
use larm::config::Config;
use larm::deliver::{Connector, Context, Delivery, Link, LinkState, Verdict, connectors};
use larm::registry::{ACCOUNT_RULES, Onward};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::frame::{encrypt, frame, frame_binary, hex, stamp_now, unhex};
use crate::gateway::{self, Gateway, import_accounts};
use crate::peer::Peer;
use crate::scripted::{Act, Scripted};

const KEY: &str = "00112233445566778899AABBCCDDEEFF";
const LINK_KEY: &str = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4";

/// A connector as the configuration builds it, with its own runtime.
pub(crate) struct Out {
    runtime: Runtime,
    connector: Arc<dyn Connector>,
    pub(crate) link: Link,
    stop: CancellationToken,
}

impl Out {
    /// `keys`: further lines of the section.
    pub(crate) fn new(address: SocketAddr, keys: &str, accounts: Snapshot) -> Self {
        let text = format!(
            "[[connector]]\nname = \"out\"\nkind = \"dc09-relay\"\naddress = \"{address}\"\n{keys}"
        );
        let config = Config::parse("relay.toml", &text).unwrap_or_else(|why| panic!("{why}"));
        let link = Link::default();
        let context = Context {
            name: "out".into(),
            node: "test".into(),
            link: link.clone(),
            directory: std::env::temp_dir(),
        };
        let onward = Onward::new(Arc::new(ArcSwap::from_pointee(accounts)));
        let runtime = Runtime::new().unwrap();
        let connector = {
            let _inside = runtime.enter();
            connectors::build(&config.connectors[0], context, &onward).unwrap()
        };
        Self {
            runtime,
            connector,
            link,
            stop: CancellationToken::new(),
        }
    }

    /// Starts link tests and the look after the first address.
    fn attend(&self) {
        let (connector, stop) = (Arc::clone(&self.connector), self.stop.clone());
        self.runtime
            .spawn(async move { connector.attend(stop).await });
    }

    fn once(&self, batch: &[Delivery]) -> Vec<Verdict> {
        self.runtime.block_on(self.connector.deliver(batch))
    }

    /// As the engine does it: each account in order, a retry until it is settled. Gives the
    /// events that were refused.
    pub(crate) fn all(&self, deliveries: &[Delivery]) -> Vec<(u64, String)> {
        let mut accounts: BTreeMap<Option<String>, Vec<Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            let account = delivery.event.account.clone();
            accounts.entry(account).or_default().push(delivery.clone());
        }
        let refused = Arc::new(Mutex::new(Vec::new()));
        let tasks = accounts.into_values().map(|events| {
            let (connector, refused) = (Arc::clone(&self.connector), Arc::clone(&refused));
            self.runtime.spawn(async move {
                for delivery in events {
                    loop {
                        let verdicts = connector.deliver(std::slice::from_ref(&delivery)).await;
                        match &verdicts[0] {
                            Verdict::Delivered => break,
                            Verdict::Refused { why } => {
                                refused
                                    .lock()
                                    .unwrap()
                                    .push((delivery.position, why.clone()));
                                break;
                            }
                            Verdict::Retry { .. } => {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                            Verdict::Halt { why } => panic!("halted: {why}"),
                        }
                    }
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            self.runtime.block_on(task).expect("an account's events");
        }
        let mut refused = refused.lock().unwrap().clone();
        refused.sort();
        refused
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.stop.cancel();
        self.runtime.block_on(self.connector.close());
    }
}

pub(crate) fn deliveries(events: &[Value]) -> Vec<Delivery> {
    let mut all: Vec<Delivery> = events
        .iter()
        .map(|event| {
            let record: larm_event::Event =
                serde_json::from_value(event.clone()).expect("a record");
            Delivery {
                position: record.position.expect("a position"),
                event: Arc::new(record),
                json: event.to_string().into(),
                tries: 0,
            }
        })
        .collect();
    all.sort_by_key(|delivery| delivery.position);
    all
}

/// Events that larm really received, one for each account of the list with this payload.
pub(crate) fn received(frames: &[Vec<u8>], accounts: &str) -> (tempfile::TempDir, Vec<Value>) {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("from");
    import_accounts(&data, accounts);
    let gateway = Gateway::start(&data);
    for frame in frames {
        let reply = gateway.ask(frame).expect("an answer");
        assert_eq!(
            reply.id.trim_start_matches('*'),
            "ACK",
            "{}",
            frame.escape_ascii()
        );
    }
    assert!(gateway.terminate().success());
    let events = gateway::exported(&data);
    (room, events)
}

fn snapshot(data: &Path) -> Snapshot {
    let register = Register::open(data, ACCOUNT_RULES).unwrap();
    register.snapshot(&Defaults::default()).unwrap()
}

pub(crate) fn clear(id: &str, head: &str, content: &str) -> Vec<u8> {
    frame(format!("\"{id}\"{head}[{content}").as_bytes())
}

/// Encrypted with [`KEY`].
fn sealed(id: &str, head: &str, content: &str) -> Vec<u8> {
    let content = format!("|{content}_{}", stamp_now());
    let pad = 32 - content.len() % 16;
    let plain = ["x".repeat(pad).as_bytes(), content.as_bytes()].concat();
    let cipher = hex(&encrypt(&unhex(KEY), &plain));
    frame(format!("\"*{id}\"{head}[{cipher}").as_bytes())
}

/// One frame of each sort that is told apart on the way.
fn sorts() -> Vec<Vec<u8>> {
    let now = stamp_now();
    vec![
        clear("SIA-DCS", "0001L0#2001", "#2001|Nri1/BA5]"),
        clear(
            "SIA-DCS",
            "0002R1L2#2001",
            "#2001|Nri2^Hall^/id7/OP7^Anna came home^]",
        ),
        clear(
            "SIA-DCS",
            "0003L0#2002",
            &format!("#2002|Nti12:30/FA3]_{now}"),
        ),
        clear("SIA-DCS", "0004L0#2002", "#2002|Nri1/BA5/FA6^Smoke^|NOP1]"),
        clear(
            "SIA-DCS",
            "0005L0#2003",
            "#2003|NBA1][VHTTPS://example.org/1.jpg][X018E04.1148][Y59N19.7596]",
        ),
        clear(
            "SIA-DCS",
            "0006L0#2003",
            &format!("#2003|NBA2][H{now}][K0011]"),
        ),
        clear("SIA-DCS", "0007L0#2004", "#99AA|NBA3]"),
        clear("ADM-CID", "0008L0#2005", "#2005|1130 02 015]"),
        clear("ADM-CID", "0009L0#2005", "#2005|3401 01 003][Ihall]"),
        frame_binary(b"\"ADM-CID\"0010L0#2005[#2005|6301 00 000]"),
        sealed("SIA-DCS", "0011L0#2006", "#2006|Nri1/PA5^Panic^]"),
        sealed(
            "ADM-CID",
            "0012L0#2006",
            "#2006|1110 01 007][VRTSP://example.org/2]",
        ),
    ]
}

/// Everything of an event that must survive the way. A time that it came with, too; an `H` block
/// may be larm's, for an event that could not go on at once.
fn essence(event: &Value, timed: bool) -> Value {
    let mut essence = json!({});
    for field in [
        "account",
        "data_account",
        "code",
        "kind",
        "category",
        "priority",
        "partition",
        "zone",
        "user",
        "peripheral",
        "text",
        "value",
        "location",
        "media",
        "modifiers",
    ] {
        essence[field] = event[field].clone();
    }
    if timed {
        essence["occurred_at"] = event["occurred_at"].clone();
    }
    let extended = event["extended"].as_array().into_iter().flatten();
    essence["extended"] = extended
        .filter(|block| block["id"] != "H")
        .cloned()
        .collect();
    essence
}

/// Of both ends, sorted alike.
pub(crate) fn assert_same(sent: &[Value], arrived: &[Value], what: &str) {
    let name = |event: &Value| essence(event, false).to_string();
    let sorted = |events: &[Value]| {
        let mut events = events.to_vec();
        events.sort_by_key(|event| name(event));
        events
    };
    assert_eq!(sent.len(), arrived.len(), "{what}");
    for (sent, arrived) in sorted(sent).iter().zip(&sorted(arrived)) {
        let timed = sent.get("occurred_at").is_some();
        assert_eq!(essence(arrived, timed), essence(sent, timed), "{what}");
    }
}

fn key_file(room: &Path) -> String {
    let path = room.join("link.key");
    std::fs::write(&path, format!("{LINK_KEY}\n")).unwrap();
    format!("key_file = \"{}\"\n", path.display())
}

#[test]
fn events_are_the_same_at_the_other_end() {
    let accounts = format!("account,key\n2006,{KEY}\n");
    let (room, events) = received(&sorts(), &accounts);
    assert_eq!(
        events.len(),
        14,
        "three frames hold more than one event, or one"
    );
    let key = key_file(room.path());
    let ways: [(&str, bool, String); 5] = [
        ("clear", false, String::new()),
        ("encrypted", false, key.clone()),
        (
            "pipelined",
            false,
            format!("{key}connections = 1\noutstanding = 8\n"),
        ),
        (
            "per-message",
            false,
            "persistent = false\ncrc = \"binary\"\n".to_owned(),
        ),
        ("datagrams", true, format!("{key}transport = \"udp\"\n")),
    ];
    for (name, udp, keys) in ways {
        let data = room.path().join(name);
        let all = ["2001", "2002", "2003", "2004", "2005", "2006"];
        let known = all.map(|account| format!("{account},{LINK_KEY}"));
        import_accounts(&data, &format!("account,key\n{}\n", known.join("\n")));
        let other = Gateway::start(&data);
        let address = if udp { other.udp } else { other.tcp };
        let out = Out::new(address, &keys, snapshot(&room.path().join("from")));
        assert_eq!(out.all(&deliveries(&events)), [], "{name}");
        let arrived = other.events(events.len());
        assert_same(&events, &arrived, name);
        let grade = if keys.contains("key_file") {
            "encrypted"
        } else {
            "suspect"
        };
        assert!(
            arrived
                .iter()
                // Its data names another account, which is suspect either way.
                .filter(|event| event["account"] != "2004")
                .all(|event| event["authenticity"]["grade"] == grade),
            "{name}"
        );
        // Frame by frame as larm numbers them, and each account in its order.
        let order = |events: &[Value]| {
            let of = events.iter().filter(|event| event["account"] == "2005");
            of.map(|event| event["code"]["code"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(order(&arrived), order(&events), "{name}");
    }
}

/// The key of the account is gone: the content is written again from the record.
#[test]
fn what_cannot_be_opened_any_more_is_written_again() {
    let accounts = format!("account,key\n2006,{KEY}\n");
    let (room, events) = received(&sorts(), &accounts);
    let data = room.path().join("to");
    let other = Gateway::start(&data);
    let out = Out::new(other.tcp, "", Snapshot::default());
    assert_eq!(out.all(&deliveries(&events)), []);
    assert_same(&events, &other.events(events.len()), "written again");
}

#[test]
fn accounts_receiver_and_line_are_mapped_and_extended_data_can_stay_behind() {
    let (_room, events) = received(&sorts()[..9], "account\n");
    let other = Scripted::start(|_, _| Act::Ack);
    let keys = "receiver = \"A\"\nline = \"7\"\nextended = false\ntimestamp = false\n\
                account_map = { \"20*\" = \"77*\", 2005 = \"FACE\", 99AA = \"1234\" }\n";
    let out = Out::new(other.address, keys, Snapshot::default());
    assert_eq!(out.all(&deliveries(&events)), []);
    let mut came: Vec<(String, String)> = other
        .came()
        .iter()
        .map(|came| (came.head[4..].to_owned(), came.rest.clone()))
        .collect();
    came.sort();
    let wanted = [
        ("RAL7#7701", "[#7701|Nri1/BA5]"),
        ("RAL7#7701", "[#7701|Nri2^Hall^/id7/OP7^Anna came home^]"),
        ("RAL7#7702", "[#7702|NOP1]"),
        ("RAL7#7702", "[#7702|Nri1/BA5]"),
        ("RAL7#7702", "[#7702|Nri1/FA6^Smoke^]"),
        ("RAL7#7702", "[#7702|Nti12:30/FA3]"),
        ("RAL7#7703", "[#7703|NBA1]"),
        ("RAL7#7703", "[#7703|NBA2]"),
        ("RAL7#7704", "[#1234|NBA3]"),
        ("RAL7#FACE", "[#FACE|1130 02 015]"),
        ("RAL7#FACE", "[#FACE|3401 01 003]"),
    ];
    let wanted = wanted.map(|(head, rest)| (head.to_owned(), rest.to_owned()));
    assert_eq!(came, wanted);
}

/// `count` events of `accounts` accounts, each event with an address of its own.
fn some(accounts: usize, count: usize) -> Vec<Delivery> {
    let events: Vec<Value> = (0..accounts * count)
        .map(|at| {
            let (account, number) = (format!("{:04}", 3000 + at % accounts), at / accounts + 1);
            let mut event = larm_event::Event::draft("dc09/SIA-DCS".to_owned());
            event.position = Some(at as u64 + 1);
            event.received_at = larm::clock::utc_now();
            event.account = Some(account.clone());
            event.code = Some(larm_event::Code {
                scheme: larm_event::Scheme::Sia,
                code: "BA".to_owned(),
                qualifier: Some("N".to_owned()),
                address: Some(number.to_string()),
                name: String::new(),
                name_sv: String::new(),
            });
            event.raw = larm_event::Raw(crate::frame::sia(1, &account, &format!("BA{number}")));
            serde_json::to_value(event).unwrap()
        })
        .collect();
    deliveries(&events)
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { why, .. } | Verdict::Refused { why } | Verdict::Halt { why } => why,
        Verdict::Delivered => "delivered",
    }
}

#[test]
fn a_receiver_that_is_down_at_start_gets_everything_when_it_comes() {
    let address = free_port();
    let out = Out::new(address, "", Snapshot::default());
    let events = some(2, 3);
    let verdicts = out.once(&events);
    assert_eq!(verdicts.len(), events.len());
    for verdict in &verdicts {
        assert!(why(verdict).starts_with("no connection"), "{verdict:?}");
    }
    assert!(matches!(out.link.state(), LinkState::Down(_)));
    let other = Scripted::start_at(address, |_, _| Act::Ack);
    assert!(
        out.once(&events)
            .iter()
            .all(|verdict| *verdict == Verdict::Delivered)
    );
    assert_eq!(out.link.state(), LinkState::Up);
    assert_eq!(other.came().len(), events.len());
}

#[test]
fn silence_is_asked_again_with_the_same_number() {
    let other = Scripted::start(|_, before| if before < 2 { Act::Silence } else { Act::Ack });
    let out = Out::new(
        other.address,
        "answer_timeout = \"200ms\"\n",
        Snapshot::default(),
    );
    let event = &some(1, 1)[0];
    for _ in 0..2 {
        assert_eq!(why(&out.once(std::slice::from_ref(event))[0]), "no answer");
    }
    assert_eq!(out.once(std::slice::from_ref(event)), [Verdict::Delivered]);
    let numbers: Vec<String> = other
        .came()
        .iter()
        .map(|came| came.sequence.clone())
        .collect();
    assert_eq!(numbers, ["0001", "0001", "0001"]);
    assert_eq!(out.once(&some(1, 2)[1..]), [Verdict::Delivered]);
    assert_eq!(other.came()[3].sequence, "0002");
}

/// Inside a batch nothing of an account overtakes what has to wait.
#[test]
fn what_has_to_wait_holds_up_its_account_alone() {
    let other = Scripted::start(|came, _| {
        if came.rest.contains("#3000|NBA2]") {
            Act::Silence
        } else {
            Act::Ack
        }
    });
    let keys = "answer_timeout = \"200ms\"\ntimestamp = false\n";
    let out = Out::new(other.address, keys, Snapshot::default());
    let verdicts = out.once(&some(2, 3));
    let delivered: Vec<bool> = verdicts
        .iter()
        .map(|one| *one == Verdict::Delivered)
        .collect();
    // Events 3, 5 of account 3000 are its second and third.
    assert_eq!(delivered, [true, true, false, true, false, true]);
    assert!(
        !other
            .came()
            .iter()
            .any(|came| came.rest.contains("#3000|NBA3]"))
    );
}

#[test]
fn a_refused_time_sets_the_clock_of_the_link_once() {
    let theirs = "10:00:00,01-02-2031";
    let other = Scripted::start(move |came, _| {
        if came.rest.contains("01-02-2031") {
            Act::Ack
        } else {
            Act::Nak(theirs.to_owned())
        }
    });
    let out = Out::new(other.address, "", Snapshot::default());
    let events = some(1, 3);
    assert!(
        out.once(&events)
            .iter()
            .all(|verdict| *verdict == Verdict::Delivered)
    );
    let came = other.came();
    // The first event twice, with one number; the others at once with the receiver's time.
    let numbers: Vec<&str> = came.iter().map(|came| came.sequence.as_str()).collect();
    assert_eq!(numbers, ["0001", "0001", "0002", "0003"]);

    let never = Scripted::start(move |_, _| Act::Nak(theirs.to_owned()));
    let out = Out::new(never.address, "", Snapshot::default());
    let verdicts = out.once(&events[..1]);
    assert!(
        why(&verdicts[0]).contains("refuses the time"),
        "{verdicts:?}"
    );
    assert_eq!(never.came().len(), 2);
}

#[test]
fn one_record_that_is_declined_stops_no_other() {
    let script = |came: &crate::scripted::Came, _: usize| {
        if came.rest.contains("NBA2]") {
            Act::Duh
        } else {
            Act::Ack
        }
    };
    let other = Scripted::start(script);
    let keys = "timestamp = false\n";
    let out = Out::new(other.address, keys, Snapshot::default());
    let refused = out.all(&some(1, 4));
    assert_eq!(refused, [(2, "the receiver cannot handle it".to_owned())]);
    assert_eq!(other.came().len(), 4);

    let keys = "timestamp = false\nwhen_declined = \"retry\"\n";
    let out = Out::new(other.address, keys, Snapshot::default());
    let verdicts = out.once(&some(1, 2));
    assert!(matches!(verdicts[1], Verdict::Retry { .. }), "{verdicts:?}");
}

#[test]
fn an_answer_that_is_none_of_ours_counts_for_nothing() {
    type Script = fn(&str) -> Act;
    let cases: [(&str, Script); 5] = [
        ("number", |_| Act::AckAs("0777L0#3000".to_owned())),
        ("account", |head| Act::AckAs(head.replace("#3000", "#3001"))),
        ("line", |head| Act::AckAs(head.replace("L0", "L1"))),
        ("receiver", |head| Act::AckAs(head.replace("L0", "R1L0"))),
        ("noise", |_| {
            Act::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())
        }),
    ];
    for (what, script) in cases {
        let other = Scripted::start(move |came, _| script(&came.head));
        let keys = "answer_timeout = \"200ms\"\n";
        let out = Out::new(other.address, keys, Snapshot::default());
        let verdicts = out.once(&some(1, 1));
        assert!(
            why(&verdicts[0]).starts_with("no answer"),
            "{what}: {verdicts:?}"
        );
    }
    // An acknowledgement in clear for a message that was encrypted.
    let room = tempfile::tempdir().unwrap();
    let other = Scripted::start(|_, _| Act::Ack);
    let out = Out::new(other.address, &key_file(room.path()), Snapshot::default());
    let verdicts = out.once(&some(1, 1));
    assert!(
        why(&verdicts[0]).contains("not both encrypted"),
        "{verdicts:?}"
    );
}

#[test]
fn a_connection_that_breaks_costs_no_event_and_a_slow_answer_is_waited_for() {
    let other = Scripted::start(|_, before| match before % 5 {
        1 => Act::Break,
        3 => Act::Late(Duration::from_millis(50)),
        _ => Act::Ack,
    });
    let out = Out::new(other.address, "connections = 2\n", Snapshot::default());
    let events = some(3, 10);
    assert_eq!(out.all(&events), []);
    let mut numbers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for came in other.came() {
        let content = came.rest.split('_').next().unwrap().to_owned();
        numbers.entry(content).or_default().push(came.sequence);
    }
    assert_eq!(numbers.len(), events.len());
    for (content, used) in numbers {
        assert!(
            used.iter().all(|one| *one == used[0]),
            "{content}: {used:?}"
        );
    }
}

#[test]
fn the_second_address_is_used_until_the_first_answers() {
    let first = free_port();
    let second = Scripted::start(|_, _| Act::Ack);
    let keys = format!(
        "backup = \"{}\"\nreturn_after = \"100ms\"\n",
        second.address
    );
    let out = Out::new(first, &keys, Snapshot::default());
    let events = some(1, 200);
    assert_eq!(
        out.once(&events[..2]),
        [Verdict::Delivered, Verdict::Delivered]
    );
    assert_eq!(second.came().len(), 2);
    let first = Scripted::start_at(first, |_, _| Act::Ack);
    out.attend();
    for event in &events[2..] {
        assert_eq!(out.once(std::slice::from_ref(event)), [Verdict::Delivered]);
        if !first.came().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the first address was never used again");
}

#[test]
fn link_tests_go_out_while_nothing_else_does() {
    let other = Scripted::start(|_, _| Act::Ack);
    let keys = "link_test = \"50ms\"\nlink_account = \"ABCD\"\nreceiver = \"9\"\n";
    let out = Out::new(other.address, keys, Snapshot::default());
    out.attend();
    let deadline = std::time::Instant::now() + gateway::PATIENCE;
    while other.link_tests().len() < 3 {
        assert!(std::time::Instant::now() < deadline, "no link tests");
        std::thread::sleep(Duration::from_millis(10));
    }
    let tests = other.link_tests();
    assert!(
        tests.iter().all(|test| test.head[4..] == *"R9L0#ABCD"),
        "{tests:?}"
    );
    assert_ne!(tests[0].sequence, tests[1].sequence);
    assert_eq!(out.link.state(), LinkState::Up);
}

/// SIGKILL while events go through, again and again: each arrives, once.
#[test]
fn a_receiver_that_is_killed_gets_each_event_once() {
    let kills = std::env::var("LARM_RELAY_KILLS").map_or(3, |text| text.parse().unwrap());
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("to");
    let mut other = Some(Gateway::start(&data));
    let address = other.as_ref().expect("it runs").tcp;
    let keys = "answer_timeout = \"1s\"\nconnections = 4\n";
    let out = Out::new(address, keys, Snapshot::default());
    let events = some(20, 40 * kills);
    let listen = format!("dc09+tcp://{address}");
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| out.all(&events));
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(150));
            other.take().expect("it runs").kill();
            other = Some(restart(&data, &listen));
        }
        assert_eq!(sending.join().expect("the sender"), []);
    });
    let arrived = other.expect("it runs").events(events.len());
    let counts = gateway::tally(&arrived);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    println!(
        "{kills} kills: {} events, {} arrived",
        events.len(),
        arrived.len()
    );
    assert_eq!((counts.len(), twice.len()), (events.len(), 0), "{twice:?}");
    for account in 3000..3020 {
        let wanted = account.to_string();
        let of = arrived
            .iter()
            .filter(|event| event["account"] == wanted.as_str());
        let order: Vec<u64> = of
            .map(|event| event["code"]["address"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(order.is_sorted(), "{account}: {order:?}");
    }
}

fn restart(data: &Path, listen: &str) -> Gateway {
    let config = data.with_extension("toml");
    let (_, address) = listen.split_once("://").unwrap();
    let text = format!(
        "[[listener]]\nname = \"tcp\"\naddress = \"{address}\"\n\
         [[listener]]\nname = \"udp\"\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&config, text).unwrap();
    Gateway::start_with(data, &["--config", config.to_str().unwrap()])
}

#[test]
fn pysiaalarm_understands_what_is_relayed() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("key");
    std::fs::write(&path, "30313233343536373839414243444546").unwrap();
    for transport in ["tcp", "udp"] {
        for (account, key) in [
            ("3001", String::new()),
            ("3128", format!("key_file = \"{}\"\n", path.display())),
        ] {
            let mut receiver = Peer::pysiaalarm(transport);
            let address = SocketAddr::from(([127, 0, 0, 1], receiver.ports()[0]));
            // Without a receiver number its reply would not be one.
            let keys = format!(
                "transport = \"{transport}\"\nreceiver = \"1\"\nlink_test = \"0ms\"\n\
                 account_map = {{ 3000 = \"{account}\" }}\n{key}"
            );
            let out = Out::new(address, &keys, Snapshot::default());
            let sent = some(1, 5);
            assert_eq!(out.all(&sent), []);
            // It has a thread for each connection or datagram, which tell in any order what they
            // have answered; the numbers that they read say in which order it was sent.
            let mut all: Vec<_> = sent.iter().map(|_| receiver.next()).collect();
            all.sort_by_key(|heard| heard["sequence"].as_str().map(str::to_owned));
            for (delivery, heard) in sent.iter().zip(all) {
                let code = delivery.event.code.as_ref().unwrap();
                assert_eq!(heard["account"], account, "{heard}");
                assert_eq!(heard["code"], code.code.as_str(), "{heard}");
                assert_eq!(
                    heard["message"].as_str(),
                    code.address.as_deref(),
                    "{heard}"
                );
                assert_eq!(heard["encrypted"], !key.is_empty(), "{heard}");
            }
            let counts = receiver.end();
            assert_eq!(counts.last().map(|line| &line["valid"]), Some(&5.into()));
        }
    }
}

#[test]
fn iobroker_understands_what_is_relayed() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("key");
    std::fs::write(&path, KEY).unwrap();
    let (_from, events) = received(
        &[
            clear("SIA-DCS", "0001L0#2001", "#2001|Nri1/BA5]"),
            clear("ADM-CID", "0002L0#2001", "#2001|1130 02 015]"),
        ],
        "account\n",
    );
    let mut receiver = Peer::iobroker();
    let ports = receiver.ports();
    for (port, transport) in [(ports[0], "tcp"), (ports[1], "udp")] {
        for (account, key) in [
            ("4001", String::new()),
            ("4128", format!("key_file = \"{}\"\n", path.display())),
        ] {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let keys = format!(
                "transport = \"{transport}\"\naccount_map = {{ 2001 = \"{account}\" }}\n{key}"
            );
            let out = Out::new(address, &keys, Snapshot::default());
            assert_eq!(out.all(&deliveries(&events)), []);
            for wanted in ["BA5", "1130 02 015"] {
                let heard = receiver.next();
                assert_eq!(heard["account"], account, "{heard}");
                assert!(heard["data"].as_str().unwrap().contains(wanted), "{heard}");
            }
        }
    }
    assert_eq!(receiver.end(), Vec::<Value>::new());
}

#[test]
fn wrong_settings_are_named_before_anything_starts() {
    let judged = |keys: &str| {
        let text = format!(
            "[[connector]]\nname = \"out\"\nkind = \"dc09-relay\"\naddress = \"192.0.2.7:1\"\n{keys}"
        );
        let config = Config::parse("relay.toml", &text).unwrap();
        larm::registry::judge(&config.connectors[0])
    };
    assert_eq!(judged(""), None);
    for (keys, key, what) in [
        ("receiver = \"XYZ\"\n", "receiver", "hex digits"),
        ("line = \"12 \"\n", "line", "hex digits"),
        ("link_account = \"a b\"\n", "link_account", "no link test"),
        (
            "account_map = { \"1*\" = \"2\" }\n",
            "account_map",
            "one side",
        ),
        ("key_file = \"/nowhere/key\"\n", "key_file", "/nowhere/key"),
    ] {
        let (found, problem) = judged(keys).expect(keys);
        assert_eq!(found, key);
        assert!(problem.contains(what), "{problem}");
    }
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("key");
    std::fs::write(&path, "0011223344").unwrap();
    let (_, problem) = judged(&format!("key_file = \"{}\"\n", path.display())).unwrap();
    assert!(
        problem.contains("5 bytes") && !problem.contains("00112233"),
        "{problem}"
    );
}
