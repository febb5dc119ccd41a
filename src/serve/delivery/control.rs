//! What `larm deliver` asks of a running gateway, over a socket in the data directory.
//!
//! One line with a request as JSON, one line with the answer, and the connection ends. The socket
//! is for the gateway's own user (mode 0600), and whoever connects is asked for their user by the
//! system as well: root and that user are served.
//!
//! ```text
//! request = {"command": "status" | …, …} "\n"
//! answer  = {"done": …} "\n"  |  {"failed": "why"} "\n"
//! ```
use std::io::{BufRead as _, BufReader as StdBufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::roster::Roster;
use super::{ConnectorStatus, Parts};
use crate::deliver::engine::{Cause, CommandError, DeadLetter, Handle, Since, Which};

/// The socket's name in the data directory.
pub const SOCKET: &str = "deliver.sock";
/// Connections at one time; a further one waits.
const CONNECTIONS_MAX: usize = 8;
/// Longest request in bytes.
const REQUEST_MAX: u64 = 16 << 10;
/// How long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a command may take.
const WORK: Duration = Duration::from_secs(30);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// How every connector is, or one.
    Status {
        /// Its name.
        connector: Option<String>,
    },
    /// The dead letters of a connector, oldest first.
    ListDead {
        /// Its name.
        connector: String,
        /// At most so many.
        most: usize,
    },
    /// Ends the pauses after failures.
    Retry {
        /// Its name.
        connector: String,
    },
    /// Delivers dead letters again: the one of a position, or all.
    RetryDead {
        /// Its name.
        connector: String,
        /// Absent: all of them.
        position: Option<u64>,
    },
    /// Takes dead letters off the list for good.
    DropDead {
        /// Its name.
        connector: String,
        /// Absent: all of them.
        position: Option<u64>,
    },
    /// Moves an event that waits to the dead letters.
    Skip {
        /// Its name.
        connector: String,
        /// The event's place in the journal.
        position: u64,
        /// Why.
        reason: String,
    },
    /// Delivers again what was delivered.
    Replay {
        /// Its name.
        connector: String,
        /// From this position, or else `since_ms`.
        from: Option<u64>,
        /// From what was committed at this time: UTC, milliseconds since 1970.
        since_ms: Option<i64>,
        /// Up to this position; absent: to what there is.
        until: Option<u64>,
        /// Also what the route held back.
        held: bool,
    },
    /// Takes nothing new until `start`.
    Pause {
        /// Its name.
        connector: String,
    },
    /// Goes on after a pause or a halt.
    Start {
        /// Its name.
        connector: String,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done; the value depends on the request.
    Done(Value),
    /// It is not, for this reason.
    Failed(String),
}

/// Asks the gateway that runs on this data directory. `None`: none runs there.
pub fn ask(data: &Path, request: &Request) -> std::io::Result<Option<Answer>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let mut stream = match std::os::unix::net::UnixStream::connect(data.join(SOCKET)) {
        Ok(stream) => stream,
        // Nobody is there, or only the file of one that was killed.
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(WORK + PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    StdBufReader::new(stream).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}

/// Serves the socket until `stop`.
pub(super) async fn serve(parts: Parts, roster: Roster, stop: CancellationToken) {
    let path = parts.data.join(SOCKET);
    let listener = match open(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "`larm deliver` cannot reach this gateway");
            return;
        }
    };
    let _removed = Removed(path);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if is_ours(&stream) => {
                let roster = roster.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    // Whoever asked may have gone.
                    drop(timeout(PATIENCE + WORK + PATIENCE, converse(stream, &roster)).await);
                });
            }
            Ok(_) => tracing::warn!("another user connected to the socket of `larm deliver`"),
            Err(error) => {
                tracing::warn!(%error, "the socket of `larm deliver` does not accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// The file goes with who serves it.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn open(path: &Path) -> std::io::Result<UnixListener> {
    // What a killed gateway left: the journal's lock says that no other one runs here.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Root, or the user that the gateway runs as.
fn is_ours(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == us || peer.uid() == 0)
}

async fn converse(stream: UnixStream, roster: &Roster) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut bounded = BufReader::new(read.take(REQUEST_MAX));
    let answer = match timeout(PATIENCE, bounded.read_line(&mut line)).await {
        Err(_) => return Ok(()),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(_)) => match serde_json::from_str(&line) {
            Ok(request) => obey(roster, request).await,
            Err(error) => Answer::Failed(format!("this request is not known here: {error}")),
        },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    timeout(PATIENCE, write.write_all(&text))
        .await
        .unwrap_or(Ok(()))
}

async fn obey(roster: &Roster, request: Request) -> Answer {
    match timeout(WORK, work(roster, request)).await {
        Ok(Ok(value)) => Answer::Done(value),
        Ok(Err(why)) => Answer::Failed(why),
        Err(_) => Answer::Failed("the connector did not answer in time".to_owned()),
    }
}

async fn work(roster: &Roster, request: Request) -> Result<Value, String> {
    let engine = |name: &str| engine(roster, name);
    let said = |error: CommandError| error.to_string();
    match request {
        Request::Status { connector } => status(roster, connector.as_deref()),
        Request::ListDead { connector, most } => {
            let letters = engine(&connector)?.dead_letters(most).await.map_err(said)?;
            Ok(letters.iter().map(letter).collect())
        }
        Request::Retry { connector } => {
            engine(&connector)?.retry_now().await.map_err(said)?;
            Ok(Value::Null)
        }
        Request::RetryDead {
            connector,
            position,
        } => {
            let engine = engine(&connector)?;
            let count = engine.retry_dead_letters(which(position)).await;
            Ok(json!({ "events": count.map_err(said)? }))
        }
        Request::DropDead {
            connector,
            position,
        } => {
            let engine = engine(&connector)?;
            let count = engine.drop_dead_letters(which(position)).await;
            Ok(json!({ "events": count.map_err(said)? }))
        }
        Request::Skip {
            connector,
            position,
            reason,
        } => {
            let engine = engine(&connector)?;
            engine.skip(position, reason).await.map_err(said)?;
            Ok(Value::Null)
        }
        Request::Replay {
            connector,
            from,
            since_ms,
            until,
            held,
        } => {
            let since = match (from, since_ms) {
                (Some(position), _) => Since::Position(position),
                (None, Some(at_ms)) => Since::TimeMs(at_ms),
                (None, None) => return Err("neither a position nor a time is given".to_owned()),
            };
            let first = engine(&connector)?.replay(since, until, held).await;
            Ok(json!({ "from": first.map_err(said)? }))
        }
        Request::Pause { connector } => {
            engine(&connector)?.pause().await.map_err(said)?;
            Ok(Value::Null)
        }
        Request::Start { connector } => {
            engine(&connector)?.start().await.map_err(said)?;
            Ok(Value::Null)
        }
    }
}

fn which(position: Option<u64>) -> Which {
    position.map_or(Which::All, Which::Position)
}

fn status(roster: &Roster, wanted: Option<&str>) -> Result<Value, String> {
    let ways = roster.ways();
    if let Some(name) = wanted
        && !ways.contains_key(name)
    {
        return Err(unknown(roster, name));
    }
    let all: Vec<ConnectorStatus> = ways
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
        .map(|(name, way)| ConnectorStatus::of(name, way))
        .collect();
    serde_json::to_value(all).map_err(|error| error.to_string())
}

fn engine(roster: &Roster, name: &str) -> Result<Handle, String> {
    if let Some(handle) = roster.engine(name) {
        return Ok(handle);
    }
    match roster.ways().get(name) {
        Some(way) => {
            let status = ConnectorStatus::of(name, way);
            let why = status.why.map_or(String::new(), |why| format!(": {why}"));
            Err(format!("connector `{name}` is {}{why}", status.state))
        }
        None => Err(unknown(roster, name)),
    }
}

fn unknown(roster: &Roster, name: &str) -> String {
    let ways = roster.ways();
    let names: Vec<&str> = ways.keys().map(String::as_str).collect();
    if names.is_empty() {
        return "the configuration of this gateway has no [[connector]]".to_owned();
    }
    format!(
        "there is no connector `{name}`; there are {}",
        names.join(", ")
    )
}

/// A dead letter as `larm deliver list-dead --json` shows it.
#[must_use]
pub fn letter(letter: &DeadLetter) -> Value {
    json!({
        "position": letter.position,
        "id": letter.id,
        "account": letter.account,
        "cause": match letter.cause {
            Cause::Refused => "refused",
            Cause::Skipped => "skipped",
        },
        "reason": letter.reason,
        "at": letter.at,
        "tries": letter.tries,
    })
}
