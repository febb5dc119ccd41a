//! A broker for MQTT, from the package `mosquitto`, and its subscriber, from `mosquitto-clients`.
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::lines::Program;
use crate::servers::{self, Process};

/// The broker, with its files.
pub(crate) struct Broker {
    // Ended before the directory that it writes to.
    process: Process,
    room: tempfile::TempDir,
    port: u16,
}

impl Broker {
    /// A broker that keeps sessions and retained messages over an orderly end.
    pub(crate) fn start(settings: &str) -> Self {
        let mut broker = Self::prepared(settings);
        broker.run();
        broker
    }

    /// The same, not yet running.
    pub(crate) fn prepared(settings: &str) -> Self {
        let room = tempfile::tempdir().expect("a directory");
        let port = servers::free_port();
        let mut text = format!(
            "listener {port} 127.0.0.1\npersistence true\npersistence_location {}/\n\
             max_queued_messages 1000000\n{settings}\n",
            room.path().display()
        );
        if !settings.contains("allow_anonymous") {
            text.push_str("allow_anonymous true\n");
        }
        // As root it would become another user, who cannot read the directory.
        if rustix::process::geteuid().is_root() {
            text.push_str("user root\n");
        }
        std::fs::write(room.path().join("broker.conf"), text).expect("a writable directory");
        Self {
            room,
            port,
            process: Process::default(),
        }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn run(&mut self) {
        let mut child = Command::new(servers::program("mosquitto", "mosquitto", &[]))
            .arg("-c")
            .arg(self.room.path().join("broker.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        let up = servers::wait_for_port(&mut child, self.port);
        self.process.take(child);
        assert!(up, "mosquitto ended");
    }

    /// SIGTERM: ends it in good order, where it runs.
    pub(crate) fn stop(&mut self) {
        self.process.end();
    }

    /// SIGKILL, where it runs.
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

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// A subscriber with a session of its own, which the broker keeps while it is away. It tells
    /// every message as an object, and is subscribed when this returns.
    pub(crate) fn subscribed(&self, topic: &str) -> Program {
        let program = self.subscribing(topic);
        self.publish("ready", "yes");
        while program.line()["topic"] != "ready" {}
        program
    }

    /// The same, also where no broker runs yet.
    pub(crate) fn subscribing(&self, topic: &str) -> Program {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-V", "mqttv5", "-q", "1", "-c", "-x", "3600", "-F", "%j"]);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(["-i", "subscriber", "-t", topic, "-t", "ready"]);
        Program::start(command.stderr(Stdio::null()))
    }

    fn publish(&self, topic: &str, payload: &str) {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "mqttv5", "-q", "1", "-r", "-h", "127.0.0.1"]);
        command.args(["-p", &self.port.to_string(), "-t", topic, "-m", payload]);
        let done = command.status();
        assert!(
            done.expect("the package `mosquitto-clients`: tests/run --install-only")
                .success()
        );
    }
}
