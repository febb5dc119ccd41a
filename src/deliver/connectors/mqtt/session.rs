//! One connection to the broker, from its greeting to its end. It is never mended: when it ends,
//! what was not confirmed is answered as lost, and the next delivery begins a new one.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{ConnAck, Packet, PublishProperties};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, PublishNotice,
    PublishOptions,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::link::FAREWELL;
use super::receipt::{Receipt, receipt};
use crate::logging::clean;
use crate::tls;

/// Messages that wait for their turn; further ones wait to be put in.
const WAITING_MAX: usize = 64;

/// What a message takes besides topic, payload and texts of its properties, at most.
const FRAME_LEN: usize = 64;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// Stays with the broker for those who subscribe later.
    pub(super) retain: bool,
    /// User properties, and the media type.
    pub(super) properties: Option<PublishProperties>,
}

impl Message {
    /// One that stays with the broker. An empty one takes away what stayed.
    pub(super) fn retained(topic: String, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            retain: true,
            properties: None,
        }
    }

    fn len(&self) -> usize {
        let texts = self
            .properties
            .iter()
            .flat_map(|properties| &properties.user_properties);
        let texts: usize = texts
            .map(|(name, value)| name.len() + value.len() + 5)
            .sum();
        self.topic.len() + self.payload.len() + texts + FRAME_LEN
    }

    fn options(&self) -> PublishOptions {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(self.retain);
        match &self.properties {
            Some(properties) => options.properties(properties.clone()),
            None => options,
        }
    }
}

/// A connection that the broker accepted.
pub(super) struct Session {
    client: AsyncClient,
    ended: CancellationToken,
    why: Arc<Mutex<String>>,
    /// Longest message that the broker takes.
    message_len_max: usize,
    timeout: Duration,
    /// What runs for it: the connection itself, and what was given to [`Session::keep`].
    tasks: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl Session {
    /// Connects. The error says why it did not work.
    pub(super) async fn begin(options: MqttOptions, timeout: Duration) -> Result<Self, String> {
        let (client, mut events) = AsyncClient::builder(options).capacity(WAITING_MAX).build();
        let greeting = tokio::time::timeout(timeout, greeting(&mut events)).await;
        let greeting = greeting.map_err(|_| format!("no greeting within {timeout:?}"))??;
        let properties = greeting.properties.as_ref();
        if properties.and_then(|found| found.max_qos) == Some(0) {
            return Err("the broker takes no messages with confirmation (QoS 1)".to_owned());
        }
        let message_len_max = properties.and_then(|found| found.max_packet_size);
        let ended = CancellationToken::new();
        let why = Arc::default();
        let task = tokio::spawn(run(events, ended.clone(), Arc::clone(&why)));
        Ok(Self {
            client,
            ended,
            why,
            message_len_max: message_len_max
                .map_or(usize::MAX, |len| usize::try_from(len).unwrap_or(usize::MAX)),
            timeout,
            tasks: Mutex::new(vec![AbortOnDropHandle::new(task)]),
        })
    }

    /// Keeps a task that ends with the session.
    pub(super) fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(AbortOnDropHandle::new(task));
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Why it ended.
    pub(super) fn why(&self) -> String {
        let why = self
            .why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if why.is_empty() {
            "the connection ended".to_owned()
        } else {
            why
        }
    }

    /// Ends it, for a reason.
    pub(super) fn give_up(&self, why: &str) {
        end(&self.ended, &self.why, why.to_owned());
    }

    /// Publishes, and waits for the confirmation.
    pub(super) async fn publish(&self, message: Message) -> Receipt {
        if message.len() > self.message_len_max {
            return Receipt::Refused("the message is longer than the broker takes");
        }
        let options = message.options();
        let sent = self
            .client
            .publish_tracked(message.topic, message.payload, options);
        match tokio::time::timeout(self.timeout, self.ended.run_until_cancelled(sent)).await {
            Ok(Some(Ok(notice))) => self.confirmed(notice).await,
            Ok(Some(Err(error))) => refused(&error),
            Ok(None) => Receipt::Lost,
            Err(_) => {
                self.give_up("the broker takes no messages");
                Receipt::Lost
            }
        }
    }

    /// Puts a message in without waiting; `None` where there is no room now. Messages are published
    /// in the order in which they were put in.
    pub(super) fn put(&self, message: Message) -> Option<Result<PublishNotice, Receipt>> {
        if self.has_ended() {
            return Some(Err(Receipt::Lost));
        }
        if message.len() > self.message_len_max {
            return Some(Err(Receipt::Refused(
                "the message is longer than the broker takes",
            )));
        }
        let options = message.options();
        match self
            .client
            .try_publish_tracked(message.topic, message.payload, options)
        {
            Ok(notice) => Some(Ok(notice)),
            Err(ClientError::RequestChannelFull(_)) => None,
            Err(error) => Some(Err(refused(&error))),
        }
    }

    /// Waits for a confirmation. One that does not come in time ends the connection, since those
    /// behind it would not come either.
    pub(super) async fn confirmed(&self, notice: PublishNotice) -> Receipt {
        let notice = self.ended.run_until_cancelled(notice.wait_async());
        match tokio::time::timeout(self.timeout, notice).await {
            Ok(Some(result)) => receipt(result),
            Ok(None) => Receipt::Lost,
            Err(_) => {
                self.give_up("the broker confirms nothing");
                Receipt::Lost
            }
        }
    }

    /// Ends it in good order.
    pub(super) async fn close(&self) {
        if self.client.disconnect_with_timeout(FAREWELL).await.is_ok() {
            // Longer than the broker has for it; it cannot wait for ever.
            let _ = tokio::time::timeout(FAREWELL * 2, self.ended.cancelled()).await;
        }
    }
}

fn refused(error: &ClientError) -> Receipt {
    match error {
        ClientError::RequestChannelFull(_) | ClientError::RequestChannelDisconnected(_) => {
            Receipt::Lost
        }
        _ => Receipt::Refused("the topic cannot be used"),
    }
}

async fn greeting(events: &mut EventLoop) -> Result<ConnAck, String> {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(greeting))) => return Ok(greeting),
            Ok(_) => {}
            Err(error) => return Err(reason(&error)),
        }
    }
}

/// Drives the connection until it ends. The first failure is its end: going on would connect anew,
/// with messages of before that were answered as lost already.
async fn run(mut events: EventLoop, ended: CancellationToken, why: Arc<Mutex<String>>) {
    loop {
        match ended.run_until_cancelled(events.poll()).await {
            None => return,
            Some(Ok(Event::Incoming(Packet::Disconnect(farewell)))) => {
                let said = format!(
                    "the broker ended the connection: {:?}",
                    farewell.reason_code
                );
                return end(&ended, &why, said);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return end(&ended, &why, reason(&error)),
        }
    }
}

fn end(ended: &CancellationToken, why: &Mutex<String>, said: String) {
    let mut why = why.lock().unwrap_or_else(PoisonError::into_inner);
    if why.is_empty() {
        *why = said;
    }
    ended.cancel();
}

/// The innermost reason, which says most.
fn reason(error: &ConnectionError) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    tls::advised(clean(&innermost.to_string()))
}
