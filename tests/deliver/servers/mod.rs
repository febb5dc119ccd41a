//! Real servers from Debian packages, each started by the test that needs it, in a directory of its
//! own and on a free loopback port.
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
pub(crate) mod nats;
pub(crate) mod postgresql;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A loopback port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    listener.local_addr().expect("a bound socket").port()
}

/// The program of a package, wherever Debian puts it.
pub(crate) fn program(name: &str, package: &str, further: &[PathBuf]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .chain(further.iter().cloned())
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!(
                "`{name}` is missing: install the package `{package}` (tests/run --install-only)"
            )
        })
}

/// Waits until the server listens; `false` when its process has ended before.
pub(crate) fn wait_for_port(child: &mut Child, port: u16) -> bool {
    let begun = Instant::now();
    loop {
        if child.try_wait().expect("a child of this process").is_some() {
            return false;
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        assert!(begun.elapsed() < PATIENCE, "no server on port {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process of a server, which may not run; killed at the end.
#[derive(Default)]
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Looks after `child` from now on.
    pub(crate) fn take(&mut self, child: Child) {
        self.kill();
        self.0 = Some(child);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and waits until it has ended.
    pub(crate) fn end(&mut self) {
        if self.is_running() {
            self.signal(Signal::TERM);
        }
        if let Some(mut child) = self.0.take() {
            child.wait().expect("a child");
        }
    }

    /// It hangs, with its sockets open.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.0.as_ref().expect("a server that runs");
        // The process may have ended: then there is nothing to stop.
        let _ = kill_process(Pid::from_child(child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The log of a server, for the message of a test that fails.
fn tail(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(15)..)
        .unwrap_or_default()
        .join("\n")
}
