//! MQTT 5: each event is published with QoS 1 to a topic of its own making, and announced to Home
//! Assistant where wanted.
//!
//! - Delivered means a `PUBACK` below 0x80. 0x10 says that nobody is subscribed, so the event would
//!   reach nobody: it is tried again, or counts as delivered, as configured.
//! - Each event waits for its own confirmation before the next one of its account goes; different
//!   accounts go side by side, as many as the broker's Receive Maximum allows.
//! - After a lost connection nothing is sent again by the protocol: the engine delivers again what
//!   was not confirmed, with the same event id as a user property.
//! - Only announcements and states are retained. Events never are, and never expire.
mod home;
mod link;
mod receipt;
mod session;
mod topic;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use larm_event::Event;
use rumqttc::mqttbytes::v5::PublishProperties;

use self::home::Home;
use self::link::{OFFLINE, ONLINE, Route};
use self::receipt::Receipt;
use self::session::{Message, Session};
use self::topic::Template;
use super::super::cloudevent;
use super::super::connector::{
    BuildError, Connector, Context, Delivery, Limits, Link, Pending, Verdict,
};
use crate::config::connector::{Denied, EVENT_TYPE, Mqtt as Settings, Nobody, Payload};

/// How batches are wanted: many accounts at a time, since an account waits for each confirmation.
const LIMITS: Limits = Limits {
    batch_events: 256,
    batch_bytes: 1 << 20,
    in_flight: 4,
};

/// One MQTT connector.
pub(super) struct Mqtt {
    settings: Settings,
    route: Route,
    topic: Template,
    client: String,
    home: Option<Arc<Home>>,
    status: String,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    link: Link,
}

impl Mqtt {
    /// Checks the settings and reads their files. Connects to nobody.
    pub(super) fn build(settings: &Settings, context: Context) -> Result<Self, BuildError> {
        let route = Route::new(settings)?;
        let topic = Template::parse("topic", &settings.topic)?;
        let node = &context.node;
        let client = match &settings.client_id {
            Some(client) => client.clone(),
            None => format!("larm-{node}-{}", context.name),
        };
        let prefix = home::prefix("state_prefix", &settings.state_prefix, node)?;
        let status = format!("{prefix}/{}", context.name);
        // Files that cannot be read are told now, and read again with each connection.
        route.options(settings, &client, &status)?;
        let home = if settings.home_assistant {
            Some(Arc::new(Home::new(
                settings,
                &context,
                prefix,
                status.clone(),
            )?))
        } else {
            None
        };
        Ok(Self {
            settings: settings.clone(),
            route,
            topic,
            client,
            home,
            status,
            session: tokio::sync::Mutex::new(None),
            link: context.link,
        })
    }

    /// The session, begun where there is none.
    async fn session(&self) -> Result<Arc<Session>, String> {
        let mut slot = self.session.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| !session.has_ended()) {
            return Ok(Arc::clone(session));
        }
        *slot = None;
        let options = self
            .route
            .options(&self.settings, &self.client, &self.status)
            .map_err(|error| error.to_string())?;
        let session = Arc::new(Session::begin(options, self.settings.timeout).await?);
        let online = Message::retained(self.status.clone(), ONLINE);
        if session.publish(online).await == Receipt::Lost {
            return Err(session.why());
        }
        if let Some(home) = &self.home {
            home.greet(&session);
        }
        *slot = Some(Arc::clone(&session));
        self.link.up();
        Ok(session)
    }

    /// Delivers the events of one account, one after the other.
    async fn account(
        &self,
        session: &Session,
        events: Vec<(usize, &Delivery)>,
    ) -> Vec<(usize, Verdict)> {
        let mut verdicts = Vec::with_capacity(events.len());
        let mut held = false;
        for (at, delivery) in events {
            let verdict = if held {
                again("an earlier event of the account waits")
            } else {
                self.event(session, delivery).await
            };
            held |= matches!(verdict, Verdict::Retry { .. });
            verdicts.push((at, verdict));
        }
        verdicts
    }

    async fn event(&self, session: &Session, delivery: &Delivery) -> Verdict {
        let mut heard = false;
        if let Some(home) = &self.home {
            match home.show(session, &delivery.event).await {
                Receipt::Taken => heard = true,
                Receipt::Nobody => {}
                other => return self.verdict(session, other),
            }
        }
        match session.publish(self.message(delivery)).await {
            // Home Assistant is somebody as well.
            Receipt::Nobody if heard => Verdict::Delivered,
            receipt => self.verdict(session, receipt),
        }
    }

    fn message(&self, delivery: &Delivery) -> Message {
        let (payload, media) = match self.settings.payload {
            Payload::Event => (
                Bytes::copy_from_slice(delivery.json.as_bytes()),
                "application/json",
            ),
            Payload::CloudEvents => (
                Bytes::from(cloudevent::one(delivery, EVENT_TYPE)),
                cloudevent::ONE,
            ),
        };
        Message {
            topic: self.topic.of(&delivery.event),
            payload,
            retain: false,
            properties: Some(properties(&delivery.event, media)),
        }
    }

    fn verdict(&self, session: &Session, receipt: Receipt) -> Verdict {
        match receipt {
            Receipt::Taken => Verdict::Delivered,
            Receipt::Nobody if self.settings.no_subscriber == Nobody::Delivered => {
                Verdict::Delivered
            }
            Receipt::Nobody => again("nobody is subscribed to the event's topic"),
            Receipt::Denied(why) if self.settings.on_denied == Denied::DeadLetter => {
                Verdict::Refused {
                    why: why.to_owned(),
                }
            }
            Receipt::Again(why) | Receipt::Denied(why) => again(why),
            Receipt::Refused(why) => Verdict::Refused {
                why: why.to_owned(),
            },
            Receipt::Lost => {
                let why = session.why();
                self.link.down(why.as_str());
                again(&why)
            }
        }
    }
}

impl Connector for Mqtt {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(async move {
            let session = match self.session().await {
                Ok(session) => session,
                Err(why) => {
                    self.link.down(why.as_str());
                    return vec![again(&why); batch.len()];
                }
            };
            let mut accounts: HashMap<Option<&str>, Vec<(usize, &Delivery)>> = HashMap::new();
            for (at, delivery) in batch.iter().enumerate() {
                accounts
                    .entry(delivery.event.account.as_deref())
                    .or_default()
                    .push((at, delivery));
            }
            let mut verdicts = vec![again("was not reached"); batch.len()];
            let mut running: FuturesUnordered<_> = accounts
                .into_values()
                .map(|events| self.account(&session, events))
                .collect();
            while let Some(answered) = running.next().await {
                for (at, verdict) in answered {
                    if let Some(slot) = verdicts.get_mut(at) {
                        *slot = verdict;
                    }
                }
            }
            verdicts
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let session = self.session.lock().await.take();
            if let Some(session) = session.filter(|session| !session.has_ended()) {
                // A farewell in good order would take the will away, so it is said here.
                session
                    .publish(Message::retained(self.status.clone(), OFFLINE))
                    .await;
                session.close().await;
            }
        })
    }
}

fn again(why: &str) -> Verdict {
    Verdict::Retry {
        after: None,
        why: why.to_owned(),
    }
}

/// What stands beside the payload: enough to tell a repeat without reading it.
fn properties(event: &Event, media: &str) -> PublishProperties {
    let mut user = vec![
        ("id".to_owned(), event.id.to_string()),
        ("kind".to_owned(), event.kind.as_str().to_owned()),
        ("category".to_owned(), event.category.as_str().to_owned()),
        ("priority".to_owned(), event.priority.get().to_string()),
    ];
    if let Some(position) = event.position {
        user.push(("position".to_owned(), position.to_string()));
    }
    PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        topic_alias: None,
        response_topic: None,
        correlation_data: None,
        user_properties: user,
        subscription_identifiers: Vec::new(),
        content_type: Some(media.to_owned()),
    }
}
