//! An echo that keeps what it answers: what one read brings goes to a journal as it is, and is answered
//! once that is durable. Nothing is understood and nothing recognised, so it shows what the way to the
//! disk costs alone: the most that a receiver of this shape with this journal could reach.
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::tasks::{READ_LEN, listen};
use super::threads::DATAGRAMS_MAX;
use super::{Answers, Setup};
use crate::journal::{Journal, Options};
use crate::sink::{Entry, Hooks, Lane, Lanes, Limits, Sink, Slot, State};

pub(super) fn run(
    setup: &Setup,
    directory: &Path,
    answers: Arc<Answers>,
    ready: impl FnOnce(std::net::SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    let (journal, _) = Journal::open(directory, &Options::default()).map_err(io::Error::other)?;
    let sink =
        Sink::start(journal, &Limits::default(), Hooks::default()).map_err(io::Error::other)?;
    let runtime = super::tasks::runtime(setup)?;
    runtime.block_on(async {
        let listener = listen(setup.listen)?;
        let address = listener.local_addr()?;
        let datagrams = Arc::new(UdpSocket::bind(address).await?);
        tokio::spawn(serve_datagrams(
            datagrams,
            Arc::clone(&answers),
            sink.lanes(),
        ));
        ready(address)?;
        let accepting = tokio::spawn(accept(listener, answers, sink.lanes()));
        accepting.await.map_err(io::Error::other)?
    })
}

async fn accept(listener: TcpListener, answers: Arc<Answers>, lanes: Lanes) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (answers, lanes) = (Arc::clone(&answers), lanes.clone());
        tokio::spawn(async move {
            // It ends with its connection, or with the journal; nobody is told.
            let _ended = serve(stream, &answers, &lanes).await;
        });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers, lanes: &Lanes) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        stream.readable().await?;
        let Some(out) = exchange(&stream, answers, &mut pending)? else {
            continue;
        };
        let slot = Slot::new();
        let entry = Entry::new(vec![out.kept], Arc::clone(&slot));
        let committed = slot.committed();
        if lanes.push(entry, Lane::Alarms).is_err() {
            return Err(io::Error::other("the journal takes nothing more"));
        }
        match committed.await {
            State::Committed { .. } => stream.write_all(&out.answers).await?,
            State::Failed | State::Pending => return Err(io::Error::other("not durable")),
        }
    }
}

/// What one read brought.
struct Exchange {
    /// The frames.
    kept: Vec<u8>,
    /// Their answers.
    answers: Vec<u8>,
}

/// `None`: nothing whole came.
fn exchange(
    stream: &TcpStream,
    answers: &Answers,
    pending: &mut Vec<u8>,
) -> io::Result<Option<Exchange>> {
    let mut buffer = [0; READ_LEN];
    let read = match stream.try_read(&mut buffer) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        read => read?,
    };
    pending.extend_from_slice(buffer.get(..read).unwrap_or_default());
    let mut out = Vec::with_capacity(pending.len() + 64);
    let used = answers.to(pending, &mut out);
    let kept = pending.drain(..used).collect();
    if pending.is_empty() {
        *pending = Vec::new();
    }
    Ok((!out.is_empty()).then_some(Exchange { kept, answers: out }))
}

/// Reads what is there, and leaves its answers to a task that waits for the disk.
async fn serve_datagrams(socket: Arc<UdpSocket>, answers: Arc<Answers>, lanes: Lanes) {
    let mut buffer = vec![0; 64 * 1024];
    while socket.readable().await.is_ok() {
        let (mut kept, mut replies) = (Vec::new(), Vec::new());
        while kept.len() < DATAGRAMS_MAX
            && let Ok((read, peer)) = socket.try_recv_from(&mut buffer)
        {
            let datagram = buffer.get(..read).unwrap_or_default();
            let mut out = Vec::new();
            answers.to(datagram, &mut out);
            if !out.is_empty() {
                kept.push(datagram.to_vec());
                replies.push((peer, out));
            }
        }
        if kept.is_empty() {
            continue;
        }
        let slot = Slot::new();
        let committed = slot.committed();
        if lanes.push(Entry::new(kept, slot), Lane::Alarms).is_err() {
            return;
        }
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            if let State::Committed { .. } = committed.await {
                for (peer, out) in replies {
                    // What does not fit into the socket is lost, as on any network.
                    drop(socket.try_send_to(&out, peer));
                }
            }
        });
    }
}
