//! The library's producer: started from the settings, and each answer sorted by what follows.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::super::files;
use super::record;
use crate::config::Kafka;
use crate::deliver::{Context, Delivery};

/// A producer that runs.
pub(super) struct Producer {
    library: FutureProducer<Notes>,
    /// A broker takes nothing more under this producer's number.
    outdated: AtomicBool,
    complaint: Complaint,
    patience: Duration,
}

/// Why a record was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The library refused it before it was sent: it can never be taken.
    Refused(Code),
    /// A broker refused the request that it was in.
    Suspect(Code),
    /// It may succeed later.
    Passing(String),
}

type Complaint = Arc<Mutex<Option<String>>>;

/// Keeps what the library last complained about; its log goes nowhere else.
struct Notes {
    complaint: Complaint,
}

impl ClientContext for Notes {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, _: &str) {
        // The error's own words: the reason beside it can quote addresses and names.
        let text = error.to_string().escape_default().to_string();
        let mut complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // That nobody is left follows from what was said before, which tells more.
        let follows = error.rdkafka_error_code() == Some(Code::AllBrokersDown);
        if !(follows && complaint.is_some()) {
            *complaint = Some(text);
        }
    }
}

impl Producer {
    /// Starts a producer; it connects by itself. An error says which file or setting is wrong.
    pub(super) async fn start(settings: &Kafka, context: &Context) -> Result<Self, String> {
        let complaint = Complaint::default();
        let notes = Notes {
            complaint: Arc::clone(&complaint),
        };
        let (settings, name) = (
            settings.clone(),
            format!("larm-{}-{}", context.node, context.name),
        );
        let patience = settings.timeout;
        // Files are read and a library's threads started: nothing for a worker.
        let started = tokio::task::spawn_blocking(move || {
            let config = config(&settings, &name)?;
            FutureProducer::from_config_and_context(&config, notes)
                .map_err(|error| format!("the producer cannot start: {error}"))
        });
        let library = started
            .await
            .map_err(|_| "starting the producer was broken off".to_owned())??;
        Ok(Self {
            library,
            outdated: AtomicBool::new(false),
            complaint,
            patience,
        })
    }

    /// Sends one event and waits until all replicas in sync have it.
    pub(super) async fn send(&self, topic: &str, delivery: &Delivery) -> Result<(), Failure> {
        let record = FutureRecord::to(topic)
            .key(record::key(delivery))
            .payload(&*delivery.json)
            .timestamp(delivery.event.received_at.as_millis().max(0))
            .headers(record::headers(delivery));
        let queued = match self.library.send_result(record) {
            Ok(queued) => queued,
            Err((error, _)) => return Err(unsent(&error)),
        };
        // The library ends what it has had for `timeout`; this is for a library that is stuck.
        match tokio::time::timeout(self.patience + Duration::from_secs(5), queued).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err((error, _)))) => {
                if error.rdkafka_error_code().is_some_and(is_outdated) {
                    self.outdated.store(true, Ordering::Relaxed);
                }
                Err(unconfirmed(&error))
            }
            Ok(Err(_)) => Err(Failure::Passing("the producer ended".to_owned())),
            Err(_) => Err(Failure::Passing("no confirmation in time".to_owned())),
        }
    }

    /// Whether the library gave this producer up, or a broker did: then a new one is needed.
    pub(super) fn is_spent(&self) -> bool {
        self.outdated.load(Ordering::Relaxed) || self.library.client().fatal_error().is_some()
    }

    /// What the library complained about since this was last asked.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Whether a broker knows no such producer, or only a newer one. After a request that timed out on
/// its way the library goes on under the same number with a later epoch; there are brokers that
/// refuse that for ever.
fn is_outdated(code: Code) -> bool {
    matches!(
        code,
        Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::UnknownProducerId
            | Code::OutOfOrderSequenceNumber
    )
}

/// A record that was not even queued.
fn unsent(error: &KafkaError) -> Failure {
    match error.rdkafka_error_code() {
        Some(code @ Code::MessageSizeTooLarge) => Failure::Refused(code),
        Some(code) => Failure::Passing(code.to_string()),
        None => Failure::Passing("it could not be queued".to_owned()),
    }
}

/// A record that was sent, or timed out waiting.
fn unconfirmed(error: &KafkaError) -> Failure {
    match error.rdkafka_error_code() {
        Some(code @ (Code::MessageSizeTooLarge | Code::InvalidRecord | Code::InvalidMessage)) => {
            Failure::Suspect(code)
        }
        Some(code) => Failure::Passing(code.to_string()),
        None => Failure::Passing("no confirmation".to_owned()),
    }
}

fn config(settings: &Kafka, name: &str) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.servers.join(","))
        .set("client.id", name)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // As the Java clients do, so that another producer's records of an account are beside ours.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "1")
        .set(
            "message.timeout.ms",
            settings.timeout.as_millis().to_string(),
        )
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("reconnect.backoff.max.ms", "2000")
        .set("security.protocol", security_protocol(settings));
    let pem = [
        ("ssl.ca.location", &settings.ca_file),
        ("ssl.certificate.location", &settings.certificate_file),
        ("ssl.key.location", &settings.key_file),
    ];
    for (key, file) in pem {
        if let Some(file) = file {
            // Read here, since the library's own words for a missing file help nobody.
            files::read(file)?;
            config.set(key, file.display().to_string());
        }
    }
    if let (Some(user), Some(file)) = (&settings.user, &settings.password_file) {
        config
            .set("sasl.mechanism", settings.mechanism.as_str())
            .set("sasl.username", user)
            .set("sasl.password", files::secret(file)?.as_str());
    }
    Ok(config)
}

fn security_protocol(settings: &Kafka) -> &'static str {
    match (settings.tls, settings.user.is_some()) {
        (false, false) => "plaintext",
        (false, true) => "sasl_plaintext",
        (true, false) => "ssl",
        (true, true) => "sasl_ssl",
    }
}
