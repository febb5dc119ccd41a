//! The bytes' way: a thread that takes connections and passes on what comes, both ways.
mod datagrams;
mod streams;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use tokio_util::sync::CancellationToken;

use super::Settings;
use super::tap::Tap;
use crate::config::Transport;
use crate::listen::{self, ListenError};

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its address cannot be listened on.
    #[error("shadow `{name}`: {source}")]
    Listen {
        /// The name in the configuration.
        name: String,
        /// What is wrong.
        source: ListenError,
    },
    /// Its thread cannot be started.
    #[error("shadow `{name}`: cannot start its thread: {source}")]
    Thread {
        /// The name in the configuration.
        name: String,
        /// The system's words.
        source: std::io::Error,
    },
}

/// A running proxy. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    /// Listens, and passes everything on from then on. Copies go to `tap`.
    pub fn start(settings: &Settings, tap: Tap) -> Result<Self, ProxyError> {
        let stop = CancellationToken::new();
        let (bound, started) = mpsc::channel();
        let (own, stopped) = (settings.clone(), stop.clone());
        let at_thread = |source| ProxyError::Thread {
            name: settings.name.clone(),
            source,
        };
        let thread = thread::Builder::new()
            .name("larm-shadow".to_owned())
            .spawn(move || run(&own, &tap, &stopped, &bound))
            .map_err(at_thread)?;
        let gone = || at_thread(std::io::ErrorKind::BrokenPipe.into());
        let address = started
            .recv()
            .map_err(|_| gone())?
            .map_err(|error| match error {
                Start::Listen(source) => ProxyError::Listen {
                    name: settings.name.clone(),
                    source,
                },
                Start::Runtime(source) => at_thread(source),
            })?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic has been printed; there is nothing more to end.
            drop(thread.join());
        }
    }
}

enum Start {
    Listen(ListenError),
    Runtime(std::io::Error),
}

fn run(
    settings: &Settings,
    tap: &Tap,
    stop: &CancellationToken,
    bound: &mpsc::Sender<Result<SocketAddr, Start>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return drop(bound.send(Err(Start::Runtime(error)))),
    };
    runtime.block_on(async {
        let at = settings.address;
        match settings.transport {
            Transport::Tcp => {
                if let Some(socket) = tell(listen::open_tcp(at), bound) {
                    streams::serve(socket, settings, tap, stop).await;
                }
            }
            Transport::Udp => {
                if let Some(socket) = tell(listen::open_udp(at), bound) {
                    datagrams::serve(socket, settings, tap, stop).await;
                }
            }
        }
    });
}

/// Tells where a socket is bound, or why there is none; gives it back where there is.
fn tell<S>(
    opened: Result<(S, SocketAddr), ListenError>,
    bound: &mpsc::Sender<Result<SocketAddr, Start>>,
) -> Option<S> {
    let (socket, told) = match opened {
        Ok((socket, address)) => (Some(socket), Ok(address)),
        Err(error) => (None, Err(Start::Listen(error))),
    };
    drop(bound.send(told));
    socket
}
