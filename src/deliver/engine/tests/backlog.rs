//! Much more than fits: bounds on what waits and on what is ready. `LARM_BACKLOG` sets how much.
use larm_event::Category::{Access, Intrusion, Medical};

use super::world::{Fake, World, limits, quick, until};
use crate::deliver::Verdict;

fn size() -> u64 {
    std::env::var("LARM_BACKLOG").map_or(6_000, |text| text.parse().expect("a number"))
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn fill(world: &mut World, count: u64) {
    let names: Vec<String> = (0..997).map(|account| format!("{account:04}")).collect();
    let mut at = 0;
    while at < count {
        let part: Vec<_> = (at..count.min(at + 500))
            .map(|number| {
                let category = match number % 50 {
                    0 => Medical,
                    1..10 => Intrusion,
                    _ => Access,
                };
                (
                    &*names[usize::try_from(number * 7 % 997).unwrap()],
                    category,
                )
            })
            .collect();
        at += part.len() as u64;
        world.append(&part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_bounded_in_memory_and_goes_by_rank() {
    let count = size();
    let mut world = World::new();
    fill(&mut world, count);
    let fake = Fake::new(limits(100, 4), |_| Verdict::Delivered);
    let mut settings = quick();
    settings.ready_bytes_max = 64 << 10;
    let before = resident();
    let engine = world.start(&fake, &settings).await;
    engine.handle().pause().await.unwrap();
    let status = until(&engine, |status| status.reached == count).await;
    assert!(status.waiting_all() + status.delivered == count);
    let grown = resident().saturating_sub(before);
    assert!(
        grown < 32 * count + (48 << 20),
        "{grown} bytes for {count} events"
    );
    let started = fake.delivered().len();
    engine.handle().start().await.unwrap();
    until(&engine, |status| status.durable == count).await;
    let rest = fake.delivered().split_off(started);
    // Accounts that are urgent bring what they have before along, so this is no strict order.
    let mean = |wanted: fn(u64) -> bool| {
        let places = rest
            .iter()
            .enumerate()
            .filter(|(_, position)| wanted(**position));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        places.iter().sum::<usize>() / places.len().max(1)
    };
    let (urgent, all) = (mean(|position| (position - 1) % 50 == 0), mean(|_| true));
    assert!(rest.is_empty() || urgent < all, "{urgent} of {all}");
    assert_eq!(fake.delivered().len() as u64, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_ahead_pauses_at_the_bound_and_goes_on() {
    let mut world = World::new();
    fill(&mut world, 3_000);
    let fake = Fake::new(limits(10, 2), |_| Verdict::Delivered);
    let mut settings = quick();
    settings.backlog_max = 300;
    let engine = world.start(&fake, &settings).await;
    engine.handle().pause().await.unwrap();
    let status = until(&engine, |status| status.full).await;
    // A chunk is read as a whole.
    assert!(status.waiting_all() <= 300 + 256, "{status:?}");
    engine.handle().start().await.unwrap();
    until(&engine, |status| status.cursor == 3_000).await;
}
