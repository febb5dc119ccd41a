//! A receiver of DC-09 that answers as a test tells it to, written without larm's own code.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::frame::frame;

/// What it does about one frame.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// ACK.
    Ack,
    /// ACK after a while.
    Late(Duration),
    /// DUH.
    Duh,
    /// NAK with this time, as `HH:MM:SS,MM-DD-YYYY`.
    Nak(String),
    /// Nothing.
    Silence,
    /// These bytes.
    Bytes(Vec<u8>),
    /// ACK with another head.
    AckAs(String),
    /// The connection ends with a reset.
    Break,
}

/// One frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// The message id.
    pub(crate) id: String,
    /// Four digits.
    pub(crate) sequence: String,
    /// From the sequence number to the account.
    pub(crate) head: String,
    /// From the first bracket on.
    pub(crate) rest: String,
}

/// A running receiver; its thread ends with the process.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Scripted {
    /// Answers each frame by what `script` says; it gets the frame and how many came before.
    pub(crate) fn start(script: impl Fn(&Came, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    /// The same on a known port.
    pub(crate) fn start_at(
        address: SocketAddr,
        script: impl Fn(&Came, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().unwrap();
        let came = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), Arc::clone(&came));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                std::thread::spawn(move || converse(stream, script.as_ref(), &seen));
            }
        });
        Self { address, came }
    }

    /// Everything that came so far but link tests.
    pub(crate) fn came(&self) -> Vec<Came> {
        let came = self.came.lock().unwrap();
        came.iter()
            .filter(|one| one.id != "NULL")
            .cloned()
            .collect()
    }

    /// Link tests that came so far.
    pub(crate) fn link_tests(&self) -> Vec<Came> {
        let came = self.came.lock().unwrap();
        came.iter()
            .filter(|one| one.id == "NULL")
            .cloned()
            .collect()
    }
}

fn converse(
    mut stream: TcpStream,
    script: &(impl Fn(&Came, usize) -> Act + ?Sized),
    seen: &Mutex<Vec<Came>>,
) {
    let mut buffer = Vec::new();
    while let Some(came) = next_frame(&mut stream, &mut buffer) {
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push(came.clone());
            seen.iter()
                .filter(|one| one.id != "NULL")
                .count()
                .saturating_sub(1)
        };
        let head = came.head.clone();
        let say = |id: &str, head: &str| frame(format!("\"{id}\"{head}[]").as_bytes());
        let answer = match script(&came, before) {
            Act::Ack => say("ACK", &head),
            Act::Late(time) => {
                std::thread::sleep(time);
                say("ACK", &head)
            }
            Act::Duh => say("DUH", &head),
            Act::Nak(time) => frame(format!("\"NAK\"0000R0L0A0[]_{time}").as_bytes()),
            Act::Silence => continue,
            Act::Bytes(bytes) => bytes,
            Act::AckAs(head) => say("ACK", &head),
            Act::Break => {
                let socket = socket2::SockRef::from(&stream);
                let _ = socket.set_linger(Some(Duration::ZERO));
                return;
            }
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn next_frame(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Came> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\r') {
            let bytes: Vec<u8> = buffer.drain(..=end).collect();
            if bytes.len() > 10 {
                return Some(read(&bytes));
            }
            continue;
        }
        let mut chunk = [0u8; 2048];
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(len) => buffer.extend_from_slice(&chunk[..len]),
        }
    }
}

fn read(bytes: &[u8]) -> Came {
    let text = String::from_utf8_lossy(bytes);
    let body = &text[text.find('"').expect("an id")..];
    let mut parts = body.trim_end().splitn(3, '"').skip(1);
    let (id, rest) = (parts.next().unwrap(), parts.next().unwrap());
    let bracket = rest.find('[').expect("data");
    Came {
        id: id.to_owned(),
        sequence: rest[..4].to_owned(),
        head: rest[..bracket].to_owned(),
        rest: rest[bracket..].to_owned(),
    }
}
