//! The owner of a link: it alone holds the connection, the record in flight and the counts.
//!
//! ```text
//!            connected, records go out ◄──────────────┐
//!                 │ failure rule                      │ a heartbeat is acknowledged
//!                 ▼                                   │
//!            failed: next endpoint, heartbeats only ──┘
//! ```
//! A strike is a connection that could not be made, broke, or stayed silent; a receipt ends the
//! count. More strikes than repeats are a failure. A record that is declined is no strike: the link
//! works, and the next record may be taken.
use std::fmt::Display;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::accept::{Acceptor, Door, Seated};
use super::conn::{Answer, Broken, Conn};
use super::dial::dial;
use super::job::{Job, Work, retry};
use super::naks::Naks;
use super::pause;
use super::settings::{LinkSettings, Role};
use crate::deliver::lines::receipt::Receipt;
use crate::deliver::{Link, Verdict};
use crate::tls;

/// See the module.
pub(super) struct Owner<'a> {
    settings: &'a LinkSettings,
    link: &'a Link,
    heartbeat: Vec<u8>,
    /// Which endpoint is in use.
    endpoint: usize,
    /// Connections one after another that gave no receipt.
    strikes: u32,
    /// Tries to connect one after another without a receipt; for the pauses.
    fruitless: u32,
    /// Heartbeats only.
    failed: bool,
    work: Option<Work>,
    naks: Naks,
}

/// A connection in use; the seat goes with it where the other side connected.
struct Open {
    conn: Conn,
    _seat: Option<OwnedSemaphorePermit>,
}

/// Where connections come from.
struct Arrivals {
    door: Door,
    seated: mpsc::Receiver<Seated>,
}

impl<'a> Owner<'a> {
    pub(super) fn new(settings: &'a LinkSettings, link: &'a Link, heartbeat: Vec<u8>) -> Self {
        Self {
            settings,
            link,
            heartbeat,
            endpoint: 0,
            strikes: 0,
            fruitless: 0,
            failed: false,
            work: None,
            naks: Naks::default(),
        }
    }

    /// Runs until `stop` is cancelled.
    pub(super) async fn run(mut self, inbox: &mut mpsc::Receiver<Job>, stop: &CancellationToken) {
        let settings = self.settings;
        let (door, seated) = Door::new();
        let heartbeat = self.heartbeat.clone();
        let link = self.link;
        let mut arrivals = Arrivals {
            door: door.clone(),
            seated,
        };
        let accepting = async {
            let Role::Listen {
                address,
                peers,
                second,
                tls,
            } = &settings.role
            else {
                return std::future::pending().await;
            };
            let acceptor = Acceptor {
                address: *address,
                peers,
                second: *second,
                tls: tls.as_ref(),
                settings,
                heartbeat: &heartbeat,
                link,
            };
            acceptor.run(&door).await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = accepting => {}
            () = self.work_on(inbox, &mut arrivals) => {}
        }
        self.finish("the connector stops");
    }

    async fn work_on(&mut self, inbox: &mut mpsc::Receiver<Job>, arrivals: &mut Arrivals) {
        loop {
            let Some(mut open) = self.connection(arrivals).await else {
                continue;
            };
            let why = self.converse(&mut open.conn, inbox, &arrivals.door).await;
            open.conn.close(self.settings).await;
            self.count(&why);
        }
    }

    /// The next connection, or a strike.
    async fn connection(&mut self, arrivals: &mut Arrivals) -> Option<Open> {
        let settings = self.settings;
        let Role::Connect { endpoints, tls } = &settings.role else {
            return self.arrival(arrivals).await;
        };
        if self.fruitless > 0 {
            sleep(pause(self.fruitless, settings.wait)).await;
        }
        self.fruitless = self.fruitless.saturating_add(1);
        let endpoint = endpoints.get(self.endpoint)?;
        match dial(endpoint, tls.as_ref(), settings).await {
            Ok(conn) => Some(Open { conn, _seat: None }),
            Err(error) => {
                self.count(&tls::advised(error.to_string()));
                None
            }
        }
    }

    /// Somebody who connected; the link has failed while there is nobody.
    async fn arrival(&mut self, arrivals: &mut Arrivals) -> Option<Open> {
        let Ok(seated) = timeout(self.settings.patience(), arrivals.seated.recv()).await else {
            let why = match arrivals.door.refused() {
                Some(last) => format!("no case system is connected; one tried: {last}"),
                None => "no case system is connected".to_owned(),
            };
            self.fail(&why);
            return None;
        };
        let Seated { conn, seat } = seated?;
        Some(Open {
            conn,
            _seat: Some(seat),
        })
    }

    /// Uses a connection for as long as it is good for something.
    async fn converse(
        &mut self,
        conn: &mut Conn,
        inbox: &mut mpsc::Receiver<Job>,
        door: &Door,
    ) -> Broken {
        if let Err(broken) = conn.listen(self.settings.quiet).await {
            return broken;
        }
        loop {
            let step = if self.failed {
                self.probe(conn).await
            } else if self.work.is_some() {
                self.send(conn).await
            } else {
                self.idle(conn, inbox, door).await
            };
            if let Err(broken) = step {
                return broken;
            }
        }
    }

    /// After a failure: a heartbeat, until one is acknowledged.
    async fn probe(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        if self.settings.heartbeat.is_none() {
            // There is nothing to find out with but the records themselves.
            self.failed = false;
            return Ok(());
        }
        match conn.exchange(&self.heartbeat, true, self.settings).await? {
            Answer::Receipt(Receipt::Ack) => self.heard(),
            Answer::Receipt(Receipt::Nak) => {
                self.strike(&Broken::Declined)?;
                sleep(self.settings.wait).await;
            }
            Answer::Silence => return Err(Broken::Silent),
        }
        Ok(())
    }

    /// Nothing to send: waits for something, and shows that the link is alive.
    async fn idle(
        &mut self,
        conn: &mut Conn,
        inbox: &mut mpsc::Receiver<Job>,
        door: &Door,
    ) -> Result<(), Broken> {
        let wait = self.settings.heartbeat;
        let beat = wait.map(|wait| Instant::now() + wait);
        let due = async {
            match beat {
                Some(beat) => sleep_until(beat).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            job = inbox.recv() => {
                self.work = job.and_then(Work::begin);
                return Ok(());
            }
            broken = conn.unasked() => return Err(broken),
            () = door.knock.notified() => {}
            () = due => {}
        }
        if wait.is_none() {
            return Ok(());
        }
        match conn.exchange(&self.heartbeat, false, self.settings).await? {
            Answer::Receipt(Receipt::Ack) => self.heard(),
            // It is there, and does not want this: it is not fit to be sent events to.
            Answer::Receipt(Receipt::Nak) => self.strike(&Broken::Declined)?,
            Answer::Silence => self.strike(&Broken::Silent)?,
        }
        Ok(())
    }

    /// Sends the record in flight once.
    async fn send(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let Some(work) = self.work.as_mut() else {
            return Ok(());
        };
        let Some(record) = work.current() else {
            self.finish("");
            return Ok(());
        };
        let (id, alarm) = (record.id, record.may_be_alarm);
        let repeat = work.tries > 0;
        let answer = conn.exchange(&record.bytes, repeat, self.settings).await;
        work.tries = work.tries.saturating_add(1);
        match answer {
            Ok(Answer::Receipt(Receipt::Ack)) => {
                work.settle(Verdict::Delivered);
                self.naks.taken(id);
                self.heard();
                Ok(())
            }
            Ok(Answer::Receipt(Receipt::Nak)) => {
                self.strikes = 0;
                self.declined(id, alarm);
                Ok(())
            }
            Ok(Answer::Silence) => {
                self.give_up_when_tried();
                self.strike(&Broken::Silent)
            }
            Err(broken) => {
                self.give_up_when_tried();
                Err(broken)
            }
        }
    }

    fn declined(&mut self, id: uuid::Uuid, alarm: bool) {
        let limit = if alarm {
            self.settings.refuse_alarms_after
        } else {
            self.settings.refuse_after
        };
        let for_good = self.naks.declined(id, limit);
        let repeats = self.settings.repeats;
        let Some(work) = self.work.as_mut() else {
            return;
        };
        if for_good {
            self.naks.forget(id);
            let why = format!("declined {limit} times or more while other records were taken");
            work.settle(Verdict::Refused { why });
        } else if work.tries > repeats {
            work.settle(retry("the case system declined the record"));
        }
    }

    /// A record that was declined and lost in turns is not tried for ever.
    fn give_up_when_tried(&mut self) {
        let repeats = self.settings.repeats;
        if let Some(work) = self.work.as_mut().filter(|work| work.tries > repeats) {
            work.settle(retry("no receipt in time"));
        }
    }

    /// The other side has acknowledged something.
    fn heard(&mut self) {
        self.strikes = 0;
        self.fruitless = 0;
        self.failed = false;
        self.link.up();
        if let Role::Connect { endpoints, .. } = &self.settings.role
            && endpoints.len() > 1
            && let Some(endpoint) = endpoints.get(self.endpoint)
        {
            self.link.at(endpoint);
        }
    }

    /// A strike on a connection that could go on; it does not when the link counts as failed.
    fn strike(&mut self, why: &Broken) -> Result<(), Broken> {
        if self.count(why) {
            Err(Broken::Failed)
        } else {
            Ok(())
        }
    }

    /// Counts a strike; true when it is one too many.
    fn count(&mut self, why: &dyn Display) -> bool {
        self.strikes = self.strikes.saturating_add(1);
        tracing::debug!(strikes = self.strikes, %why, "connector's link stumbled");
        let failed = self.strikes > self.settings.repeats;
        if failed {
            self.fail(&why.to_string());
        }
        failed
    }

    /// The failure rule holds: nothing but heartbeats from now on, at the next endpoint.
    fn fail(&mut self, why: &str) {
        self.strikes = 0;
        let first = !std::mem::replace(&mut self.failed, true);
        self.link.down(why);
        self.finish(why);
        if let Role::Connect { endpoints, .. } = &self.settings.role
            && endpoints.len() > 1
        {
            self.endpoint = (self.endpoint + 1) % endpoints.len();
            let (endpoint, of) = (self.endpoint + 1, endpoints.len());
            // Those that follow without success are the same outage.
            if first {
                tracing::warn!(endpoint, of, "connector goes to its next endpoint");
            } else {
                tracing::debug!(endpoint, of, "connector goes to its next endpoint");
            }
        }
    }

    fn finish(&mut self, why: &str) {
        if let Some(work) = self.work.take() {
            work.finish(why);
        }
    }
}
