//! The echo in larm's shape: tokio, a task for each connection.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::{Answers, Setup};

/// Read in one go, as larm does.
pub(super) const READ_LEN: usize = 4_096;

pub(super) fn run(
    setup: &Setup,
    answers: Arc<Answers>,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    runtime(setup)?.block_on(async {
        let listener = listen(setup.listen)?;
        let address = listener.local_addr()?;
        let datagrams = UdpSocket::bind(address).await?;
        tokio::spawn(serve_datagrams(datagrams, Arc::clone(&answers)));
        ready(address)?;
        // The accepting task belongs to the workers, not to the thread that waits in `block_on`.
        let accepting = tokio::spawn(accept(listener, answers));
        accepting.await.map_err(io::Error::other)?
    })
}

/// A worker for each processor, unless the set-up says otherwise.
pub(super) fn runtime(setup: &Setup) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(setup.threads.max(1))
        .enable_all()
        .thread_name("echo")
        .build()
}

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}

async fn accept(listener: TcpListener, answers: Arc<Answers>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, Arc::clone(&answers)));
    }
}

/// Ends when the peer closes or fails; nobody is told.
async fn serve(mut stream: TcpStream, answers: Arc<Answers>) {
    let mut pending = Vec::new();
    let mut rest = Vec::new();
    while stream.readable().await.is_ok() {
        match exchange(&stream, &answers, &mut pending, &mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        if !rest.is_empty() {
            if stream.write_all(&rest).await.is_err() {
                return;
            }
            rest = Vec::new();
        }
    }
}

/// Reads, answers, writes; buffers live no longer than that. What the socket does not take at once
/// goes to `rest`, the beginning of a frame to `pending`.
fn exchange(
    stream: &TcpStream,
    answers: &Answers,
    pending: &mut Vec<u8>,
    rest: &mut Vec<u8>,
) -> io::Result<usize> {
    let mut buffer = [0; READ_LEN];
    let read = stream.try_read(&mut buffer)?;
    let bytes = buffer.get(..read).unwrap_or_default();
    // An answer is shorter than its frame, but for link tests, which are as short.
    let mut out = Vec::with_capacity(read + 64);
    if pending.is_empty() {
        let used = answers.to(bytes, &mut out);
        pending.extend_from_slice(bytes.get(used..).unwrap_or_default());
    } else {
        pending.extend_from_slice(bytes);
        let used = answers.to(pending, &mut out);
        pending.drain(..used);
    }
    if pending.is_empty() {
        *pending = Vec::new();
    }
    if !out.is_empty() {
        let taken = match stream.try_write(&out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            other => other?,
        };
        rest.extend_from_slice(out.get(taken..).unwrap_or_default());
    }
    Ok(read)
}

async fn serve_datagrams(socket: UdpSocket, answers: Arc<Answers>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut out = Vec::new();
    while socket.readable().await.is_ok() {
        while let Ok((read, peer)) = socket.try_recv_from(&mut buffer) {
            answers.to(buffer.get(..read).unwrap_or_default(), &mut out);
            if !out.is_empty() {
                // What does not fit into the socket is lost, as on any network.
                drop(socket.try_send_to(&out, peer));
            }
            out.clear();
        }
    }
}
