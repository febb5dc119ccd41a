//! A gateway on a slow disk: the whole way in this process, each sync of the journal delayed.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::load::{self, Accounts, Length, LoadError, Plan, Progress, Tally};
use crate::config::{Config, Listener, Transport};
use crate::journal::SlowStorage;
use crate::serve::{Gateway, ServeError, Setup};

/// Why a slow disk could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum SlowError {
    /// No runtime, or no directory.
    #[error("cannot prepare the gateway: {0}")]
    System(#[from] std::io::Error),
    /// The gateway did not start, or did not end in order.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The gateway has no TCP listener.
    #[error("the gateway has no TCP listener")]
    NoListener,
    /// The load could not be run.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Alarms over so many connections, for so long, on a disk whose syncs take `delay` on top.
pub fn measure(
    directory: &Path,
    delay: Duration,
    connections: usize,
    lasts: Duration,
) -> Result<Tally, SlowError> {
    let data = tempfile::Builder::new()
        .prefix("larm-bench-slow-")
        .tempdir_in(directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("larm")
        .build()?;
    let gateway = runtime.block_on(async {
        Gateway::start_on(setup(data.path()), |disk| {
            Arc::new(SlowStorage::new(disk, delay))
        })
    })?;
    let to = gateway
        .address(Transport::Tcp)
        .ok_or(SlowError::NoListener)?;
    let plan = Plan {
        connections,
        accounts: Accounts {
            first: 10_000_000,
            count: u32::try_from(connections).unwrap_or(u32::MAX),
        },
        length: Length::Time(lasts),
        warm_up: (delay * 20).max(Duration::from_millis(500)),
        ..Plan::new(to)
    };
    let progress = Progress::for_threads(plan.threads());
    let tally = load::run(&plan, &progress);
    let drained = runtime.block_on(gateway.drain());
    runtime.shutdown_background();
    let tally = tally?;
    drained?;
    Ok(tally)
}

fn setup(data: &Path) -> Setup {
    let listener = Listener {
        name: "dc09-tcp".to_owned(),
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        transport: Transport::Tcp,
        ..Listener::default()
    };
    Setup {
        config: Config {
            listeners: vec![listener],
            ..Config::default()
        },
        config_path: None,
        listeners_given: true,
        data: data.to_owned(),
    }
}
