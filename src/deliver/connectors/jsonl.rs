//! `jsonl`: one JSON object per line, to a file, to standard output or to a command.
use std::io::Write as _;

use crate::config::connector::{Jsonl, Target};
use crate::deliver::{BuildError, Connector, Context, Delivery, Limits, Pending, Verdict};

/// Writes JSON lines.
#[derive(Debug)]
pub(super) struct JsonLines {
    context: Context,
}

impl JsonLines {
    /// Checks the settings and opens nothing.
    pub(super) fn build(settings: &Jsonl, context: Context) -> Result<Self, BuildError> {
        match settings.to {
            Target::Stdout => Ok(Self { context }),
            Target::File | Target::Command => Err(BuildError {
                key: "to",
                problem: "only \"stdout\" works so far".to_owned(),
            }),
        }
    }
}

impl Connector for JsonLines {
    fn limits(&self) -> Limits {
        Limits {
            batch_events: 1000,
            batch_bytes: 1 << 20,
            in_flight: 1,
        }
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        Box::pin(async move {
            let mut out = std::io::stdout().lock();
            let mut written = Ok(());
            for delivery in batch {
                written = written.and_then(|()| writeln!(out, "{}", delivery.json));
            }
            let verdict = match written.and_then(|()| out.flush()) {
                Ok(()) => {
                    self.context.link.up();
                    Verdict::Delivered
                }
                Err(error) => Verdict::Retry {
                    after: None,
                    why: error.to_string(),
                },
            };
            vec![verdict; batch.len()]
        })
    }
}
