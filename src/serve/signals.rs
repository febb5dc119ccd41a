//! Runs a gateway until a signal or a fault ends it.
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Gateway, ServeError, Shadows};

/// Waits for SIGTERM or SIGINT.
pub async fn wait_for_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The signals of a gateway, from before anybody is told that it is ready: a signal that comes
/// earlier would end the process without a drain.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    figures: Signal,
}

impl Signals {
    /// Takes the signals over; what comes from now on waits for [`run_until_signal`].
    pub fn listen() -> Result<Self, ServeError> {
        let listen = |kind| {
            signal(kind).map_err(|source| ServeError::Thread {
                what: "signal handling",
                source,
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            figures: listen(SignalKind::user_defined1())?,
        })
    }
}

/// SIGTERM and SIGINT drain, SIGHUP reloads, SIGUSR1 prints the figures to standard output.
pub async fn run_until_signal(
    mut gateway: Gateway,
    mut signals: Signals,
    shadows: &mut Shadows,
) -> Result<(), ServeError> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => gateway.reload(),
            _ = signals.figures.recv() => print(&gateway.figures()),
            error = gateway.failed() => {
                // Drained as far as it goes: replies to what is committed are still true.
                if let Err(second) = gateway.drain().await {
                    tracing::debug!(%second, "drain after a fault");
                }
                return Err(error);
            }
        }
    }
    // What goes past is looked at to the end; it is passed on until the process has ended.
    shadows.end_watching();
    tracing::info!("draining: no further frame is read");
    gateway.drain().await?;
    tracing::info!("drained");
    Ok(())
}

/// Standard output may be closed or full; that is no reason to stop receiving.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
