//! Transmitters that send the next frame as soon as the last one is acknowledged.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use larm_dc09::{Outgoing, Reply, decode, read_answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Longer than any wait that the gateway allows itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nanoseconds up to a minute, with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("bounds that the crate allows")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}

/// What the transmitters send.
#[derive(Clone, Copy)]
pub(crate) enum Frames {
    /// Alarms, each different from all before.
    Alarms,
    /// Link tests.
    LinkTests,
}

/// Numbers the alarms of a whole run, so that none is a repeat of another.
#[derive(Clone, Default)]
pub(crate) struct Serial(Arc<AtomicU64>);

impl Serial {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// How many alarms were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many transmitters send what, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) frames: Frames,
    pub(crate) lasts: Duration,
}

/// What they saw.
pub(crate) struct Seen {
    /// Nanoseconds from the last byte sent to the last byte of the reply.
    pub(crate) latency: Histogram<u64>,
    /// Replies in a second.
    pub(crate) rate: f64,
}

/// Runs all transmitters on this thread. The first tenth of the time is not counted.
pub(crate) fn run(plan: Plan, serial: &Serial) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let begin = Instant::now() + plan.lasts / 10;
        let mut transmitters = JoinSet::new();
        for number in 0..plan.connections {
            transmitters.spawn(transmit(plan, number, begin, serial.clone()));
        }
        let mut latency = histogram();
        while let Some(seen) = transmitters.join_next().await {
            latency.add(seen??)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate of a few digits")]
        let rate = latency.len() as f64 / begin.elapsed().as_secs_f64();
        Ok(Seen { latency, rate })
    })
}

async fn transmit(
    plan: Plan,
    number: usize,
    begin: Instant,
    serial: Serial,
) -> anyhow::Result<Histogram<u64>> {
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let account = format!("{:04}", 1000 + number);
    let mut latency = histogram();
    let mut answer = Vec::with_capacity(256);
    let end = begin + plan.lasts;
    for sequence in (1..=9999).cycle() {
        if Instant::now() >= end {
            break;
        }
        let frame = match plan.frames {
            Frames::Alarms => alarm(sequence, &account, serial.next()),
            Frames::LinkTests => Outgoing::link_test(sequence, &account),
        };
        let bytes = frame.encode(None)?;
        answer.clear();
        // Taken before the call that sends: the cost of that call counts against the gateway.
        let sent = Instant::now();
        tokio::time::timeout(PATIENCE, exchange(&mut stream, &bytes, &mut answer))
            .await
            .with_context(|| format!("no reply to {}", bytes.escape_ascii()))??;
        let took = sent.elapsed();
        check(&answer, sequence, &account)?;
        if sent >= begin {
            record(&mut latency, took);
        }
    }
    Ok(latency)
}

/// A burglary with a zone and a text of its own.
fn alarm(sequence: u16, account: &str, serial: u64) -> Outgoing {
    let payload = format!("Nri1/BA{:03}^Window {serial:010}^", serial % 1000);
    Outgoing::new("SIA-DCS", sequence, account).with_payload(payload.as_bytes())
}

async fn exchange(
    stream: &mut TcpStream,
    bytes: &[u8],
    answer: &mut Vec<u8>,
) -> anyhow::Result<()> {
    stream.write_all(bytes).await?;
    while answer.last() != Some(&b'\r') {
        if stream.read_buf(answer).await? == 0 {
            bail!("the gateway closed the connection");
        }
    }
    Ok(())
}

/// An acknowledgement of this very frame, with the checksum and length that the standard wants.
fn check(answer: &[u8], sequence: u16, account: &str) -> anyhow::Result<()> {
    let shown = || format!("in the reply {}", answer.escape_ascii());
    let message = decode(answer).with_context(shown)?;
    message.frame.check().with_context(shown)?;
    let reply = read_answer(answer, None).with_context(shown)?;
    ensure!(
        reply.reply == Reply::Ack
            && reply.sequence == format!("{sequence:04}")
            && reply.account.as_deref() == Some(account),
        "no acknowledgement of {sequence:04} from {account}: {reply:?}"
    );
    Ok(())
}
