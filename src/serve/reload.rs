//! What a running gateway takes over: new rules on SIGHUP, and the register whenever it changes.
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use crate::accounts::{self, Generation, Register, RegisterError, Snapshot};
use crate::config::{self, Config, Unknown, UnsupportedId};
use crate::intake::{QuotaLimits, Rules};

/// The intake's rules as configured.
pub(super) fn rules(config: &Config) -> Rules {
    Rules {
        hold_unknown: config.accounts.unknown == Unknown::Hold,
        ack_deadline: config.gateway.ack_deadline,
        repeat_window: config.repeats.window,
        quota: QuotaLimits {
            per_peer: config.flood.damaged_per_peer,
            total: config.flood.damaged_total,
        },
    }
}

/// Whether ids that larm does not support are acknowledged instead of declined.
pub(super) fn acknowledges_unsupported(config: &Config) -> bool {
    config.dc09.unsupported_id == UnsupportedId::Ack
}

/// How register and journal are looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lookout {
    defaults: accounts::Defaults,
    interval: Duration,
    /// How long journal segments are kept at least.
    pub(super) keep: Duration,
}

pub(super) fn lookout(config: &Config) -> Lookout {
    Lookout {
        defaults: account_defaults(config),
        interval: config.accounts.reload_interval,
        keep: config.journal.keep,
    }
}

/// What holds for accounts that do not say otherwise.
pub(super) fn account_defaults(config: &Config) -> accounts::Defaults {
    accounts::Defaults {
        encryption: config.accounts.encryption,
        window: config.dc09.window,
    }
}

impl Gateway {
    /// Reads the configuration and the register again. What can be applied is, and what cannot is
    /// said; a configuration that cannot be read changes nothing.
    pub fn reload(&mut self) {
        if let Some(path) = self.setup.config_path.clone() {
            match Config::load(&path) {
                Ok(mut new) => {
                    // The command line goes before the file, also when the file is read again.
                    new.gateway.data.clone_from(&self.setup.config.gateway.data);
                    self.apply(new);
                }
                Err(error) => {
                    tracing::error!(%error, "configuration not reloaded; the old one stays");
                }
            }
        } else {
            tracing::info!("no configuration file to reload");
        }
        match super::start::open_register(&self.setup).map(|(_, snapshot)| snapshot) {
            Ok(snapshot) => {
                tracing::info!(accounts = snapshot.len(), "register reloaded");
                self.accounts.store(Arc::new(snapshot));
            }
            Err(error) => tracing::error!(%error, "register not reloaded; the old one stays"),
        }
    }

    fn apply(&mut self, new: Config) {
        let changes = config::reload(&self.setup.config, &new);
        if changes.is_empty() {
            tracing::info!("configuration reloaded: nothing changed");
        }
        for change in &changes {
            tracing::info!(what = %change.what, applied = change.applied, "{change}");
        }
        self.intake.set_rules(rules(&new));
        self.lookout.send_replace(lookout(&new));
        if let Some(history) = &self.history {
            history.keep_months(new.history.keep_months);
        }
        let kept = std::mem::replace(&mut self.setup.config, new);
        // What cannot be applied stays as it was, so that the next reload names it again.
        for section in changes.iter().filter(|change| !change.applied) {
            if section.what.starts_with("listener") {
                self.setup.config.listeners.clone_from(&kept.listeners);
            }
        }
    }

    /// Looks after the register: whatever another process changes in it is taken over within the
    /// reload interval.
    pub(super) fn watch_register(&mut self, register: Register) {
        let mut lookout = self.lookout.subscribe();
        let (current, stop) = (Arc::clone(&self.accounts), self.stop.clone());
        let mut watch = Watch {
            register,
            known: None,
            defaults: lookout.borrow_and_update().defaults,
        };
        let mut looked_before = false;
        self.tasks.spawn(async move {
            loop {
                let Lookout {
                    defaults, interval, ..
                } = *lookout.borrow_and_update();
                watch.judge_by(defaults);
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(interval) => {}
                    // Another interval holds at once, and other defaults at the next look.
                    Ok(()) = lookout.changed() => continue,
                }
                let (returned, found) = match tokio::task::spawn_blocking(|| watch.look()).await {
                    Ok(looked) => looked,
                    Err(error) => return Err(std::io::Error::other(error)),
                };
                watch = returned;
                match found {
                    Ok(Some(snapshot)) => {
                        // The first look finds what the start has just read.
                        if std::mem::replace(&mut looked_before, true) {
                            tracing::info!(accounts = snapshot.len(), "register changed");
                        }
                        current.store(Arc::new(snapshot));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%error, "the register cannot be read; the old one stays");
                        tokio::time::sleep(AFTER_ERROR).await;
                    }
                }
            }
        });
    }
}

/// Pause after the register could not be read.
const AFTER_ERROR: Duration = Duration::from_secs(10);

/// The register's own connection, which alone can tell that others changed it.
struct Watch {
    register: Register,
    known: Option<Generation>,
    defaults: accounts::Defaults,
}

impl Watch {
    /// Other defaults make other policies of the same register.
    fn judge_by(&mut self, defaults: accounts::Defaults) {
        if self.defaults != defaults {
            self.defaults = defaults;
            self.known = None;
        }
    }

    /// The register, when it is another one than at the look before.
    fn look(mut self) -> (Self, Result<Option<Snapshot>, RegisterError>) {
        let found = self.changed();
        (self, found)
    }

    fn changed(&mut self) -> Result<Option<Snapshot>, RegisterError> {
        // Asked before reading: what changes meanwhile is found at the next look.
        let generation = self.register.generation()?;
        if self.known.replace(generation) == Some(generation) {
            return Ok(None);
        }
        self.register
            .snapshot(&self.defaults)
            .map(Some)
            .inspect_err(|_| self.known = None)
    }
}
