//! The file: packets out of pcap and pcapng, with their times.
//!
//! Constraints
//! - A file that is cut at its end (a capture that still runs, a full disk) is read up to the cut.
//! - Anything else that is wrong ends the reading with the place and the reason; what came before
//!   counts.
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// Bytes of the file that are held at first.
const BUFFER_LEN: usize = 256 * 1024;

/// Largest block of a file. Packets are far smaller.
const BLOCK_LEN_MAX: usize = 16 << 20;

/// Interfaces of one section; packets of further ones are not read.
const INTERFACES_MAX: usize = 4_096;

/// Why a capture is not read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("{path}: {why}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// It is something else.
    #[error(
        "{path} is no capture: write one with `tcpdump -w FILE` or save it as pcap or pcapng",
        path = path.display()
    )]
    NotACapture {
        /// The file.
        path: PathBuf,
    },
    /// Its content is wrong from here on.
    #[error("{path}: damaged at byte {at}; what stands before it was read", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Bytes before the damage.
        at: u64,
    },
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'f> {
    /// When it was captured: microseconds since 1970, UTC. Absent where the file does not tell.
    pub(super) at_us: Option<i64>,
    /// What its first header is, by the numbers of the pcap link types.
    pub(super) link: i32,
    /// From its first header on; may be cut.
    pub(super) data: &'f [u8],
}

/// How the file ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The last packet is not whole.
    pub cut: bool,
    /// It could not be read to its end.
    pub damage: Option<CaptureError>,
}

/// Hands every packet to `take`, in the order of the file.
pub(super) fn each(path: &Path, mut take: impl FnMut(Packet<'_>)) -> Result<End, CaptureError> {
    let unreadable = |error: &std::io::Error| CaptureError::Unreadable {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    if file
        .metadata()
        .map_err(|error| unreadable(&error))?
        .is_dir()
    {
        return Err(CaptureError::Unreadable {
            path: path.to_owned(),
            why: "it is a directory".to_owned(),
        });
    }
    match packets(file, &mut take) {
        Ok(Ended::Whole) => Ok(End::default()),
        Ok(Ended::Cut) => Ok(End {
            cut: true,
            damage: None,
        }),
        Ok(Ended::Damaged(at)) => Ok(End {
            cut: false,
            damage: Some(CaptureError::Damaged {
                path: path.to_owned(),
                at,
            }),
        }),
        Err(NotACapture) => Err(CaptureError::NotACapture {
            path: path.to_owned(),
        }),
    }
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Whole,
    Cut,
    Damaged(u64),
}

/// The first bytes are no header of a capture.
#[derive(Debug, PartialEq, Eq)]
struct NotACapture;

fn packets(
    file: impl Read + Send,
    take: &mut impl FnMut(Packet<'_>),
) -> Result<Ended, NotACapture> {
    let mut reader = create_reader(BUFFER_LEN, file).map_err(|_| NotACapture)?;
    let mut source = Source::default();
    let mut capacity = BUFFER_LEN;
    let mut done: u64 = 0;
    loop {
        let held = reader.data().len();
        match reader.next() {
            Ok((len, block)) => {
                source.block(block, take);
                reader.consume(len);
                done += len as u64;
                continue;
            }
            Err(PcapError::Eof) => return Ok(Ended::Whole),
            Err(PcapError::UnexpectedEof) => return Ok(Ended::Cut),
            Err(PcapError::Incomplete(_)) => {}
            Err(PcapError::BufferTooSmall) => {
                capacity *= 2;
                if capacity > BLOCK_LEN_MAX || !reader.grow(capacity) {
                    return Ok(Ended::Damaged(done));
                }
            }
            Err(_) => return Ok(Ended::Damaged(done)),
        }
        let exhausted = reader.reader_exhausted();
        if reader.refill().is_err() || (exhausted && reader.data().len() == held) {
            return Ok(Ended::Cut);
        }
    }
}

/// What the blocks so far said about the packets that follow.
#[derive(Debug, Default)]
struct Source {
    /// Of a pcap file.
    link: i32,
    /// Fractions of its times are nanoseconds.
    nanoseconds: bool,
    /// Of a section of a pcapng file: link type, ticks in a second, seconds to add.
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: i32,
    ticks: u64,
    offset_s: i64,
}

impl Source {
    fn block(&mut self, block: PcapBlockOwned<'_>, take: &mut impl FnMut(Packet<'_>)) {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let Linktype(link) = header.network;
                self.link = link;
                self.nanoseconds = header.is_nanosecond_precision();
            }
            PcapBlockOwned::Legacy(packet) => {
                let fraction = i64::from(packet.ts_usec);
                let fraction_us = if self.nanoseconds {
                    fraction / 1_000
                } else {
                    fraction
                };
                take(Packet {
                    at_us: Some(i64::from(packet.ts_sec) * 1_000_000 + fraction_us),
                    link: self.link,
                    data: packet.data,
                });
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(found)) => {
                if self.interfaces.len() < INTERFACES_MAX {
                    let Linktype(link) = found.linktype;
                    self.interfaces.push(Interface {
                        link,
                        ticks: ticks(found.if_tsresol),
                        offset_s: found.if_tsoffset,
                    });
                }
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let number = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
                if let Some(interface) = self.interfaces.get(number) {
                    let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    take(Packet {
                        at_us: interface.at_us(ticks),
                        link: interface.link,
                        data: packet.packet_data(),
                    });
                }
            }
            // It has no time; the clock stays where it was.
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                if let Some(interface) = self.interfaces.first() {
                    take(Packet {
                        at_us: None,
                        link: interface.link,
                        data: packet.packet_data(),
                    });
                }
            }
            PcapBlockOwned::NG(_) => {}
        }
    }
}

impl Interface {
    fn at_us(self, ticks: u64) -> Option<i64> {
        let us = u128::from(ticks) * 1_000_000 / u128::from(self.ticks.max(1));
        let offset_us = self.offset_s.checked_mul(1_000_000)?;
        i64::try_from(us).ok()?.checked_add(offset_us)
    }
}

/// Ticks in a second: a power of ten, or with the first bit set one of two. What is beyond any
/// clock counts as microseconds.
fn ticks(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7F);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent).unwrap_or(1_000_000)
}
