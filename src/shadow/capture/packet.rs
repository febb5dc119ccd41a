//! What one packet carries: a piece of a TCP stream or a datagram, and from where to where.
use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};

use super::file::Packet;

/// A piece of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'f> {
    /// Number of the first byte.
    pub(super) sequence: u32,
    /// Numbering begins behind this one.
    pub(super) syn: bool,
    /// The direction ends behind this piece.
    pub(super) fin: bool,
    /// The connection ends here.
    pub(super) rst: bool,
    /// The bytes; fewer than were sent where the packet was cut.
    pub(super) payload: &'f [u8],
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries<'f> {
    /// A piece of a stream.
    Tcp(Segment<'f>),
    /// A whole datagram.
    Udp(&'f [u8]),
}

/// A packet, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read<'f> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) carries: Carries<'f>,
}

/// Why a packet is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Neither TCP nor UDP over IP.
    Other,
    /// A part of an IP packet.
    Fragment,
    /// A first header that is not known.
    Link,
}

/// Reads a packet from its first header on.
pub(super) fn read(packet: Packet<'_>) -> Result<Read<'_>, Unread> {
    let sliced = slice(packet)?;
    let (source, destination, fragmented) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            (IpAddr::V4(from), IpAddr::V4(to), ip.is_payload_fragmented())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            (IpAddr::V6(from), IpAddr::V6(to), ip.is_payload_fragmented())
        }
        Some(LaxNetSlice::Arp(_)) | None => return Err(Unread::Other),
    };
    if fragmented {
        return Err(Unread::Fragment);
    }
    let (source_port, destination_port, carries) = match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let segment = Segment {
                sequence: tcp.sequence_number(),
                syn: tcp.syn(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                payload: tcp.payload(),
            };
            (
                tcp.source_port(),
                tcp.destination_port(),
                Carries::Tcp(segment),
            )
        }
        Some(TransportSlice::Udp(udp)) => (
            udp.source_port(),
            udp.destination_port(),
            Carries::Udp(udp.payload()),
        ),
        _ => return Err(Unread::Other),
    };
    Ok(Read {
        from: SocketAddr::new(source, source_port),
        to: SocketAddr::new(destination, destination_port),
        carries,
    })
}

/// The headers, by the kind of the first one.
fn slice(packet: Packet<'_>) -> Result<LaxSlicedPacket<'_>, Unread> {
    let data = packet.data;
    let ip = |data| LaxSlicedPacket::from_ip(data).map_err(|_| Unread::Other);
    let typed = |type_at: usize, len: usize| {
        let kind = data.get(type_at..).and_then(<[u8]>::first_chunk::<2>);
        let kind = EtherType(u16::from_be_bytes(*kind.ok_or(Unread::Other)?));
        let rest = data.get(len..).ok_or(Unread::Other)?;
        Ok(LaxSlicedPacket::from_ether_type(kind, rest))
    };
    match packet.link {
        // BSD loopback: four bytes of address family.
        0 | 108 => ip(data.get(4..).ok_or(Unread::Other)?),
        1 => LaxSlicedPacket::from_ethernet(data).map_err(|_| Unread::Other),
        // IP without anything in front; 12 is what some systems write for 101.
        12 | 101 | 228 | 229 => ip(data),
        // Linux "any" device, in its two forms.
        113 => typed(14, 16),
        276 => typed(0, 20),
        _ => Err(Unread::Link),
    }
}
