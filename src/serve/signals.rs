//! Runs a gateway until a signal or a fault ends it.
use tokio::signal::unix::{SignalKind, signal};

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

/// SIGTERM and SIGINT drain, SIGHUP reloads, SIGUSR1 prints the figures to standard output.
pub async fn run_until_signal(
    mut gateway: Gateway,
    shadows: &mut Shadows,
) -> Result<(), ServeError> {
    let listen = |kind| {
        signal(kind).map_err(|source| ServeError::Thread {
            what: "signal handling",
            source,
        })
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut figures = listen(SignalKind::user_defined1())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => gateway.reload(),
            _ = figures.recv() => print(&gateway.figures()),
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
