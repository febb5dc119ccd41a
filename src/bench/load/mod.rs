//! Load: transmitters in great number that send, check every answer and time it.
mod desk;
mod link;
mod plan;
mod progress;
mod source;
mod tally;
mod worker;

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use plan::{Accounts, Length, Mix, Plan, Way};
pub use progress::Progress;
pub(super) use source::account;
pub use tally::{Class, Figures, Tally, figures, histogram, rate, to_json};

use worker::Worker;

/// Why a load could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The receiver cannot be reached.
    #[error("cannot connect to {to}: {source}; is a receiver listening there?")]
    Connect {
        /// The receiver.
        to: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The file for what was acknowledged cannot be written.
    #[error("cannot write {path}: {source}")]
    Acknowledged {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A share of encrypted messages, and no key.
    #[error("encrypted messages need a key: give it with --key")]
    NoKey,
    /// The system refused something that the generator needs.
    #[error("the load generator: {0}")]
    System(#[from] io::Error),
    /// A thread panicked.
    #[error("a thread of the load generator panicked")]
    Panicked,
}

/// Runs `plan` to its end. `progress` is moved on while it runs; one counter set for each thread.
pub fn run(plan: &Plan, progress: &Arc<[Progress]>) -> Result<Tally, LoadError> {
    if plan.mix.encrypted > 0.0 && plan.key.is_none() {
        return Err(LoadError::NoKey);
    }
    let threads = plan.threads();
    let logs = logs(plan, threads)?;
    let start = Instant::now();
    let workers = logs
        .into_iter()
        .enumerate()
        .map(|(thread, log)| Worker::new(plan.clone(), thread, log, start))
        .collect::<Result<Vec<_>, _>>()?;
    // Connecting takes time where there are many; the clock starts when all are there.
    let start = Instant::now();
    let mut running = Vec::new();
    for (thread, mut worker) in workers.into_iter().enumerate() {
        let progress = Arc::clone(progress);
        let thread = std::thread::Builder::new()
            .name(format!("load-{thread}"))
            .spawn(move || {
                worker
                    .run(start, progress.get(thread))
                    .map(|()| worker.into_tally())
            })?;
        running.push(thread);
    }
    let mut whole: Option<Tally> = None;
    for thread in running {
        let tally = thread.join().map_err(|_| LoadError::Panicked)??;
        match &mut whole {
            Some(whole) => whole.add(tally),
            None => whole = Some(tally),
        }
    }
    Ok(whole.unwrap_or_else(|| Tally::new(plan)))
}

/// One handle on the file for each thread; whole lines are appended, so that they do not mix.
fn logs(plan: &Plan, threads: usize) -> Result<Vec<Option<File>>, LoadError> {
    let Some(path) = &plan.acknowledged else {
        return Ok((0..threads).map(|_| None).collect());
    };
    let open = || File::options().create(true).append(true).open(path);
    (0..threads)
        .map(|_| open().map(Some))
        .collect::<Result<_, _>>()
        .map_err(|source| LoadError::Acknowledged {
            path: path.clone(),
            source,
        })
}
