//! The transmitter's side, for `larm send` and the demo: sends a message, waits, tries again as a
//! panel does, and says what came back.
//!
//! Operation: each attempt is composed anew with the time of sending. An answer that asks for
//! another time (NAK) corrects the clock once for the rest of the delivery. No answer within the
//! time-out means another attempt with the same sequence number; a declined message (DUH) does not.
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use larm_event::Timestamp;

use crate::clock::utc_now;
use crate::config::Transport;
use crate::entropy;
use crate::registry::{self, AnswerRead, ComposeError, Outgoing};

/// Longest answer that is read; a well-formed one is far shorter.
const ANSWER_LEN_MAX: usize = 8_192;

/// Where to send and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The receiver.
    pub address: SocketAddr,
    /// Stream or datagram.
    pub transport: Transport,
    /// How long to wait for an answer to each attempt.
    pub timeout: Duration,
    /// Attempts in all, at least one.
    pub attempts: u32,
}

/// How a delivery ended.
#[derive(Debug)]
pub enum Outcome {
    /// The receiver has taken responsibility.
    Acknowledged,
    /// The receiver refused the time, also after it was corrected.
    WrongTime,
    /// The receiver cannot handle the message.
    Declined,
    /// Nothing came back.
    NoAnswer,
    /// What came back is no answer to this message.
    BadAnswer {
        /// What is wrong with it.
        why: String,
    },
    /// The receiver could not be reached.
    Unreachable {
        /// The system's words.
        source: io::Error,
    },
}

/// What happened.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts made.
    pub attempts: u32,
    /// From the last byte sent to the last byte of the answer, of the last attempt.
    pub took: Option<Duration>,
    /// The bytes sent last.
    pub sent: Vec<u8>,
    /// The bytes that came back last.
    pub answer: Vec<u8>,
    /// Receiver's clock minus ours, where the receiver corrected us.
    pub clock_correction_ms: Option<i64>,
}

/// Delivers one message.
pub fn deliver(message: &Outgoing<'_>, target: &Target) -> Result<Report, ComposeError> {
    let mut report = Report {
        outcome: Outcome::NoAnswer,
        attempts: 0,
        took: None,
        sent: Vec::new(),
        answer: Vec::new(),
        clock_correction_ms: None,
    };
    let mut link: Option<Link> = None;
    while report.attempts < target.attempts.max(1) {
        report.attempts += 1;
        let now = utc_now().as_millis() + report.clock_correction_ms.unwrap_or(0);
        let stamped = message.stamped(Timestamp::from_millis(now));
        report.sent = registry::compose(&stamped, &entropy::bytes::<32>())?;
        report.answer.clear();
        let outcome = attempt(&mut link, &stamped, target, &mut report);
        match outcome {
            Attempt::Ended(outcome) => {
                report.outcome = outcome;
                return Ok(report);
            }
            Attempt::Corrected(by_ms) if report.clock_correction_ms.is_none() => {
                report.clock_correction_ms = Some(by_ms);
                report.outcome = Outcome::WrongTime;
                // The correction is the receiver's doing; it does not use up an attempt.
                report.attempts -= u32::from(report.attempts == target.attempts.max(1));
            }
            Attempt::Corrected(_) => {
                report.outcome = Outcome::WrongTime;
                return Ok(report);
            }
            Attempt::Again(outcome) => {
                report.outcome = outcome;
                link = None;
            }
        }
    }
    Ok(report)
}

enum Attempt {
    Ended(Outcome),
    Corrected(i64),
    Again(Outcome),
}

fn attempt(
    link: &mut Option<Link>,
    message: &Outgoing<'_>,
    target: &Target,
    report: &mut Report,
) -> Attempt {
    let opened = match link.take().map_or_else(|| Link::open(target), Ok) {
        Ok(opened) => link.insert(opened),
        Err(source) => {
            std::thread::sleep(target.timeout.min(Duration::from_millis(200)));
            return Attempt::Again(Outcome::Unreachable { source });
        }
    };
    if let Err(source) = opened.send(&report.sent) {
        return Attempt::Again(Outcome::Unreachable { source });
    }
    let sent_at = Instant::now();
    let deadline = sent_at + target.timeout;
    loop {
        match registry::read_answer(&report.answer, message) {
            AnswerRead::Incomplete => {}
            complete => {
                report.took = Some(sent_at.elapsed());
                return judged(complete, message);
            }
        }
        match opened.receive(deadline, &mut report.answer) {
            Ok(true) if report.answer.len() <= ANSWER_LEN_MAX => {}
            Ok(true) => {
                let why = format!("more than {ANSWER_LEN_MAX} bytes and still no answer");
                return Attempt::Ended(Outcome::BadAnswer { why });
            }
            Ok(false) => return Attempt::Again(Outcome::NoAnswer),
            Err(source) => return Attempt::Again(Outcome::Unreachable { source }),
        }
    }
}

fn judged(answer: AnswerRead, message: &Outgoing<'_>) -> Attempt {
    match answer {
        AnswerRead::Acknowledged => Attempt::Ended(Outcome::Acknowledged),
        AnswerRead::Declined => Attempt::Ended(Outcome::Declined),
        AnswerRead::WrongTime {
            receiver_time: Some(theirs),
        } => {
            let ours = message.sent_at.unwrap_or_else(utc_now);
            Attempt::Corrected(theirs.as_millis() - ours.as_millis())
        }
        AnswerRead::WrongTime {
            receiver_time: None,
        } => Attempt::Ended(Outcome::WrongTime),
        AnswerRead::Bad { why } => Attempt::Ended(Outcome::BadAnswer { why }),
        AnswerRead::Incomplete => Attempt::Again(Outcome::NoAnswer),
    }
}

enum Link {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Link {
    fn open(target: &Target) -> io::Result<Self> {
        match target.transport {
            Transport::Tcp => {
                let stream = TcpStream::connect_timeout(&target.address, target.timeout)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(target.timeout))?;
                Ok(Self::Tcp(stream))
            }
            Transport::Udp => {
                let any: SocketAddr = if target.address.is_ipv4() {
                    (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
                } else {
                    (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(target.address)?;
                Ok(Self::Udp(socket))
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Udp(socket) => socket.send(bytes).map(drop),
        }
    }

    /// Appends what comes before the deadline. `false`: nothing came, or the receiver closed.
    fn receive(&mut self, deadline: Instant, into: &mut Vec<u8>) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut buffer = [0; 2_048];
        let received = match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(left))?;
                stream.read(&mut buffer)
            }
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(left))?;
                socket.recv(&mut buffer)
            }
        };
        match received {
            Ok(0) => Ok(false),
            Ok(len) => {
                into.extend_from_slice(buffer.get(..len).unwrap_or_default());
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }
}
