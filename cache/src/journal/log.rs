//! A journal's file: a header, what was written so far, and room that was asked for in advance.

use std::fs::File;
use std::io;
use std::path::Path;

use super::header::{BLOCK, Header, LENGTH_AT, POISON, POISON_AT, encode_length};
use super::io::{Io, write_all};

/// What the file grows by.
pub(super) const STEP: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Log {
    pub(super) file: File,
    /// Where the next frame goes.
    pub(super) tail: u64,
    /// What the last frame's CRC was.
    pub(super) chain: u32,
    /// How long the file is; behind the tail it is zeros.
    pub(super) length: u64,
    max: u64,
}

impl Log {
    /// A new file that holds a header. All that may fail for want of room fails here and when it grows.
    pub(super) fn create(io: &dyn Io, path: &Path, header: &Header, max: u64) -> io::Result<Self> {
        let file = io.create(path)?;
        let length = STEP.min(max);
        io.allocate(&file, 0, length)?;
        write_all(io, &file, &header.encode(length), 0)?;
        Ok(Self { file, tail: BLOCK as u64, chain: header.chain, length, max })
    }

    /// A file that was read up to `tail`.
    pub(super) fn resume(file: File, tail: u64, chain: u32, length: u64, max: u64) -> Self {
        Self { file, tail, chain, length, max }
    }

    /// Writes frames that were stamped.
    #[inline]
    pub(super) fn write(&mut self, io: &dyn Io, bytes: &[u8]) -> io::Result<()> {
        let end = self.tail + bytes.len() as u64;
        if end > self.length {
            self.grow(io, end)?;
        }
        write_all(io, &self.file, bytes, self.tail)?;
        self.tail = end;
        Ok(())
    }

    #[cold]
    fn grow(&mut self, io: &dyn Io, end: u64) -> io::Result<()> {
        if end > self.max {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let length = end.next_multiple_of(STEP).min(self.max);
        io.allocate(&self.file, self.length, length - self.length)?;
        // Only then: the file may be longer than it says, never shorter.
        write_all(io, &self.file, &encode_length(length), LENGTH_AT)?;
        self.length = length;
        Ok(())
    }

    /// Clears what a write that was cut short has left, from its end: at every moment it is the beginning of a frame, then zeros.
    pub(super) fn clear(&self, io: &dyn Io, end: u64) -> io::Result<()> {
        let mut end = end;
        while end > self.tail {
            let page = (end - 1) / BLOCK as u64 * BLOCK as u64;
            let from = page.max(self.tail);
            write_all(io, &self.file, &[0; BLOCK][..(end - from) as usize], from)?;
            end = from;
        }
        Ok(())
    }

    pub(super) fn poison(&self, io: &dyn Io) -> io::Result<()> {
        write_all(io, &self.file, &POISON, POISON_AT)
    }
}
