//! A simulated case system: reads records, and answers each as its script says.
//!
//! What it *took* is what it answered with ACK, on a connection that was still open. Nothing that is
//! reported as delivered may be missing there.
#![expect(clippy::unwrap_used, reason = "a test says what broke by panicking")]
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larm::deliver::lines::frame::{Marks, Records};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// One step of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    /// Bytes, as they are.
    Send(Vec<u8>),
    /// ACK; the record counts as taken.
    Ack,
    /// NAK.
    Nak,
    /// Nothing for a while.
    Wait(Duration),
    /// The connection ends.
    Close,
}

/// What it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    /// The record without its marks.
    pub(crate) record: String,
}

/// Everything seen and taken so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) connections: usize,
    pub(crate) seen: Vec<Seen>,
    pub(crate) taken: Vec<String>,
}

impl Log {
    /// Records that are no heartbeats, in their order.
    pub(crate) fn events(&self) -> Vec<String> {
        let records = self.seen.iter().map(|seen| seen.record.clone());
        records.filter(|record| !is_heartbeat(record)).collect()
    }

    /// The events that were taken, the first time each.
    pub(crate) fn taken_once(&self) -> Vec<String> {
        let mut once: Vec<String> = Vec::new();
        for record in self.taken.iter().filter(|record| !is_heartbeat(record)) {
            if !once.contains(record) {
                once.push(record.clone());
            }
        }
        once
    }
}

pub(crate) fn is_heartbeat(record: &str) -> bool {
    record.contains('@')
}

type Script = dyn FnMut(&Log, &str) -> Vec<Do> + Send;

/// The other side of a link.
#[derive(Clone)]
pub(crate) struct CaseSystem {
    marks: Marks,
    log: Arc<Mutex<Log>>,
    script: Arc<Mutex<Box<Script>>>,
    /// Sent on every new connection before anything is read.
    pub(crate) greeting: &'static [u8],
    pub(crate) tls: Option<TlsAcceptor>,
}

impl CaseSystem {
    /// One that answers by a script; what it gets is the log with the record already in it.
    pub(crate) fn new(
        marks: Marks,
        script: impl FnMut(&Log, &str) -> Vec<Do> + Send + 'static,
    ) -> Self {
        Self {
            marks,
            log: Arc::default(),
            script: Arc::new(Mutex::new(Box::new(script))),
            greeting: b"",
            tls: None,
        }
    }

    /// One that takes everything.
    pub(crate) fn willing(marks: Marks) -> Self {
        Self::new(marks, |_, _| vec![Do::Ack])
    }

    pub(crate) fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.log.lock().unwrap())
    }

    /// Listens on loopback; ends with the set.
    pub(crate) async fn listen(&self, tasks: &mut JoinSet<()>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = self.clone();
        tasks.spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                visits.spawn(async move {
                    match this.tls.clone() {
                        None => this.talk(stream).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                this.talk(stream).await;
                            }
                        }
                    }
                });
            }
        });
        address
    }

    /// Connects to the gateway once, and visits until the connection ends.
    pub(crate) async fn connect(&self, address: SocketAddr) {
        if let Ok(stream) = TcpStream::connect(address).await {
            self.talk(stream).await;
        }
    }

    /// One connection.
    pub(crate) async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let connection = {
            let mut log = self.log.lock().unwrap();
            log.connections += 1;
            log.connections - 1
        };
        if stream.write_all(self.greeting).await.is_err() {
            return;
        }
        let mut records = Records::new(self.marks);
        let mut buffer = [0; 512];
        loop {
            let Ok(len @ 1..) = stream.read(&mut buffer).await else {
                return;
            };
            for record in records.push(&buffer[..len]) {
                let record = String::from_utf8(record).unwrap();
                let steps = {
                    let mut log = self.log.lock().unwrap();
                    log.seen.push(Seen {
                        connection,
                        record: record.clone(),
                    });
                    (self.script.lock().unwrap())(&log, &record)
                };
                for step in steps {
                    if !self.carry_out(step, &record, &mut stream).await {
                        return;
                    }
                }
            }
        }
    }

    async fn carry_out<S: AsyncWrite + Unpin>(
        &self,
        step: Do,
        record: &str,
        stream: &mut S,
    ) -> bool {
        let bytes = match step {
            Do::Wait(time) => {
                tokio::time::sleep(time).await;
                return true;
            }
            Do::Close => return false,
            Do::Send(bytes) => bytes,
            Do::Nak => b"\x15".to_vec(),
            Do::Ack => {
                // Before the byte is on its way: the other side may be quicker than this line.
                self.log.lock().unwrap().taken.push(record.to_owned());
                b"\x06".to_vec()
            }
        };
        stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
    }
}
