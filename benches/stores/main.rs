//! How fast a backlog goes into NATS `JetStream` and into PostgreSQL, beside what the same server takes from
//! a client that does nothing else, in the same run, on the same cores.
//!
//! `cargo bench --bench stores`; `LARM_BACKLOG` events (200,000 unless set), `LARM_ROUNDS` rounds
//! (5 unless set), both sides in turn. Printed: the median rate of each, with the slowest and the
//! fastest, and the ratio of the medians.
//!
//! - `JetStream`, yardstick: a bare client that writes the same messages (subject, id, payload) and
//!   reads confirmations, with 2,000 under way; no order kept, nothing checked.
//! - PostgreSQL, yardstick: `\copy` of the same rows by `psql` into a table of the same form, the
//!   fastest way in that the server has, and for comparison `pgbench` with eight clients that
//!   insert one row for each transaction.
#![expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]
mod bare;
mod copy;
#[expect(
    dead_code,
    clippy::panic,
    reason = "shared with the tests, which use all of it and may panic"
)]
#[path = "../../tests/deliver/load.rs"]
mod load;
#[expect(
    dead_code,
    clippy::panic,
    reason = "shared with the tests, which use all of it and may panic"
)]
#[path = "../../tests/deliver/servers/mod.rs"]
mod servers;

use std::time::{Duration, Instant};

use larm::config::{Nats as NatsSettings, Postgresql as PostgresqlSettings, StreamSetup};
use larm::deliver::connectors::nats::Nats;
use larm::deliver::connectors::postgresql::Postgresql;
use larm::deliver::{Connector, Delivery, Link, Verdict};

use servers::nats::NatsServer;
use servers::postgresql::PostgresServer;

/// Accounts that the backlog is from.
const ACCOUNTS: u64 = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = arguments.iter().find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    // `cargo test --benches` only wants to see that it works.
    let measured = arguments.iter().any(|argument| argument == "--bench");
    let (usual, usual_rounds) = if measured { (200_000, 5) } else { (2_000, 1) };
    let (events, rounds) = (
        number("LARM_BACKLOG", usual),
        number("LARM_ROUNDS", usual_rounds),
    );
    let backlog: Vec<Delivery> = (1..=events)
        .map(|at| load::delivery(at, ACCOUNTS))
        .collect();
    let bytes = backlog.first().map_or(0, |one| one.json.len());
    println!("{events} events of {bytes} bytes, {ACCOUNTS} accounts, {rounds} rounds");
    if wanted("nats") {
        jetstream(&backlog, rounds);
    }
    if wanted("postgresql") {
        postgresql(&backlog, rounds);
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

fn jetstream(backlog: &[Delivery], rounds: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        // A server of its own for each turn: what is stored already slows nobody.
        let server = NatsServer::start();
        runtime.block_on(make_stream(&server));
        theirs.push(rate(backlog, || bare::publish(server.port(), backlog)));

        let server = NatsServer::start();
        let settings = NatsSettings {
            servers: vec![server.url()],
            stream: Some("ALARMS".to_owned()),
            stream_setup: StreamSetup::Create,
            ..NatsSettings::default()
        };
        let connector = Nats::new(settings, load::context(&Link::default())).expect("settings");
        ours.push(rate(backlog, || {
            runtime.block_on(deliver(&connector, backlog));
        }));
    }
    report("JetStream: larm", &mut ours, "a bare client", &mut theirs);
}

async fn make_stream(server: &NatsServer) {
    use async_nats::jetstream;
    let client = async_nats::connect(server.url()).await.expect("a server");
    let config = jetstream::stream::Config {
        name: "ALARMS".to_owned(),
        subjects: vec!["alarm.*.*.*".to_owned()],
        duplicate_window: NatsSettings::default().duplicate_window,
        ..jetstream::stream::Config::default()
    };
    jetstream::new(client)
        .create_stream(config)
        .await
        .expect("a stream");
}

fn postgresql(backlog: &[Delivery], rounds: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = PostgresServer::start_with("max_wal_size = 8GB\ncheckpoint_timeout = 1h");
    let settings = PostgresqlSettings {
        url: server.url(),
        ..PostgresqlSettings::default()
    };
    let connector = Postgresql::new(settings, load::context(&Link::default())).expect("settings");
    // Makes the table.
    runtime.block_on(deliver(&connector, backlog.get(..1).unwrap_or_default()));
    let file = copy::file(&server, backlog);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        copy::empty(&server);
        theirs.push(rate(backlog, || copy::run(&server, &file)));
        copy::empty(&server);
        ours.push(rate(backlog, || {
            runtime.block_on(deliver(&connector, backlog));
        }));
    }
    report("PostgreSQL: larm", &mut ours, "\\copy", &mut theirs);
    copy::empty(&server);
    println!(
        "  pgbench, a row for each transaction: {}",
        copy::pgbench(&server)
    );
    runtime.block_on(connector.close());
}

/// Delivers with as many batches under way as the connector likes, accounts apart, as the engine.
async fn deliver(connector: &dyn Connector, backlog: &[Delivery]) {
    let limits = connector.limits();
    let lanes = limits.in_flight as u64;
    let lane = |lane: u64| async move {
        let own = |one: &&Delivery| one.event.account.as_deref().map_or(0, account) % lanes == lane;
        let own: Vec<Delivery> = backlog.iter().filter(own).cloned().collect();
        for batch in own.chunks(limits.batch_events) {
            let verdicts = connector.deliver(batch).await;
            let delivered = |verdict: &Verdict| *verdict == Verdict::Delivered;
            assert!(verdicts.iter().all(delivered), "not delivered");
        }
    };
    futures_util::future::join_all((0..lanes).map(lane)).await;
}

fn account(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(backlog: &[Delivery], run: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    run();
    let took = begun.elapsed().max(Duration::from_nanos(1));
    backlog.len() as f64 / took.as_secs_f64()
}

fn report(name: &str, rates: &mut [f64], yardstick: &str, bare_rates: &mut [f64]) {
    let ratio = median(rates) / median(bare_rates);
    println!(
        "{name} {}, {yardstick} {}, ratio {ratio:.2}",
        spread(rates),
        spread(bare_rates)
    );
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

fn spread(rates: &mut [f64]) -> String {
    let middle = median(rates);
    let (least, most) = (rates.first().copied(), rates.last().copied());
    format!(
        "{middle:.0}/s ({:.0} to {:.0})",
        least.unwrap_or_default(),
        most.unwrap_or_default()
    )
}
