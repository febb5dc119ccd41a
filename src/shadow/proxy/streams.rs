//! Connections, one to the receiver for each from a transmitter: what one side does, the other
//! sees. Bytes, half-closed ends and resets go through; nothing is added, held back or answered.
use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::Settings;
use super::super::tap::{Direction, Flow, Tap};

/// Read in one go.
const READ_LEN: usize = 16 * 1024;

/// Accepts until `stop`, then lets go of every connection.
pub(super) async fn serve(
    listener: TcpListener,
    settings: &Settings,
    tap: &Tap,
    stop: &CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) if connections.len() < settings.connections_max => {
                let receiver = settings.receiver.clone();
                connections.spawn(pass(stream, receiver, tap.flow(peer)));
            }
            Ok((stream, peer)) => {
                tracing::warn!(shadow = settings.name, %peer, "more connections than are allowed");
                reset(&stream);
            }
            Err(error) => {
                tracing::error!(shadow = settings.name, %error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn pass(mut transmitter: TcpStream, receiver: String, flow: Flow) {
    let mut receiver = match TcpStream::connect(&receiver).await {
        Ok(stream) => stream,
        Err(error) => {
            // The transmitter meets what it would meet without larm: a connection that is no use.
            tracing::debug!(%error, "the receiver cannot be reached");
            return reset(&transmitter);
        }
    };
    for stream in [&transmitter, &receiver] {
        prepare(stream);
    }
    let passed = {
        let (from_transmitter, to_transmitter) = transmitter.split();
        let (from_receiver, to_receiver) = receiver.split();
        tokio::try_join!(
            copy(from_transmitter, to_receiver, Direction::ToReceiver, &flow),
            copy(
                from_receiver,
                to_transmitter,
                Direction::ToTransmitter,
                &flow
            ),
        )
    };
    if passed.is_err() {
        // One side broke the connection off; the other one is to see that.
        reset(&transmitter);
        reset(&receiver);
    }
}

/// Passes on one direction until its end, and then the end. A connection that says nothing holds no
/// buffer.
async fn copy(
    from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    flow: &Flow,
) -> io::Result<()> {
    loop {
        from.readable().await?;
        let mut bytes = Vec::with_capacity(READ_LEN);
        match from.try_read_buf(&mut bytes) {
            Ok(0) => return to.shutdown().await,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        // First the copy, which never waits: the answer to these bytes must come behind them.
        flow.copy(direction, &bytes);
        to.write_all(&bytes).await?;
    }
}

/// Small pieces leave at once, and a side that vanished without a word is found out.
fn prepare(stream: &TcpStream) {
    drop(stream.set_nodelay(true));
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_mins(2))
        .with_interval(Duration::from_secs(30));
    drop(SockRef::from(stream).set_tcp_keepalive(&keepalive));
}

/// The connection ends with a reset when it is dropped.
fn reset(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}
