//! Records: what may be said in a journal.

use super::frame;
use super::sealer::SEALER_OVERHEAD_MAX;
use crate::clock::Millis;

/// Bytes of a tag, a prefix or a control key at most.
pub const NAME_MAX: usize = 16 << 10;
/// Bytes of a control value at most.
pub const CONTROL_VALUE_MAX: usize = 4 << 10;

const _: () = assert!(
    NAME_MAX + CONTROL_VALUE_MAX + SEALER_OVERHEAD_MAX + 64 < frame::FRAME_MAX,
    "what fits by its parts fits a frame"
);

/// What an invalidation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What<N> {
    /// Everything.
    All,
    /// Entries that carry this tag.
    Tag(N),
    /// Entries whose key begins so.
    Prefix(N),
}

/// One change that makes a disk copy less servable than its segment says, or what recovery must know to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say what they are; the variants say what they mean")]
pub enum Record<'a> {
    /// Deleted, overwritten, due earlier: no copy of this key with a smaller token counts.
    Gone { hash: u64 },
    /// A number stands for another incarnation. One that no number stands for any more is dead for good.
    Database { number: u16, incarnation: u32 },
    /// Two numbers stand for each other's incarnation: one record, since half an exchange never was.
    Exchanged { one: (u16, u32), other: (u16, u32) },
    /// No matching entry with a smaller token counts. Of one incarnation or of all: an entry keeps its incarnation when its
    /// database is exchanged for another, not its database's number.
    Invalidated { ordinal: u32, incarnation: Option<u32>, what: What<&'a [u8]> },
    /// The store has this segment. `dead`: the entries that died while it was written, one bit each from the lowest of the
    /// first byte on; shorter or empty means none further. A compaction in between drops their `Gone`: this is what tells.
    Sealed { segment: u64, bytes: u32, entries: u16, dead: &'a [u8] },
    /// A sealed segment holds what governs other entries of an incarnation, and the journal does not say what.
    Governs { segment: u64, incarnation: u32 },
    /// Nothing in this segment counts. Its number is never used again.
    Retired { segment: u64 },
    /// A control key has this value.
    Control { incarnation: u32, hash: u64, key: &'a [u8], value: &'a [u8], deadline: Option<Millis> },
    /// A control key is none any more.
    ControlGone { incarnation: u32, hash: u64 },
    /// This incarnation holds a control key that does not [fit](Record::fits): after an unclean stop nothing in it counts.
    ColdDatabase { incarnation: u32 },
    /// How far the feed was followed.
    Cursor { epoch: [u8; 16], sequence: u64 },
    /// The last one of a clean stop.
    Closed,
    /// The first one of a start; the journal writes it itself.
    Opened,
}

/// What lies in the file: records, and between them what only a snapshot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Record(Record<'a>),
    /// The incarnation that the next renewed database gets.
    NextIncarnation(u32),
    /// An invalidation that happened at `sequence`.
    InvalidatedAt {
        sequence: u64,
        ordinal: u32,
        incarnation: Option<u32>,
        what: What<&'a [u8]>,
    },
    /// The snapshot is whole; the next record has this sequence number.
    SnapshotEnd {
        sequence: u64,
    },
}

impl Record<'_> {
    /// Whether a journal takes it: names, control values and bitmaps have a limit.
    #[must_use]
    pub fn fits(&self) -> bool {
        match self {
            Self::Invalidated { what: What::Tag(name) | What::Prefix(name), .. } => name.len() <= NAME_MAX,
            Self::Control { key, value, .. } => key.len() <= NAME_MAX && value.len() <= CONTROL_VALUE_MAX,
            Self::Sealed { entries, dead, .. } => dead.len() <= usize::from(*entries).div_ceil(8),
            _ => true,
        }
    }

    /// Whether something in it is sealed.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Invalidated { .. } | Self::Control { .. })
    }
}

/// Bytes of the frame that says a segment is sealed, with a bitmap of so many bytes.
pub(super) fn sealed_bytes(dead: usize) -> u64 {
    (frame::AROUND + 14 + dead) as u64
}
