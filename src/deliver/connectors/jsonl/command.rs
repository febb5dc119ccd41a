//! Lines to the standard input of a command that is started here, and again when it has ended.
//!
//! Without `confirm` a batch is confirmed once the pipe took its last byte. That proves no more
//! than that the command lived: up to a pipe's content, 64 KiB, that it has not read is lost when it
//! dies. With `confirm` the command answers, and nothing is lost:
//!
//! ```text
//! answer = verdict [" " why] "\n"          one for each line, in their order
//! verdict = "ok" | "retry" | "refuse"      why = text for the log or the dead letters
//! ```
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::lines;
use crate::config::connector::Jsonl;
use crate::deliver::{Delivery, Verdict};

/// Longest answer in bytes; what goes beyond is no answer.
const ANSWER_MAX: u64 = 1_024;
/// How long a command may take to end by itself when its input is closed.
const GRACE: Duration = Duration::from_secs(2);
/// From one look at a command that is to end to the next.
const LOOK: Duration = Duration::from_millis(20);

/// The command, started when it is first needed.
#[derive(Debug)]
pub(super) struct Lines {
    command: Vec<String>,
    /// The connector's name, for the command's environment.
    name: String,
    confirm: bool,
    timeout: Duration,
    running: Mutex<Option<Running>>,
}

/// Ended when it is dropped.
#[derive(Debug)]
struct Running {
    child: Child,
    /// `None` once it was closed.
    input: Option<pipe::Sender>,
    /// `None`: it does not answer.
    answers: Option<BufReader<pipe::Receiver>>,
}

impl Lines {
    pub(super) fn new(settings: &Jsonl, name: &str) -> Self {
        Self {
            command: settings.command.clone(),
            name: name.to_owned(),
            confirm: settings.confirm,
            timeout: settings.write_timeout,
            running: Mutex::new(None),
        }
    }

    /// Writes the batch, and reads an answer for each of its lines where the command gives them.
    /// What was answered before an error counts: a command that ends now and then gets on.
    ///
    /// After an error the command is gone, and the next call starts it again. A call that is
    /// dropped in the middle takes the command with it.
    pub(super) async fn write(&self, batch: &[Delivery]) -> (Vec<Verdict>, Result<(), String>) {
        let mut place = self.running.lock().await;
        // Taken out, so that it ends with this future wherever that is dropped.
        let ready = match place.take() {
            Some(running) => running.still_there(),
            None => self.start(),
        };
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut running = match ready {
            Ok(running) => running,
            Err(why) => return (verdicts, Err(why)),
        };
        let ended = running.exchange(batch, self.timeout, &mut verdicts).await;
        if ended.is_ok() {
            *place = Some(running);
        }
        (verdicts, ended)
    }

    /// Closes the command's input and lets it end; what takes too long is ended.
    pub(super) async fn close(&self) {
        let Some(mut running) = self.running.lock().await.take() else {
            return;
        };
        running.input = None;
        let ended = async {
            while let Ok(None) = running.child.try_wait() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if timeout(GRACE, ended).await.is_err() {
            tracing::warn!("the command did not end with its input; it is ended");
        }
    }

    fn start(&self) -> Result<Running, String> {
        let (program, arguments) = self.command.split_first().ok_or("no command is set")?;
        let answers = if self.confirm {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = Command::new(program)
            .args(arguments)
            .env("LARM_CONNECTOR", &self.name)
            .stdin(Stdio::piped())
            .stdout(answers)
            // A signal from the terminal is for the gateway, which closes the command's input.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the command cannot be started: {error}"))?;
        let (input, answers) = (child.stdin.take(), child.stdout.take());
        tracing::info!(process = child.id(), "command started");
        let mut running = Running {
            child,
            input: None,
            answers: None,
        };
        let lost = |error| format!("the command's pipes cannot be used: {error}");
        if let Some(input) = input {
            let sender = pipe::Sender::from_owned_fd(OwnedFd::from(input)).map_err(lost)?;
            running.input = Some(sender);
        }
        if let Some(answers) = answers {
            let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(answers)).map_err(lost)?;
            running.answers = Some(BufReader::new(receiver));
        }
        Ok(running)
    }
}

impl Running {
    /// Itself, unless it has ended.
    fn still_there(mut self) -> Result<Self, String> {
        match self.child.try_wait() {
            Ok(None) => Ok(self),
            Ok(Some(status)) => Err(format!("the command has ended: {status}")),
            Err(error) => Err(format!("the command cannot be looked at: {error}")),
        }
    }

    async fn exchange(
        &mut self,
        batch: &[Delivery],
        limit: Duration,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<(), String> {
        let input = self.input.as_mut().ok_or("the command's input is closed")?;
        let text = lines(batch);
        let Some(answers) = &mut self.answers else {
            write_all(input, &text, limit).await?;
            verdicts.resize(batch.len(), Verdict::Delivered);
            return Ok(());
        };
        // At the same time: a command that answers while it reads must not wait for us.
        let (written, read) = tokio::join!(
            write_all(input, &text, limit),
            read_answers(answers, batch.len(), limit, verdicts)
        );
        written?;
        read
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended; what is left is to take its exit code, so that nothing stays behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn write_all(input: &mut pipe::Sender, text: &[u8], limit: Duration) -> Result<(), String> {
    let write = async {
        input.write_all(text).await?;
        input.flush().await
    };
    match timeout(limit, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the command does not read: {error}")),
        Err(_) => Err("the command did not read in time".to_owned()),
    }
}

async fn read_answers(
    answers: &mut BufReader<pipe::Receiver>,
    count: usize,
    limit: Duration,
    verdicts: &mut Vec<Verdict>,
) -> Result<(), String> {
    while verdicts.len() < count {
        let mut line = Vec::new();
        let mut bounded = answers.take(ANSWER_MAX);
        match timeout(limit, bounded.read_until(b'\n', &mut line)).await {
            Err(_) => return Err("the command did not answer in time".to_owned()),
            Ok(Err(error)) => return Err(format!("the command's answers end: {error}")),
            Ok(Ok(_)) if line.last() != Some(&b'\n') => {
                return Err("the command's answers end, or one is too long".to_owned());
            }
            Ok(Ok(_)) => verdicts.push(verdict(&line)?),
        }
    }
    Ok(())
}

fn verdict(line: &[u8]) -> Result<Verdict, String> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let (word, why) = text.split_once(' ').unwrap_or((text, ""));
    let why: String = why.chars().flat_map(char::escape_default).collect();
    match word {
        "ok" => Ok(Verdict::Delivered),
        "retry" => Ok(Verdict::Retry { after: None, why }),
        "refuse" => Ok(Verdict::Refused { why }),
        _ => Err("the command's answer is none of ok, retry and refuse".to_owned()),
    }
}
