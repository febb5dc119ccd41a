//! One connection: sends a record and finds the receipt that is for it.
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::settings::{Late, LinkSettings};
use crate::deliver::lines::receipt::{Receipt, Receipts};

/// A TCP or TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The other side closed it.
    #[error("the case system closed the connection")]
    Closed,
    /// The system reported an error.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A receipt is missing, and a later one could not be told from it.
    #[error("no receipt in time")]
    Silent,
    /// A heartbeat was answered with NAK: it is there, and takes nothing.
    #[error("the case system declines heartbeats")]
    Declined,
    /// The failure rule holds: the next connection starts afresh.
    #[error("the link counts as failed")]
    Failed,
    /// The other side does not read.
    #[error("the case system does not read")]
    Stuck,
}

/// What came of sending a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A receipt for it.
    Receipt(Receipt),
    /// None in time; the connection stays.
    Silence,
}

/// A connection with what is known about receipts on it.
pub(super) struct Conn {
    stream: Box<dyn Stream>,
    receipts: Receipts,
    /// Records sent on it for which no receipt came.
    owed: usize,
}

impl Conn {
    /// A connection on which nothing was sent.
    pub(super) fn new(stream: Box<dyn Stream>, settings: &LinkSettings) -> Self {
        Self {
            stream,
            receipts: Receipts::new(settings.receipts),
            owed: 0,
        }
    }

    /// Listens for a while and throws away what comes: it is for nothing that will be sent.
    pub(super) async fn listen(&mut self, quiet: Duration) -> Result<(), Broken> {
        let until = Instant::now() + quiet;
        while let Ok(read) = timeout_at(until, self.read()).await {
            self.owed = self.owed.saturating_sub(read?.len());
        }
        self.receipts.clear();
        Ok(())
    }

    /// Waits until something comes, and throws it away.
    pub(super) async fn unasked(&mut self) -> Broken {
        loop {
            match self.read().await {
                Ok(_) => self.receipts.clear(),
                Err(broken) => return broken,
            }
        }
    }

    /// Sends a record and waits for its receipt. `repeat`: the same one as the last time.
    pub(super) async fn exchange(
        &mut self,
        record: &[u8],
        repeat: bool,
        settings: &LinkSettings,
    ) -> Result<Answer, Broken> {
        if self.owed == 0 {
            self.drain().await?;
        } else if !repeat {
            self.absorb(settings.quiet).await?;
        }
        match timeout(settings.wait, self.write(record)).await {
            Err(_) => return Err(Broken::Stuck),
            Ok(written) => written?,
        }
        self.owed += 1;
        if let Some(receipt) = self.receipt(settings.wait).await? {
            return Ok(Answer::Receipt(receipt));
        }
        if settings.late == Late::Reconnect {
            return Err(Broken::Silent);
        }
        // All that is owed is owed for this record: what comes now is for it.
        let late = self.receipt(settings.quiet).await?;
        Ok(late.map_or(Answer::Silence, Answer::Receipt))
    }

    /// Ends it in good order, as far as the other side lets us.
    pub(super) async fn close(mut self, settings: &LinkSettings) {
        // It is of no interest whether the other side still wants to know.
        let _ = timeout(settings.wait / 4, self.stream.shutdown()).await;
    }

    async fn write(&mut self, record: &[u8]) -> Result<(), Broken> {
        self.stream.write_all(record).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn read(&mut self) -> Result<Vec<Receipt>, Broken> {
        let mut buffer = [0; 256];
        let len = self.stream.read(&mut buffer).await?;
        match buffer.get(..len) {
            None | Some([]) => Err(Broken::Closed),
            Some(bytes) => Ok(self.receipts.push(bytes)),
        }
    }

    /// The first receipt within `wait`. Others that come with it pay for earlier sendings.
    async fn receipt(&mut self, wait: Duration) -> Result<Option<Receipt>, Broken> {
        let until = Instant::now() + wait;
        while let Ok(read) = timeout_at(until, self.read()).await {
            let found = read?;
            if let Some(first) = found.first() {
                self.owed = self.owed.saturating_sub(found.len());
                return Ok(Some(*first));
            }
        }
        Ok(None)
    }

    /// Throws away what has come without being asked for.
    async fn drain(&mut self) -> Result<(), Broken> {
        // Lets the runtime see what the system has.
        tokio::task::yield_now().await;
        while let Some(read) = self.read().now_or_never() {
            read?;
        }
        self.receipts.clear();
        Ok(())
    }

    /// Waits for the receipts that are owed, or until the line was quiet for a while.
    async fn absorb(&mut self, quiet: Duration) -> Result<(), Broken> {
        while self.owed > 0 && self.receipt(quiet).await?.is_some() {}
        self.owed = 0;
        self.receipts.clear();
        Ok(())
    }
}
