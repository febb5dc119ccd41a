//! Looks at the stream before the first event, creates it where that is wanted, and says what about
//! it would lose or double alarms.
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{Context, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use super::subject::Template;
use crate::config::{Nats, StreamSetup};

/// Events that go away sooner than this are worth a word: a consumer may be down for a weekend.
const AGE_WORTH_A_WORD: Duration = Duration::from_hours(72);

/// A stream that can be created, where it is to be; an error says what is wrong.
pub(super) fn check(settings: &Nats) -> Result<(), String> {
    match &settings.stream {
        None if settings.stream_setup == StreamSetup::Create => {
            Err("needed with `stream_setup = \"create\"`".to_owned())
        }
        Some(name) if name.contains(['.', '*', '>', '/', '\\', ' ']) => {
            Err("a stream's name has letters, digits, `-` and `_`".to_owned())
        }
        _ => Ok(()),
    }
}

/// Makes sure of the stream. `Ok` carries what is worth a word; an error says why nothing can be
/// delivered.
pub(super) async fn examine(
    jetstream: &Context,
    settings: &Nats,
    subject: &Template,
) -> Result<Vec<String>, String> {
    let Some(name) = &settings.stream else {
        return Ok(Vec::new());
    };
    if settings.stream_setup == StreamSetup::Trust {
        return Ok(Vec::new());
    }
    let found = match jetstream.get_stream(name).await {
        Ok(stream) => stream.cached_info().config.clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                return create(jetstream, settings, name, subject).await;
            }
            // Publishing may be allowed where looking is not; the confirmations will tell.
            kind => return Ok(vec![format!("the stream could not be looked at: {kind}")]),
        },
    };
    if found.no_ack {
        return Err(format!(
            "stream `{name}` has `no_ack`: it confirms nothing; take it off"
        ));
    }
    Ok(warnings(&found, settings))
}

async fn create(
    jetstream: &Context,
    settings: &Nats,
    name: &str,
    subject: &Template,
) -> Result<Vec<String>, String> {
    if settings.stream_setup != StreamSetup::Create {
        return Err(format!(
            "there is no stream `{name}`; create it, or set `stream_setup = \"create\"`"
        ));
    }
    let wanted = Config {
        name: name.to_owned(),
        subjects: vec![subject.wildcard()],
        storage: StorageType::File,
        num_replicas: usize::try_from(settings.replicas).unwrap_or(1),
        duplicate_window: settings.duplicate_window,
        description: Some("alarm events, created by larm".to_owned()),
        ..Config::default()
    };
    match jetstream.create_stream(wanted).await {
        Ok(stream) => Ok(warnings(&stream.cached_info().config, settings)),
        Err(error) => Err(format!("stream `{name}` cannot be created: {error}")),
    }
}

/// What about a stream would lose or double alarms.
fn warnings(found: &Config, settings: &Nats) -> Vec<String> {
    let mut warnings = Vec::new();
    if found.duplicate_window < settings.duplicate_window {
        warnings.push(format!(
            "`duplicate_window` is {}s, wanted are {}s: a repeat after a longer outage is stored twice",
            found.duplicate_window.as_secs(),
            settings.duplicate_window.as_secs()
        ));
    }
    if found.storage == StorageType::Memory {
        warnings.push("it is kept in memory: a server that restarts forgets it".to_owned());
    }
    if !found.max_age.is_zero() && found.max_age < AGE_WORTH_A_WORD {
        warnings.push(format!(
            "`max_age` is {}s: what nobody read by then is gone",
            found.max_age.as_secs()
        ));
    }
    let limited =
        found.max_bytes > 0 || found.max_messages > 0 || found.max_messages_per_subject > 0;
    if limited && found.discard == DiscardPolicy::Old {
        warnings.push(
            "it throws away the oldest events when it is full; `discard = new` makes larm wait"
                .to_owned(),
        );
    }
    if found.retention == RetentionPolicy::Interest {
        warnings.push("it keeps nothing while no consumer is defined".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Config {
        Config {
            duplicate_window: Duration::from_mins(10),
            ..Config::default()
        }
    }

    #[test]
    fn a_sound_stream_needs_no_word() {
        assert_eq!(warnings(&sound(), &Nats::default()), Vec::<String>::new());
    }

    #[test]
    fn each_trap_has_its_word() {
        let cases = [
            (
                Config {
                    duplicate_window: Duration::from_mins(2),
                    ..sound()
                },
                "duplicate_window",
            ),
            (
                Config {
                    storage: StorageType::Memory,
                    ..sound()
                },
                "memory",
            ),
            (
                Config {
                    max_age: Duration::from_hours(1),
                    ..sound()
                },
                "max_age",
            ),
            (
                Config {
                    max_bytes: 1 << 30,
                    ..sound()
                },
                "oldest",
            ),
            (
                Config {
                    retention: RetentionPolicy::Interest,
                    ..sound()
                },
                "no consumer",
            ),
        ];
        for (config, word) in cases {
            let found = warnings(&config, &Nats::default());
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found.concat().contains(word), "{found:?}");
        }
    }

    #[test]
    fn a_full_stream_that_refuses_is_sound() {
        let config = Config {
            max_bytes: 1 << 30,
            discard: DiscardPolicy::New,
            ..sound()
        };
        assert_eq!(warnings(&config, &Nats::default()), Vec::<String>::new());
    }
}
