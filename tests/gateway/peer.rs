//! Receivers and transmitters that nobody here wrote, as processes; `tests/run install` puts them
//! into `target/`.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A peer that prints one JSON object a line and ends when its stdin is closed.
pub(crate) struct Peer {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{why}: {command:?}; run: tests/run install"));
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// The receiver of `pysiaalarm`, over `tcp` or `udp`.
    pub(crate) fn pysiaalarm(transport: &str) -> Self {
        Self::start(python("receiver.py").arg(transport))
    }

    /// The receiver of `iobroker.sia`; its ports are TCP and UDP.
    pub(crate) fn iobroker() -> Self {
        let package = target().join("npm/node_modules/iobroker.sia");
        assert!(
            package.is_dir(),
            "{} is missing; run: tests/run install",
            package.display()
        );
        let node = std::env::var_os("LARM_TEST_NODE").unwrap_or("node".into());
        let mut command = Command::new(node);
        Self::start(command.arg(scripts().join("receiver.js")).arg(&package))
    }

    pub(crate) fn ports(&mut self) -> Vec<u16> {
        let line = self.lines.next().expect("a line with ports").unwrap();
        line.strip_prefix("port ")
            .expect("ports")
            .split(' ')
            .map(|port| port.parse().expect("a port"))
            .collect()
    }

    /// The next thing that it tells.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.lines.next().expect("a line").unwrap();
        serde_json::from_str(&line).expect("JSON")
    }

    /// Ends it, and takes what it told besides.
    pub(crate) fn end(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let rest = self.lines.by_ref();
        let rest = rest
            .map(|line| serde_json::from_str(&line.unwrap()).expect("JSON"))
            .collect();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script of `tests/peers` under the Python that has the packages.
pub(crate) fn python(script: &str) -> Command {
    let python = std::env::var_os("LARM_TEST_PYTHON")
        .map_or_else(|| target().join("venv/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "{} is missing; run: tests/run install",
        python.display()
    );
    let mut command = Command::new(python);
    command.arg(scripts().join(script));
    command
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}
