//! A FIFO of segments: records enter at the tail, the hand takes them at the head.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Segment numbers, oldest first; the last one may be open for appending.
    pub(crate) order: VecDeque<u32>,
    /// How far the oldest segment has been taken.
    pub(crate) hand: usize,
    /// The segment that records are appended to.
    pub(crate) open: Option<u32>,
    /// Bytes of living records.
    pub(crate) live: usize,
    /// How far compaction has come: the place in `order`.
    pub(crate) compacted: usize,
}

impl Queue {
    /// Takes a segment out of the order.
    pub(crate) fn forget(&mut self, segment: u32) {
        if let Some(place) = self.order.iter().position(|&s| s == segment) {
            self.order.remove(place);
            if place == 0 {
                self.hand = 0;
            }
            if place < self.compacted {
                self.compacted -= 1;
            }
        }
        if self.open == Some(segment) {
            self.open = None;
        }
    }
}
