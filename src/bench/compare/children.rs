//! Processes that must not outlive this one: each leads a group of its own, and groups and
//! directories are known here, so that a signal leaves nothing behind.
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a receiver gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

struct Left {
    groups: Vec<Pid>,
    directories: Vec<PathBuf>,
}

static LEFT: Mutex<Left> = Mutex::new(Left {
    groups: Vec::new(),
    directories: Vec::new(),
});

fn left() -> MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process with all that it starts; ended when dropped.
pub(super) struct Group {
    child: Child,
    group: Pid,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    pub(super) fn spawn(command: &mut Command) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        // Taken before: what a signal interrupts here must be known, or not be started.
        let mut left = left();
        let child = command.process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        left.groups.push(group);
        Ok(Self { child, group })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended() {
            let _ = kill_process_group(self.group, Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while !self.ended() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // The leader may be gone and those that it started not.
        let _ = kill_process_group(self.group, Signal::KILL);
        drop(self.child.wait());
        left().groups.retain(|group| *group != self.group);
    }
}

/// A directory that a signal must not leave behind.
pub(in crate::bench) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(in crate::bench) fn new(below: &Path) -> std::io::Result<Self> {
        let mut left = left();
        let directory = tempfile::Builder::new()
            .prefix("larm-bench-")
            .tempdir_in(below)?;
        left.directories.push(directory.path().to_owned());
        Ok(Self(directory))
    }

    pub(in crate::bench) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        left().directories.retain(|path| path != self.0.path());
    }
}

/// Ends everything when this process is told to end. A panic or an error unwinds and does it as
/// well; only `kill -9` does not.
pub fn clean_up_on_signals() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut terminate, mut interrupt, mut hang_up) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        )
    };
    std::thread::Builder::new()
        .name("clean-up".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hang_up.recv() => {}
                }
            });
            let left = left();
            for group in &left.groups {
                let _ = kill_process_group(*group, Signal::KILL);
            }
            for directory in &left.directories {
                remove(directory);
            }
            // As a shell tells it of a program that ended by Ctrl-C.
            std::process::exit(130);
        })?;
    Ok(())
}

/// What was killed may write for a moment yet, into directories that were empty just now.
fn remove(directory: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while directory.exists() && Instant::now() < deadline {
        if std::fs::remove_dir_all(directory).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ends_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let mut command = Command::new("sh");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let group = Group::spawn(command.args(["-c", &script])).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let grandchild = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(pid) = text.trim().parse::<u32>() {
                break pid;
            }
            assert!(Instant::now() < deadline, "the shell did not start");
            std::thread::sleep(Duration::from_millis(5));
        };
        drop(group);
        let deadline = Instant::now() + Duration::from_secs(20);
        let alive = || {
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
            state.is_ok_and(|state| !state.contains(") Z "))
        };
        while alive() {
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
