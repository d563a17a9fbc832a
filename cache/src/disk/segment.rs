//! A segment: many entries as one run of bytes, written once and read whole.
//!
//! ```text
//! magic  version  flags  count  number  incarnation  ordinal  token  deadline  | entries | where each entry begins
//! 4      1        1      2      8       4            4        8      8         | ...     | 2 for each
//! ```
//! The four in the middle are those of the first entry; each entry says how far it is from them, which is mostly one byte.
//! How an entry is laid out is said in [`entry`].
//!
//! Bytes come back from a disk, so [`Segment::parse`] believes none of them: it walks all entries once, and what it has let
//! through can be read later without any further failure. Whether the bytes are *those that were written* is not asked here:
//! the store's checksum, or its seal, has said so before.

pub(crate) mod entry;
pub(crate) mod packer;
pub(crate) mod parse;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod scrutiny;

use entry::Entry;

/// Bytes before the first entry.
pub(crate) const HEADER: usize = 40;
/// Bytes of the directory for each entry.
pub(crate) const PLACE: usize = 2;

const MAGIC: [u8; 4] = *b"LSEG";
const VERSION: u8 = 1;

/// What entries are counted from: the first entry's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bases {
    incarnation: u32,
    ordinal: u32,
    token: u64,
    deadline: u64,
}

impl Bases {
    fn of(entry: &Entry<'_>) -> Self {
        Self {
            incarnation: entry.incarnation,
            ordinal: entry.ordinal,
            token: entry.token,
            deadline: entry.deadline.map_or(0, |deadline| deadline.0),
        }
    }
}

#[cfg(test)]
mod tests;
