//! One connection to the server: encrypted where it has to be, its session set so that a commit
//! means "on disk", the table at hand.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::files;
use super::answer::{self, Trouble};
use super::migrate::{self, Names};
use super::rows::{self, Columns};
use crate::config::{Postgresql, TlsUse};
use crate::deliver::{Context, Delivery};
use crate::tls::{self, ClientTls};

/// How much longer than the server itself larm waits for the end of a statement.
const GRACE: Duration = Duration::from_secs(5);

/// A connection with its statements.
pub(super) struct Session {
    client: Client,
    insert: Statement,
    notify: Statement,
    /// Reads and writes the socket; ends when the client is dropped.
    driver: JoinHandle<()>,
    patience: Duration,
    given_up: AtomicBool,
}

impl Session {
    /// Connects, looks at the server's promises, and brings the table up to date. The words are
    /// what is worth saying; an error says why nothing can be delivered.
    pub(super) async fn open(
        settings: &Postgresql,
        names: &Names,
        context: &Context,
    ) -> Result<(Self, Vec<String>), String> {
        let (mut client, driver) = connect(settings, context).await?;
        // A batch may be sent while another one is worked on, and then it waits for that one as well.
        let patience = settings.timeout * 2 + GRACE;
        let prepared = async {
            let words = prepare_session(&client, settings).await?;
            migrate::run(&mut client, names, settings.migrate).await?;
            let text = |error| answer::describe(&error);
            let insert = client.prepare(&rows::insert(names)).await.map_err(text)?;
            let notify = "SELECT pg_notify($1::text, $2::text)";
            let notify = client.prepare(notify).await.map_err(text)?;
            Ok::<_, String>((insert, notify, words))
        };
        let (insert, notify, words) = tokio::time::timeout(patience, prepared)
            .await
            .map_err(|_| "the server does not answer".to_owned())??;
        let session = Self {
            client,
            insert,
            notify,
            driver,
            patience,
            given_up: AtomicBool::new(false),
        };
        Ok((session, words))
    }

    /// Whether something may be sent over it, as far as is known.
    pub(super) fn is_sound(&self) -> bool {
        !self.client.is_closed() && !self.given_up.load(Ordering::Relaxed)
    }

    /// Nothing more is to be sent over it; it closes when the last one lets go of it.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Inserts a batch as one transaction of its own; `Ok` means committed.
    ///
    /// The statement stands alone, so the server commits it before it says that it is ready for
    /// the next one, and that is what is waited for.
    pub(super) async fn insert(&self, batch: &[Delivery]) -> Result<(), Trouble> {
        let columns = Columns::of(batch);
        let parameters = columns.parameters();
        let done = self.client.execute(&self.insert, &parameters);
        match tokio::time::timeout(self.patience, done).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(answer::trouble(&error)),
            Err(_) => Err(Trouble::Other("the server does not answer".to_owned())),
        }
    }

    /// Wakes whoever listens on `channel`. Nothing depends on it, but a connection on which it fails
    /// is not used again.
    pub(super) async fn notify(&self, channel: &str, payload: &str) {
        let notified = async {
            self.client
                .execute(&self.notify, &[&channel, &payload])
                .await
        };
        if !matches!(
            tokio::time::timeout(self.patience, notified).await,
            Ok(Ok(_))
        ) {
            self.give_up();
        }
    }

    /// Says good-bye and waits until the socket is closed.
    pub(super) async fn close(self) {
        drop(self.client);
        // A server that is stuck must not hold up the end of the program.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.driver).await;
    }
}

/// Reads the URL; an error says what to write instead.
pub(super) fn config(settings: &Postgresql) -> Result<Config, String> {
    let url = &settings.url;
    if url.is_empty() {
        return Err("needed; write `postgres://user@host:5432/database`".to_owned());
    }
    // The text of a wrong URL is not repeated: a password may stand in it.
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!(
            "not understood ({}); write `postgres://user@host:5432/database`",
            source.unwrap_or_default().escape_default()
        )
    })?;
    if config.get_password().is_some() {
        return Err(
            "a password stands in it; write it to a file, and its path as `password_file`"
                .to_owned(),
        );
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("no host stands in it; write `postgres://user@host:5432/database`".to_owned());
    }
    if config.get_user().is_none() {
        return Err("no user stands in it; write `postgres://user@host:5432/database`".to_owned());
    }
    let ssl_mode = if wants_tls(settings, &config) {
        SslMode::Require
    } else {
        SslMode::Disable
    };
    config
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(settings.timeout)
        // A standby takes nothing: among several hosts the primary is looked for.
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .ssl_mode(ssl_mode);
    Ok(config)
}

fn wants_tls(settings: &Postgresql, config: &Config) -> bool {
    let near = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    };
    match settings.tls {
        TlsUse::Required => true,
        TlsUse::Off => false,
        TlsUse::Auto => !config.get_hosts().iter().all(near),
    }
}

async fn connect(
    settings: &Postgresql,
    context: &Context,
) -> Result<(Client, JoinHandle<()>), String> {
    let mut config = config(settings)?;
    config.application_name(format!("larm {} {}", context.node, context.name));
    if let Some(file) = &settings.password_file {
        config.password(files::secret_soon(file).await?.as_bytes());
    }
    let hosts = u32::try_from(config.get_hosts().len().max(1)).unwrap_or(1);
    // The library bounds the opening of each socket; this bounds the greeting as well.
    let patience = settings.connect_timeout * hosts + GRACE;
    let connecting = async {
        if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(|e| unreachable(&e))?;
            return Ok((client, tokio::spawn(drive(connection))));
        }
        let files = ClientTls {
            ca: settings.ca_file.clone(),
            certificate: settings.certificate_file.clone(),
            key: settings.key_file.clone(),
        };
        let tls = tls::client(&files).map_err(|error| error.to_string())?;
        let tls = MakeRustlsConnect::new((*tls).clone());
        let (client, connection) = config.connect(tls).await.map_err(|e| unreachable(&e))?;
        Ok((client, tokio::spawn(drive(connection))))
    };
    tokio::time::timeout(patience, connecting)
        .await
        .map_err(|_| "the server did not answer in time".to_owned())?
}

fn unreachable(error: &tokio_postgres::Error) -> String {
    tls::advised(format!("no connection: {}", answer::describe(error)))
}

/// Runs the connection to its end. Why it ended shows at the statement that was under way.
async fn drive<C, E>(connection: C)
where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    if let Err(error) = connection.await {
        tracing::debug!(%error, "PostgreSQL connection ended");
    }
}

/// Sets the session, and says what about the server makes a commit worth less than it should be.
async fn prepare_session(client: &Client, settings: &Postgresql) -> Result<Vec<String>, String> {
    let text = |error: tokio_postgres::Error| answer::describe(&error);
    let ms = settings.timeout.as_millis();
    let set = format!(
        "SET statement_timeout = {ms}; SET lock_timeout = {}; SET timezone = 'UTC'",
        ms / 2
    );
    client.batch_execute(&set).await.map_err(text)?;
    let ask = "SELECT current_setting('synchronous_commit'), current_setting('fsync')";
    let row = client.query_one(ask, &[]).await.map_err(text)?;
    let mut words = Vec::new();
    if row.get::<_, &str>(0) == "off" {
        let on = "SET synchronous_commit = on";
        client.batch_execute(on).await.map_err(text)?;
        words.push("`synchronous_commit` is off for this user or server; larm sets it on for its own sessions".to_owned());
    }
    if row.get::<_, &str>(1) == "off" {
        words.push(
            "`fsync` is off: what the server confirmed is lost when its machine fails".to_owned(),
        );
    }
    Ok(words)
}
