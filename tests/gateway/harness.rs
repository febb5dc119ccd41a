//! Starts the real `larm`, talks to it, kills it, reads what it kept.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::frame::{Reply, read_reply};

/// How long anything may take before a test gives up; a failure bound, not an expectation.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The figure that is printed last.
const LAST_FIGURE: &str = "larm_batch_records_count";

/// A running `larm serve`; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    stdout: Receiver<String>,
    stderr: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Every listener in the order of its line: `tcp` or `udp`, and where.
    pub(crate) listening: Vec<(String, SocketAddr)>,
    /// Where DC-09 over TCP is received first.
    pub(crate) tcp: SocketAddr,
    /// Where DC-09 over UDP is received first.
    pub(crate) udp: SocketAddr,
}

impl Gateway {
    /// Starts on free loopback ports and waits until it says `ready`.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more arguments behind `serve`.
    pub(crate) fn start_with(data: &Path, more: &[&str]) -> Self {
        Self::spawn(data, more).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Starts and waits for `ready`; the message holds stderr when that never comes.
    pub(crate) fn spawn(data: &Path, more: &[&str]) -> Result<Self, String> {
        Self::spawn_logging(data, more, &data.with_extension("stderr"))
    }

    /// The same with its log in a file of its own.
    pub(crate) fn spawn_logging(data: &Path, more: &[&str], log: &Path) -> Result<Self, String> {
        Self::spawn_in(data, more, log, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn spawn_in(
        data: &Path,
        more: &[&str],
        log: &Path,
        environment: &[(&str, PathBuf)],
    ) -> Result<Self, String> {
        let mut starting = Starting::logging(data, more, log, environment);
        let mut listening: Vec<(String, SocketAddr)> = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match starting.stdout.recv_timeout(left) {
                Ok(line) => {
                    let place = line
                        .strip_prefix("listening on dc09+")
                        .and_then(|place| place.split_once("://"));
                    if let Some((kind, at)) = place {
                        listening.push((kind.to_owned(), at.parse().expect("an address")));
                    } else if line == "ready" {
                        break;
                    }
                }
                Err(why) => {
                    let _ = starting.child.kill();
                    let _ = starting.child.wait();
                    let said = std::fs::read_to_string(&starting.stderr).unwrap_or_default();
                    return Err(format!("larm serve is not ready ({why}); it said:\n{said}"));
                }
            }
        }
        let Starting {
            child,
            stdout,
            stderr,
        } = starting;
        Ok(Self {
            child,
            stdout,
            stderr,
            data: data.to_owned(),
            tcp: first(&listening, "tcp"),
            udp: first(&listening, "udp"),
            listening,
        })
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is ours");
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait().expect("ends after SIGTERM")
    }

    /// Waits for the end, at most [`PATIENCE`].
    pub(crate) fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// The next line on stdout.
    pub(crate) fn line(&self) -> Result<String, RecvTimeoutError> {
        self.stdout.recv_timeout(PATIENCE)
    }

    /// Everything that it wrote on stderr so far.
    pub(crate) fn stderr(&self) -> Vec<u8> {
        std::fs::read(&self.stderr).unwrap_or_default()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .expect("VmRSS")
    }

    /// A connection as a transmitter opens it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp).expect("the gateway accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends one frame over its own connection and reads one reply.
    pub(crate) fn ask(&self, frame: &[u8]) -> Option<Reply> {
        let mut stream = self.connect();
        stream.write_all(frame).ok()?;
        read_reply(&mut stream)
    }

    /// A datagram socket that talks to the gateway.
    pub(crate) fn datagrams(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.udp).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// The figures that SIGUSR1 prints, by name with labels.
    pub(crate) fn figures(&self) -> BTreeMap<String, i64> {
        while self.stdout.try_recv().is_ok() {}
        self.signal(Signal::USR1);
        let mut figures = BTreeMap::new();
        loop {
            let line = self.line().expect("figures after SIGUSR1");
            if let Some((name, number)) = line.rsplit_once(' ')
                && name.starts_with("larm_")
                && let Ok(number) = number.parse()
            {
                figures.insert(name.to_owned(), number);
                if name == LAST_FIGURE {
                    return figures;
                }
            }
        }
    }

    /// All events of the history, once there are at least `count`.
    pub(crate) fn events(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = events(&self.data);
            if events.len() >= count || Instant::now() > deadline {
                return events;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn first(listening: &[(String, SocketAddr)], wanted: &str) -> SocketAddr {
    let found = listening.iter().find(|(kind, _)| kind == wanted);
    found.map(|(_, at)| *at).expect("a listener of each kind")
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `larm serve` that may not have said anything yet.
pub(crate) struct Starting {
    /// The process.
    pub(crate) child: Child,
    /// Its lines.
    pub(crate) stdout: Receiver<String>,
    /// Where its log goes.
    pub(crate) stderr: PathBuf,
}

impl Starting {
    /// Starts it and waits for nothing.
    pub(crate) fn new(data: &Path, more: &[&str]) -> Self {
        Self::logging(data, more, &data.with_extension("stderr"), &[])
    }

    /// The same with its log in a file of its own, and with variables in its environment.
    fn logging(data: &Path, more: &[&str], log: &Path, environment: &[(&str, PathBuf)]) -> Self {
        std::fs::create_dir_all(data).unwrap();
        let stderr = log.to_owned();
        let mut command = larm_command();
        command.arg("serve").arg("--data").arg(data);
        if !more.contains(&"--config") {
            command.args(["--listen", "dc09+tcp://127.0.0.1:0"]);
            command.args(["--listen", "dc09+udp://127.0.0.1:0"]);
        }
        let mut child = command
            .args(more)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(&stderr)
                    .unwrap(),
            )
            .spawn()
            .expect("the larm binary starts");
        let pipe = child.stdout.take().expect("piped");
        let (sender, stdout) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            stdout,
            stderr,
        }
    }
}

/// The binary under test; `LARM_TEST_BINARY` names another one.
pub(crate) fn larm_command() -> Command {
    let built = env!("CARGO_BIN_EXE_larm").into();
    let mut command = Command::new(std::env::var_os("LARM_TEST_BINARY").unwrap_or(built));
    command.env_remove("LARM_CONFIG").env_remove("RUST_LOG");
    command
}

/// Runs `larm` with these arguments to its end.
pub(crate) fn larm<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    larm_command()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the larm binary starts")
}

/// Runs `larm` and takes its stdout; panics with stderr when it fails.
pub(crate) fn larm_ok<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> String {
    let output = larm(arguments);
    assert!(
        output.status.success(),
        "larm {:?} ended with {}:\n{}{}",
        arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `larm events --json`, parsed.
pub(crate) fn events(data: &Path) -> Vec<Value> {
    json_lines(&larm_ok(&[
        "events".as_ref(),
        "--json".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
    ]))
}

/// `larm journal export`, parsed; the gateway must stand.
pub(crate) fn exported(data: &Path) -> Vec<Value> {
    json_lines(&larm_ok(&[
        "journal".as_ref(),
        "export".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
    ]))
}

/// `larm journal verify` must be content.
pub(crate) fn verify(data: &Path) {
    larm_ok(&[
        "journal".as_ref(),
        "verify".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
    ]);
}

/// `larm accounts import` of a CSV text.
pub(crate) fn import_accounts(data: &Path, csv: &str) {
    std::fs::create_dir_all(data).unwrap();
    let file = data.with_extension("csv");
    std::fs::write(&file, csv).unwrap();
    larm_ok(&[
        "accounts".as_ref(),
        "import".as_ref(),
        file.as_os_str(),
        "--data".as_ref(),
        data.as_os_str(),
    ]);
}

/// A configuration with one TCP and one UDP listener on free loopback ports, `listener` being
/// further lines of both.
pub(crate) fn config(listener: &str) -> String {
    let one = |transport: &str| {
        format!(
            "[[listener]]\nname = \"{transport}\"\nprotocol = \"dc09\"\n\
             transport = \"{transport}\"\naddress = \"127.0.0.1:0\"\n{listener}\n"
        )
    };
    one("tcp") + &one("udp")
}

/// Lines of a configuration for a journal that changes files often.
pub(crate) const SMALL_JOURNAL: &str = "[journal]\nsegment_size = \"1MiB\"\nreserve = \"1MiB\"\n";

/// Counts events by account and code with its address.
pub(crate) fn tally(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(name(event)).or_default() += 1;
    }
    counts
}

/// `ACCOUNT/CODE/ADDRESS` of an event.
pub(crate) fn name(event: &Value) -> String {
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!(
        "{}/{}/{}",
        text("/account"),
        text("/code/code"),
        text("/code/address")
    )
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

/// Small, fast, seeded: repeats a run exactly from its printed seed.
pub(crate) struct Random(u64);

impl Random {
    /// From `LARM_SEED`, or from the clock; printed either way.
    pub(crate) fn seeded(what: &str) -> Self {
        let seed = std::env::var("LARM_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| {
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(1, |since| since.subsec_nanos().into())
            });
        println!("{what}: LARM_SEED={seed}");
        Self(seed)
    }

    /// From a fixed number.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
