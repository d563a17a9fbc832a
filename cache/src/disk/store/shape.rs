//! How a directory's bytes are divided: into blocks, of which each is one file, and the buffers before them.

use super::super::keys::SEAL;

/// What is read and written at once, and what every segment is rounded up to.
pub(crate) const PAGE: usize = 4096;
/// Bytes that the store puts around a segment: foyer's entry header, then the segment, then its id.
pub(crate) const ENVELOPE: usize = 36 + 16;
/// Bytes on disk of a packed segment with all that is around it, where a hit has to read all of it: it is sealed as one.
pub(crate) const PACKED_SEALED_STORED: usize = 16 << 10;
/// Where a hit reads an entry by itself, it may take more, and what is rounded up to a page, and what is to be remembered of
/// each segment, weighs less.
const PACKED_STORED_MAX: usize = 256 << 10;
/// Longest packed segment, where it is sealed.
pub(crate) const PACKED_SEALED: usize = PACKED_SEALED_STORED - ENVELOPE - SEAL;
/// A packed segment takes at most this part of a buffer,
const PACKED_BUFFERS: usize = 4;
/// and of a block, whose end it may not fit.
const PACKED_BLOCKS: usize = 16;

/// Of each block, foyer keeps one page for every 170 segments to say where they are.
pub(super) const BLOB_INDEX: usize = PAGE;

const MIB: usize = 1 << 20;
/// A block is open twice, by foyer and for [`super::places`]: these and a few more stay under 512 files.
const BLOCKS_MAX: usize = 250;
const BLOCKS_MIN: usize = 16;
const BLOCK_MAX: usize = 16 * MIB;
const BLOCK_MIN: usize = MIB / 4;
/// The smallest directory: fewer or smaller blocks than this would be reclaimed all the time.
pub(crate) const BYTES_MIN: u64 = (BLOCKS_MIN * BLOCK_MIN) as u64;
/// What a read counts in among those that may be under way.
pub(super) const READ_UNIT: usize = 16 << 10;
/// One buffer, and what may be on its way to the disk.
const BUFFER_MAX: usize = 8 * MIB;
const BUFFER_MIN: usize = 64 << 10;

/// Blocks, buffers and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes of a block.
    pub(crate) block: usize,
    pub(crate) blocks: usize,
    /// Bytes that may be on their way to the disk, in one of foyer's two buffers or before it.
    pub(crate) buffer: usize,
    /// Reads of [`READ_UNIT`] that may be under way at the same time.
    pub(crate) reads: usize,
}

impl Shape {
    /// The shape for a directory of `bytes` and a process of `memory` bytes; nothing if the directory is too small.
    ///
    /// Foyer takes two buffers, what waits for them is as long as one, and reads may hold as much again: together a sixteenth
    /// of memory, but for the smallest.
    pub(crate) fn new(bytes: u64, memory: usize) -> Option<Self> {
        let bytes = usize::try_from(bytes).ok().filter(|_| bytes >= BYTES_MIN)?;
        let block = (bytes / BLOCKS_MIN).min(BLOCK_MAX).max(bytes / BLOCKS_MAX);
        let mut block = block / PAGE * PAGE;
        if bytes / block > BLOCKS_MAX {
            block += PAGE;
        }
        // Foyer counts within a block with 32 bits.
        if u32::try_from(block).is_err() {
            return None;
        }
        // Foyer writes a buffer's blocks side by side. Two at most, and they are finished in the order they were begun.
        let buffer = (memory / 64).clamp(BUFFER_MIN, BUFFER_MAX).min(block / 2) / PAGE * PAGE;
        // A read holds what came from the disk, and a copy of it.
        let reads = (buffer / (2 * READ_UNIT)).clamp(4, 64);
        Some(Self { block, blocks: bytes / block, buffer, reads })
    }

    /// Bytes on disk of a packed segment with all that is around it, where entries are read by themselves.
    pub(crate) fn packed_stored(self) -> usize {
        let most = (self.buffer / PACKED_BUFFERS).min(self.block / PACKED_BLOCKS) / PAGE * PAGE;
        most.clamp(PACKED_SEALED_STORED, PACKED_STORED_MAX)
    }

    /// All blocks together.
    pub(crate) fn bytes(self) -> usize {
        self.block * self.blocks
    }

    /// The longest that can be stored, envelope and seal included.
    pub(crate) fn largest_stored(self) -> usize {
        (self.block - BLOB_INDEX).min(self.buffer)
    }
}

/// Bytes that something of this length takes on disk.
pub(crate) fn footprint(stored: usize) -> usize {
    (stored + ENVELOPE).next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_many_enough_and_not_too_many() {
        assert_eq!(Shape::new(BYTES_MIN - 1, 64 << 20), None);
        for bytes in [BYTES_MIN, 10_000_000, 64 << 20, 1 << 30, 8_000_000_000, 100 << 30, 999_999_999_999] {
            let shape = Shape::new(bytes, 64 << 20).expect("large enough");
            assert!((BLOCKS_MIN..=BLOCKS_MAX).contains(&shape.blocks), "{shape:?}");
            assert_eq!(shape.block % PAGE, 0);
            let unused = bytes - shape.bytes() as u64;
            assert!(unused < bytes / 16 + PAGE as u64, "{unused} of {bytes} unused");
        }
        assert_eq!(
            Shape::new(1 << 30, 1 << 30).map(|shape| (shape.block, shape.blocks)),
            Some((16 << 20, 64))
        );
        assert_eq!(Shape::new(u64::MAX, 1 << 30), None);
    }

    #[test]
    fn buffers_stay_within_a_sixteenth_of_memory() {
        for memory in [8 << 20, 64 << 20, 1 << 30, 64 << 30] {
            let shape = Shape::new(1 << 30, memory).expect("large enough");
            let all = 3 * shape.buffer + shape.reads * 2 * READ_UNIT;
            assert!(all <= memory / 16, "{all} of {memory}");
        }
    }
}
