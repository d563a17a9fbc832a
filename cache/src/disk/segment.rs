//! A segment: many entries as one run of bytes, written once, and read whole or an entry at a time.
//!
//! ```text
//! magic  version  flags  count  number  incarnation  ordinal  token  deadline  | entries | where each entry begins
//! 4      1        1      2      8       4            4        8      8         | ...     | 2 for each, in units of 4
//! ```
//! The four in the middle are those of the first entry; each entry says how far it is from them, which is mostly one byte.
//! How an entry is laid out is said in [`entry`]. Entries begin at whole units, and each carries a checksum of its own, which
//! covers the segment's number and the store's incarnation as well: what is read by itself proves what it is.
//!
//! Bytes come back from a disk, so [`Segment::parse`] believes none of them: it walks all entries once, and what it has let
//! through can be read later without any further failure. Whether the bytes are *those that were written* is not asked there:
//! the store's checksum, or its seal, has said so before.

pub(crate) mod entry;
pub(crate) mod packer;
pub(crate) mod parse;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod scrutiny;

use crate::layout::Bases;
use entry::Entry;

/// Bytes before the first entry.
pub(crate) const HEADER: usize = 40;
/// Bytes of the directory for each entry.
pub(crate) const PLACE: usize = 2;
/// Bytes of the checksum before each entry.
pub(crate) const CHECKSUM: usize = 4;

const MAGIC: [u8; 4] = *b"LSEG";
const VERSION: u8 = 2;

/// Where and as what a segment lies in a store: checksums of its entries cover it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The store's incarnation.
    pub(crate) incarnation: u64,
    /// The segment's number.
    pub(crate) number: u64,
}

impl Identity {
    /// The checksum of an entry, with what aligns the next one and without the checksum itself.
    fn checksum(self, entry: &[u8]) -> u32 {
        let seed = crc32c::crc32c_append(
            crc32c::crc32c(&self.incarnation.to_le_bytes()),
            &self.number.to_le_bytes(),
        );
        crc32c::crc32c_append(seed, entry)
    }
}

fn bases_of(entry: &Entry<'_>) -> Bases {
    Bases {
        incarnation: entry.incarnation,
        ordinal: entry.ordinal,
        token: entry.token,
        deadline: entry.deadline.map_or(0, |deadline| deadline.0),
    }
}

#[cfg(test)]
mod tests;
