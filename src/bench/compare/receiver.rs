//! Starts a receiver, waits until it answers, ends it.
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::children::{Group, Scratch};
use super::{ENCRYPTED_ACCOUNTS, Setup, Who};
use crate::bench::load::account;
use crate::bench::process;

/// How long a receiver gets to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time for what a receiver does behind its start, such as filling files ahead.
const SETTLE: Duration = Duration::from_millis(500);

/// A receiver that somebody else wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name in results.
    pub name: String,
    /// What starts it in the foreground, for `sh -c`.
    pub command: String,
    /// Where it listens over TCP, on 127.0.0.1.
    pub tcp_port: u16,
    /// Where it listens over UDP; the same unless told otherwise.
    pub udp_port: u16,
}

/// Why a receiver is not there.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// It cannot be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// Who.
        name: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// It ended, or did not listen in time.
    #[error("{name} does not listen; it said:\n{said}")]
    NotReady {
        /// Who.
        name: String,
        /// The end of its output.
        said: String,
    },
    /// Its register cannot be filled.
    #[error("cannot register the accounts that encrypt: {0}")]
    Register(String),
}

/// A running receiver; ended when dropped, and its data removed.
pub struct Receiver {
    /// Where it listens over TCP.
    pub tcp: SocketAddr,
    /// Where it listens over UDP.
    pub udp: SocketAddr,
    /// The process that listens: for a peer perhaps a child of its shell.
    pid: u32,
    /// Held so that what it prints later does not meet a closed pipe.
    _stdout: Option<BufReader<ChildStdout>>,
    // Before the directory that it writes to.
    _group: Group,
    _scratch: Scratch,
}

impl Receiver {
    /// Starts it with nothing in its data directory and waits until it listens.
    pub fn start(setup: &Setup, who: Who) -> Result<Self, ReceiverError> {
        let scratch = Scratch::new(&setup.directory).map_err(|source| ReceiverError::Start {
            name: "a receiver".to_owned(),
            source,
        })?;
        let receiver = match who {
            Who::Larm => larm(setup, scratch, true),
            Who::LarmWithoutHistory => larm(setup, scratch, false),
            Who::Echo => {
                let mut command = echo(setup);
                command.args(&setup.echo_args);
                announced("echo", command, scratch)
            }
            Who::KeptEcho | Who::KeptThreads => {
                let mut command = echo(setup);
                if who == Who::KeptThreads {
                    command.args(["--shape", "threads"]);
                }
                command.arg("--keep").arg(scratch.path().join("journal"));
                announced("echo", command, scratch)
            }
            Who::Peer(place) => match setup.peers.get(place) {
                Some(named) => peer(named, scratch),
                None => Err(ReceiverError::Register("no such peer".to_owned())),
            },
        }?;
        std::thread::sleep(SETTLE);
        Ok(receiver)
    }

    /// Starts `program` as larm on a data directory that is there, and returns when it is ready.
    pub fn start_on(program: &Path, data: &Path, below: &Path) -> Result<Self, ReceiverError> {
        let scratch = Scratch::new(below).map_err(|source| ReceiverError::Start {
            name: "larm".to_owned(),
            source,
        })?;
        serve(program, data, true, scratch)
    }

    /// The process that listens.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

fn echo(setup: &Setup) -> Command {
    let mut command = Command::new(&setup.program);
    command.args(["bench", "echo", "--listen", "127.0.0.1:0"]);
    command.args(["--key", &setup.key_hex]);
    command
}

fn larm(setup: &Setup, scratch: Scratch, history: bool) -> Result<Receiver, ReceiverError> {
    let data = scratch.path().join("data");
    register(setup, scratch.path(), &data)?;
    serve(&setup.program, &data, history, scratch)
}

/// Starts `program` as larm with its defaults on `data`; `scratch` takes its log.
fn serve(
    program: &Path,
    data: &Path,
    history: bool,
    scratch: Scratch,
) -> Result<Receiver, ReceiverError> {
    let config = scratch.path().join("larm.toml");
    let text = format!("[history]\nenabled = {history}\n");
    std::fs::write(&config, text).map_err(|source| ReceiverError::Start {
        name: "larm".to_owned(),
        source,
    })?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(&config);
    command.arg("--data").arg(data);
    command.args(["--listen", "dc09+tcp://127.0.0.1:0"]);
    command.args(["--listen", "dc09+udp://127.0.0.1:0"]);
    announced("larm", command, scratch)
}

/// Gives the accounts of the encrypted case their key.
fn register(setup: &Setup, scratch: &Path, data: &Path) -> Result<(), ReceiverError> {
    let refused = |error: std::io::Error| ReceiverError::Register(error.to_string());
    let mut rows = "account,key\n".to_owned();
    for number in 0..ENCRYPTED_ACCOUNTS.count {
        let account = account(ENCRYPTED_ACCOUNTS.first + number);
        rows.push_str(&String::from_utf8_lossy(&account));
        rows.push(',');
        rows.push_str(&setup.key_hex);
        rows.push('\n');
    }
    let file = scratch.join("accounts.csv");
    std::fs::write(&file, rows).map_err(refused)?;
    let imported = Command::new(&setup.program)
        .args(["accounts", "import"])
        .arg(&file)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .map_err(refused)?;
    if imported.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&imported.stderr).into_owned();
        Err(ReceiverError::Register(said))
    }
}

/// Starts one of ours, which says where it listens, and then `ready`.
fn announced(
    name: &str,
    mut command: Command,
    scratch: Scratch,
) -> Result<Receiver, ReceiverError> {
    let log = scratch.path().join("log");
    let failed = |source| ReceiverError::Start {
        name: name.to_owned(),
        source,
    };
    let file = std::fs::File::create(&log).map_err(failed)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(file).env_remove("LARM_CONFIG");
    let mut group = Group::spawn(&mut command).map_err(failed)?;
    let not_ready = || ReceiverError::NotReady {
        name: name.to_owned(),
        said: tail(&log),
    };
    let stdout = group.child().stdout.take().ok_or_else(not_ready)?;
    let mut stdout = BufReader::new(stdout);
    let (mut tcp, mut udp) = (None, None);
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).map_err(failed)? == 0 {
            return Err(not_ready());
        }
        let line = line.trim_end();
        if line == "ready" {
            break;
        }
        let Some(url) = line.strip_prefix("listening on ") else {
            continue;
        };
        let (way, address) = url.rsplit_once("://").unwrap_or(("", url));
        let address: Option<SocketAddr> = address.parse().ok();
        if !way.ends_with("udp") {
            tcp = address;
        }
        if !way.ends_with("tcp") {
            udp = address;
        }
    }
    let (Some(tcp), Some(udp)) = (tcp, udp) else {
        return Err(not_ready());
    };
    Ok(Receiver {
        tcp,
        udp,
        pid: group.pid(),
        _stdout: Some(stdout),
        _group: group,
        _scratch: scratch,
    })
}

fn peer(peer: &Peer, scratch: Scratch) -> Result<Receiver, ReceiverError> {
    let log = scratch.path().join("log");
    let failed = |source| ReceiverError::Start {
        name: peer.name.clone(),
        source,
    };
    let file = std::fs::File::create(&log).map_err(failed)?;
    let mut command = Command::new("sh");
    command.args(["-c", &peer.command]).stdin(Stdio::null());
    command.stdout(file.try_clone().map_err(failed)?);
    command.stderr(file).env("LARM_BENCH_DATA", scratch.path());
    let mut group = Group::spawn(&mut command).map_err(failed)?;
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect_timeout(&at(peer.tcp_port), Duration::from_secs(1)).is_err() {
        let ended = !matches!(group.child().try_wait(), Ok(None));
        if ended || Instant::now() > deadline {
            return Err(ReceiverError::NotReady {
                name: peer.name.clone(),
                said: tail(&log),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Receiver {
        tcp: at(peer.tcp_port),
        udp: at(peer.udp_port),
        pid: process::listening_on(peer.tcp_port).unwrap_or_else(|_| group.pid()),
        _stdout: None,
        _group: group,
        _scratch: scratch,
    })
}

/// The last kilobyte of a file.
fn tail(file: &Path) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let start = text.len().saturating_sub(1_024);
    String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned()
}
