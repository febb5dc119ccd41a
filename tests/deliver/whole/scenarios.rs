//! What can go wrong, once for all connectors.
use std::time::{Duration, Instant};

use super::ledger::distinct;
use super::peers::{LONG, poison};
use super::stage::{NAME, Stage};
use crate::harness::{eventually, size};

/// Events of one step: enough for order and completeness.
const SOME: usize = 80;

fn kills() -> usize {
    std::env::var("LARM_KILLS").map_or(3, |text| text.parse().expect("LARM_KILLS is a number"))
}

/// The other side is not there when larm starts, and comes later.
pub(crate) fn down_at_the_start(mut stage: Stage) {
    stage.open();
    stage.send(SOME, "not there yet");
    stage.link_is_down();
    stage.peer.start();
    stage.finish();
}

/// SIGKILL to the other side in the middle, `LARM_KILLS` times.
pub(crate) fn killed_again_and_again(mut stage: Stage) {
    stage.peer.start();
    stage.open();
    let sending = stage.keep_sending();
    for kill in 0..kills() {
        stage.deliveries_go_on();
        stage.peer.kill();
        if kill % 2 == 0 {
            stage.link_is_down();
        }
        stage.peer.start();
    }
    stage.deliveries_go_on();
    stage.stop_sending(sending, "killed again and again");
    stage.finish();
}

/// Every byte takes its time; then nothing comes any more on connections that stay open; then
/// nobody is there. What transmitters see of it is printed side by side.
pub(crate) fn slow_hanging_and_gone(mut stage: Stage) {
    stage.peer.start();
    stage.open();
    stage.send(SOME, "healthy");
    stage.settle();
    stage.wire().delay(Duration::from_millis(3));
    stage.send(SOME, "slow");
    stage.wire().hold(true);
    stage.send(SOME, "hanging");
    stage.link_is_down();
    stage.peer.kill();
    stage.wire().hold(false);
    stage.wire().delay(Duration::ZERO);
    stage.send(SOME, "gone");
    stage.peer.start();
    stage.finish();
}

/// The other side refuses one record for good: it is a dead letter, and everything else goes on,
/// that account's events behind it as well.
pub(crate) fn one_record_refused(mut stage: Stage) {
    stage.peer.start();
    stage.open();
    stage.send(SOME, "before the refusal");
    stage.send_one(poison(), &"x".repeat(LONG));
    stage.send(SOME, "behind the refusal");
    stage.settle();
    let dead = stage.dead();
    assert_eq!(dead.len(), 1, "{dead:?}");
    let why = dead[0]["reason"].as_str().unwrap_or_default();
    assert!(!why.is_empty(), "{dead:?}");
    assert!(!why.contains("xxx"), "contents in {why}");
    println!("refused: {why}");
    let status = stage.status();
    assert_eq!(status["dead_letters"], 1, "{status}");
    assert_eq!(status["state"], "running", "{status}");
    stage.finish();
}

/// The other side is away while `LARM_BACKLOG` events come in, and comes back.
pub(crate) fn a_backlog(mut stage: Stage) {
    stage.peer.start();
    stage.open();
    stage.send(16, "healthy");
    stage.settle();
    stage.peer.kill();
    let events = size(240);
    stage.send(events, "absent");
    stage.peer.start();
    let begun = Instant::now();
    stage.settle();
    let took = begun.elapsed();
    println!(
        "a backlog of {events} in {took:?}: {}/s",
        events as u128 * 1_000_000 / took.as_micros().max(1)
    );
    stage.finish();
}

/// The other side shows a certificate of somebody else. Nothing is delivered, and whoever looks is
/// told why; with the right one it goes on by itself.
pub(crate) fn the_wrong_certificate(mut stage: Stage) {
    stage.wardrobe().wear(false);
    stage.peer.start();
    stage.open();
    stage.send(SOME, "with the wrong certificate");
    let said = |stage: &Stage| {
        let status = stage.status();
        let link = status["link_why"].as_str().unwrap_or_default();
        let last = status["last_error"].as_str().unwrap_or_default();
        format!("{link}; {last}")
    };
    eventually("the certificate is said", || {
        let said = said(&stage).to_lowercase();
        said.contains("certificate") && said.contains("ca_file")
    });
    println!("{}", said(&stage));
    assert_eq!(stage.figure("delivered_total"), 0);
    assert_eq!(distinct(&stage.peer.arrived()), 0);
    stage.peer.kill();
    stage.wardrobe().wear(true);
    stage.peer.start();
    stage.finish();
}

/// The newer cursor is cut, then its bytes are turned, then neither can be read any more.
pub(crate) fn the_cursor_torn(mut stage: Stage) {
    stage.peer.start();
    stage.open();
    let cut: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len() / 2);
    let turned: fn(&mut Vec<u8>) = |bytes| {
        let half = bytes.len() / 2;
        bytes[half..].iter_mut().for_each(|byte| *byte ^= 0x55);
    };
    for (newest_alone, damage) in [(true, cut), (true, turned), (false, turned)] {
        stage.send(SOME, "before the tear");
        stage.settle();
        stage.world.stop();
        stage.world.damage_cursor(NAME, newest_alone, damage);
        stage.open();
    }
    stage.send(SOME, "after the tears");
    stage.finish();
}

/// SIGKILL to larm in the middle, `LARM_KILLS` times; transmitters ask again where they had no
/// answer.
pub(crate) fn larm_killed(mut stage: Stage) {
    stage.peer.start();
    stage.open();
    let sending = stage.keep_sending();
    for _ in 0..kills() {
        stage.deliveries_go_on();
        stage.world.kill();
        stage.open();
    }
    stage.deliveries_go_on();
    stage.stop_sending(sending, "while larm is killed");
    stage.finish_after_silence();
}
