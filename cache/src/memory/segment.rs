//! A segment: a fixed run of memory that records are appended to.

use super::record::{GRANULE, RECORD_MAX};
use crate::clock::Millis;

/// Segments are a power of two of bytes between these bounds.
pub(crate) const SEGMENT_BYTES_MIN: usize = (RECORD_MAX * 2).next_power_of_two();
pub(crate) const SEGMENT_BYTES_MAX: usize = 128 << 10;

/// Which queue a segment stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueName {
    /// Newcomers, on probation until they are read.
    Small,
    /// What was read again.
    Main,
    /// Entries without TTL under the volatile policy: never evicted.
    Kept,
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) data: Box<[u8]>,
    /// Bytes written so far.
    pub(crate) filled: usize,
    /// Bytes of living records among them.
    pub(crate) live: usize,
    /// No record here expires before this; late after removals, never early.
    pub(crate) soonest: Option<Millis>,
    pub(crate) queue: QueueName,
    pub(crate) opened: Millis,
    /// All living records here are valid as of this invalidation, at least.
    pub(crate) ordinal: u32,
}

impl Segment {
    pub(crate) fn new(data: Box<[u8]>, queue: QueueName, opened: Millis, ordinal: u32) -> Self {
        Self { data, filled: 0, live: 0, soonest: None, queue, opened, ordinal }
    }

    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.data.len() - self.filled >= bytes
    }

    pub(crate) fn note_deadline(&mut self, deadline: Option<Millis>) {
        if let Some(deadline) = deadline {
            self.soonest = Some(self.soonest.map_or(deadline, |soonest| soonest.min(deadline)));
        }
    }
}

/// Splits a 32-bit location into segment and offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) segment_bytes: usize,
    granule_bits: u32,
}

impl Geometry {
    /// Segments small enough that a cache of `budget` bytes has about a hundred of them.
    pub(crate) fn for_budget(budget: usize) -> Self {
        let wanted = (budget / 128).max(1).next_power_of_two();
        let segment_bytes = wanted.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        Self { segment_bytes, granule_bits: (segment_bytes / GRANULE).trailing_zeros() }
    }

    /// How many segments can be told apart.
    pub(crate) fn segments_max(self) -> usize {
        // The highest bit of a location says that it is none in memory.
        1usize << (31 - self.granule_bits)
    }

    #[inline]
    pub(crate) fn location(self, segment: usize, offset: usize) -> u32 {
        ((segment as u32) << self.granule_bits) | (offset / GRANULE) as u32
    }

    #[inline]
    pub(crate) fn split(self, location: u32) -> (usize, usize) {
        let mask = (1u32 << self.granule_bits) - 1;
        ((location >> self.granule_bits) as usize, (location & mask) as usize * GRANULE)
    }
}
