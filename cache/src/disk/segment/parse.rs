//! Reads a segment that was sealed.

use bytes::{Buf, Bytes};

use super::entry::Entry;
use super::{Bases, HEADER, MAGIC, PLACE, VERSION};

/// Why bytes are not the segment that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damaged {
    /// Shorter than a header, or no segment at all.
    #[error("the bytes are no segment")]
    Magic,
    /// Written by another version of Larder.
    #[error("the segment has a format that this version does not know")]
    Version,
    /// Another segment lies where this one was expected.
    #[error("the segment has another number")]
    Number,
    /// The directory does not fit the entries.
    #[error("the segment's directory does not fit its entries")]
    Directory,
    /// An entry that cannot be read.
    #[error("an entry of the segment cannot be read")]
    Entry,
}

/// A whole segment, all of whose entries can be read.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    bytes: Bytes,
    bases: Bases,
    count: u16,
    /// Where the directory begins.
    directory: usize,
}

impl Segment {
    /// Takes the bytes of segment `number`, looking at every entry once.
    ///
    /// # Errors
    /// If they are not that segment, or not all of it can be read.
    pub(crate) fn parse(bytes: Bytes, number: u64) -> Result<Self, Damaged> {
        let segment = Self::glance(bytes, number)?;
        segment.check()?;
        Ok(segment)
    }

    /// Takes the bytes of segment `number` on the word of whoever checked them, looking at their beginning only. An entry that
    /// cannot be read is not there.
    ///
    /// # Errors
    /// If they do not begin as that segment does.
    pub(crate) fn glance(bytes: Bytes, number: u64) -> Result<Self, Damaged> {
        let mut header = bytes.get(..HEADER).ok_or(Damaged::Magic)?;
        let mut magic = [0; MAGIC.len()];
        header.copy_to_slice(&mut magic);
        if magic != MAGIC {
            return Err(Damaged::Magic);
        }
        if header.get_u8() != VERSION || header.get_u8() != 0 {
            return Err(Damaged::Version);
        }
        let count = header.get_u16_le();
        if header.get_u64_le() != number {
            return Err(Damaged::Number);
        }
        let bases = Bases {
            incarnation: header.get_u32_le(),
            ordinal: header.get_u32_le(),
            token: header.get_u64_le(),
            deadline: header.get_u64_le(),
        };
        let directory = bytes.len().checked_sub(PLACE * usize::from(count)).ok_or(Damaged::Directory)?;
        Ok(Self { bytes, bases, count, directory })
    }

    /// Entries follow each other without gaps, up to the directory.
    fn check(&self) -> Result<(), Damaged> {
        let mut next = HEADER;
        for place in 0..self.count {
            if self.begin(place) != Some(next) {
                return Err(Damaged::Directory);
            }
            let bytes = self.bytes.get(next..self.directory).ok_or(Damaged::Directory)?;
            next += Entry::read(bytes, self.bases)?.1;
        }
        if next == self.directory { Ok(()) } else { Err(Damaged::Directory) }
    }

    fn begin(&self, place: u16) -> Option<usize> {
        let at = self.directory + PLACE * usize::from(place);
        let bytes = self.bytes.get(at..at + PLACE)?;
        Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// How many entries there are.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The entry at this place; nothing if there are fewer.
    pub(crate) fn entry(&self, place: u16) -> Option<Entry<'_>> {
        let bytes = self.bytes.get(self.begin(place)?..self.directory)?;
        Entry::read(bytes, self.bases).ok().map(|(entry, _)| entry)
    }

    /// The value at this place, sharing the segment's bytes: it holds all of them for as long as it lives.
    pub(crate) fn value(&self, place: u16) -> Option<Bytes> {
        self.entry(place).map(|entry| self.bytes.slice_ref(entry.value))
    }

    /// All entries in the order of their places.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.count).filter_map(|place| self.entry(place))
    }
}
