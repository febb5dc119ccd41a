//! Syncs that are slow, and syncs that fail: a small library under the gateway, between it and the
//! C library, does to `fdatasync` what disks do.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::frame::{link_test, read_reply, sia};
use crate::harness::{Gateway, PATIENCE, config, exported, name, verify};

/// While the file `slow` is there, a sync takes 800 ms; while `fail` is there, it fails.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int there(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("LARM_SHIM"), name);
  return access(path, F_OK) == 0;
}
static int done(const char *call, int fd) {
  if (there("slow")) usleep(800000);
  if (there("fail")) { errno = EIO; return -1; }
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
  return real(fd);
}
int fdatasync(int fd) { return done("fdatasync", fd); }
int fsync(int fd) { return done("fsync", fd); }
"#;

/// The library, and the directory in which its switches are.
struct Shim {
    room: tempfile::TempDir,
}

impl Shim {
    fn build() -> Self {
        let room = tempfile::tempdir().unwrap();
        let source = room.path().join("shim.c");
        std::fs::write(&source, SHIM).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(room.path().join("shim.so"))
            .arg(&source)
            .arg("-ldl")
            .status()
            .expect("a C compiler: larm itself is built with one");
        assert!(built.success());
        Self { room }
    }

    fn switch(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn on(&self, name: &str) {
        std::fs::write(self.switch(name), "").unwrap();
    }

    fn off(&self, name: &str) {
        std::fs::remove_file(self.switch(name)).unwrap();
    }

    fn start(&self, data: &Path, settings: &str) -> Gateway {
        let file = self.switch("larm.toml");
        std::fs::write(&file, config("") + settings).unwrap();
        let environment = [
            ("LD_PRELOAD", self.switch("shim.so")),
            ("LARM_SHIM", self.room.path().to_owned()),
        ];
        Gateway::spawn_in(
            data,
            &["--config", file.to_str().unwrap()],
            &data.with_extension("stderr"),
            &environment,
        )
        .unwrap_or_else(|why| panic!("{why}"))
    }
}

#[test]
fn what_is_not_durable_in_time_is_not_acknowledged() {
    let shim = Shim::build();
    let data = shim.switch("data");
    let gateway = shim.start(&data, "[gateway]\nack_deadline = \"200ms\"\n");
    let frame = sia(5, "51DE", "ri1/BA5");

    shim.on("slow");
    let mut stream = gateway.connect();
    // Long enough that a late reply, after the slow sync, would be seen as well.
    stream
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    stream.write_all(&frame).unwrap();
    assert_eq!(read_reply(&mut stream), None, "late is silent, for good");
    shim.off("slow");

    // The retry joins what was committed late.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&frame).unwrap();
    assert_eq!(
        read_reply(&mut stream).map(|reply| reply.id),
        Some("ACK".to_owned())
    );
    let figures = gateway.figures();
    assert_eq!(figures["larm_fates_total{fate=\"late\"}"], 1, "{figures:?}");
    assert_eq!(
        figures["larm_fates_total{fate=\"repeat\"}"], 1,
        "{figures:?}"
    );
    gateway.kill();
    let names: Vec<String> = exported(&data).iter().map(name).collect();
    assert_eq!(names, ["51DE/BA/5"]);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let shim = Shim::build();
    let data = shim.switch("data");
    let mut gateway = shim.start(&data, "");
    let before = sia(1, "FA11", "BA1");
    let during = sia(2, "FA11", "BA2");
    assert_eq!(
        gateway.ask(&before).map(|reply| reply.id),
        Some("ACK".to_owned())
    );

    // One failure; the next sync would succeed, and must not be believed.
    shim.on("fail");
    let mut alarm = gateway.connect();
    let mut test = gateway.connect();
    alarm.write_all(&during).unwrap();
    assert_eq!(read_reply(&mut alarm), None, "neither ACK nor DUH");
    shim.off("fail");
    let _ = test.write_all(&link_test(3, "FA11"));
    assert_eq!(
        read_reply(&mut test),
        None,
        "no link test says that alarms can be taken"
    );
    let status = gateway.wait().expect("the process ends");
    assert!(!status.success(), "and says that it failed: {status}");
    let said = String::from_utf8_lossy(&gateway.stderr()).to_lowercase();
    assert!(said.contains("sync"), "and why: {said}");

    let gateway = Gateway::start(&data);
    for (frame, what) in [(&during, "the retry"), (&before, "a repeat")] {
        let reply = gateway.ask(frame).map(|reply| reply.id);
        assert_eq!(reply.as_deref(), Some("ACK"), "{what}");
    }
    gateway.kill();
    verify(&data);
    let names: Vec<String> = exported(&data).iter().map(name).collect();
    assert_eq!(names, ["FA11/BA/1", "FA11/BA/2"]);
}
