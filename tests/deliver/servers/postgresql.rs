//! A PostgreSQL server, from the package `postgresql`. It refuses to run as root: for root's tests
//! it runs as the user that the package makes.
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Process;

/// A server that can be killed and started again with what it stored.
pub(crate) struct PostgresServer {
    port: u16,
    directory: TempDir,
    user: Option<(u32, u32)>,
    process: Process,
}

impl PostgresServer {
    /// A server that runs; whoever connects as `postgres` needs no password.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A server that runs with further lines in its configuration.
    pub(crate) fn start_with(lines: &str) -> Self {
        let mut server = Self::stopped_with(lines);
        server.restart();
        server
    }

    /// A server that is set up and does not run yet.
    pub(crate) fn stopped_with(lines: &str) -> Self {
        let user = other_user();
        let directory = tempfile::tempdir().expect("a directory");
        open_to(directory.path(), user);
        let port = super::free_port();
        let server = Self {
            port,
            directory,
            user,
            process: Process::default(),
        };
        let done = server
            .command("initdb")
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .args(["-D", "data"])
            .output()
            .expect("initdb starts");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\n\
             shared_buffers = 64MB\nmax_wal_size = 2GB\nlogging_collector = off\n{lines}\n",
            server.directory.path().display()
        );
        server.append("postgresql.conf", &settings);
        server
    }

    /// Adds lines to a file of the data directory: `postgresql.conf`, `pg_hba.conf`.
    pub(crate) fn append(&self, file: &str, lines: &str) {
        let path = self.data().join(file);
        let mut text = std::fs::read_to_string(&path).expect("a file that initdb made");
        text.push_str(lines);
        std::fs::write(&path, text).expect("a writable directory");
    }

    /// Puts `lines` first in the access rules: the first rule that fits holds.
    pub(crate) fn prepend_rules(&self, lines: &str) {
        let path = self.data().join("pg_hba.conf");
        let text = std::fs::read_to_string(&path).expect("a file that initdb made");
        std::fs::write(&path, format!("{lines}\n{text}")).expect("a writable directory");
    }

    /// Lets the server have a copy of a file; the path of the copy.
    pub(crate) fn copy(&self, file: &Path, name: &str) -> PathBuf {
        let copy = self.data().join(name);
        std::fs::copy(file, &copy).expect("a readable file");
        open_to(&copy, self.user);
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&copy, mode).expect("a file of this test");
        copy
    }

    /// Where it listens, as a user without a password.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the local socket is.
    pub(crate) fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts the server, killed before or not, and waits until it takes connections.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let begun = Instant::now();
        loop {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log())
                .expect("a writable directory");
            let mut child = self
                .command("postgres")
                .args(["-D", "data"])
                .stdout(Stdio::null())
                .stderr(file)
                .spawn()
                .expect("postgres starts");
            let up = super::wait_for_port(&mut child, self.port) && self.is_ready();
            if up {
                self.process.take(child);
                return;
            }
            // Processes of the killed server may still hold its memory for a moment.
            let _ = child.kill();
            let _ = child.wait();
            let log = super::tail(&self.log());
            assert!(begun.elapsed() < super::PATIENCE, "postgres ended:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGKILL to the main process; the others end when they see that it is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends as a whole, in good order.
    fn stop(&mut self) {
        if self.process.is_running() {
            let _ = self
                .command("pg_ctl")
                .args(["-D", "data", "-m", "immediate", "-w", "stop"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        self.kill();
    }

    /// A program of the server's version, run as its user, in its directory.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(super::program(name, "postgresql", &versions()));
        command
            .current_dir(self.directory.path())
            .env("LC_ALL", "C")
            .env_remove("PGHOST")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn is_ready(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < super::PATIENCE {
            let port = self.port.to_string();
            let ready = self
                .command("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status()
                .is_ok_and(|status| status.success());
            if ready {
                return true;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// User and group of the server where this test runs as root.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
    let entry = users
        .lines()
        .find_map(|line| line.strip_prefix("postgres:"))
        .expect("the user `postgres`: install the package `postgresql` (tests/run --install-only)");
    let mut fields = entry.split(':').skip(1);
    let mut number = || fields.next()?.parse().ok();
    number().zip(number())
}

fn open_to(path: &Path, user: Option<(u32, u32)>) {
    if let Some((user, group)) = user {
        chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

/// Directories of the installed versions, the newest first.
fn versions() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}
