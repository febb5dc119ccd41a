//! Another process as `/proc` shows it: who listens on a port, what is resident, what it may open.
use std::collections::HashSet;
use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a process needs beside its connections.
const SPARE: u64 = 256;

/// Why a process cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Nobody listens, or only somebody whose files we may not see.
    #[error(
        "no process found that listens on port {port}: give it with --pid, or run as the same user"
    )]
    NobodyListens {
        /// The port.
        port: u16,
    },
    /// A file of `/proc` cannot be read.
    #[error("cannot look at process {pid}: {source}")]
    Look {
        /// The process.
        pid: u32,
        /// The system's words.
        source: io::Error,
    },
    /// A file of `/proc` has not the expected line.
    #[error("process {pid}: no {what} in /proc/{pid}")]
    Absent {
        /// The process.
        pid: u32,
        /// What was looked for.
        what: &'static str,
    },
    /// More open files are needed than allowed.
    #[error(
        "{wanted} open files are needed, {allowed} are allowed ({source}): raise the hard limit \
         (ulimit -Hn), or run as root"
    )]
    TooFew {
        /// What was wanted.
        wanted: u64,
        /// The hard limit.
        allowed: u64,
        /// The system's words.
        source: io::Error,
    },
    /// The receiver may open fewer files than it gets connections.
    #[error(
        "process {pid} may open {allowed} files, {wanted} are needed: start it with a higher limit \
         (ulimit -n {wanted})"
    )]
    ReceiverTooFew {
        /// The receiver.
        pid: u32,
        /// What was wanted.
        wanted: u64,
        /// Its limit.
        allowed: u64,
    },
}

/// Bytes resident (`VmRSS`).
pub fn resident(pid: u32) -> Result<u64, ProcessError> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or(ProcessError::Absent { pid, what: "VmRSS" })
}

/// Refuses a receiver that may not open so many connections.
pub fn may_open(pid: u32, connections: usize) -> Result<(), ProcessError> {
    let limits = read(pid, "limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let what = "limit of open files";
    let soft = line
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or(ProcessError::Absent { pid, what })?;
    let wanted = connections as u64 + SPARE;
    match soft.parse::<u64>() {
        Ok(allowed) if allowed < wanted => Err(ProcessError::ReceiverTooFew {
            pid,
            wanted,
            allowed,
        }),
        _ => Ok(()),
    }
}

/// Lets this process, and those that it starts from now on, hold so many connections.
pub fn allow(connections: usize) -> Result<(), ProcessError> {
    let wanted = connections as u64 + SPARE;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: now.maximum.map(|maximum| maximum.max(wanted)),
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| ProcessError::TooFew {
        wanted,
        allowed: now.maximum.unwrap_or(u64::MAX),
        source: error.into(),
    })
}

fn read(pid: u32, name: &str) -> Result<String, ProcessError> {
    std::fs::read_to_string(format!("/proc/{pid}/{name}"))
        .map_err(|source| ProcessError::Look { pid, source })
}

/// The process that listens on this TCP port, on whatever address.
pub fn listening_on(port: u16) -> Result<u32, ProcessError> {
    let mut inodes = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        inodes.extend(text.lines().filter_map(|line| listener(line, port)));
    }
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .find(|pid: &u32| holds(*pid, &inodes))
        .ok_or(ProcessError::NobodyListens { port })
}

/// The inode of a listening socket with this port, in a line of `/proc/net/tcp`:
/// `0: 0100007F:0BF5 00000000:0000 0A … inode …`.
fn listener(line: &str, port: u16) -> Option<u64> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, found) = fields.get(1)?.rsplit_once(':')?;
    let matches = u16::from_str_radix(found, 16) == Ok(port) && fields.get(3) == Some(&LISTENING);
    matches.then(|| fields.get(9)?.parse().ok())?
}

fn holds(pid: u32, inodes: &HashSet<u64>) -> bool {
    let folder = format!("/proc/{pid}/fd");
    let files = std::fs::read_dir(Path::new(&folder)).into_iter().flatten();
    files.flatten().any(|file| {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        let inode = target.to_str().and_then(|text| {
            let number = text.strip_prefix("socket:[")?.strip_suffix(']')?;
            number.parse().ok()
        });
        inode.is_some_and(|inode| inodes.contains(&inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_itself_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening_on(port).unwrap(), std::process::id());
        assert!(resident(std::process::id()).unwrap() > 100_000);
        may_open(std::process::id(), 1).unwrap();
        drop(listener);
        assert!(matches!(
            listening_on(port),
            Err(ProcessError::NobodyListens { .. })
        ));
    }

    #[test]
    fn reads_the_systems_table() {
        let line = "   1: 0100007F:0BF5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 x";
        assert_eq!(listener(line, 3_061), Some(12_345));
        assert_eq!(listener(line, 3_062), None);
        assert_eq!(listener(&line.replace(" 0A ", " 01 "), 3_061), None);
        assert_eq!(listener("  sl  local_address", 0), None);
    }

    #[test]
    fn says_who_may_open_too_few() {
        let error = may_open(std::process::id(), 1 << 40).unwrap_err();
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    }
}
