//! Where the entries of a finished segment begin, and what they are counted from: kept in memory for each segment, so that one
//! of its entries can be read from disk without the rest.

/// What the numbers of a segment's entries are counted from: the first entry's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases {
    pub(crate) incarnation: u32,
    pub(crate) ordinal: u32,
    pub(crate) token: u64,
    pub(crate) deadline: u64,
}

/// What entries are aligned to, so that 16 bits say where one begins.
pub(crate) const UNIT: usize = 4;

/// Where entries begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) bases: Bases,
    /// In units, in the order of places.
    begins: Box<[u16]>,
    /// Behind the last of them, in bytes.
    end: u32,
}

/// A run of bytes within a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) bytes: u32,
}

impl Layout {
    pub(crate) fn new(bases: Bases, begins: Box<[u16]>, end: u32) -> Self {
        Self { bases, begins, end }
    }

    /// The entry at a place, with what aligns the one behind it.
    pub(crate) fn span(&self, place: u16) -> Option<Span> {
        let at = |place: usize| self.begins.get(place).map(|begin| u32::from(*begin) * UNIT as u32);
        let from = at(usize::from(place))?;
        let end = at(usize::from(place) + 1).unwrap_or(self.end);
        Some(Span { from, bytes: end.checked_sub(from)? })
    }

    /// Heap bytes held by a layout of so many entries, its own included.
    pub(crate) fn bytes_of(entries: u16) -> usize {
        size_of::<Self>() + size_of::<u16>() * usize::from(entries)
    }
}
