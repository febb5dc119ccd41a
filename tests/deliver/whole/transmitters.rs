//! Transmitters as they are: each keeps a frame until it is acknowledged, and connects again where
//! the connection ended. No two of their events are alike.
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::mark::{Form, Mark};
use crate::frame::read_reply;
use crate::gateway::PATIENCE;
use crate::harness::Sent;

/// Accounts that send, from 1000.
pub(crate) const ACCOUNTS: u64 = 16;
/// Connections; each has its own accounts.
const LANES: u64 = 4;
/// Between the events of a connection that sends without an end: all of them together stay below
/// what the slowest connector delivers.
const PACE: Duration = Duration::from_millis(10);

/// Where the gateway is just now: it has another port after each start.
pub(crate) type Place = Arc<Mutex<SocketAddr>>;

/// What the transmitters of a test have in common.
#[derive(Clone)]
pub(crate) struct Transmitters {
    pub(crate) place: Place,
    pub(crate) form: Form,
    /// The number of the next event of every account.
    next: u64,
}

/// What was acknowledged.
pub(crate) struct Acknowledged {
    pub(crate) marks: Vec<Mark>,
    pub(crate) sent: Sent,
    /// Frames that had to be sent again: there was no answer to the first one.
    pub(crate) again: usize,
}

/// Transmitters at work.
pub(crate) struct Sending {
    lanes: Vec<JoinHandle<Lane>>,
    enough: Arc<AtomicBool>,
    begun: Instant,
}

impl Transmitters {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            place: Arc::new(Mutex::new(([127, 0, 0, 1], 0).into())),
            form,
            next: 1,
        }
    }

    /// Sends `events` (rounded up to whole turns of all accounts), and waits for all of them.
    pub(crate) fn send(&mut self, events: usize) -> Acknowledged {
        let turns = u64::try_from(events).expect("a count").div_ceil(ACCOUNTS);
        self.begin(turns).end(false, self)
    }

    /// Begins to send without an end.
    pub(crate) fn keep_sending(&mut self) -> Sending {
        self.begin(u64::MAX)
    }

    fn begin(&self, turns: u64) -> Sending {
        let enough = Arc::new(AtomicBool::new(false));
        let lanes = (0..LANES).map(|lane| {
            let mut lane = Lane {
                all: self.clone(),
                accounts: (lane..ACCOUNTS)
                    .step_by(usize::try_from(LANES).expect("few"))
                    .map(|account| (1_000 + account).to_string())
                    .collect(),
                stream: None,
                marks: Vec::new(),
                times: Vec::new(),
                again: 0,
                turns: 0,
            };
            let enough = Arc::clone(&enough);
            std::thread::spawn(move || {
                lane.run(turns, &enough);
                lane
            })
        });
        let lanes = lanes.collect();
        Sending {
            lanes,
            enough,
            begun: Instant::now(),
        }
    }

    /// Sends one event of its own making; it must be acknowledged.
    pub(crate) fn send_one(&self, frame: &[u8]) {
        let mut stream = connect(&self.place).expect("the gateway accepts");
        stream.write_all(frame).unwrap();
        assert_eq!(read_reply(&mut stream).expect("an answer").id, "ACK");
    }
}

impl Sending {
    /// Ends after the turn that each is in.
    pub(crate) fn stop(self, transmitters: &mut Transmitters) -> Acknowledged {
        self.end(true, transmitters)
    }

    fn end(self, early: bool, transmitters: &mut Transmitters) -> Acknowledged {
        self.enough.store(early, Ordering::Relaxed);
        let lanes: Vec<Lane> = self
            .lanes
            .into_iter()
            .map(|lane| lane.join().expect("a transmitter"))
            .collect();
        let took = self.begun.elapsed();
        transmitters.next += lanes.iter().map(|lane| lane.turns).max().unwrap_or(0);
        let mut all = Acknowledged {
            marks: Vec::new(),
            sent: Sent::default(),
            again: 0,
        };
        for lane in lanes {
            all.marks.extend(lane.marks);
            all.sent.times.extend(lane.times);
            all.again += lane.again;
        }
        all.sent.times.sort_unstable();
        all.sent.acks = all.marks.len();
        all.sent.took = took;
        all
    }
}

/// One connection.
struct Lane {
    all: Transmitters,
    accounts: Vec<String>,
    stream: Option<TcpStream>,
    marks: Vec<Mark>,
    times: Vec<Duration>,
    again: usize,
    turns: u64,
}

impl Lane {
    fn run(&mut self, turns: u64, enough: &AtomicBool) {
        while self.turns < turns && !enough.load(Ordering::Relaxed) {
            for account in self.accounts.clone() {
                let mark = Mark {
                    account,
                    number: self.all.next + self.turns,
                };
                let frame = self.all.form.frame(&mark, "");
                let begun = Instant::now();
                while !self.exchange(&frame) {
                    self.again += 1;
                    self.stream = None;
                    assert!(begun.elapsed() < PATIENCE, "{mark:?} has no answer");
                    std::thread::sleep(Duration::from_millis(5));
                }
                self.times.push(begun.elapsed());
                self.marks.push(mark);
                if turns == u64::MAX {
                    std::thread::sleep(PACE);
                }
            }
            self.turns += 1;
        }
    }

    /// `false`: no answer, the connection is of no use any more.
    fn exchange(&mut self, frame: &[u8]) -> bool {
        if self.stream.is_none() {
            self.stream = connect(&self.all.place);
        }
        let Some(stream) = &mut self.stream else {
            return false;
        };
        if stream.write_all(frame).is_err() {
            return false;
        }
        let Some(reply) = read_reply(stream) else {
            return false;
        };
        assert_eq!(reply.id, "ACK", "{reply:?}");
        true
    }
}

fn connect(place: &Place) -> Option<TcpStream> {
    let address = *place.lock().unwrap();
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}
