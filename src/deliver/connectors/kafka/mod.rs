//! Kafka: produces each event with its account as key, waits for every replica in sync, and keeps
//! an account's order by having one of its events under way at a time.
//!
//! - The producer is idempotent: what it repeats by itself is stored once. What larm repeats after
//!   a failure or a restart has the same id in its headers.
//! - A broker that finds a record too large refuses the whole request, with other accounts' records
//!   in it. So such a record is sent once more, alone, before it is refused for good.
mod producer;
mod record;

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::types::RDKafkaErrorCode as Code;

use self::producer::{Failure, Producer};
use super::chains::{self, retry};
use crate::config::{self, Mechanism};
use crate::deliver::{BuildError, Connector, Context, Delivery, Limits, Pending, Verdict};

/// Produces into a topic.
pub struct Kafka {
    settings: config::Kafka,
    context: Context,
    /// The producer in use. It connects and connects again by itself; only one that the library or
    /// a broker gave up is replaced.
    producer: Mutex<Option<Arc<Producer>>>,
}

impl Kafka {
    /// Checks the settings; connects to nobody yet.
    pub fn new(settings: config::Kafka, context: Context) -> Result<Self, BuildError> {
        check(&settings)?;
        Ok(Self {
            settings,
            context,
            producer: Mutex::default(),
        })
    }

    /// The producer in use, or a new one.
    async fn producer(&self) -> Result<Arc<Producer>, String> {
        if let Some(producer) = self.slot().clone() {
            return Ok(producer);
        }
        let producer = Arc::new(Producer::start(&self.settings, &self.context).await?);
        // Another batch may have been quicker; then its producer is taken.
        Ok(Arc::clone(self.slot().get_or_insert(producer)))
    }

    /// Another one is taken from the next batch on, unless there is one already.
    fn replace(&self, spent: Arc<Producer>) {
        let same = |there: &Arc<Producer>| Arc::ptr_eq(there, &spent);
        let taken = self.slot().take_if(|there| same(there));
        // Taking a producer apart waits for its thread; nothing waits for that.
        drop(tokio::task::spawn_blocking(move || drop((spent, taken))));
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Producer>>> {
        // One value, set whole: a panic cannot leave it half set.
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver_batch(&self, batch: &[Delivery]) -> Vec<Verdict> {
        let producer = match self.producer().await {
            Ok(producer) => producer,
            Err(why) => {
                self.context.link.down(&why);
                return vec![retry(why); batch.len()];
            }
        };
        let send = |delivery| produce(&producer, &self.settings.topic, delivery);
        let mut verdicts = chains::deliver(batch, send, std::future::pending()).await;
        self.send_alone(&producer, batch, &mut verdicts).await;
        self.tell(&producer, &verdicts);
        if producer.is_spent() {
            self.replace(producer);
        }
        verdicts
    }

    /// Sends what may have been refused for another record's sake once more, one by one.
    async fn send_alone(&self, producer: &Producer, batch: &[Delivery], verdicts: &mut [Verdict]) {
        for (delivery, verdict) in batch.iter().zip(verdicts) {
            if !matches!(verdict, Verdict::Retry { why, .. } if why == SUSPECT) {
                continue;
            }
            *verdict = match producer.send(&self.settings.topic, delivery).await {
                Ok(()) => Verdict::Delivered,
                Err(Failure::Refused(code) | Failure::Suspect(code)) => refused(code),
                Err(Failure::Passing(why)) => retry(why),
            };
        }
    }

    fn tell(&self, producer: &Producer, verdicts: &[Verdict]) {
        if verdicts.contains(&Verdict::Delivered) {
            self.context.link.up();
            return;
        }
        let why = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Retry { why, .. } => Some(why.clone()),
            _ => None,
        });
        if let Some(why) = why {
            let why = producer
                .complaint()
                .map_or(why.clone(), |said| format!("{why}; {said}"));
            self.context.link.down(why);
        }
    }
}

/// Stands in the verdict of a record that is to be sent alone.
const SUSPECT: &str = "the broker refused a request with this record in it";

async fn produce(producer: &Producer, topic: &str, delivery: &Delivery) -> Verdict {
    match producer.send(topic, delivery).await {
        Ok(()) => Verdict::Delivered,
        Err(Failure::Refused(code)) => refused(code),
        Err(Failure::Suspect(_)) => retry(SUSPECT),
        Err(Failure::Passing(why)) => retry(why),
    }
}

fn refused(code: Code) -> Verdict {
    let why = match code {
        Code::MessageSizeTooLarge => "larger than the broker takes".to_owned(),
        code => format!("the broker refuses it: {code}"),
    };
    Verdict::Refused { why }
}

/// What holds between the settings.
fn check(settings: &config::Kafka) -> Result<(), BuildError> {
    let wrong = |key, problem: &str| {
        Err(BuildError {
            key,
            problem: problem.to_owned(),
        })
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if settings
        .servers
        .iter()
        .any(|server| server.contains([',', ' ', '/', '@']))
    {
        return wrong("servers", "a broker is written as `host:9092`");
    }
    if settings.topic.is_empty() || !settings.topic.chars().all(fits) {
        return wrong("topic", "a topic has letters, digits, `.`, `-` and `_`");
    }
    match (&settings.user, &settings.password_file) {
        (Some(_), None) => return wrong("user", "it goes with `password_file`"),
        (None, Some(_)) => return wrong("password_file", "it goes with `user`"),
        _ => {}
    }
    if settings.user.is_some() && settings.mechanism == Mechanism::Plain && !settings.tls {
        return wrong(
            "mechanism",
            "`PLAIN` sends the password as it is; set `tls = true`",
        );
    }
    Ok(())
}

impl Connector for Kafka {
    fn limits(&self) -> Limits {
        Limits {
            batch_events: 1_000,
            batch_bytes: 4 << 20,
            in_flight: 2,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(self.deliver_batch(batch))
    }

    fn close(&self) -> Pending<'_, ()> {
        let producer = self.slot().take();
        // Taking a producer apart waits for its thread.
        Box::pin(async move {
            let _ = tokio::task::spawn_blocking(move || drop(producer)).await;
        })
    }
}
