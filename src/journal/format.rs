//! The bytes of headers, records and trailers; the layout stands in the module above.
use super::error::Flaw;

/// Bytes that the header of a segment takes; the first batch starts behind them.
pub(super) const HEADER_LEN: u64 = 4096;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEAD: usize = 28;
/// Payload bytes of a trailer.
const TRAILER_BODY: usize = 44;
/// All bytes of a trailer.
pub(super) const TRAILER_LEN: usize = RECORD_HEAD + TRAILER_BODY;
/// The longest payload of one record: 16 MiB.
pub const RECORD_LEN_MAX: usize = 16 << 20;
/// The smallest unit that a disk writes whole.
pub(super) const SECTOR: usize = 512;

const MAGIC: [u8; 8] = *b"larmjrnl";
const VERSION: u32 = 1;
/// The header page holds the header twice, so that one bad place does not cost a segment.
const HEADER_COPY: usize = 2048;
/// Bytes of a copy that its checksum covers; the checksum itself ends the copy.
const HEADER_COVERED: usize = HEADER_COPY - 4;
const KIND_RECORD: u8 = 1;
const KIND_TRAILER: u8 = 2;
const KIND_MARK: u8 = 3;
/// Ends every trailer. No byte is zero, nor one flipped bit away from it.
const END_MARK: [u8; 4] = *b"}eob";

/// A chain value.
pub(super) type Chain = [u8; 32];
/// The identity of a journal.
pub(super) type Identity = [u8; 16];

/// What the first page of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) identity: Identity,
    /// The first position that the segment may hold.
    pub(super) first: u64,
    /// `first` of the segment before; 0 where there was none.
    pub(super) before: u64,
    /// Chain value of the last batch before this segment.
    pub(super) chain: Chain,
}

impl Header {
    /// The whole page.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(4096);
        page.extend_from_slice(&MAGIC);
        page.extend_from_slice(&VERSION.to_le_bytes());
        page.extend_from_slice(&self.identity);
        page.extend_from_slice(&self.first.to_le_bytes());
        page.extend_from_slice(&self.before.to_le_bytes());
        page.extend_from_slice(&self.chain);
        page.resize(HEADER_COVERED, 0);
        let checksum = crc32c::crc32c(&page);
        page.extend_from_slice(&checksum.to_le_bytes());
        page.extend_from_within(..);
        page
    }

    /// Reads the first [`HEADER_LEN`] bytes of a segment, both copies of the header.
    pub(super) fn decode(page: &[u8]) -> Result<Self, Flaw> {
        let (one, other) = page.split_at_checked(HEADER_COPY).ok_or(Flaw::NoHeader)?;
        let header = Self::decode_copy(one)?;
        if one == other {
            Ok(header)
        } else {
            Err(Flaw::HeaderChecksum)
        }
    }

    /// Reads the first [`HEADER_LEN`] bytes of a segment where one copy of the header is enough.
    pub(super) fn salvage(page: &[u8]) -> Result<Self, Flaw> {
        let mut copies = page.chunks(HEADER_COPY);
        let one = Self::decode_copy(copies.next().unwrap_or_default());
        let other = copies.next().unwrap_or_default();
        one.or_else(|flaw| Self::decode_copy(other).map_err(|_| flaw))
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, Flaw> {
        let short = || Flaw::NoHeader;
        let (covered, checksum) = copy.split_at_checked(HEADER_COVERED).ok_or_else(short)?;
        let mut rest = covered;
        let magic: [u8; 8] = take(&mut rest).ok_or_else(short)?;
        let version = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        let header = Self {
            identity: take(&mut rest).ok_or_else(short)?,
            first: u64::from_le_bytes(take(&mut rest).ok_or_else(short)?),
            before: u64::from_le_bytes(take(&mut rest).ok_or_else(short)?),
            chain: take(&mut rest).ok_or_else(short)?,
        };
        if magic != MAGIC {
            return Err(Flaw::NoHeader);
        }
        if crc32c::crc32c(covered).to_le_bytes() != checksum {
            return Err(Flaw::HeaderChecksum);
        }
        if version != VERSION {
            return Err(Flaw::Version { found: version });
        }
        Ok(header)
    }

    /// Where the checksums of this segment's records start from.
    pub(super) fn salt(&self) -> u32 {
        crc32c::crc32c(self.encode().get(..HEADER_COVERED).unwrap_or_default())
    }

    pub(super) fn file_name(&self) -> String {
        segment_name(self.first)
    }
}

/// File name of the segment that starts at `first`.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// The first position that a segment's file name tells; `None` where it names no segment.
pub(super) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Appends one record to `out`.
pub(super) fn encode_record(out: &mut Vec<u8>, salt: u32, position: u64, at_ms: i64, body: &[u8]) {
    encode(out, salt, position, at_ms, KIND_RECORD, body);
}

/// Appends a mark: repair set aside the positions up to `next`, and the chain goes on with `chain`.
pub(super) fn encode_mark(out: &mut Vec<u8>, salt: u32, next: u64, at_ms: i64, chain: &Chain) {
    encode(out, salt, next, at_ms, KIND_MARK, chain);
}

/// The chain value that a whole mark record goes on with.
pub(super) fn mark_chain(record: &[u8]) -> Option<Chain> {
    record.get(RECORD_HEAD..)?.try_into().ok()
}

/// Appends the trailer of the batch whose records are all of `out`, and gives the new chain value.
pub(super) fn encode_trailer(
    out: &mut Vec<u8>,
    salt: u32,
    last: u64,
    at_ms: i64,
    count: u32,
    chain: &Chain,
) -> Chain {
    let chain = chained(chain, out);
    let batch_len = u32::try_from(out.len() + TRAILER_LEN).unwrap_or(u32::MAX);
    let mut body = [0u8; TRAILER_BODY];
    for (slot, byte) in body.iter_mut().zip(
        (count.to_le_bytes().into_iter())
            .chain(batch_len.to_le_bytes())
            .chain(chain)
            .chain(END_MARK),
    ) {
        *slot = byte;
    }
    encode(out, salt, last, at_ms, KIND_TRAILER, &body);
    chain
}

/// The chain value behind `records`, the bytes of a batch without its trailer.
pub(super) fn chained(chain: &Chain, records: &[u8]) -> Chain {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain);
    hasher.update(records);
    *hasher.finalize().as_bytes()
}

fn encode(out: &mut Vec<u8>, salt: u32, position: u64, at_ms: i64, kind: u8, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(&at_ms.to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(body);
    seal(out.get_mut(start..).unwrap_or_default(), salt);
}

/// Sets the checksum of `record`, a whole one.
pub(super) fn seal(record: &mut [u8], salt: u32) {
    if let Some((field, covered)) = record.split_first_chunk_mut::<4>() {
        *field = crc32c::crc32c_append(salt, covered).to_le_bytes();
    }
}

/// The fixed part of a record, not yet checked against anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) checksum: u32,
    pub(super) len: u32,
    pub(super) position: u64,
    pub(super) at_ms: i64,
    kind: [u8; 4],
}

/// A trailer's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer {
    pub(super) count: u32,
    /// Bytes of the whole batch, the trailer included.
    pub(super) batch_len: u32,
    pub(super) chain: Chain,
}

impl Head {
    /// The first [`RECORD_HEAD`] bytes of `bytes`; `None` where there are fewer.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        Some(Self {
            checksum: u32::from_le_bytes(take(&mut rest)?),
            len: u32::from_le_bytes(take(&mut rest)?),
            position: u64::from_le_bytes(take(&mut rest)?),
            at_ms: i64::from_le_bytes(take(&mut rest)?),
            kind: take(&mut rest)?,
        })
    }

    /// All zero: nothing was written here.
    pub(super) fn is_blank(&self) -> bool {
        self.checksum == 0
            && self.len == 0
            && self.position == 0
            && self.at_ms == 0
            && self.kind == [0; 4]
    }

    pub(super) fn is_trailer(&self) -> bool {
        self.kind == [KIND_TRAILER, 0, 0, 0]
    }

    pub(super) fn is_record(&self) -> bool {
        self.kind == [KIND_RECORD, 0, 0, 0]
    }

    pub(super) fn is_mark(&self) -> bool {
        self.kind == [KIND_MARK, 0, 0, 0]
    }

    /// Checks what can be checked before the payload is there; gives the length of the record.
    pub(super) fn plausible(&self) -> Result<usize, Flaw> {
        let len = self.len as usize;
        match self.kind {
            [KIND_RECORD, 0, 0, 0] if len <= RECORD_LEN_MAX => Ok(RECORD_HEAD + len),
            [KIND_TRAILER, 0, 0, 0] if len == TRAILER_BODY => Ok(TRAILER_LEN),
            [KIND_MARK, 0, 0, 0] if len == size_of::<Chain>() => Ok(RECORD_HEAD + len),
            [KIND_RECORD..=KIND_MARK, 0, 0, 0] => Err(Flaw::Length { found: self.len }),
            [found, ..] => Err(Flaw::Kind { found }),
        }
    }

    /// Checks the checksum over `record`, the whole record.
    pub(super) fn check(&self, salt: u32, record: &[u8]) -> Result<(), Flaw> {
        let computed = crc32c::crc32c_append(salt, record.get(4..).unwrap_or_default());
        if computed == self.checksum {
            Ok(())
        } else {
            Err(Flaw::Checksum {
                computed,
                found: self.checksum,
            })
        }
    }
}

impl Trailer {
    /// From the bytes of a whole trailer record whose checksum fits.
    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let mut rest = record.get(RECORD_HEAD..TRAILER_LEN)?;
        let trailer = Self {
            count: u32::from_le_bytes(take(&mut rest)?),
            batch_len: u32::from_le_bytes(take(&mut rest)?),
            chain: take(&mut rest)?,
        };
        (rest == END_MARK).then_some(trailer)
    }

    /// Whether `record`, whose checksum does not fit, was meant as a trailer and written to its
    /// last byte. One flipped bit does not hide it.
    pub(super) fn was_meant(record: &[u8]) -> bool {
        let marked = record.last_chunk() == Some(&END_MARK);
        let kind = Head::decode(record).is_some_and(|head| head.is_trailer());
        record.len() == TRAILER_LEN && (marked || kind)
    }
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (front, back) = rest.split_first_chunk::<N>()?;
    *rest = back;
    Some(*front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_and_every_flipped_bit_shows() {
        let header = Header {
            identity: [7; 16],
            first: 12,
            before: 3,
            chain: [9; 32],
        };
        let page = header.encode();
        assert_eq!(page.len() as u64, HEADER_LEN);
        assert_eq!(Header::decode(&page), Ok(header));
        for bit in 0..page.len() * 8 {
            let mut bad = page.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn names_are_twenty_digits() {
        assert_eq!(segment_name(1), "00000000000000000001.seg");
        assert_eq!(segment_first(&segment_name(u64::MAX)), Some(u64::MAX));
        for name in [
            "1.seg",
            "0000000000000000001x.seg",
            "lock",
            "00000000000000000001.spare",
        ] {
            assert_eq!(segment_first(name), None, "{name}");
        }
    }
}
