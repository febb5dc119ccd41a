//! One connection and the messages on it: sent in order, answers matched by what they repeat.
//!
//! A lane is a task that owns its connection. It connects when something is to be sent, keeps at
//! most `outstanding` messages without an answer, and fails all of them when the connection
//! breaks; whoever asked sends them again with the same sequence number. An answer that names
//! another message than one that waits is dropped: a late one, or a stranger's.
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::compose::{Answer, Compose, Look, Says, Sent};
use super::connection::Connection;
use super::settings::{Settings, Way};
use super::targets::Targets;

/// Bytes that may come without making an answer; then the connection is closed.
const UNREAD_MAX: usize = 16 * 1024;

/// One message on its way to a lane.
pub(super) struct Order {
    /// What to send.
    pub(super) sent: Sent,
    /// Where the answer goes.
    pub(super) answer: oneshot::Sender<Result<Answer, Failure>>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection came about.
    Unreachable(String),
    /// The connection ended first. `used`: it had been good for an answer before.
    Broken {
        /// The system's words.
        why: String,
        /// It may have been closed while nothing was said.
        used: bool,
    },
    /// Nothing came in time. `others`: other messages were answered meanwhile.
    Silent {
        /// The receiver is there, it only does not answer this.
        others: bool,
        /// What came instead of an answer, where something did.
        instead: Option<&'static str>,
    },
}

/// What a lane works with.
pub(super) struct Parts {
    pub(super) settings: Arc<Settings>,
    pub(super) targets: Arc<Targets>,
    pub(super) compose: Arc<dyn Compose>,
    /// Messages that were handed to this lane and not answered.
    pub(super) load: Arc<AtomicUsize>,
}

struct Lane {
    parts: Parts,
    orders: mpsc::Receiver<Order>,
    open: Option<Open>,
    waiting: VecDeque<Waiting>,
    buffer: Vec<u8>,
    /// When the last answer came.
    heard_at: Option<Instant>,
    /// What came last that answers nothing.
    stray: Option<&'static str>,
}

struct Open {
    connection: Connection,
    target: usize,
    /// An answer came over it.
    used: bool,
}

struct Waiting {
    order: Order,
    sent_at: Instant,
}

enum Next {
    Order(Option<Order>),
    Read(std::io::Result<()>),
    Expired,
}

/// Runs a lane until nobody can send it anything more.
pub(super) async fn run(parts: Parts, orders: mpsc::Receiver<Order>) {
    let mut lane = Lane {
        parts,
        orders,
        open: None,
        waiting: VecDeque::new(),
        buffer: Vec::new(),
        heard_at: None,
        stray: None,
    };
    loop {
        match lane.next().await {
            Next::Order(None) => return,
            Next::Order(Some(order)) => lane.start(order).await,
            Next::Read(Ok(())) => lane.read(),
            Next::Read(Err(error)) => lane.broken(&error.to_string()),
            Next::Expired => lane.expire(),
        }
    }
}

impl Lane {
    async fn next(&mut self) -> Next {
        let room = self.waiting.len() < self.parts.settings.outstanding;
        let deadline = self.waiting.front().map(|waiting| self.deadline(waiting));
        let Self {
            open,
            orders,
            buffer,
            ..
        } = self;
        let reading = async {
            match open {
                Some(open) => open.connection.receive(buffer).await,
                None => std::future::pending().await,
            }
        };
        let expiring = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            read = reading => Next::Read(read),
            () = expiring => Next::Expired,
            order = orders.recv(), if room => Next::Order(order),
        }
    }

    fn deadline(&self, waiting: &Waiting) -> Instant {
        waiting.sent_at + self.parts.settings.answer_timeout
    }

    async fn start(&mut self, order: Order) {
        if order.answer.is_closed() {
            self.unload();
            return;
        }
        let target = self.parts.targets.current();
        if self.waiting.is_empty() && self.open.as_ref().is_some_and(|open| open.target != target) {
            self.close();
        }
        let settings = &self.parts.settings;
        if self.open.is_none() {
            let address = self.parts.targets.address(target);
            match Connection::open(address, settings.way, settings.connect_timeout).await {
                Ok(connection) => {
                    self.open = Some(Open {
                        connection,
                        target,
                        used: false,
                    });
                }
                Err(error) => {
                    self.answer(order, Err(Failure::Unreachable(error.to_string())));
                    return;
                }
            }
        }
        let limit = settings.answer_timeout;
        let Some(open) = self.open.as_mut() else {
            return;
        };
        let sent = open.connection.send(&order.sent.bytes, limit).await;
        self.waiting.push_back(Waiting {
            order,
            sent_at: Instant::now(),
        });
        if let Err(error) = sent {
            self.broken(&error.to_string());
        }
    }

    fn read(&mut self) {
        let whole = self
            .open
            .as_ref()
            .is_some_and(|open| open.connection.is_whole());
        loop {
            let used = match self.parts.compose.answer(&self.buffer, whole) {
                Look::More => break,
                Look::Skip(len) => len.max(1),
                Look::Answer(len, answer) => {
                    self.take(answer);
                    len.max(1)
                }
            };
            self.buffer.drain(..used.min(self.buffer.len()));
        }
        if whole {
            self.buffer.clear();
        }
        if self.buffer.len() > UNREAD_MAX {
            self.broken("it sends what is no answer");
        } else if self.waiting.is_empty() && self.parts.settings.way == Way::StreamPerMessage {
            self.close();
        }
    }

    /// Gives an answer to the message that it names. A refused time may name none: it answers the
    /// one that has waited longest, since receivers answer in order.
    fn take(&mut self, answer: Answer) {
        let same = |waiting: &Waiting| waiting.order.sent.head.sequence == answer.head.sequence;
        let timeless = matches!(answer.says, Says::WrongTime(_));
        let found = self.waiting.iter().position(same);
        let Some(at) = found.or_else(|| (timeless && !self.waiting.is_empty()).then_some(0)) else {
            self.stray = Some("an answer to another message");
            return;
        };
        let differs = self
            .waiting
            .get(at)
            .and_then(|waiting| waiting.order.sent.head.differs(&answer.head));
        if let Some(what) = differs.filter(|_| !timeless) {
            self.stray = Some(match what {
                "account" => "an answer with another account",
                "receiver number" => "an answer with another receiver number",
                _ => "an answer with another line prefix",
            });
            return;
        }
        self.heard_at = Some(Instant::now());
        if let Some(open) = self.open.as_mut() {
            open.used = true;
        }
        if let Some(waiting) = self.waiting.remove(at) {
            self.answer(waiting.order, Ok(answer));
        }
    }

    /// The message that waited longest has no answer. Where nothing else was answered meanwhile,
    /// the connection is not worth keeping.
    fn expire(&mut self) {
        let Some(waiting) = self.waiting.pop_front() else {
            return;
        };
        let others = self.heard_at.is_some_and(|at| at > waiting.sent_at);
        let instead = self.stray.take();
        self.answer(waiting.order, Err(Failure::Silent { others, instead }));
        if !others {
            self.broken("it does not answer");
        }
    }

    /// Closes the connection and fails what waits for it.
    fn broken(&mut self, why: &str) {
        let used = self.open.as_ref().is_some_and(|open| open.used);
        self.close();
        while let Some(waiting) = self.waiting.pop_front() {
            let why = why.to_owned();
            self.answer(waiting.order, Err(Failure::Broken { why, used }));
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.buffer.clear();
    }

    fn answer(&self, order: Order, answer: Result<Answer, Failure>) {
        self.unload();
        // Whoever asked may have gone.
        drop(order.answer.send(answer));
    }

    fn unload(&self) {
        self.parts.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One message over a connection of its own: is somebody there?
pub(super) async fn probe(
    compose: &dyn Compose,
    address: &str,
    settings: &Settings,
    sent: &Sent,
) -> Result<Answer, String> {
    let limit: Duration = settings.connect_timeout;
    let asking = async {
        let mut connection = Connection::open(address, settings.way, limit)
            .await
            .map_err(|error| error.to_string())?;
        connection
            .send(&sent.bytes, limit)
            .await
            .map_err(|error| error.to_string())?;
        let mut buffer = Vec::new();
        loop {
            connection
                .receive(&mut buffer)
                .await
                .map_err(|error| error.to_string())?;
            let whole = connection.is_whole();
            loop {
                let used = match compose.answer(&buffer, whole) {
                    Look::More => break,
                    Look::Skip(len) => len.max(1),
                    Look::Answer(_, answer) => return Ok(answer),
                };
                buffer.drain(..used.min(buffer.len()));
            }
        }
    };
    tokio::time::timeout(settings.answer_timeout, asking)
        .await
        .unwrap_or_else(|_| Err("no answer".to_owned()))
}
