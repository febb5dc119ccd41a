//! A NATS server with `JetStream`, from the package `nats-server`.
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Process;

/// A server that can be killed and started again with what it stored.
pub(crate) struct NatsServer {
    port: u16,
    // Ended before the directory that it writes to.
    process: Process,
    directory: TempDir,
}

impl NatsServer {
    /// A server that runs.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A server that runs with further lines in its configuration.
    pub(crate) fn start_with(lines: &str) -> Self {
        let mut server = Self::stopped_with(lines);
        server.restart();
        server
    }

    /// A server that is configured and does not run yet.
    pub(crate) fn stopped_with(lines: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = super::free_port();
        let config = format!(
            "listen: 127.0.0.1:{port}\nserver_name: test\n\
             jetstream {{ store_dir: \"{}\", max_memory_store: 64MB, max_file_store: 8GB }}\n{lines}\n",
            directory.path().join("store").display()
        );
        std::fs::write(directory.path().join("nats.conf"), config).expect("a writable directory");
        Self {
            port,
            directory,
            process: Process::default(),
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server, killed before or not, and waits until it listens.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = self.log();
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a writable directory");
        let mut child = Command::new(super::program("nats-server", "nats-server", &[]))
            .arg("-c")
            .arg(self.directory.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("nats-server starts");
        let up = super::wait_for_port(&mut child, self.port);
        self.process.take(child);
        assert!(up, "nats-server ended:\n{}", super::tail(&log));
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// It hangs, with its sockets open.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}
