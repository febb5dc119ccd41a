//! One connection to the other receiver, stream or datagrams alike.
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::settings::Way;

/// Longest datagram.
const DATAGRAM_LEN_MAX: usize = 65_536;

/// An open way to one address.
pub(super) enum Connection {
    Stream(TcpStream),
    Datagram(UdpSocket),
}

impl Connection {
    /// Opens a way to `address` within `limit`.
    pub(super) async fn open(address: &str, way: Way, limit: Duration) -> io::Result<Self> {
        timeout(limit, Self::connect(address, way))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn connect(address: &str, way: Way) -> io::Result<Self> {
        match way {
            Way::Stream | Way::StreamPerMessage => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Stream(stream))
            }
            Way::Datagram => {
                let mut found = lookup_host(address).await?;
                let peer = found.next().ok_or(io::ErrorKind::NotFound)?;
                let any: SocketAddr = if peer.is_ipv4() {
                    (Ipv4Addr::UNSPECIFIED, 0).into()
                } else {
                    (Ipv6Addr::UNSPECIFIED, 0).into()
                };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(peer).await?;
                Ok(Self::Datagram(socket))
            }
        }
    }

    /// Whether what one read brings is whole: nothing of it follows later.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Datagram(_))
    }

    /// Sends all of it within `limit`.
    pub(super) async fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let sending = async {
            match self {
                Self::Stream(stream) => stream.write_all(bytes).await,
                Self::Datagram(socket) => socket.send(bytes).await.map(drop),
            }
        };
        timeout(limit, sending)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Appends what comes. An end of the stream is an error. Safe to drop.
    pub(super) async fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Stream(stream) => match stream.read_buf(into).await? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            },
            Self::Datagram(socket) => {
                socket.readable().await?;
                let mut buffer = vec![0; DATAGRAM_LEN_MAX];
                match socket.try_recv(&mut buffer) {
                    Ok(len) => {
                        into.extend_from_slice(buffer.get(..len).unwrap_or_default());
                        Ok(())
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                    Err(error) => Err(error),
                }
            }
        }
    }
}
