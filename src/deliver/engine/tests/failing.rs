//! What becomes of what the other side does not take.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larm_event::Category::{Intrusion, Medical, Other, Test};

use super::super::{Notice, Outcome, State, Which};
use super::world::{Fake, World, limits, quick, retry, until};
use crate::deliver::{Delivery, Verdict};

fn all_well(_: &Delivery) -> Verdict {
    Verdict::Delivered
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_once_and_a_new_start_repeats_nothing() {
    let mut world = World::new();
    let fake = Fake::new(limits(3, 2), all_well);
    world.append(&[("1", Intrusion), ("2", Test), ("1", Medical), ("3", Other)]);
    let engine = world.start(&fake, &quick()).await;
    until(&engine, |status| status.cursor == 4).await;
    world.append(&[("", Intrusion), ("", Intrusion)]);
    let status = until(&engine, |status| status.cursor == 6).await;
    assert_eq!((status.delivered, status.unrouted, status.held), (4, 1, 1));
    assert_eq!(status.latency.count(), 4);
    assert_eq!(status.oldest, None);
    assert!(engine.drain(Duration::from_mins(1)).await.in_time);
    let mut delivered = fake.delivered();
    delivered.sort_unstable();
    assert_eq!(delivered, [1, 3, 5, 6]);

    world.append(&[("1", Intrusion)]);
    let engine = world.start(&fake, &quick()).await;
    assert_eq!(engine.handle().durable(), 6);
    until(&engine, |status| status.durable == 7).await;
    assert_eq!(fake.delivered().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_stops_nobody_and_can_be_delivered_later() {
    let mut world = World::new();
    let refuse = Arc::new(AtomicBool::new(true));
    let refusing = Arc::clone(&refuse);
    let fake = Fake::new(limits(2, 2), move |delivery| {
        if delivery.position == 2 && refusing.load(Ordering::Acquire) {
            let why = "field too long".to_owned();
            return Verdict::Refused { why };
        }
        Verdict::Delivered
    });
    let engine = world.start(&fake, &quick()).await;
    let handle = engine.handle();
    let (second, third) = (handle.outcome(2), handle.outcome(3));
    let appending = async {
        // The registrations stand before the events do.
        tokio::task::yield_now().await;
        world.append(&[("1", Intrusion), ("1", Intrusion), ("1", Intrusion)])
    };
    let (second, third, _) = tokio::join!(second, third, appending);
    assert_eq!((second, third), (Outcome::Refused, Outcome::Delivered));
    let status = until(&engine, |status| status.durable == 3).await;
    assert_eq!((status.dead_letters, status.refused), (1, 1));
    drop(engine);

    let engine = world.start(&fake, &quick()).await;
    let handle = engine.handle();
    let letters = handle.dead_letters(9).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].id, world.ids[&2]);
    assert_eq!(letters[0].account.as_deref(), Some("1"));
    assert_eq!((letters[0].position, letters[0].tries), (2, 1));
    assert_eq!(letters[0].reason, "field too long");
    refuse.store(false, Ordering::Release);
    assert_eq!(handle.retry_dead_letters(Which::All).await, Ok(1));
    until(&engine, |status| {
        status.dead_letters == 0 && status.cursor == 3
    })
    .await;
    assert_eq!(fake.delivered().last(), Some(&2));
    assert_eq!(handle.drop_dead_letters(Which::All).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_survives_a_restart_and_the_event_stays() {
    let mut world = World::new();
    let halting = Fake::new(limits(4, 1), |_| {
        let why = "410 Gone".to_owned();
        Verdict::Halt { why }
    });
    world.append(&[("1", Intrusion), ("2", Intrusion)]);
    let engine = world.start(&halting, &quick()).await;
    let halted = State::Halted("410 Gone".into());
    until(&engine, |status| status.state == halted).await;
    let told = Notice::Halted {
        why: "410 Gone".into(),
    };
    assert_eq!(*halting.notices.lock().unwrap(), [told]);
    assert!(engine.drain(Duration::from_mins(1)).await.in_time);

    let fake = Fake::new(limits(4, 1), all_well);
    let engine = world.start(&fake, &quick()).await;
    let status = until(&engine, |status| status.waiting_all() == 2).await;
    assert_eq!(status.state, halted);
    engine.handle().start().await.unwrap();
    until(&engine, |status| status.cursor == 2).await;
    drop(engine);
    let engine = world.start(&fake, &quick()).await;
    assert_eq!(until(&engine, |_| true).await.delivered, 0);
    assert_eq!(fake.delivered(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_that_fails_does_not_stop_the_others_nor_its_order() {
    let mut world = World::new();
    let fail = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fail);
    let fake = Fake::new(limits(4, 2), move |delivery| {
        let bad = delivery.event.account.as_deref() == Some("bad");
        if bad && failing.load(Ordering::Acquire) {
            return retry();
        }
        Verdict::Delivered
    });
    for _ in 0..20 {
        world.append(&[("bad", Intrusion), ("good", Intrusion)]);
    }
    let engine = world.start(&fake, &quick()).await;
    until(&engine, |status| {
        status.delivered == 20 && status.retried > 20
    })
    .await;
    assert!(fake.delivered().iter().all(|position| position % 2 == 0));
    fail.store(false, Ordering::Release);
    until(&engine, |status| status.cursor == 40).await;
    let delivered = fake.delivered();
    assert!(
        delivered.is_sorted_by_key(|position| (position % 2 == 1, *position)),
        "{delivered:?}"
    );
    let tries = fake
        .answers
        .lock()
        .unwrap()
        .iter()
        .map(|(d, _)| d.tries)
        .max();
    assert!(tries > Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_down_is_not_hammered_and_works_at_once_when_asked() {
    let mut world = World::new();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let fake = Fake::new(limits(1, 8), move |_| {
        if is_down.load(Ordering::Acquire) {
            return Verdict::Retry {
                after: Some(Duration::from_hours(1)),
                why: "connection refused".to_owned(),
            };
        }
        Verdict::Delivered
    });
    fake.link.down("connection refused");
    let accounts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let events: Vec<_> = accounts
        .iter()
        .map(|account| (&**account, Intrusion))
        .collect();
    world.append(&events);
    let engine = world.start(&fake, &quick()).await;
    let status = until(&engine, |status| {
        status.pause.is_some() && status.in_flight == 0
    })
    .await;
    assert!(
        status.pause > Some(Duration::from_mins(50)),
        "{:?}",
        status.pause
    );
    assert!(fake.calls.load(Ordering::Relaxed) <= 8);
    assert_eq!(status.waiting_all(), 100);
    assert_eq!(status.last_error.as_deref(), Some("connection refused"));
    down.store(false, Ordering::Release);
    engine.handle().retry_now().await.unwrap();
    until(&engine, |status| status.cursor == 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_and_a_short_answer_are_tried_again() {
    let mut world = World::new();
    let fake = Fake::new(limits(1, 1), |delivery| {
        assert!(delivery.tries > 1, "this panic is part of the test");
        Verdict::Delivered
    });
    world.append(&[("1", Intrusion), ("2", Intrusion)]);
    let engine = world.start(&fake, &quick()).await;
    until(&engine, |status| status.cursor == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events_are_told_once_and_when_it_is_over() {
    let mut world = World::new();
    let fail = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fail);
    let fake = Fake::new(limits(1, 1), move |_| {
        if failing.load(Ordering::Acquire) {
            retry()
        } else {
            Verdict::Delivered
        }
    });
    let mut settings = quick();
    settings.annunciate_after = Duration::from_millis(30);
    world.append(&[("1", Intrusion), ("2", Intrusion)]);
    let engine = world.start(&fake, &settings).await;
    until(&engine, |status| status.late).await;
    fail.store(false, Ordering::Release);
    until(&engine, |status| !status.late && status.cursor == 2).await;
    let notices = fake.notices.lock().unwrap();
    assert!(matches!(notices[0], Notice::Late { age, .. } if age >= settings.annunciate_after));
    assert_eq!(notices[1..], [Notice::LateOver]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_of_dead_letters_halts_instead_of_dropping() {
    let mut world = World::new();
    let fake = Fake::new(limits(1, 1), |_| Verdict::Refused {
        why: "no".to_owned(),
    });
    let mut settings = quick();
    settings.dead_letters_max = 3;
    world.append(&[("1", Intrusion); 50]);
    let engine = world.start(&fake, &settings).await;
    let status = until(&engine, |status| matches!(status.state, State::Halted(_))).await;
    assert_eq!(status.dead_letters, 3);
    let status = until(&engine, |status| status.in_flight == 0).await;
    let letters = engine.handle().dead_letters(100).await.unwrap();
    let known = letters.len() as u64 + status.waiting_all();
    assert!(known >= 49, "{known} of 50 are known");
}
