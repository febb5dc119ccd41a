//! The sink against a real journal on a real disk.
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use super::*;
use crate::journal::tests::faulty::{Disk, Fault, Op};
use crate::journal::{Options, Reader};
use crate::sink::Slot;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits without a runtime.
fn wait(slot: &Arc<Slot>) -> State {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(slot.committed());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(state) => return state,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn options() -> Options {
    Options {
        segment_len: 64 << 10,
        reserve: 0,
        ahead: true,
    }
}

fn journal(dir: &tempfile::TempDir) -> Journal {
    Journal::open(dir.path(), &options()).unwrap().0
}

fn entry(records: &[&str]) -> (Entry, Arc<Slot>) {
    let slot = Slot::new();
    let records = records.iter().map(|r| r.as_bytes().to_vec()).collect();
    (Entry::new(records, Arc::clone(&slot)), slot)
}

#[test]
fn what_is_committed_can_be_read_and_has_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start(journal(&dir), &Limits::default(), Hooks::default()).unwrap();
    let published = sink.published();
    let waiting: Vec<_> = (0..200)
        .map(|n| {
            let (entry, slot) = entry(&[&format!("a{n}"), &format!("b{n}")]);
            let lane = if n % 2 == 0 { Lane::Alarms } else { Lane::Rest };
            assert!(sink.lanes().push(entry, lane).is_ok());
            slot
        })
        .collect();
    let mut seen = Vec::new();
    for (n, slot) in waiting.iter().enumerate() {
        let State::Committed { first, last } = wait(slot) else {
            panic!("entry {n} failed");
        };
        assert_eq!(last, first + 1);
        assert!(published.token(last).is_some());
        seen.push((first, format!("a{n}")));
        seen.push((last, format!("b{n}")));
    }
    sink.stop().unwrap();
    seen.sort();
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    for (position, text) in seen {
        let entry = reader.next().unwrap().unwrap();
        assert_eq!(
            (entry.position, entry.payload),
            (position, text.into_bytes())
        );
    }
    assert_eq!(reader.next().unwrap(), None);
    let (_, recovery) = Journal::open(dir.path(), &options()).unwrap();
    assert!(recovery.clean && recovery.last == 400, "{recovery:?}");
}

#[test]
fn several_wait_at_one_slot_and_may_give_up() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start(journal(&dir), &Limits::default(), Hooks::default()).unwrap();
    let (entry, slot) = entry(&["x"]);
    let mut given_up = Box::pin(slot.committed());
    let poll = given_up
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    drop(given_up);
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let slot = Arc::clone(&slot);
            std::thread::spawn(move || wait(&slot))
        })
        .collect();
    assert!(sink.lanes().push(entry, Lane::Rest).is_ok());
    for waiter in waiters {
        let state = waiter.join().unwrap();
        assert_eq!(state, State::Committed { first: 1, last: 1 });
    }
    sink.stop().unwrap();
}

#[test]
fn alarms_go_first_and_a_full_lane_gives_the_entry_back() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = Lanes::new(2, 1);
    let (kept, _slots): (Vec<_>, Vec<_>) = ["r1", "a1", "a2"]
        .map(|text| entry(&[text]))
        .into_iter()
        .unzip();
    for (entry, lane) in kept
        .into_iter()
        .zip([Lane::Rest, Lane::Alarms, Lane::Alarms])
    {
        assert!(lanes.push(entry, lane).is_ok());
    }
    let (late, slot) = entry(&["a3"]);
    let late = lanes.push(late, Lane::Alarms).unwrap_err();
    assert_eq!(late.records(), [b"a3".to_vec()]);
    assert_eq!(slot.state(), State::Pending);
    drop(late);
    assert_eq!(slot.state(), State::Failed);
    let order: Vec<_> = std::iter::from_fn(|| lanes.pop())
        .map(|(entry, _)| entry.records()[0].clone())
        .collect();
    assert_eq!(order, [b"a1".to_vec(), b"a2".to_vec(), b"r1".to_vec()]);
    drop(dir);
}

#[test]
fn stopping_commits_what_waits_and_refuses_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, receiver) = channel();
    let hooks = Hooks::default().on_batch(move |stats| sender.send(*stats).unwrap());
    let sink = Sink::start(journal(&dir), &Limits::default(), hooks).unwrap();
    let lanes = sink.lanes();
    let (first, slot) = entry(&["x"]);
    assert!(lanes.push(first, Lane::Alarms).is_ok());
    sink.stop().unwrap();
    assert_eq!(slot.state(), State::Committed { first: 1, last: 1 });
    let stats = receiver.recv().unwrap();
    assert_eq!((stats.entries, stats.alarms), (1, 1));
    let (late, slot) = entry(&["y"]);
    drop(lanes.push(late, Lane::Alarms).unwrap_err());
    assert_eq!(slot.state(), State::Failed);
}

#[test]
fn a_panic_of_the_sink_fails_whoever_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, receiver) = channel();
    let hooks = Hooks::default()
        .on_batch(|_| panic!("on purpose"))
        .on_fatal(move |error| sender.send(error.to_string()).unwrap());
    let sink = Sink::start(journal(&dir), &Limits::default(), hooks).unwrap();
    let (entry, slot) = entry(&["x"]);
    assert!(sink.lanes().push(entry, Lane::Rest).is_ok());
    assert_eq!(wait(&slot), State::Failed);
    assert!(receiver.recv().unwrap().contains("panicked"));
    assert!(sink.published().token(1).is_none() && sink.published().pulse().is_none());
    assert!(matches!(sink.stop(), Err(SinkError::Panicked)));
}

/// A sink on a disk that fails as it is told, and what its `on_fatal` was told.
fn on(disk: &Disk) -> (Sink, Receiver<String>) {
    let options = Options {
        segment_len: 8192,
        reserve: 0,
        ahead: false,
    };
    let (journal, _) = Journal::open_in(Arc::new(disk.clone()), &options).unwrap();
    let (sender, receiver) = channel();
    let hooks = Hooks::default().on_fatal(move |error| sender.send(error.to_string()).unwrap());
    let sink = Sink::start(journal, &Limits::default(), hooks).unwrap();
    (sink, receiver)
}

#[test]
fn a_failed_sync_fails_whoever_waits_and_ends_the_sink() {
    let disk = Disk::new(1);
    let (sink, fatal) = on(&disk);
    let (lanes, published) = (sink.lanes(), sink.published());
    let (good, slot) = entry(&["a"]);
    assert!(lanes.push(good, Lane::Alarms).is_ok());
    assert_eq!(wait(&slot), State::Committed { first: 1, last: 1 });
    disk.fail(Op::SyncData, 0, Fault::Error(std::io::ErrorKind::Other));
    let (bad, slot) = entry(&["b"]);
    assert!(lanes.push(bad, Lane::Alarms).is_ok());
    assert_eq!(wait(&slot), State::Failed);
    let text = fatal.recv().unwrap();
    assert!(
        text.contains("cannot sync 00000000000000000001.seg"),
        "{text}"
    );
    assert!(published.failed() && published.token(1).is_none() && published.pulse().is_none());
    assert!(matches!(sink.stop(), Err(SinkError::Journal(_))));
    let (late, slot) = entry(&["c"]);
    assert!(lanes.push(late, Lane::Alarms).is_err());
    assert_eq!(slot.state(), State::Failed);
    assert!(fatal.try_recv().is_err(), "told once");
}

#[test]
fn a_full_disk_fails_entries_until_there_is_room() {
    let disk = Disk::new(2);
    let (sink, fatal) = on(&disk);
    let (lanes, published) = (sink.lanes(), sink.published());
    disk.set_free(0);
    let long = "x".repeat(900);
    let committed = (0..10)
        .filter(|_| {
            let (entry, slot) = entry(&[&long]);
            assert!(lanes.push(entry, Lane::Alarms).is_ok());
            wait(&slot) != State::Failed
        })
        .count();
    assert!((2..9).contains(&committed) && !published.healthy() && !published.failed());
    assert_eq!(published.position(), committed as u64);
    disk.set_free(1 << 20);
    let (again, slot) = entry(&[&long]);
    assert!(lanes.push(again, Lane::Alarms).is_ok());
    let position = committed as u64 + 1;
    let expected = State::Committed {
        first: position,
        last: position,
    };
    assert_eq!(wait(&slot), expected);
    assert!(published.healthy() && fatal.try_recv().is_err());
    sink.stop().unwrap();
}

#[test]
fn an_impossible_entry_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start(journal(&dir), &Limits::default(), Hooks::default()).unwrap();
    let (empty, empty_slot) = entry(&[]);
    let long_slot = Slot::new();
    let long = Entry::new(vec![vec![0; RECORD_LEN_MAX + 1]], Arc::clone(&long_slot));
    let (good, good_slot) = entry(&["x"]);
    for entry in [empty, long, good] {
        assert!(sink.lanes().push(entry, Lane::Rest).is_ok());
    }
    assert_eq!(wait(&good_slot), State::Committed { first: 1, last: 1 });
    assert_eq!(wait(&empty_slot), State::Failed);
    assert_eq!(wait(&long_slot), State::Failed);
    sink.stop().unwrap();
}

#[test]
fn a_frame_alone_is_committed_by_the_thread_that_brought_it() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start(journal(&dir), &Limits::default(), Hooks::default()).unwrap();
    let (first, slot) = entry(&["first"]);
    assert!(sink.lanes().put(first, Lane::Alarms).is_ok());
    // Nothing is known of the disk yet.
    assert!(!sink.here().commit());
    assert_eq!(slot.state(), State::Pending);
    sink.lanes().ring();
    assert!(matches!(wait(&slot), State::Committed { .. }));
    for text in ["second", "third"] {
        let (alone, slot) = entry(&[text]);
        assert!(sink.lanes().put(alone, Lane::Rest).is_ok());
        // Whatever the disk of this machine is like; and the sink may still be at work.
        while slot.state() == State::Pending {
            sink.here.quick.store(true, Ordering::Relaxed);
            let _ = sink.here().commit();
        }
        let State::Committed { last, .. } = slot.state() else {
            panic!("{text} failed");
        };
        assert!(sink.published().token(last).is_some());
    }
    sink.stop().unwrap();
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    for text in ["first", "second", "third"] {
        assert_eq!(reader.next().unwrap().unwrap().payload, text.as_bytes());
    }
}

#[test]
fn a_sync_that_fails_on_another_thread_ends_the_sink() {
    let disk = Disk::new(1);
    let (journal, _) = Journal::open_in(Arc::new(disk.clone()), &options()).unwrap();
    let (sender, fatal) = channel();
    let hooks = Hooks::default().on_fatal(move |error| drop(sender.send(error.to_string())));
    let sink = Sink::start(journal, &Limits::default(), hooks).unwrap();
    disk.fail(Op::SyncData, 0, Fault::Error(std::io::ErrorKind::Other));
    let (alone, slot) = entry(&["lost"]);
    assert!(sink.lanes().put(alone, Lane::Alarms).is_ok());
    while slot.state() == State::Pending {
        sink.here.quick.store(true, Ordering::Relaxed);
        let _ = sink.here().commit();
    }
    assert_eq!(slot.state(), State::Failed);
    assert!(
        fatal
            .recv()
            .unwrap()
            .contains("no alarm can be acknowledged")
    );
    assert!(sink.published().failed());
    assert!(sink.stop().is_err());
}
