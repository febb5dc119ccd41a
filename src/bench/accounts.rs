//! What a large register costs: larm with and without one in turn, its start, memory and load.
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::compare::{Receiver, ReceiverError, Scratch};
use super::load::{self, Accounts, Length, LoadError, Plan, Progress, account, figures};
use super::process::{self, ProcessError};
use crate::accounts::{Register, RegisterError};
use crate::registry::ACCOUNT_RULES;

/// The lowest account.
const FIRST: u32 = 10_000_000;

/// Transmitters of the load.
const CONNECTIONS: usize = 64;

/// Rows that are handed to the register at a time, to bound our own memory.
const ROWS_MAX: u32 = 200_000;

/// Time for what larm does behind its start, such as giving memory back.
const SETTLE: Duration = Duration::from_secs(2);

/// Why a register could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// A directory cannot be used.
    #[error("cannot use {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The register cannot be filled.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// larm does not start.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    /// Its memory cannot be read.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The load could not be run.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program that is larm: this one.
    pub program: PathBuf,
    /// Data directories are made below it.
    pub directory: PathBuf,
    /// Accounts in the register, each with a key of its own and supervised on both paths.
    pub count: u32,
    /// Time of each load.
    pub lasts: Duration,
}

/// One start of larm and one load on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// From the start of the process to `ready`.
    pub started_in: Duration,
    /// Resident bytes before the load.
    pub resident: u64,
    /// Acknowledgements in a second over 64 connections, from as many accounts as are registered.
    pub per_second: f64,
    /// The slowest hundredth, in nanoseconds.
    pub p99: u64,
    /// Messages without acknowledgement.
    pub unacknowledged: u64,
}

/// Both directories, filled once.
pub struct Prepared {
    setup: Setup,
    scratch: Scratch,
    /// What filling took.
    pub filled_in: Duration,
}

impl Prepared {
    /// Fills a register with as many accounts as asked for, beside an empty one.
    pub fn new(setup: Setup) -> Result<Self, AccountsError> {
        let place = |source| AccountsError::Directory {
            path: setup.directory.clone(),
            source,
        };
        let scratch = Scratch::new(&setup.directory).map_err(place)?;
        let begin = Instant::now();
        for name in ["empty", "full"] {
            std::fs::create_dir_all(scratch.path().join(name)).map_err(place)?;
        }
        fill(&scratch.path().join("full"), setup.count)?;
        Ok(Self {
            filled_in: begin.elapsed(),
            setup,
            scratch,
        })
    }

    /// One turn without accounts.
    pub fn empty(&self) -> Result<Turn, AccountsError> {
        self.turn("empty")
    }

    /// One turn with all of them.
    pub fn full(&self) -> Result<Turn, AccountsError> {
        self.turn("full")
    }

    fn turn(&self, name: &str) -> Result<Turn, AccountsError> {
        let data = self.scratch.path().join(name);
        for kept in ["journal", "history"] {
            // Not there before the first turn.
            drop(std::fs::remove_dir_all(data.join(kept)));
        }
        let begin = Instant::now();
        let larm = Receiver::start_on(&self.setup.program, &data, self.scratch.path())?;
        let started_in = begin.elapsed();
        std::thread::sleep(SETTLE);
        let resident = process::resident(larm.pid())?;
        let plan = Plan {
            connections: CONNECTIONS,
            accounts: Accounts {
                first: FIRST,
                count: self.setup.count.max(1),
            },
            length: Length::Time(self.setup.lasts),
            ..Plan::new(larm.tcp)
        };
        let tally = load::run(&plan, &Progress::for_threads(plan.threads()))?;
        Ok(Turn {
            started_in,
            resident,
            per_second: tally.per_second(),
            p99: figures(&tally.all()).p99,
            unacknowledged: tally.unacknowledged(),
        })
    }
}

/// Keys are no secret, but no two are the same.
fn fill(directory: &Path, count: u32) -> Result<(), AccountsError> {
    let mut register = Register::open(directory, ACCOUNT_RULES)?;
    let mut next = 0;
    while next < count {
        let end = count.min(next.saturating_add(ROWS_MAX));
        let mut rows = "account,key,supervision_primary,supervision_backup\n".to_owned();
        for number in next..end {
            let name = account(FIRST + number);
            let key = blake3::hash(&number.to_le_bytes()).to_hex();
            let (name, key) = (
                String::from_utf8_lossy(&name),
                key.get(..32).unwrap_or_default(),
            );
            writeln!(rows, "{name},{key},90s,25h").expect("a string takes everything");
        }
        register.import_csv("accounts.csv", rows.as_bytes(), false)?;
        next = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_filled_in_several_pieces() {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path(), 3).unwrap();
        let register = Register::open(directory.path(), ACCOUNT_RULES).unwrap();
        assert_eq!(register.count().unwrap(), 3);
    }
}
