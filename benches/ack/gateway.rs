//! The measured process: the real binary, started, asked about its memory, stopped, checked.
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// The binary, built with the profile that the benches are built with.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_larm");

/// A running `larm serve`; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    /// Held so that what it prints later does not meet a closed pipe.
    _stdout: BufReader<ChildStdout>,
    data: PathBuf,
    /// Where DC-09 over TCP is received.
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts with everything at its default but the port, and waits until it is ready.
    pub(crate) fn start(data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)?;
        let log = File::create(data.with_extension("log"))?;
        let mut child = Command::new(BINARY)
            .args(["serve", "--listen", "dc09+tcp://127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {BINARY}"))?;
        let pipe = child.stdout.take().context("stdout is a pipe")?;
        let mut stdout = BufReader::new(pipe);
        match ready(&mut stdout) {
            Ok(address) => Ok(Self {
                child,
                _stdout: stdout,
                data: data.to_owned(),
                address,
            }),
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                let said = std::fs::read_to_string(data.with_extension("log"))?;
                Err(error.context(format!("larm serve is not ready; it said:\n{said}")))
            }
        }
    }

    /// `VmRSS` in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(kib.parse::<u64>()? * 1024)
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Drains, verifies the journal, and returns how many records it holds.
    pub(crate) fn finish(mut self) -> anyhow::Result<u64> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "larm serve ended with {status}");
        let verified = Command::new(BINARY)
            .args(["journal", "verify", "--json", "--data"])
            .arg(&self.data)
            .output()?;
        if !verified.status.success() {
            bail!(
                "the journal is damaged: {}",
                String::from_utf8_lossy(&verified.stdout)
            );
        }
        let figures: serde_json::Value = serde_json::from_slice(&verified.stdout)?;
        figures["records"].as_u64().context("no number of records")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads up to the line `ready`; the address stands before it.
fn ready(stdout: &mut impl BufRead) -> anyhow::Result<SocketAddr> {
    let mut address = None;
    for line in stdout.lines() {
        let line = line?;
        if let Some(found) = line.strip_prefix("listening on dc09+tcp://") {
            address = Some(found.parse()?);
        } else if line == "ready" {
            return address.context("no TCP listener");
        }
    }
    bail!("its output ended")
}
