//! Reads a segment that was sealed, or one entry of it.

use bytes::{Buf, Bytes};

use super::entry::Entry;
use super::{CHECKSUM, HEADER, Identity, MAGIC, PLACE, VERSION};
use crate::layout::{Bases, Layout, UNIT};

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
            let bytes = self.bytes.get(next + CHECKSUM..self.directory).ok_or(Damaged::Directory)?;
            next += (CHECKSUM + Entry::read(bytes, self.bases)?.1).next_multiple_of(UNIT);
        }
        if next == self.directory { Ok(()) } else { Err(Damaged::Directory) }
    }

    fn begin(&self, place: u16) -> Option<usize> {
        let at = self.directory + PLACE * usize::from(place);
        let bytes = self.bytes.get(at..at + PLACE)?;
        Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)) * UNIT)
    }

    /// How many entries there are.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The entry at this place; nothing if there are fewer.
    pub(crate) fn entry(&self, place: u16) -> Option<Entry<'_>> {
        let bytes = self.bytes.get(self.begin(place)? + CHECKSUM..self.directory)?;
        Entry::read(bytes, self.bases).ok().map(|(entry, _)| entry)
    }

    /// The value at this place.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn value(&self, place: u16) -> Option<Bytes> {
        self.entry(place).map(|entry| self.share(entry.value))
    }

    /// Something that lies in it, sharing its bytes: all of them are held for as long as it lives.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }

    /// All entries in the order of their places.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.count).filter_map(|place| self.entry(place))
    }

    /// Where entries begin, if there are several.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let begins = (0..self.count).map(|place| Some((self.begin(place)? / UNIT) as u16));
        let begins: Option<Box<[u16]>> = begins.collect();
        begins.filter(|_| self.count > 1).map(|begins| Layout::new(self.bases, begins, self.directory as u32))
    }
}

/// Whether the bytes are those of an entry of a segment as it was written, checksum first.
pub(crate) fn is_proven(bytes: &[u8], identity: Identity) -> bool {
    bytes.split_first_chunk().is_some_and(|(checksum, entry)| {
        !entry.is_empty() && u32::from_le_bytes(*checksum) == identity.checksum(entry)
    })
}

/// The entry that was read by itself, and proven, from a segment of this layout.
pub(crate) fn entry_of<'a>(bytes: &'a [u8], layout: &Layout) -> Option<Entry<'a>> {
    Entry::read(bytes.get(CHECKSUM..)?, layout.bases).ok().map(|(entry, _)| entry)
}
