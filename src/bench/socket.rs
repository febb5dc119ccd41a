//! Sockets of the generator: from many loopback addresses, so that limits for one address do not
//! bite, and never blocking once they are open.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

/// Loopback addresses that are used: 127.0.0.1 and up.
const SOURCES: u64 = 250;

/// What is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stream; returns when it is connected.
    Stream,
    /// A stream; returns at once, and connects by itself.
    StreamSoon,
    /// A datagram socket that hears this one peer alone.
    Datagram,
}

/// The address that the `number`th socket to `to` comes from; `None`: the system chooses.
fn source(to: SocketAddr, number: u64) -> Option<SocketAddr> {
    if !to.is_ipv4() || !to.ip().is_loopback() {
        return None;
    }
    let last = u8::try_from(1 + number % SOURCES).ok()?;
    Some((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into())
}

/// Opens the `number`th socket to `to`.
pub(super) fn open(kind: Kind, to: SocketAddr, number: u64) -> rustix::io::Result<OwnedFd> {
    let family = if to.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let (transport, flags) = match kind {
        Kind::Stream => (SocketType::STREAM, SocketFlags::CLOEXEC),
        Kind::StreamSoon => (
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        ),
        Kind::Datagram => (
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        ),
    };
    let socket = socket_with(family, transport, flags, None)?;
    if let Some(from) = source(to, number) {
        bind(&socket, &from)?;
    }
    match connect(&socket, &to) {
        Err(Errno::INPROGRESS) if kind == Kind::StreamSoon => {}
        other => other?,
    }
    if kind == Kind::Stream {
        ioctl_fionbio(&socket, true)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
    }
    Ok(socket)
}
