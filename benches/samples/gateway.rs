//! Intake, sink and journal as `larm serve` joins them, in memory: the way from a frame to its reply
//! without a socket and without a disk.
use std::future::Future as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwap;
use larm::intake::{Intake, Origin, Parts, QuotaLimits, Rules, Settling};
use larm::metrics::Metrics;
use larm::sink::{Committed, Entry, Hooks, Lane, Limits, Sink, Slot, State};
use larm_carrier::Answer;
use larm_dc09::Dc09;
use larm_event::Transport;

use crate::in_memory::journal;
use crate::samples::{self, moment};

/// A sink over a journal in memory, warm: its disk has shown to be quick, so that who comes alone commits
/// by himself; on a machine where memory is not quick either, it does not.
pub(crate) fn sink(segment_len: u64) -> Sink {
    let hooks = Hooks::default().clock(|| 1_790_000_000_000);
    let sink = Sink::start(journal(segment_len), &Limits::default(), hooks).expect("a thread");
    let (lanes, here) = (sink.lanes(), sink.here());
    for _ in 0..64 {
        let slot = Slot::new();
        let entry = Entry::new(vec![vec![0x5A; 500]], Arc::clone(&slot));
        lanes.put(entry, Lane::Rest).expect("there is room");
        if !here.commit() {
            lanes.ring();
        }
        outcome(slot.committed());
    }
    sink
}

/// Waits for an outcome without a runtime.
pub(crate) fn outcome(committed: Committed) -> State {
    let mut committed = pin!(committed);
    loop {
        match committed
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(state) => return state,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// One gateway and one connection to it.
pub(crate) struct Gateway {
    intake: Intake,
    session: Dc09,
    out: Vec<u8>,
    sink: Sink,
}

impl Gateway {
    /// With an empty register and an empty window of repeats.
    pub(crate) fn new(segment_len: u64) -> Self {
        let sink = sink(segment_len);
        let parts = Parts {
            node: "north".to_owned(),
            lanes: sink.lanes(),
            here: Some(sink.here()),
            published: sink.published(),
            accounts: Arc::new(ArcSwap::default()),
            metrics: Arc::new(Metrics::default()),
            on_repeat: Box::new(|_| {}),
            repeats_max: 200_000,
        };
        let rules = Rules {
            hold_unknown: false,
            ack_deadline: Duration::from_secs(5),
            repeat_window: Duration::from_secs(90),
            quota: QuotaLimits {
                per_peer: 60,
                total: 600,
            },
        };
        Self {
            intake: Intake::new(parts, rules),
            session: samples::session(),
            out: Vec::with_capacity(128),
            sink,
        }
    }

    /// From the bytes of one frame to the bytes of its reply, which stand in the buffer afterwards.
    pub(crate) fn answer(&mut self, frame: &[u8]) -> Answer {
        let now = moment();
        let origin = Origin {
            listener: "panels",
            transport: Transport::Tcp,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 49_152)),
            role: None,
            shadow: false,
        };
        let request = samples::receive(&mut self.session, frame, &self.intake);
        let taken = self.intake.take(request, &origin, now);
        if taken.is_new() {
            self.intake.send_on(true);
        }
        let verdict = match self.intake.begin(taken.outcome) {
            Settling::Now(verdict) => verdict,
            Settling::Waits { committed, then } => {
                Some(self.intake.conclude(Some(outcome(committed)), then))
            }
        };
        self.out.clear();
        self.intake.reply(
            &self.session,
            taken.ticket,
            verdict,
            taken.received,
            now,
            &mut self.out,
        )
    }

    /// Ends the journal's thread.
    pub(crate) fn close(self) {
        self.sink.stop().expect("memory takes everything");
    }
}
