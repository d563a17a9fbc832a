//! What the store refuses, and what it could not do.

use std::io;

use super::shape;

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the directory is in memory: a disk tier there would take what the memory tier needs")]
    Tmpfs,
    #[error("the file system has no room for all files")]
    NoRoom,
    #[error("the disk tier needs at least {} MiB and at most 1,000 GiB", shape::BYTES_MIN >> 20)]
    Size,
    #[error("the directory cannot be used")]
    Io(#[from] io::Error),
    #[error("the block engine did not start: {0}")]
    Engine(String),
}

/// Why a segment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the segment is longer than the longest")]
    TooLong,
    /// Worth another try after [`super::Store::settle`].
    #[error("as much as may be is on its way to the disk")]
    Busy,
    #[error("the segment could not be sealed")]
    Seal,
    /// See [`super::Store::has_stopped`].
    #[error("writing has stopped since a write failed")]
    Stopped,
}

/// Why a segment that should be there could not be read. It is to be treated as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("a file could not be read")]
    Io,
    #[error("the bytes on disk are not those that were written")]
    Damaged,
    #[error("the segment was sealed with a key that is not known")]
    Key,
    #[error("the segment's seal is broken")]
    Seal,
}

impl ReadError {
    /// All of them, in the order of [`super::Figures::reads_failed`].
    pub(crate) const ALL: [Self; 4] = [Self::Io, Self::Damaged, Self::Key, Self::Seal];

    /// A word for metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Damaged => "damaged",
            Self::Key => "key",
            Self::Seal => "seal",
        }
    }
}
