//! The connectors: one file each, and the one place that knows all of them.
mod ademco_685;
mod automation;
mod capped;
mod chains;
mod files;
mod jsonl;
#[cfg(feature = "kafka")]
pub mod kafka;
mod mqtt;
pub mod nats;
pub mod postgresql;
pub mod relay;
mod surgard;
mod webhook;

use std::path::PathBuf;
use std::sync::Arc;

use super::{BuildError, Connector, Context, Link};
use crate::config;
use crate::config::KindConfig;

/// Builds a connector from its settings. Reads the files that the settings name, and nothing else:
/// what is reached over a network is reached when there is something to deliver. `protocol` is what
/// a relay sends: connectors name none.
pub fn build(
    settings: &config::Connector,
    context: Context,
    protocol: &dyn relay::Protocol,
) -> Result<Arc<dyn Connector>, BuildError> {
    let connector: Arc<dyn Connector> = match &settings.kind {
        KindConfig::Webhook(own) => Arc::new(webhook::Webhook::build(own, context)?),
        KindConfig::Mqtt(own) => Arc::new(mqtt::Mqtt::build(own, context)?),
        KindConfig::Ademco685(own) => Arc::new(ademco_685::build(own, &context)?),
        KindConfig::Dc09Relay(own) => Arc::new(relay::Relay::build(own, context, protocol)?),
        KindConfig::Jsonl(own) => Arc::new(jsonl::JsonLines::build(own, context)?),
        KindConfig::Surgard(own) => Arc::new(surgard::build(own, &context)?),
        KindConfig::Nats(own) => Arc::new(nats::Nats::new(own.as_ref().clone(), context)?),
        KindConfig::Postgresql(own) => {
            Arc::new(postgresql::Postgresql::new(own.as_ref().clone(), context)?)
        }
        #[cfg(feature = "kafka")]
        KindConfig::Kafka(own) => Arc::new(kafka::Kafka::new(own.as_ref().clone(), context)?),
        #[cfg(not(feature = "kafka"))]
        KindConfig::Kafka(_) => {
            return Err(BuildError {
                key: "kind",
                problem: "this larm was built without Kafka; build it with `cargo build --release \
                      --features kafka`"
                    .to_owned(),
            });
        }
    };
    Ok(capped::Capped::wrap(
        connector,
        settings.batch_events,
        settings.in_flight,
    ))
}

/// What keeps a connector from being built, for the check of a configuration: the key, and what to
/// do about it.
#[must_use]
pub fn judge(
    settings: &config::Connector,
    protocol: &dyn relay::Protocol,
) -> Option<(&'static str, String)> {
    let context = Context {
        name: settings.name.as_str().into(),
        node: "check".into(),
        link: Link::default(),
        directory: PathBuf::new(),
    };
    let error = build(settings, context, protocol).err()?;
    Some((error.key, error.problem))
}
