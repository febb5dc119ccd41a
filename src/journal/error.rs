//! What can go wrong with a journal: what, where, and what to do.
use std::fmt;
use std::io;

/// Why the journal cannot do what was asked.
#[derive(Debug)]
pub enum JournalError {
    /// An operation on the storage failed.
    Io {
        /// What was being done: `write`, `sync`, `open`, …
        doing: &'static str,
        /// The file within the journal directory; empty for the directory itself.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier write or sync failed; this journal takes nothing any more.
    Poisoned,
    /// There is no room for the next segment. Nothing was written.
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that the next segment and the reserve need.
        needed: u64,
    },
    /// A record is longer than [`super::RECORD_LEN_MAX`]. Nothing was written.
    RecordTooLong {
        /// Bytes of its payload.
        len: usize,
    },
    /// Another process holds the journal.
    Locked {
        /// What that process wrote about itself.
        owner: String,
    },
    /// The journal is damaged.
    Damaged(Damage),
}

/// One damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File name of the segment.
    pub segment: String,
    /// Byte in the file at which what is expected does not stand.
    pub offset: u64,
    /// The position that was expected there; 0 where a header is damaged.
    pub position: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong with some bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The header is shorter than a page or bears no magic number.
    NoHeader,
    /// The header's checksum does not fit.
    HeaderChecksum,
    /// A format version that this program does not know.
    Version {
        /// The version found.
        found: u32,
    },
    /// The file name and the first position in the header disagree.
    Name {
        /// The first position in the header.
        found: u64,
    },
    /// The segment belongs to another journal.
    Foreign,
    /// The segment does not follow the one before it.
    Gap {
        /// First position of the segment that should stand before it.
        before: u64,
    },
    /// A length that cannot be.
    Length {
        /// The length found.
        found: u32,
    },
    /// The kind of a record is neither record nor trailer.
    Kind {
        /// The kind found.
        found: u8,
    },
    /// A record's checksum does not fit.
    Checksum {
        /// The checksum of the bytes as they stand.
        computed: u32,
        /// The checksum found.
        found: u32,
    },
    /// A whole record bears another position than its place demands.
    Position {
        /// The position found.
        found: u64,
    },
    /// A trailer counts other records or bytes than stand before it.
    Count,
    /// The chain value does not fit: bytes before it were changed.
    Chain,
    /// A batch without trailer, or zeros where a record should stand.
    Missing,
}

impl JournalError {
    /// An [`JournalError::Io`] maker for `map_err`.
    pub(super) fn io(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io {
            doing,
            file,
            source,
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                doing,
                file,
                source,
            } => {
                let file = if file.is_empty() {
                    "the directory"
                } else {
                    file
                };
                write!(f, "journal: cannot {doing} {file}: {source}")
            }
            Self::Poisoned => f.write_str(
                "journal: an earlier write or sync failed, so nothing more is accepted; \
                 check the disk and start again",
            ),
            Self::Full { free, needed } => write!(
                f,
                "journal: no room for the next segment: {free} bytes are free, {needed} are \
                 needed (segment and reserve); free some space"
            ),
            Self::RecordTooLong { len } => write!(
                f,
                "journal: a record of {len} bytes is longer than {}",
                super::RECORD_LEN_MAX
            ),
            Self::Locked { owner } => write!(
                f,
                "journal: in use by another process ({owner}); stop it first"
            ),
            Self::Damaged(
                damage @ Damage {
                    flaw: Flaw::Version { .. },
                    ..
                },
            ) => write!(f, "journal: {damage}"),
            Self::Damaged(damage) => write!(
                f,
                "journal: damaged: {damage}. Nothing was changed. To set the damaged part aside \
                 and keep the rest: larm journal repair --data DIR"
            ),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Poisoned
            | Self::Full { .. }
            | Self::RecordTooLong { .. }
            | Self::Locked { .. }
            | Self::Damaged(_) => None,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "segment {} at byte {}, position {}: {}",
            self.segment, self.offset, self.position, self.flaw
        )
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => f.write_str("no segment header"),
            Self::HeaderChecksum => f.write_str("the header's checksum does not fit"),
            Self::Version { found } => write!(
                f,
                "format version {found} is newer than this program; use the larm that wrote it"
            ),
            Self::Name { found } => write!(f, "the header says that it starts at {found}"),
            Self::Foreign => f.write_str("the segment belongs to another journal"),
            Self::Gap { before } => write!(
                f,
                "the segment before it should start at {before} and is not there"
            ),
            Self::Length { found } => write!(f, "a length of {found} cannot be"),
            Self::Kind { found } => write!(f, "{found} is no kind of record"),
            Self::Checksum { computed, found } => write!(
                f,
                "checksum {found:08x} found, the bytes give {computed:08x}"
            ),
            Self::Position { found } => write!(f, "the record there says {found}"),
            Self::Count => f.write_str("the batch's trailer counts other records"),
            Self::Chain => f.write_str("the chain does not fit: records before it were changed"),
            Self::Missing => f.write_str("zeros stand where a record or trailer should"),
        }
    }
}
