//! NATS `JetStream`: publishes each event with its id and waits for the confirmation.
//!
//! - `Nats-Msg-Id` is the event's id, so that the server drops a repeat inside its window; a
//!   confirmation that says "duplicate" is a confirmation.
//! - No confirmation means unknown, and the event is published again with the same id.
//! - An account has one event under way at a time: see `chains`.
mod answer;
mod credentials;
mod session;
mod stream;
mod subject;

use std::future::IntoFuture as _;
use std::sync::Arc;

use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use tokio::sync::Mutex;

use self::session::Session;
use self::subject::Template;
use super::chains::{self, retry};
use crate::config;
use crate::deliver::{BuildError, Connector, Context, Delivery, Limits, Pending, Verdict};

/// Publishes into a stream.
pub struct Nats {
    settings: config::Nats,
    context: Context,
    subject: Template,
    /// The connection in use. The lock is held while connecting, so that two batches do not
    /// connect twice; connecting is bounded by its own time-out.
    session: Mutex<Option<Arc<Session>>>,
    /// What was last worth a word about the stream: each thing is said once.
    said: std::sync::Mutex<Vec<String>>,
}

impl Nats {
    /// Checks the settings; connects to nobody yet.
    pub fn new(settings: config::Nats, context: Context) -> Result<Self, BuildError> {
        let wrong = |key| move |problem| BuildError { key, problem };
        let subject = Template::parse(&settings.subject).map_err(wrong("subject"))?;
        if settings.servers.is_empty() {
            let problem = "no server is set; write `servers = [\"nats://host:4222\"]`".to_owned();
            return Err(wrong("servers")(problem));
        }
        session::addresses(&settings.servers).map_err(wrong("servers"))?;
        credentials::check(&settings)?;
        stream::check(&settings).map_err(wrong("stream"))?;
        Ok(Self {
            settings,
            context,
            subject,
            session: Mutex::new(None),
            said: std::sync::Mutex::default(),
        })
    }

    /// The connection in use, or a new one whose stream was looked at.
    async fn session(&self) -> Result<Arc<Session>, String> {
        let mut slot = self.session.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| !session.has_ended()) {
            return Ok(Arc::clone(session));
        }
        *slot = None;
        let session = Session::connect(&self.settings, &self.context).await?;
        let words = stream::examine(&session.jetstream, &self.settings, &self.subject).await?;
        self.say(words);
        if self.settings.servers.len() > 1 {
            self.context.link.at(&session.server);
        }
        let session = Arc::new(session);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    fn say(&self, words: Vec<String>) {
        let mut said = self
            .said
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for word in words.iter().filter(|word| !said.contains(word)) {
            tracing::warn!(connector = %self.context.name, problem = %word, "NATS stream");
        }
        *said = words;
    }

    async fn publish(&self, session: &Session, delivery: &Delivery) -> Verdict {
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let id: &str = delivery.event.id.hyphenated().encode_lower(&mut id);
        let mut message = PublishMessage::build()
            .payload(Bytes::copy_from_slice(delivery.json.as_bytes()))
            .message_id(id);
        if let Some(stream) = &self.settings.stream {
            message = message.expected_stream(stream);
        }
        let subject = self.subject.render(&delivery.event);
        let sent = session.jetstream.send_publish(subject, message).await;
        let answer = match sent {
            Ok(confirmation) => confirmation.into_future().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(_) => Verdict::Delivered,
            Err(error) => answer::verdict(&error, session.complaint()),
        }
    }

    async fn deliver_batch(&self, batch: &[Delivery]) -> Vec<Verdict> {
        let session = match self.session().await {
            Ok(session) => session,
            Err(why) => {
                self.context.link.down(&why);
                return vec![retry(why); batch.len()];
            }
        };
        let send = |delivery| self.publish(&session, delivery);
        let verdicts = chains::deliver(batch, send, session.lost()).await;
        self.tell(&verdicts);
        verdicts
    }

    /// One confirmation shows that the link works; none, and a failure, that it does not.
    fn tell(&self, verdicts: &[Verdict]) {
        if verdicts.contains(&Verdict::Delivered) {
            self.context.link.up();
        } else if let Some(why) = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Retry { why, .. } => Some(why),
            _ => None,
        }) {
            self.context.link.down(why);
        }
    }
}

impl Connector for Nats {
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
        Box::pin(async {
            let session = self.session.lock().await.take();
            drop(session);
        })
    }
}
