//! The PostgreSQL connector against a real server: down, killed, locked, refusing, with the wrong
//! certificate, with the least rights, and with a backlog.
mod cut;

use std::time::Duration;

use futures_util::StreamExt as _;
use larm::config::{Postgresql as PostgresqlSettings, TlsUse};
use larm::deliver::connectors::postgresql::{Names, Postgresql, sql};
use larm::deliver::{BuildError, Connector, Delivery, Link, LinkState, Verdict};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::certificates::Authority;
use crate::load::{self, Stored};
use crate::servers::postgresql::PostgresServer;

fn settings(server: &PostgresServer) -> PostgresqlSettings {
    PostgresqlSettings {
        url: server.url(),
        ..PostgresqlSettings::default()
    }
}

fn build(settings: PostgresqlSettings) -> (Postgresql, Link) {
    let link = Link::default();
    let connector = Postgresql::new(settings, load::context(&link));
    (connector.expect("settings that are right"), link)
}

fn events(positions: std::ops::RangeInclusive<u64>, accounts: u64) -> Vec<Delivery> {
    positions
        .map(|position| load::delivery(position, accounts))
        .collect()
}

async fn client(server: &PostgresServer) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls)
        .await
        .expect("a server that runs");
    tokio::spawn(connection);
    client
}

/// Every row in the order of storing.
async fn read(server: &PostgresServer) -> Vec<Stored> {
    let ask = "SELECT id::text, record::text FROM larm.event ORDER BY arrival";
    let rows = client(server)
        .await
        .query(ask, &[])
        .await
        .expect("the table");
    let stored = |row: &tokio_postgres::Row| Stored {
        id: row.get(0),
        json: row.get(1),
    };
    rows.iter().map(stored).collect()
}

async fn check(server: &PostgresServer, expected: &[Delivery]) {
    let stored = read(server).await;
    load::check(&stored, expected);
    assert_eq!(stored.len(), expected.len(), "each event is stored once");
}

fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { why, .. } => why,
        other => panic!("expected a retry: {other:?}"),
    }
}

#[tokio::test]
async fn events_become_rows_once_and_listeners_are_woken() {
    let server = PostgresServer::start();
    let (connector, link) = build(settings(&server));
    let mut woken = listen(&server).await;
    let sent = events(1..=20, 3);
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (20, 0));
    assert_eq!(link.state(), LinkState::Up);
    let payload = woken.recv().await.expect("a notification");
    assert_eq!(payload, r#"{"node":"test","position":20}"#);

    let again = connector.deliver(&sent).await;
    assert_eq!(again, vec![Verdict::Delivered; 20], "a repeat is confirmed");
    check(&server, &sent).await;

    let ask = "SELECT position, account, scheme, code, category, priority, zone, received_at::text, \
               stored_at > received_at - interval '100 years' FROM larm.event WHERE position = 8";
    let row = client(&server)
        .await
        .query_one(ask, &[])
        .await
        .expect("a row");
    assert_eq!(row.get::<_, i64>(0), 8);
    let texts: Vec<&str> = (1..5).map(|column| row.get(column)).collect();
    assert_eq!(texts, ["0002", "SIA", "FA", "fire"]);
    assert_eq!((row.get::<_, i16>(5), row.get::<_, &str>(6)), (1, "012"));
    assert!(row.get::<_, bool>(8));
    connector.close().await;
}

/// The payloads of notifications on larm's channel.
async fn listen(server: &PostgresServer) -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (client, mut connection) = tokio_postgres::connect(&server.url(), NoTls)
        .await
        .expect("a server that runs");
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages =
            futures_util::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(one) = message {
                let _ = sender.send(one.payload().to_owned());
            }
        }
    });
    client
        .batch_execute("LISTEN larm_event")
        .await
        .expect("listens");
    // The client has to live for as long as somebody listens.
    std::mem::forget(client);
    receiver
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_waited_for() {
    let mut server = PostgresServer::stopped_with("");
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

/// SIGKILL to the main process in the middle of a load, five times (`LARM_PG_KILLS`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_loses_nothing() {
    let kills: u64 = std::env::var("LARM_PG_KILLS")
        .map_or(5, |text| text.parse().expect("LARM_PG_KILLS is a number"));
    let mut server = PostgresServer::start();
    let (connector, _) = build(settings(&server));
    let (done, mut ask) = tokio::sync::watch::channel(0_usize);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sender = tokio::spawn(async move {
        let (mut sent, mut retries) = (Vec::new(), 0);
        while !*stopped.borrow() {
            let first = sent.len() as u64 + 1;
            let batch = events(first..=first + 99, 10);
            sent.extend(batch.iter().cloned());
            retries += load::drive(&connector, batch).await.retries;
            done.send_replace(sent.len());
        }
        (sent, retries)
    });
    for kill in 0..kills {
        let before = *ask.borrow_and_update();
        let progress = ask.wait_for(|now| *now > before);
        drop(progress.await.expect("a sender that runs"));
        tokio::time::sleep(Duration::from_micros(kill * 1_371 % 10_000)).await;
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .expect("a server that starts again");
    }
    stop.send_replace(true);
    let (sent, retries) = sender.await.expect("nothing panics");
    assert!(retries > 0 || kills == 0, "no kill hit anything");
    check(&server, &sent).await;
}

/// The commit succeeds and its answer never comes: the events are sent again, and stored once.
#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let server = PostgresServer::start();
    let cut = cut::Cut::before(server.port()).await;
    let (connector, link) = build(PostgresqlSettings {
        url: format!("postgres://postgres@127.0.0.1:{}/postgres", cut.port()),
        notify: false,
        ..settings(&server)
    });
    let sent = events(1..=40, 4);
    load::drive(&connector, sent[..20].to_vec()).await;
    cut.after_next_question();
    let verdicts = connector.deliver(&sent[20..]).await;
    assert!(verdicts.iter().all(|verdict| !why(verdict).is_empty()));
    assert!(matches!(link.state(), LinkState::Down(_)));
    assert_eq!(read(&server).await.len(), 40, "the server had committed");
    load::drive(&connector, sent[20..].to_vec()).await;
    check(&server, &sent).await;
}

#[tokio::test]
async fn a_table_that_is_locked_is_waited_for() {
    let server = PostgresServer::start();
    let (connector, _) = build(PostgresqlSettings {
        timeout: Duration::from_millis(400),
        ..settings(&server)
    });
    let sent = events(1..=40, 4);
    load::drive(&connector, sent[..20].to_vec()).await;
    let other = client(&server).await;
    other
        .batch_execute("BEGIN; LOCK TABLE larm.event")
        .await
        .expect("a lock");
    let verdicts = connector.deliver(&sent[20..]).await;
    assert!(why(&verdicts[0]).contains("55P03"), "{verdicts:?}");
    other.batch_execute("COMMIT").await.expect("the lock goes");
    load::drive(&connector, sent[20..].to_vec()).await;
    check(&server, &sent).await;
}

#[tokio::test]
async fn rows_that_the_table_refuses_stop_no_other() {
    let server = PostgresServer::start();
    let (connector, _) = build(settings(&server));
    let mut sent = events(1..=200, 7);
    load::drive(&connector, sent[..1].to_vec()).await;
    let rules = "ALTER TABLE larm.event ADD CONSTRAINT no_nines CHECK (zone <> '999');
        CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.zone = '998' THEN RAISE EXCEPTION 'zone % of a customer', NEW.zone; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER picky BEFORE INSERT ON larm.event FOR EACH ROW EXECUTE FUNCTION picky()";
    client(&server)
        .await
        .batch_execute(rules)
        .await
        .expect("rules");
    for (at, zone) in [(77, "999"), (140, "998"), (199, "999")] {
        sent[at] = load::changed(&sent[at], |event| event.zone = Some(zone.to_owned()));
    }
    let outcome = load::drive(&connector, sent[1..].to_vec()).await;
    assert_eq!((outcome.delivered, outcome.retries), (196, 0));
    let refused: Vec<u64> = outcome
        .refused
        .iter()
        .map(|(position, _)| *position)
        .collect();
    assert_eq!(refused, [78, 141, 200]);
    assert!(
        outcome.refused[0].1.contains("no_nines"),
        "{:?}",
        outcome.refused
    );
    assert!(
        !outcome.refused[1].1.contains("customer"),
        "contents in {:?}",
        outcome.refused
    );
    sent.retain(|delivery| !refused.contains(&delivery.position));
    check(&server, &sent).await;
}

#[tokio::test]
async fn what_postgresql_cannot_store_is_made_visible() {
    let server = PostgresServer::start();
    let (connector, _) = build(settings(&server));
    let odd = load::changed(&load::delivery(1, 1), |event| {
        event.text = Some("a\0b \\u0000 \\".to_owned());
        event.account = Some("9".repeat(8_000));
    });
    let outcome = load::drive(&connector, vec![odd]).await;
    assert_eq!((outcome.delivered, outcome.refused.len()), (1, 0));
    let ask =
        "SELECT text, record->>'text', length(account), length(record->>'account') FROM larm.event";
    let row = client(&server)
        .await
        .query_one(ask, &[])
        .await
        .expect("a row");
    let visible = "a\\u0000b \\u0000 \\";
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        (visible, visible)
    );
    assert_eq!((row.get::<_, i32>(2), row.get::<_, i32>(3)), (256, 8_000));
}

#[tokio::test]
async fn a_dba_prepares_the_table_and_larm_gets_by_with_few_rights() {
    let server = PostgresServer::start();
    let other = client(&server).await;
    other
        .batch_execute("CREATE USER larm")
        .await
        .expect("a user");
    let (connector, _) = build(PostgresqlSettings {
        url: format!("postgres://larm@127.0.0.1:{}/postgres", server.port()),
        schema: "alarms".to_owned(),
        table: "entry".to_owned(),
        migrate: false,
        ..settings(&server)
    });
    let sent = events(1..=10, 2);
    let verdicts = connector.deliver(&sent).await;
    assert!(why(&verdicts[0]).contains("at version 0"), "{verdicts:?}");

    let names = Names::new("alarms", "entry").expect("names");
    other
        .batch_execute(&sql(&names))
        .await
        .expect("the statements of the manual");
    let rights = "GRANT USAGE ON SCHEMA alarms TO larm;
        GRANT SELECT ON alarms.entry_version TO larm;
        GRANT INSERT, SELECT (id) ON alarms.entry TO larm";
    other.batch_execute(rights).await.expect("rights");
    let outcome = load::drive(&connector, sent).await;
    assert_eq!((outcome.delivered, outcome.retries), (10, 0));

    let (migrating, _) = build(PostgresqlSettings {
        url: format!("postgres://larm@127.0.0.1:{}/postgres", server.port()),
        schema: "alarms".to_owned(),
        table: "entry".to_owned(),
        ..settings(&server)
    });
    let outcome = load::drive(&migrating, events(11..=12, 2)).await;
    assert_eq!(outcome.retries, 0, "nothing to do needs no rights");
}

#[tokio::test]
async fn two_gateways_may_prepare_the_table_at_a_time() {
    let server = PostgresServer::start();
    let one = build(settings(&server)).0;
    let other = build(settings(&server)).0;
    let sent = events(1..=20, 2);
    let (first, second) = tokio::join!(one.deliver(&sent[..10]), other.deliver(&sent[10..]));
    assert_eq!(
        (first, second),
        (vec![Verdict::Delivered; 10], vec![Verdict::Delivered; 10])
    );
    assert_eq!(read(&server).await.len(), 20);
}

#[tokio::test]
async fn a_session_waits_for_the_disk_whatever_the_server_says() {
    let server = PostgresServer::start_with("synchronous_commit = off");
    let probe = "CREATE TABLE seen (setting text);
        CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL;
        END $$";
    let other = client(&server).await;
    other.batch_execute(probe).await.expect("a probe");
    let (connector, _) = build(settings(&server));
    load::drive(&connector, events(1..=1, 1)).await;
    let trigger = "CREATE TRIGGER look AFTER INSERT ON larm.event EXECUTE FUNCTION look()";
    other.batch_execute(trigger).await.expect("a trigger");
    load::drive(&connector, events(2..=2, 1)).await;
    let row = other
        .query_one("SELECT setting FROM seen", &[])
        .await
        .expect("a row");
    assert_eq!(row.get::<_, &str>(0), "on");
}

#[tokio::test]
async fn certificates_are_verified_and_the_password_comes_from_its_file() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let leaf = trusted.server("server");
    let mut server = PostgresServer::start();
    let user = "CREATE USER larm PASSWORD 'correct'; GRANT ALL ON DATABASE postgres TO larm";
    client(&server)
        .await
        .batch_execute(user)
        .await
        .expect("a user");
    let certificate = server.copy(&leaf.certificate, "server.pem");
    let key = server.copy(&leaf.key, "server.key");
    server.append(
        "postgresql.conf",
        &format!(
            "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
            certificate.display(),
            key.display()
        ),
    );
    server.prepend_rules(
        "hostssl all larm 127.0.0.1/32 scram-sha-256\nhostnossl all larm all reject",
    );
    server.restart();

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    std::fs::write(&file, "wrong\n").expect("a writable directory");
    let right = PostgresqlSettings {
        url: format!("postgres://larm@localhost:{}/postgres", server.port()),
        password_file: Some(file.clone()),
        tls: TlsUse::Required,
        ca_file: Some(trusted.ca()),
        ..settings(&server)
    };
    let (connector, link) = build(PostgresqlSettings {
        ca_file: Some(other.ca()),
        ..right.clone()
    });
    let verdicts = connector.deliver(&events(1..=3, 1)).await;
    assert!(
        why(&verdicts[0]).to_lowercase().contains("certificate"),
        "{verdicts:?}"
    );
    assert!(matches!(link.state(), LinkState::Down(_)));

    let (connector, _) = build(right);
    let verdicts = connector.deliver(&events(1..=3, 1)).await;
    assert!(why(&verdicts[0]).contains("28P01"), "{verdicts:?}");
    assert!(
        !why(&verdicts[0]).contains("wrong"),
        "a secret in {verdicts:?}"
    );
    std::fs::write(&file, "correct\n").expect("a writable directory");
    let outcome = load::drive(&connector, events(1..=3, 1)).await;
    assert_eq!(outcome.delivered, 3);
}

#[tokio::test]
async fn a_local_socket_will_do() {
    let server = PostgresServer::start();
    let directory = server
        .socket_directory()
        .display()
        .to_string()
        .replace('/', "%2F");
    let (connector, _) = build(PostgresqlSettings {
        url: format!("postgres://postgres@{directory}:{}/postgres", server.port()),
        ..settings(&server)
    });
    let outcome = load::drive(&connector, events(1..=3, 1)).await;
    assert_eq!((outcome.delivered, outcome.retries), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_whole_and_in_order() {
    let server = PostgresServer::start();
    let (connector, _) = build(settings(&server));
    let sent = events(1..=load::backlog(), 500);
    let outcome = load::drive(&connector, sent.clone()).await;
    assert_eq!((outcome.delivered, outcome.retries), (sent.len(), 0));
    check(&server, &sent).await;
}

#[test]
fn settings_that_cannot_work_are_said_before_anything_starts() {
    let right = || PostgresqlSettings {
        url: "postgres://larm@db.example.org/alarms".to_owned(),
        ..PostgresqlSettings::default()
    };
    let problem = |settings| -> Option<(&'static str, String)> {
        let built = Postgresql::new(settings, load::context(&Link::default()));
        built
            .err()
            .map(|BuildError { key, problem }| (key, problem))
    };
    assert_eq!(problem(right()), None);
    for url in [
        "",
        "mysql://larm@host/db",
        "postgres://larm:secret@host/db",
        "postgres://host/db",
        "postgres:///db?user=larm",
    ] {
        let url = url.to_owned();
        let (key, text) = problem(PostgresqlSettings {
            url: url.clone(),
            ..right()
        })
        .expect("a problem");
        assert_eq!(key, "url", "{url}");
        assert!(!text.contains("secret"), "{text}");
    }
    let table = "Event".to_owned();
    assert_eq!(
        problem(PostgresqlSettings { table, ..right() })
            .expect("a problem")
            .0,
        "table"
    );
}
