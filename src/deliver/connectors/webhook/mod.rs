//! Webhook: each event is posted over HTTPS as a CloudEvents object, signed by the Standard Webhooks
//! convention, to one fixed address.
//!
//! - Delivered means an answer from 200 to 299. What is no answer (time-out, refused or broken
//!   connection, wrong certificate) is tried again, with the same `webhook-id`.
//! - Without batches a request holds one event, and the engine has one request of an account in
//!   flight. With batches the answer counts for all of its events; when the receiver refuses a
//!   batch for good, its events go alone, so that one bad record does not take the others along.
//! - A wish to wait (`Retry-After`) holds for the whole receiver, so other accounts wait as well.
//! - Redirects are not followed, and of an answer only status, `Retry-After` and a little of the
//!   body are read.
mod answer;
mod headers;
mod live;
mod network;
mod resolve;
mod sign;

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use larm_event::Event;
use tokio_util::sync::CancellationToken;

use self::answer::{Answer, judge};
use self::live::Live;
use super::super::cloudevent;
use super::super::connector::{
    BuildError, Connector, Context, Delivery, Limits, Link, Pending, Verdict,
};
use crate::clock::utc_now;
use crate::config::connector::{Mode, Webhook as Settings};
use crate::logging::clean;
use crate::tls;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What of an answer's body is read, so that the connection can be used again: bytes and time.
const BODY_MAX: usize = 16 * 1_024;
const BODY_TIME: Duration = Duration::from_millis(500);

const AGENT: &str = concat!("larm/", env!("CARGO_PKG_VERSION"));

/// Most events and bytes of a batch.
const BATCH_EVENTS: usize = 100;
const BATCH_BYTES: usize = 256 * 1_024;

/// Accounts, or batches, at a time.
const IN_FLIGHT: usize = 64;

/// One webhook.
pub(super) struct Webhook {
    settings: Settings,
    url: Uri,
    live: ArcSwap<Live>,
    /// The receiver wants nothing before this.
    quiet_until: Mutex<Option<Instant>>,
    link: Link,
}

impl Webhook {
    /// Checks the settings and reads their files. Connects to nobody.
    pub(super) fn build(settings: &Settings, context: Context) -> Result<Self, BuildError> {
        let url = live::url(settings)?;
        let live = ArcSwap::from_pointee(Live::read(settings)?);
        Ok(Self {
            settings: settings.clone(),
            url,
            live,
            quiet_until: Mutex::new(None),
            link: context.link,
        })
    }

    /// Reads the files again where one has changed. One that cannot be used leaves what was read
    /// before in use, and is said.
    fn look(&self) {
        if !self.live.load().is_stale(&self.settings) {
            return;
        }
        match Live::read(&self.settings) {
            Ok(live) => {
                self.live.store(Arc::new(live));
                tracing::info!("webhook's files were read again");
            }
            Err(error) => {
                tracing::warn!(%error, "webhook's changed files cannot be used, the earlier ones stay");
            }
        }
    }

    /// Sends each event alone, in order.
    async fn each(&self, batch: &[Delivery]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut held = HashSet::new();
        for delivery in batch {
            let account = delivery.event.account.as_deref();
            let verdict = match verdicts.last() {
                Some(Verdict::Halt { why }) => Verdict::Halt {
                    why: String::clone(why),
                },
                _ if held.contains(&account) => again("an earlier event of the account waits"),
                _ => self.request(std::slice::from_ref(delivery)).await,
            };
            if matches!(verdict, Verdict::Retry { .. }) {
                held.insert(account);
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Sends events in one request: what became of all of them.
    async fn request(&self, events: &[Delivery]) -> Verdict {
        if let Some(left) = self.quiet() {
            return Verdict::Retry {
                after: Some(left),
                why: "the receiver asked to wait".to_owned(),
            };
        }
        let live = self.live.load_full();
        let request = self.post(&live, events);
        let Ok(sent) =
            tokio::time::timeout(self.settings.timeout, live.http.request(request)).await
        else {
            return self.down(format!("no answer within {:?}", self.settings.timeout));
        };
        match sent {
            Ok(response) => self.answered(response).await,
            Err(error) => self.down(reason(&error)),
        }
    }

    fn post(&self, live: &Live, events: &[Delivery]) -> Request<Full<Bytes>> {
        let kind = self.settings.event_type.as_str();
        let (id, body, media) = match events {
            [one] if self.settings.mode == Mode::Single => (
                one.event.id.to_string(),
                cloudevent::one(one, kind),
                cloudevent::ONE,
            ),
            _ => (
                batch_id(events),
                cloudevent::batch(events, kind),
                cloudevent::BATCH,
            ),
        };
        let seconds = utc_now().as_millis().div_euclid(1_000);
        let signature = live.secrets.sign(&id, seconds, &body);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.extend(live.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert("webhook-timestamp", HeaderValue::from(seconds));
        let texts = [("webhook-id", id), ("webhook-signature", signature)];
        for (name, text) in texts {
            let value = HeaderValue::from_maybe_shared(Bytes::from(text));
            headers.insert(name, value.expect("letters, digits and signs of ASCII"));
        }
        request
    }

    async fn answered(&self, response: Response<Incoming>) -> Verdict {
        let (head, body) = response.into_parts();
        let answer = judge(head.status, &head.headers, &self.settings, utc_now());
        drain(body).await;
        let why = format!("answered {}", head.status.as_u16());
        match answer {
            Answer::Taken => {
                self.link.up();
                Verdict::Delivered
            }
            Answer::Refused => {
                self.link.up();
                Verdict::Refused { why }
            }
            Answer::Gone => {
                self.link
                    .down("answered 410: the receiver wants no events any more");
                Verdict::Halt { why }
            }
            Answer::Misconfigured => self.down(format!(
                "{why}: check `url`, `header_file` and `secret_file`"
            )),
            Answer::Again(after) => {
                self.wait(after);
                self.link.down(why.as_str());
                Verdict::Retry { after, why }
            }
        }
    }

    fn down(&self, why: String) -> Verdict {
        self.link.down(why.as_str());
        Verdict::Retry { after: None, why }
    }

    /// How long the receiver still wants nothing.
    fn quiet(&self) -> Option<Duration> {
        let until = *self
            .quiet_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until?
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
    }

    fn wait(&self, after: Option<Duration>) {
        if let Some(after) = after {
            let until = Instant::now() + after;
            *self
                .quiet_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }
}

impl Connector for Webhook {
    fn limits(&self) -> Limits {
        let (batch_events, batch_bytes) = match self.settings.mode {
            Mode::Single => (1, usize::MAX),
            Mode::Batch => (BATCH_EVENTS, BATCH_BYTES),
        };
        Limits {
            batch_events,
            batch_bytes,
            in_flight: IN_FLIGHT,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(async move {
            if self.settings.mode == Mode::Single {
                return self.each(batch).await;
            }
            match self.request(batch).await {
                // Which of them it was only shows when they go alone.
                Verdict::Refused { .. } if batch.len() > 1 => self.each(batch).await,
                verdict => vec![verdict; batch.len()],
            }
        })
    }

    fn attend(&self, stop: CancellationToken) -> Pending<'_, ()> {
        Box::pin(async move {
            let mut every = tokio::time::interval(LOOK);
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(every.tick()).await.is_some() {
                self.look();
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

/// The id of a batch: the same for the same events in the same order.
fn batch_id(events: &[Delivery]) -> String {
    use std::fmt::Write as _;
    let mut context = digest::Context::new(&digest::SHA256);
    for Event { id, .. } in events.iter().map(|delivery| &*delivery.event) {
        context.update(id.as_bytes());
    }
    let mut id = String::from("batch-");
    for byte in context.finish().as_ref().iter().take(16) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Reads the rest of an answer, since a connection with an unread body cannot be used again. What
/// is long or slow is left, and the connection goes with it.
async fn drain(body: Incoming) {
    if !body.is_end_stream() {
        let rest = Limited::new(body, BODY_MAX).collect();
        let _ = tokio::time::timeout(BODY_TIME, rest).await;
    }
}

/// The innermost reason, which says most: `connection refused`, `invalid peer certificate: …`.
fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    tls::advised(clean(&innermost.to_string()))
}
