//! Lines to the gateway's own standard output.
//!
//! A batch is confirmed once the system took its last byte: a pipe then holds it, and a reader that
//! dies may lose what it had not read. The gateway's announcements and figures go the same way;
//! they never begin with `{`, and every line of a connector does.
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that is ready takes this much without making the writer wait.
const PIECE: usize = 4_096;

/// Standard output.
#[derive(Debug)]
pub(super) struct Lines {
    timeout: Duration,
    /// The last line that was begun has no end.
    torn: Arc<Mutex<bool>>,
}

impl Lines {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            torn: Arc::default(),
        }
    }

    /// Writes whole lines. Nobody waits for a reader that has stopped for longer than the time-out;
    /// what it had not taken is written again, after an end of line.
    pub(super) async fn write(&self, lines: Vec<u8>) -> Result<(), String> {
        let (timeout, torn) = (self.timeout, Arc::clone(&self.torn));
        let work = tokio::task::spawn_blocking(move || {
            // One flag: a panic cannot leave it half set.
            let mut torn = torn.lock().unwrap_or_else(PoisonError::into_inner);
            let mut text = lines;
            if *torn {
                text.insert(0, b'\n');
            }
            let ended = write(&text, timeout);
            *torn = ended.is_err();
            ended.map_err(|error| format!("standard output: {error}"))
        });
        work.await
            .unwrap_or_else(|error| Err(format!("the writer ended: {error}")))
    }
}

fn write(text: &[u8], timeout: Duration) -> std::io::Result<()> {
    let deadline = Instant::now() + timeout;
    let mut out = std::io::stdout().lock();
    for piece in text.chunks(PIECE) {
        ready(&out, deadline)?;
        out.write_all(piece)?;
        // What stays in the buffer would be written when nobody looks whether there is room.
        out.flush()?;
    }
    Ok(())
}

fn ready(out: &std::io::StdoutLock<'_>, deadline: Instant) -> std::io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(std::io::Error::other)?;
    let mut wanted = [PollFd::new(out, PollFlags::OUT)];
    match poll(&mut wanted, Some(&left)) {
        Ok(0) => Err(std::io::Error::other("nobody reads it")),
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
