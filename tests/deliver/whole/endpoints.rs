//! Two endpoints for one connector: the second one gets what the first one cannot take any more, and
//! a receiver event says so.
use super::ledger::distinct;
use super::peers::{Need, Peer};
use super::stage::{NAME, Stage};
use super::{Line, Nats, Relay};
use crate::gateway::exported;
use crate::harness::eventually;

/// Events of one step.
const SOME: usize = 80;

fn the_second_takes_over(what: &'static str, first: Box<dyn Peer>, mut second: Box<dyn Peer>) {
    let at = [first.address(), second.address()];
    let mut stage = Stage::reaching(what, first, &at);
    stage.peer.start();
    stage.open();
    stage.send(SOME, "at the first endpoint");
    stage.settle();
    let used = stage.world.engine(NAME).join("endpoint");
    let used = || std::fs::read_to_string(&used).unwrap_or_default();
    eventually("the first endpoint is noted", || !used().is_empty());
    let before = used();
    assert_eq!(stage.status()["endpoint"], before.as_str());
    let mut arrived = stage.peer.arrived();
    stage.peer.kill();
    second.start();
    stage.send(SOME, "at the second endpoint");
    // Written when the event about it is durable.
    eventually("the move is told", || used() != before);
    let after = used();
    eventually("the second has them", || {
        distinct(&second.arrived()) >= SOME
    });
    arrived.extend(second.arrived());
    stage.balance(&arrived);
    let own: Vec<_> = exported(&stage.world.data())
        .into_iter()
        .filter(|event| event["code"]["code"] == "endpoint")
        .collect();
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(own[0]["peripheral"], NAME);
    let text = own[0]["text"].as_str().unwrap();
    assert_eq!(text, format!("now {after}, before {before}"));
    println!("{text}");
}

#[test]
fn of_nats() {
    let make = || Box::new(Nats::new(Need::Plain));
    the_second_takes_over("nats", make(), make());
}

#[test]
fn of_surgard() {
    let make = || Box::new(Line::surgard(Need::Plain));
    the_second_takes_over("surgard", make(), make());
}

#[test]
fn of_ademco_685() {
    let make = || Box::new(Line::ademco_685(Need::Plain));
    the_second_takes_over("ademco_685", make(), make());
}

#[test]
fn of_dc09_relay() {
    let make = || Box::new(Relay::new(Need::Plain));
    the_second_takes_over("dc09_relay", make(), make());
}
