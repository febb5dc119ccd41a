//! Runs a gateway until a signal or a fault ends it.
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Gateway, ServeError, Shadows};

/// The signals of a gateway, from before anybody is told that it is ready: a signal that comes
/// earlier would end the process without a drain.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    figures: Signal,
    /// One of the first two has come.
    ended: bool,
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
            ended: false,
        })
    }

    /// Waits for SIGTERM or SIGINT; at once where one has come already, also unseen.
    pub async fn end(&mut self) {
        while !self.ended {
            self.next().await;
        }
    }

    async fn next(&mut self) -> Told {
        let told = tokio::select! {
            biased;
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.figures.recv() => Told::Figures,
        };
        self.ended |= told == Told::End;
        told
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    End,
    Reload,
    Figures,
}

/// SIGTERM and SIGINT drain, SIGHUP reloads, SIGUSR1 prints the figures to standard output.
pub async fn run_until_signal(
    mut gateway: Gateway,
    signals: &mut Signals,
    shadows: &mut Shadows,
) -> Result<(), ServeError> {
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::End => break,
                Told::Reload => gateway.reload(),
                Told::Figures => print(&gateway.figures()),
            },
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// As after a fault, while the gateway drains and nobody looks at signals.
    #[tokio::test]
    async fn a_signal_that_comes_while_nobody_waits_is_not_lost() {
        let mut signals = Signals::listen().unwrap();
        kill_process(getpid(), Signal::USR1).unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        for _ in 0..2 {
            let end = tokio::time::timeout(Duration::from_secs(30), signals.end());
            end.await.expect("the signal was seen");
        }
    }
}
