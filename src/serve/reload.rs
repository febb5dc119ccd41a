//! What a running gateway takes over: new rules on SIGHUP, and the register whenever it changes.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use super::delivery::Gates;
use crate::accounts::{self, Generation, Register, RegisterError, Snapshot};
use crate::config::{self, Config, ConfigError, Unknown, UnsupportedId};
use crate::intake::{QuotaLimits, Rules};
use crate::logging;

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

/// The file. A connector that cannot be built is no reason to receive nothing: it is said when it
/// is to start, and tried again.
fn load(path: &Path) -> Result<Config, ConfigError> {
    Config::load(path, &|_| None)
}

/// Whether ids that larm does not support are acknowledged instead of declined.
pub(super) fn acknowledges_unsupported(config: &Config) -> bool {
    config.dc09.unsupported_id == UnsupportedId::Ack
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
    pub fn reload(&self) {
        match self.config_path.as_deref().map(load) {
            None => tracing::info!("no configuration file to reload"),
            Some(Ok(new)) => self.apply(new),
            Some(Err(error)) => {
                tracing::error!(%error, "configuration not reloaded; the old one stays");
            }
        }
        match super::start::open_register(&self.data, &self.config.load()) {
            Ok((_, snapshot)) => {
                tracing::info!(accounts = snapshot.len(), "register reloaded");
                self.accounts.store(Arc::new(snapshot));
            }
            Err(error) => tracing::error!(%error, "register not reloaded; the old one stays"),
        }
    }

    fn apply(&self, mut new: Config) {
        let old = self.config.load_full();
        // The command line goes before the file, also when the file is read again.
        new.gateway.data.clone_from(&old.gateway.data);
        if self.listeners_given {
            new.listeners.clone_from(&old.listeners);
        }
        let changes = config::reload(&old, &new);
        if changes.is_empty() {
            tracing::info!("configuration reloaded: nothing changed");
        }
        for change in &changes {
            tracing::info!(what = %change.what, applied = change.applied, "{change}");
        }
        self.intake.set_rules(rules(&new));
        self.notice.set_rate(new.log.rate_limit);
        logging::set_level(new.log.level.as_str());
        if let Some(history) = &self.history {
            history.keep_months(new.history.keep_months);
        }
        let connectors = new.connectors.clone();
        // Listeners stay as they are, so that the next reload names their changes again.
        new.listeners.clone_from(&old.listeners);
        self.config.store(Arc::new(new));
        if let Some(delivery) = &self.delivery {
            delivery.apply(&connectors);
            let config = self.config.load();
            let gate = Gates::of(&config, delivery.roster(), &self.accounts, &self.config);
            self.intake.set_gate(gate);
        }
    }

    /// Looks after the register: whatever another process changes in it is taken over within the
    /// reload interval.
    pub(super) fn watch_register(&mut self, register: Register) {
        let (live, current) = (Arc::clone(&self.config), Arc::clone(&self.accounts));
        let stop = self.stop.clone();
        let mut watch = Watch {
            register,
            known: None,
        };
        let mut looked_before = false;
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(live.load().accounts.reload_interval) => {}
                }
                let defaults = account_defaults(&live.load());
                let look = move || watch.look(&defaults);
                let (returned, found) = tokio::task::spawn_blocking(look)
                    .await
                    .map_err(std::io::Error::other)?;
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
}

impl Watch {
    /// The register, when it is another one than at the look before.
    fn look(
        mut self,
        defaults: &accounts::Defaults,
    ) -> (Self, Result<Option<Snapshot>, RegisterError>) {
        let found = self.changed(defaults);
        (self, found)
    }

    fn changed(
        &mut self,
        defaults: &accounts::Defaults,
    ) -> Result<Option<Snapshot>, RegisterError> {
        // Asked before reading: what changes meanwhile is found at the next look.
        let generation = self.register.generation()?;
        if self.known.replace(generation) == Some(generation) {
            return Ok(None);
        }
        self.register
            .snapshot(defaults)
            .map(Some)
            .inspect_err(|_| self.known = None)
    }
}
