//! `jsonl`: one JSON object per line, to a file, to standard output or to a command.
//!
//! What a confirmation means depends on the target, and is said in each one's file: a file is
//! synced, standard output and a command's pipe took the bytes, a command that confirms said so.
mod command;
mod file;
mod stdout;

use std::path::Path;

use crate::config::connector::{Jsonl, Target};
use crate::deliver::{BuildError, Connector, Context, Delivery, Limits, Pending, Verdict};

/// Most bytes of JSON in a batch.
const BATCH_BYTES: usize = 1 << 20;

/// Writes JSON lines.
#[derive(Debug)]
pub(super) struct JsonLines {
    context: Context,
    target: To,
}

#[derive(Debug)]
enum To {
    File(file::Lines),
    Stdout(stdout::Lines),
    Command(Box<command::Lines>),
}

impl JsonLines {
    /// Checks the settings and opens nothing.
    pub(super) fn build(settings: &Jsonl, context: Context) -> Result<Self, BuildError> {
        check(settings)?;
        let target = match settings.to {
            Target::File => To::File(file::Lines::new(settings)),
            Target::Stdout => To::Stdout(stdout::Lines::new(settings.write_timeout)),
            Target::Command => To::Command(Box::new(command::Lines::new(settings, &context.name))),
        };
        Ok(Self { context, target })
    }

    /// Answers for the events at the front of the batch, and what kept the others from theirs.
    async fn write(&self, batch: &[Delivery]) -> (Vec<Verdict>, Result<(), String>) {
        let ended = match &self.target {
            To::File(file) => file.write(lines(batch)).await,
            To::Stdout(out) => out.write(lines(batch)).await,
            To::Command(command) => return command.write(batch).await,
        };
        let done = if ended.is_ok() { batch.len() } else { 0 };
        (vec![Verdict::Delivered; done], ended)
    }
}

impl Connector for JsonLines {
    fn limits(&self) -> Limits {
        Limits {
            batch_events: 1_000,
            batch_bytes: BATCH_BYTES,
            // Lines have one order.
            in_flight: 1,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(async move {
            let (mut verdicts, ended) = self.write(batch).await;
            match ended {
                Ok(()) => self.context.link.up(),
                Err(why) => {
                    self.context.link.down(why.as_str());
                    verdicts.resize(batch.len(), Verdict::Retry { after: None, why });
                }
            }
            verdicts
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            if let To::Command(command) = &self.target {
                command.close().await;
            }
        })
    }
}

/// The events, each with its end of line.
fn lines(batch: &[Delivery]) -> Vec<u8> {
    let len = batch.iter().map(|one| one.json.len() + 1).sum();
    let mut lines = Vec::with_capacity(len);
    for delivery in batch {
        lines.extend_from_slice(delivery.json.as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// What each target needs, and what says nothing for it.
fn check(settings: &Jsonl) -> Result<(), BuildError> {
    let no = |key, problem: &str| {
        let problem = problem.to_owned();
        Err(BuildError { key, problem })
    };
    let (file, command) = (settings.to == Target::File, settings.to == Target::Command);
    let has_path = !settings.path.as_os_str().is_empty();
    if file && !has_path {
        return no("path", "to = \"file\" needs the path of the file");
    }
    if !file && has_path {
        return no("path", "belongs to to = \"file\"; remove the line");
    }
    if command && settings.command.is_empty() {
        return no(
            "command",
            "to = \"command\" needs the program and its arguments",
        );
    }
    if !command && !settings.command.is_empty() {
        return no("command", "belongs to to = \"command\"; remove the line");
    }
    if !command && settings.confirm {
        return no("confirm", "belongs to to = \"command\"; remove the line");
    }
    // A directory that is not there may be mounted later.
    if file && settings.path.is_dir() {
        return no("path", "names a directory; write the path of a file");
    }
    Ok(())
}

/// The directory of a file.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
