//! What people ask for: pause, skip, replay, and who awaits a position.
use std::fs;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use larm_event::Category::{Fire, Intrusion, Medical, Other, Test};

use super::super::{CommandError, Outcome, Since, StartAt, State, Which};
use super::world::{Fake, World, limits, quick, retry, until};
use crate::deliver::{Delivery, Verdict};

fn all_well(_: &Delivery) -> Verdict {
    Verdict::Delivered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_goes_by_rank_and_each_account_in_order() {
    let mut world = World::new();
    let fake = Fake::new(limits(1, 1), all_well);
    let engine = world.start(&fake, &quick()).await;
    let handle = engine.handle();
    handle.pause().await.unwrap();
    world.append(&[
        ("1", Intrusion),
        ("2", Fire),
        ("3", Medical),
        ("4", larm_event::Category::Access),
    ]);
    world.append(&[
        ("5", larm_event::Category::Access),
        ("5", Medical),
        ("6", Intrusion),
        ("7", Fire),
    ]);
    let status = until(&engine, |status| status.waiting_all() == 8).await;
    assert_eq!(status.waiting, [2, 2, 0, 2, 2]);
    assert_eq!(status.state, State::Paused);
    drop(engine);
    let engine = world.start(&fake, &quick()).await;
    until(&engine, |status| {
        status.waiting_all() == 8 && status.state == State::Paused
    })
    .await;
    engine.handle().start().await.unwrap();
    until(&engine, |status| status.cursor == 8).await;
    assert_eq!(fake.delivered(), [3, 5, 6, 2, 8, 1, 7, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_can_be_skipped_with_a_reason() {
    let mut world = World::new();
    let fake = Fake::new(limits(1, 1), |delivery| match delivery.position {
        2 => retry(),
        _ => Verdict::Delivered,
    });
    world.append(&[
        ("1", Intrusion),
        ("2", Intrusion),
        ("2", Intrusion),
        ("3", Test),
    ]);
    let engine = world.start(&fake, &quick()).await;
    let handle = engine.handle();
    until(&engine, |status| status.retried > 3).await;
    loop {
        match handle.skip(2, "does not fit".to_owned()).await {
            Ok(()) => break,
            Err(CommandError::InFlight(2)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}"),
        }
    }
    until(&engine, |status| status.cursor == 4).await;
    assert_eq!(fake.delivered(), [1, 3]);
    let letters = handle.dead_letters(9).await.unwrap();
    assert_eq!(letters[0].reason, "does not fit");
    assert_eq!(
        handle.skip(3, String::new()).await,
        Err(CommandError::Unknown(3))
    );
    for (position, outcome) in [
        (1, Outcome::Delivered),
        (2, Outcome::Skipped),
        (4, Outcome::NotRouted),
    ] {
        assert_eq!(handle.outcome(position).await, outcome, "{position}");
    }
    assert_eq!(handle.drop_dead_letters(Which::Position(2)).await, Ok(1));
    until(&engine, |status| status.dead_letters == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_delivers_again_what_was_done_and_nothing_else() {
    let mut world = World::new();
    let fake = Fake::new(limits(4, 2), |delivery| match delivery.position {
        5 => Verdict::Refused {
            why: "no".to_owned(),
        },
        _ => Verdict::Delivered,
    });
    for _ in 0..20 {
        world.append(&[
            ("1", Intrusion),
            ("2", Test),
            ("3", Other),
            ("4", Intrusion),
            ("5", Fire),
        ]);
    }
    let engine = world.start(&fake, &quick()).await;
    let handle = engine.handle();
    until(&engine, |status| status.cursor == 100).await;
    let before = fake.delivered().len();
    assert_eq!(
        handle.replay(Since::Position(4), Some(30), false).await,
        Ok(4)
    );
    until(&engine, |status| {
        status.durable == 100 && status.waiting_all() == 0
    })
    .await;
    let mut again = fake.delivered().split_off(before);
    again.sort_unstable();
    let expected: Vec<u64> = (4..=30)
        .filter(|position| position % 5 != 2 && position % 5 != 3 && *position != 5)
        .collect();
    assert_eq!(again, expected);

    let before = fake.delivered().len();
    assert_eq!(handle.replay(Since::TimeMs(0), None, true).await, Ok(1));
    until(&engine, |status| {
        status.durable == 100 && status.waiting_all() == 0
    })
    .await;
    assert_eq!(fake.delivered().len() - before, 79);
    let later = Since::TimeMs(i64::MAX);
    assert_eq!(
        handle.replay(later, None, true).await,
        Err(CommandError::Nothing)
    );
    assert_eq!(until(&engine, |_| true).await.dead_letters, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_a_crash_cuts_goes_on() {
    let mut world = World::new();
    let fake = Fake::new(limits(1, 1), all_well);
    world.append(&[("1", Intrusion); 30]);
    let engine = world.start(&fake, &quick()).await;
    until(&engine, |status| status.durable == 30).await;
    engine.handle().pause().await.unwrap();
    let replayed = engine
        .handle()
        .replay(Since::Position(11), None, false)
        .await;
    assert_eq!(replayed, Ok(11));
    assert_eq!(
        engine.handle().durable(),
        10,
        "the journal keeps what is to go again"
    );
    drop(engine);
    let engine = world.start(&fake, &quick()).await;
    engine.handle().start().await.unwrap();
    until(&engine, |status| status.durable == 30).await;
    let expected: Vec<u64> = (1..=30).chain(11..=30).collect();
    assert_eq!(fake.delivered(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn awaited_positions_are_bounded_and_may_be_given_up() {
    let mut world = World::new();
    let fake = Fake::new(limits(1, 1), all_well);
    let mut settings = quick();
    settings.confirmations_max = 2;
    let engine = world.start(&fake, &settings).await;
    let handle = engine.handle();
    for _ in 0..50 {
        let wait = Duration::from_millis(1);
        assert!(tokio::time::timeout(wait, handle.outcome(1)).await.is_err());
    }
    let (mut first, mut second) = (pin!(handle.outcome(1)), pin!(handle.outcome(1)));
    poll_fn(|context| {
        // Registered when they are asked for the first time.
        assert!(first.as_mut().poll(context).is_pending());
        assert!(second.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(handle.outcome(1).await, Outcome::Unknown);
    world.append(&[("1", Intrusion)]);
    assert_eq!(first.await, Outcome::Delivered);
    assert_eq!(second.await, Outcome::Delivered);
    drop(engine);
    assert_eq!(handle.outcome(2).await, Outcome::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_cursors_are_set_aside_and_everything_goes_again() {
    let mut world = World::new();
    let fake = Fake::new(limits(8, 2), all_well);
    world.append(&[("1", Intrusion); 10]);
    let mut settings = quick();
    settings.start = StartAt::Now;
    let engine = world.start(&fake, &settings).await;
    world.append(&[("1", Intrusion); 5]);
    until(&engine, |status| status.durable == 15).await;
    assert_eq!(fake.delivered(), (11..=15).collect::<Vec<u64>>());
    assert!(engine.drain(Duration::from_mins(1)).await.in_time);
    let own = world.directory.path().join("deliver");
    for name in ["cursor.0", "cursor.1"] {
        fs::write(own.join(name), b"not a cursor").unwrap();
    }
    let engine = world.start(&fake, &settings).await;
    until(&engine, |status| status.durable == 15).await;
    let expected: Vec<u64> = (11..=15).chain(1..=15).collect();
    assert_eq!(fake.delivered(), expected);
    assert!(own.join("cursor.0.unreadable-0").exists());
}
