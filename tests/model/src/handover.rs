//! No lost wake-up, nothing seen before it is published, nobody left waiting.
use std::future::Future as _;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use loom::future::block_on;
use loom::thread;

use crate::lanes::{Entry, Lane, Lanes};
use crate::published::Published;
use crate::slot::{Slot, State};

/// Every interleaving with at most this many switches that no thread asked for.
fn model(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

fn entry(slot: &Arc<Slot>) -> Entry {
    Entry::new(vec![vec![1]], Arc::clone(slot))
}

/// The sink's loop: take, publish, complete; sleep when there is nothing.
fn sink(lanes: &Lanes, published: &Published) {
    lanes.attach();
    loop {
        if let Some((entry, _)) = lanes.pop() {
            let position = published.position() + 1;
            published.advance(position);
            entry.complete(State::Committed {
                first: position,
                last: position,
            });
        } else if lanes.is_closed() {
            break;
        } else {
            lanes.sleep(Duration::MAX);
        }
    }
    lanes.end();
}

fn start(lanes: &Lanes, published: &Published) -> thread::JoinHandle<()> {
    let (lanes, published) = (lanes.clone(), published.clone());
    thread::spawn(move || sink(&lanes, &published))
}

/// Waits, and checks that what is committed was published before.
fn wait(slot: &Arc<Slot>, published: &Published) {
    match block_on(slot.committed()) {
        State::Committed { last, .. } => assert!(published.token(last).is_some()),
        state => panic!("{state:?}"),
    }
}

#[test]
fn a_push_always_wakes_the_sink() {
    model(3, || {
        let (lanes, published) = (Lanes::new(2, 2), Published::new(0));
        let sink = start(&lanes, &published);
        for lane in [Lane::Rest, Lane::Alarms] {
            let slot = Slot::new();
            assert!(lanes.push(entry(&slot), lane).is_ok());
            wait(&slot, &published);
        }
        lanes.close();
        sink.join().unwrap();
    });
}

#[test]
fn what_was_put_together_is_rung_for_once() {
    model(3, || {
        let (lanes, published) = (Lanes::new(2, 2), Published::new(0));
        let sink = start(&lanes, &published);
        let slots = [Lane::Rest, Lane::Alarms].map(|lane| {
            let slot = Slot::new();
            assert!(lanes.put(entry(&slot), lane).is_ok());
            slot
        });
        lanes.ring();
        for slot in &slots {
            wait(slot, &published);
        }
        lanes.close();
        sink.join().unwrap();
    });
}

#[test]
fn two_pushers_and_one_sink() {
    model(2, || {
        let (lanes, published) = (Lanes::new(2, 2), Published::new(0));
        let sink = start(&lanes, &published);
        let pushers = [Lane::Alarms, Lane::Rest].map(|lane| {
            let (lanes, published) = (lanes.clone(), published.clone());
            thread::spawn(move || {
                let slot = Slot::new();
                assert!(lanes.push(entry(&slot), lane).is_ok());
                wait(&slot, &published);
            })
        });
        for pusher in pushers {
            pusher.join().unwrap();
        }
        lanes.close();
        sink.join().unwrap();
    });
}

#[test]
fn several_waiters_at_one_slot() {
    model(2, || {
        let (lanes, published) = (Lanes::new(2, 2), Published::new(0));
        let slot = Slot::new();
        let sink = start(&lanes, &published);
        let other = {
            let (slot, published) = (Arc::clone(&slot), published.clone());
            thread::spawn(move || wait(&slot, &published))
        };
        assert!(lanes.push(entry(&slot), Lane::Alarms).is_ok());
        wait(&slot, &published);
        other.join().unwrap();
        lanes.close();
        sink.join().unwrap();
    });
}

#[test]
fn one_gives_up_and_the_other_is_woken() {
    model(3, || {
        let published = Published::new(0);
        let slot = Slot::new();
        let completing = {
            let (entry, published) = (entry(&slot), published.clone());
            thread::spawn(move || {
                published.advance(1);
                entry.complete(State::Committed { first: 1, last: 1 });
            })
        };
        {
            let mut given_up = Box::pin(slot.committed());
            let polled = given_up
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending() || published.token(1).is_some());
        }
        wait(&slot, &published);
        completing.join().unwrap();
    });
}

#[test]
fn whoever_pushes_while_the_sink_ends_gets_an_answer() {
    model(3, || {
        let (lanes, published) = (Lanes::new(2, 2), Published::new(0));
        let sink = start(&lanes, &published);
        let pusher = {
            let (lanes, published) = (lanes.clone(), published.clone());
            thread::spawn(move || {
                let slot = Slot::new();
                drop(lanes.push(entry(&slot), Lane::Rest));
                match block_on(slot.committed()) {
                    State::Committed { last, .. } => assert!(published.token(last).is_some()),
                    state => assert_eq!(state, State::Failed),
                }
            })
        };
        lanes.close();
        sink.join().unwrap();
        pusher.join().unwrap();
    });
}

#[test]
fn nobody_sleeps_through_a_published_position() {
    model(3, || {
        let published = Published::new(0);
        let follower = {
            let published = published.clone();
            thread::spawn(move || {
                let watch = published.watch();
                let mut reached = 0;
                while reached < 2 {
                    watch.wait(reached, Duration::MAX);
                    reached = published.position();
                }
            })
        };
        for position in [1, 2] {
            published.advance(position);
            published.ring();
        }
        follower.join().unwrap();
    });
}
