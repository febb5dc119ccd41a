//! Random answers, delays and crashes, from a printed seed. `LARM_CHAOS` sets how many seeds,
//! `LARM_SEED` the first one.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larm_event::Category;

use super::super::slots::{Found, Slots};
use super::super::{Settings, Since, Which};
use super::world::{Fake, World, limits, quick, retry, until};
use crate::deliver::{Delivery, Verdict};

/// xorshift64, so that a seed tells everything that the test decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "shown where the test fails")]
async fn nothing_is_lost_out_of_order_or_repeated_without_need() {
    let first = setting("LARM_SEED", 1);
    for seed in first..first + setting("LARM_CHAOS", 8) {
        println!("seed {seed}");
        one_life(seed).await;
    }
}

/// Answers by position, try and mood; always refuses some.
fn mood(refused: fn(u64) -> bool, mood: Arc<AtomicU64>) -> impl Fn(&Delivery) -> Verdict {
    move |delivery| {
        let mood = mood.load(Ordering::Acquire);
        let draw = delivery
            .position
            .wrapping_mul(31)
            .wrapping_add(u64::from(delivery.tries) * 17);
        if refused(delivery.position) {
            let why = "refused for good".to_owned();
            return Verdict::Refused { why };
        }
        if mood > 0 && draw % 7 < mood {
            return retry();
        }
        Verdict::Delivered
    }
}

fn refused(position: u64) -> bool {
    position % 23 == 5
}

async fn one_life(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new();
    let moods = Arc::new(AtomicU64::new(0));
    let batch = usize::try_from(dice.below(9) + 1).unwrap();
    let in_flight = usize::try_from(dice.below(4) + 1).unwrap();
    let delay = Duration::from_micros(dice.below(800));
    let script = mood(refused, Arc::clone(&moods));
    let fake = Fake::slow(limits(batch, in_flight), delay, script);
    let mut settings = quick();
    settings.ready_bytes_max = usize::try_from(dice.below(20_000)).unwrap();
    settings.backlog_max = usize::try_from(dice.below(400) + 1).unwrap();
    let own = world.directory.path().join("deliver");
    // What the durable cursor knew at the last crash, and how much was answered by then.
    let mut known: Vec<(BTreeSet<u64>, usize)> = Vec::new();
    let mut observed = 0;
    for _ in 0..6 {
        moods.store(dice.below(4), Ordering::Release);
        let engine = world.start(&fake, &settings).await;
        for _ in 0..dice.below(12) {
            append(&mut world, &mut dice);
            tokio::time::sleep(Duration::from_micros(dice.below(1_500))).await;
        }
        if dice.below(4) == 0 {
            engine.drain(Duration::from_millis(dice.below(20))).await;
        } else {
            drop(engine);
        }
        // Starts and stops once more, so that nobody writes any more; then tears what may be torn.
        drop(world.start(&fake, &settings).await);
        drop(wait_for_lock(&own).await);
        tear(&own, &mut dice, &mut observed);
        known.push((durable(&own), fake.answers.lock().unwrap().len()));
    }
    finish(&mut world, &fake, &moods, &settings).await;
    check(&world, &fake, &known, seed);
}

fn append(world: &mut World, dice: &mut Dice) {
    let categories = [
        Category::Intrusion,
        Category::Fire,
        Category::Medical,
        Category::Access,
        Category::Test,
    ];
    let events: Vec<(String, Category)> = (0..=dice.below(20))
        .map(|_| {
            let category = usize::try_from(dice.below(5)).unwrap();
            (dice.below(7).to_string(), categories[category])
        })
        .collect();
    let lent: Vec<_> = events.iter().map(|(account, c)| (&**account, *c)).collect();
    world.append(&lent);
}

/// Held for as long as nobody else may touch the files.
async fn wait_for_lock(own: &Path) -> fs::File {
    let file = fs::File::options()
        .write(true)
        .open(own.join("lock"))
        .unwrap();
    while file.try_lock().is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    file
}

/// As a crash may: the slot written last is torn anywhere, a letter was begun.
fn tear(own: &Path, dice: &mut Dice, observed: &mut u64) {
    let newest = (["cursor.0", "cursor.1"].iter())
        .map(|name| own.join(name))
        .filter_map(|path| {
            let bytes = fs::read(&path).ok()?;
            let turn = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
            Some((turn, path, bytes))
        })
        .max();
    // A slot is written only while the other one is whole.
    let both = matches!(Slots::open(own), Ok((_, Found::Cursor { torn: false, .. })))
        && own.join("cursor.1").exists();
    // What was there at the look before is durable since long: a crash tears only what is written.
    if let Some((turn, path, mut bytes)) = newest
        && both
        && turn > std::mem::replace(observed, turn)
        && dice.below(2) == 0
    {
        *observed = turn - 1;
        let from = usize::try_from(dice.below(bytes.len() as u64)).unwrap();
        bytes[from..].fill(0);
        fs::write(path, bytes).unwrap();
    }
    if dice.below(2) == 0 {
        let path = own.join("dead-letters");
        let mut bytes = fs::read(&path).unwrap();
        let begun: Vec<u8> = bytes
            .iter()
            .skip(24)
            .take(usize::try_from(dice.below(60)).unwrap())
            .copied()
            .collect();
        bytes.extend(begun);
        fs::write(path, bytes).unwrap();
    }
}

/// The positions that the cursor on disk says are done.
fn durable(own: &Path) -> BTreeSet<u64> {
    match Slots::open(own).unwrap().1 {
        Found::Cursor { cursor, .. } => (1..=cursor.done.high())
            .filter(|position| cursor.done.contains(*position))
            .collect(),
        other => panic!("one slot is always whole: {other:?}"),
    }
}

/// A last life in which everything works.
async fn finish(world: &mut World, fake: &Arc<Fake>, moods: &AtomicU64, settings: &Settings) {
    moods.store(0, Ordering::Release);
    let last = world.append(&[("0", Category::Fire)]);
    let engine = world.start(fake, settings).await;
    until(&engine, |status| status.durable == last).await;
    let letters = engine.handle().dead_letters(100_000).await.unwrap();
    let expected: BTreeSet<u64> = (1..=last)
        .filter(|position| refused(*position) && is_routed(fake, *position))
        .collect();
    let found: BTreeSet<u64> = letters.iter().map(|letter| letter.position).collect();
    assert_eq!(found, expected, "dead letters");
    for letter in &letters {
        assert_eq!(letter.id, world.ids[&letter.position]);
    }
    // A replay of everything, and the letters once more, change nothing for who counts by id.
    let count = fake.answers.lock().unwrap().len();
    let replayed = engine
        .handle()
        .replay(Since::Position(1), None, false)
        .await;
    assert_eq!(replayed, Ok(1));
    engine
        .handle()
        .retry_dead_letters(Which::All)
        .await
        .unwrap();
    until(&engine, |status| {
        status.durable == last && status.waiting_all() == 0
    })
    .await;
    assert!(engine.drain(Duration::from_mins(1)).await.in_time);
    let mut answers = fake.answers.lock().unwrap();
    for (delivery, _) in answers.split_off(count) {
        assert_eq!(delivery.event.id, world.ids[&delivery.position]);
    }
}

/// Whether the connector ever saw it, which with nothing lost means that it is routed.
fn is_routed(fake: &Fake, position: u64) -> bool {
    let answers = fake.answers.lock().unwrap();
    answers
        .iter()
        .any(|(delivery, _)| delivery.position == position)
}

fn check(world: &World, fake: &Fake, known: &[(BTreeSet<u64>, usize)], seed: u64) {
    let answers = fake.answers.lock().unwrap();
    let mut first: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, (delivery, verdict)) in answers.iter().enumerate() {
        assert_eq!(
            delivery.event.id, world.ids[&delivery.position],
            "seed {seed}: ids"
        );
        let done = matches!(verdict, Verdict::Delivered | Verdict::Refused { .. });
        if done {
            first.entry(delivery.position).or_insert(at);
        }
        for (durable, answered) in known {
            let repeated = at >= *answered && durable.contains(&delivery.position);
            assert!(
                !repeated,
                "seed {seed}: {} was in the durable cursor",
                delivery.position
            );
        }
    }
    // Nothing is lost: every position is done or was never routed, which its category tells.
    let mut by_account: BTreeMap<&str, Vec<(u64, usize)>> = BTreeMap::new();
    for (position, account) in &world.accounts {
        if let Some(at) = first.get(position) {
            by_account
                .entry(account)
                .or_default()
                .push((*position, *at));
        } else {
            assert!(
                world.skipped.contains(position),
                "seed {seed}: {position} is lost"
            );
        }
    }
    for (account, order) in by_account {
        let sorted = order.is_sorted_by_key(|(_, at)| *at);
        assert!(
            sorted,
            "seed {seed}: account {account} out of order: {order:?}"
        );
    }
}
