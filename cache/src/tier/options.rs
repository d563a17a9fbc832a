//! How a disk tier is opened, and what becomes of that.

use std::path::PathBuf;
use std::time::Duration;

use crate::disk::store;
use crate::journal;

/// Where and how entries are kept on disk.
#[derive(Clone)]
pub struct DiskOptions {
    /// Made if it is not there. One process at a time.
    pub directory: PathBuf,
    /// Bytes of all files together, reserved at once.
    pub bytes: u64,
    /// Bytes a second that entries may be written with; zero for no limit.
    pub write_rate: u64,
    /// Entries with less left to live are not written, in milliseconds.
    pub min_ttl_ms: u64,
    /// How long one answer waits for the disk.
    pub timeout: Duration,
    /// The text of a keys' file: entries are encrypted at rest, and the journal's names. Wiped after use.
    pub keys: Option<String>,
}

impl std::fmt::Debug for DiskOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskOptions")
            .field("directory", &self.directory)
            .field("bytes", &self.bytes)
            .field("write_rate", &self.write_rate)
            .field("has_keys", &self.keys.is_some())
            .finish_non_exhaustive()
    }
}

/// Why there is no disk tier.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process uses the directory: it is not touched.
    #[error("another process uses the directory {0}: give each agent one of its own")]
    InUse(PathBuf),
    /// The keys' file is none.
    #[error("the keys' file cannot be used: {0}")]
    Keys(String),
    /// The files cannot be had. The cache can do without them.
    #[error("{0}")]
    Store(String),
    /// The journal cannot be written. The cache can do without it.
    #[error("{0}")]
    Journal(String),
    /// A later start may believe what is there and does not know what happens now: nobody may be served.
    #[error("{0}; remove the directory's file `journal` before anything is served")]
    Unsafe(String),
}

impl DiskError {
    /// Whether a cache without a disk tier can serve instead.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Journal(_))
    }
}

impl From<store::OpenError> for DiskError {
    fn from(error: store::OpenError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<journal::OpenError> for DiskError {
    fn from(error: journal::OpenError) -> Self {
        match error {
            journal::OpenError::Unsafe(_) => Self::Unsafe(error.to_string()),
            journal::OpenError::Boot(_) | journal::OpenError::Write(_) => Self::Journal(error.to_string()),
        }
    }
}

/// What a start found on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warmth {
    /// Why nothing that was there is served, if so.
    pub cold: Option<journal::Reason>,
    /// Whether the last stop was clean.
    pub was_clean: bool,
    /// Entries that are served.
    pub entries: u64,
    /// Segments that they lie in.
    pub segments: u64,
    /// Control keys that came back from the journal.
    pub controls: u64,
    /// Segments of which the journal knows and the store does not, or that could not be read.
    pub segments_lost: u64,
}
