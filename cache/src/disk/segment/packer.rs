//! Builds one segment, entry by entry.

use bytes::{BufMut, Bytes};

use super::entry::{Entry, TAGS_MAX};
use super::{CHECKSUM, HEADER, Identity, MAGIC, PLACE, VERSION, bases_of};
use crate::layout::{Bases, Layout, UNIT};

/// Whether an entry belongs into a segment of its own, where packed segments have `capacity` bytes.
///
/// What fills more than half of a packed segment would leave the rest to luck; alone it is rounded up to a page.
#[must_use]
pub(crate) fn stands_alone(entry: &Entry<'_>, capacity: usize) -> bool {
    taken(entry, bases_of(entry)) + PLACE > capacity.saturating_sub(HEADER) / 2
}

/// Bytes that an entry takes, with its checksum and what aligns the next one, without its place in the directory.
fn taken(entry: &Entry<'_>, bases: Bases) -> usize {
    (CHECKSUM + entry.len(bases)).next_multiple_of(UNIT)
}

/// A segment that still takes entries.
#[derive(Debug)]
pub(crate) struct Packer {
    capacity: usize,
    bases: Bases,
    /// Room for the header, then the entries.
    data: Vec<u8>,
    places: Vec<u16>,
}

impl Packer {
    /// A packer for a segment of at most `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        let mut data = Vec::with_capacity(capacity);
        data.resize(HEADER, 0);
        Self { capacity, bases: Bases::default(), data, places: Vec::new() }
    }

    /// A packer for this entry alone, however long it is.
    pub(crate) fn alone(entry: &Entry<'_>) -> Self {
        let mut packer = Self::new(HEADER + taken(entry, bases_of(entry)) + PLACE);
        packer.push(entry);
        packer
    }

    /// Adds an entry and says which place it has; nothing if there is no room for it.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) -> Option<u16> {
        debug_assert!(entry.tags.len() <= TAGS_MAX, "tags have a limit");
        let bases = if self.places.is_empty() { bases_of(entry) } else { self.bases };
        let begin = u16::try_from(self.data.len() / UNIT).ok()?;
        let place = u16::try_from(self.places.len()).ok().filter(|place| *place < u16::MAX)?;
        if self.bytes() + taken(entry, bases) + PLACE > self.capacity {
            return None;
        }
        self.bases = bases;
        self.data.extend_from_slice(&[0; CHECKSUM]);
        entry.write(bases, &mut self.data);
        self.data.resize(self.data.len().next_multiple_of(UNIT), 0);
        self.places.push(begin);
        Some(place)
    }

    /// An entry that was added.
    pub(crate) fn get(&self, place: u16) -> Option<Entry<'_>> {
        let begin = usize::from(*self.places.get(usize::from(place))?) * UNIT;
        Entry::read(self.data.get(begin + CHECKSUM..)?, self.bases).ok().map(|(entry, _)| entry)
    }

    /// How many entries were added.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Heap bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.data.capacity() + self.places.capacity() * PLACE
    }

    /// Bytes that the segment takes if nothing more is added.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + PLACE * self.places.len()
    }

    /// Where entries begin; nothing where there is one alone, which is read whole.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let is_one_of_some = self.places.len() > 1;
        is_one_of_some.then(|| Layout::new(self.bases, self.places.as_slice().into(), self.data.len() as u32))
    }

    /// The finished segment, which gets its number only now: numbers follow each other in the order in which segments are
    /// finished.
    pub(crate) fn seal(mut self, identity: Identity) -> Bytes {
        let ends =
            self.places.iter().skip(1).map(|begin| usize::from(*begin) * UNIT).chain([self.data.len()]);
        for (begin, end) in self.places.iter().map(|begin| usize::from(*begin) * UNIT).zip(ends) {
            let (checksum, entry) = self.data[begin..end].split_at_mut(CHECKSUM);
            checksum.copy_from_slice(&identity.checksum(entry).to_le_bytes());
        }
        let mut header = &mut self.data[..HEADER];
        header.put_slice(&MAGIC);
        header.put_u8(VERSION);
        header.put_u8(0);
        // Fewer than `u16::MAX` were let in.
        header.put_u16_le(self.places.len() as u16);
        header.put_u64_le(identity.number);
        header.put_u32_le(self.bases.incarnation);
        header.put_u32_le(self.bases.ordinal);
        header.put_u64_le(self.bases.token);
        header.put_u64_le(self.bases.deadline);
        for place in &self.places {
            self.data.put_u16_le(*place);
        }
        self.data.into()
    }
}
