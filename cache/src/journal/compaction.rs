//! Compaction: a snapshot, and behind it the records since it was begun, take the journal's place.
//!
//! Appends go on into the old file meanwhile, as if nothing happened. What was appended since the beginning is copied behind the
//! snapshot when that is complete: most of it beside the writer, the rest while no write is going on; then a rename puts the
//! new file in the old one's place. A crash before it leaves the old file, which lacks nothing; one after it the new.
//!
//! The snapshot is gathered while the state changes, so a record may be replayed over a section that has its effect already.
//! Each kind bears that:
//!
//! - `Gone` tells which tokens no longer count; a place that the section has as dead is dead twice. A copy packed later has a
//!   greater token. What was gone before the beginning is told by the sections' dead places, and for a segment that was being
//!   written then by those of its `Sealed`.
//! - `Sealed` adds dead places to those of the section; dead stays dead.
//! - `Retired` takes out what is there or not, and no number is used twice.
//! - `Invalidated` is known by its sequence number and counts once.
//! - `Control` and `ControlGone` say what is, not what changes: if there is any record of a key behind the snapshot then the
//!   last one is right, and if there is none the section is.
//! - Databases, cold ones and the cursor are not gathered: the journal itself knows them as they were at the beginning. That an
//!   incarnation dies is thus read where it did, and takes with it only what it held.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::frame::{self, Broken, Frames};
use super::header::BLOCK;
use super::io::Io;
use super::log::Log;
use super::record::{Entry, Record, What};
use super::{Failed, HEALTHY, Journal};
use crate::clock::Millis;

/// Encoded entries that wait to be written.
const BUFFER: usize = 64 << 10;
/// What may be left to copy while nothing is written.
const LAST_COPY: u64 = 64 << 10;
/// How often it is tried to get there.
const COPIES_MAX: usize = 64;

/// Why the old journal stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactionFailed {
    /// Another one goes on.
    #[error("a compaction goes on already")]
    Busy,
    /// The journal is not healthy.
    #[error(transparent)]
    Journal(#[from] Failed),
    /// The new file cannot be written, or would grow beyond its limit.
    #[error("the new journal cannot be written: {0}")]
    Write(io::ErrorKind),
    /// Something does not fit into a record.
    #[error("part of the snapshot does not fit into a record")]
    TooLong,
    /// The old file is not what was written to it.
    #[error("the old journal cannot be read back")]
    Damaged,
}

impl CompactionFailed {
    /// A word for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Journal(failed) => failed.label(),
            Self::Write(_) => "write",
            Self::TooLong => "too_long",
            Self::Damaged => "damaged",
        }
    }
}

impl From<io::Error> for CompactionFailed {
    fn from(error: io::Error) -> Self {
        Self::Write(error.kind())
    }
}

/// A snapshot that is being gathered, from any thread. Dropped unfinished, it leaves everything as it was.
///
/// Invalidations come first: a sweep that has applied one to the entries may drop it from then on. A section is gathered under
/// the lock under which its records are appended.
#[derive(Debug)]
pub struct Compaction {
    pub(super) journal: Arc<Journal>,
    /// Where the records since the beginning begin in the old file.
    pub(super) from: u64,
    pub(super) from_chain: u32,
    pub(super) old: File,
    pub(super) sequence: u64,
    pub(super) living_before: u64,
    pub(super) target: Mutex<Target>,
    pub(super) is_finished: bool,
}

#[derive(Debug)]
pub(super) struct Target {
    log: Log,
    buffer: Vec<u8>,
    /// What failed first; nothing helps after that.
    failed: Option<CompactionFailed>,
}

impl Compaction {
    /// An invalidation that is still needed, with the sequence number it got.
    ///
    /// # Errors
    /// If the snapshot is lost; so for all the others.
    pub fn invalidation(
        &self,
        sequence: u64,
        ordinal: u32,
        incarnation: Option<u32>,
        what: What<&[u8]>,
    ) -> Result<(), CompactionFailed> {
        self.put(&Entry::InvalidatedAt { sequence, ordinal, incarnation, what })
    }

    /// A segment that is sealed and not retired; a shard's in the order in which they were sealed.
    pub fn segment(
        &self,
        segment: u64,
        bytes: u32,
        entries: u16,
        dead: &[u8],
    ) -> Result<(), CompactionFailed> {
        self.put(&Entry::Record(Record::Sealed { segment, bytes, entries, dead }))
    }

    /// That such a segment holds control keys of an incarnation which the snapshot does not tell.
    ///
    /// # Errors
    /// If the snapshot is lost; so for all the others.
    pub fn governs(&self, segment: u64, incarnation: u32) -> Result<(), CompactionFailed> {
        self.put(&Entry::Record(Record::Governs { segment, incarnation }))
    }

    /// A control key.
    pub fn control(
        &self,
        incarnation: u32,
        hash: u64,
        key: &[u8],
        value: &[u8],
        deadline: Option<Millis>,
    ) -> Result<(), CompactionFailed> {
        self.put(&Entry::Record(Record::Control { incarnation, hash, key, value, deadline }))
    }

    pub(super) fn put(&self, entry: &Entry<'_>) -> Result<(), CompactionFailed> {
        let mut target = self.target.lock();
        let target = &mut *target;
        if let Some(failed) = target.failed {
            return Err(failed);
        }
        let result = if entry.put(&self.journal.secrecy, &mut target.buffer) {
            target.flush(&*self.journal.io, BUFFER)
        } else {
            Err(CompactionFailed::TooLong)
        };
        target.failed = result.err();
        result
    }

    /// Puts the new journal in the old one's place.
    ///
    /// # Errors
    /// If it cannot; the old one then goes on.
    pub fn finish(mut self) -> Result<(), CompactionFailed> {
        self.put(&Entry::SnapshotEnd { sequence: self.sequence })?;
        let journal = Arc::clone(&self.journal);
        let target = self.target.get_mut();
        target.flush(&*journal.io, 0)?;
        let snapshot = target.log.tail - BLOCK as u64;
        let (mut at, mut chain) = (self.from, self.from_chain);
        for _ in 0..COPIES_MAX {
            let tail = journal.writer.lock().log.tail;
            if tail - at <= LAST_COPY || journal.is_poisoned() {
                break;
            }
            chain = target.copy(&*journal.io, &self.old, at, tail, chain)?;
            at = tail;
        }
        let mut writer = journal.writer.lock();
        match journal.health.load(Ordering::Relaxed) {
            HEALTHY => {}
            super::POISONED => return Err(Failed::Poisoned.into()),
            _ => return Err(Failed::Unsafe.into()),
        }
        target.copy(&*journal.io, &self.old, at, writer.log.tail, chain)?;
        journal.io.rename(&journal.path_new, &journal.path)?;
        std::mem::swap(&mut writer.log, &mut target.log);
        writer.is_compacting = false;
        self.is_finished = true;
        journal.counters.compacted(writer.log.tail, snapshot + BLOCK as u64, self.living_before);
        Ok(())
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        if !self.is_finished {
            let mut writer = self.journal.writer.lock();
            // If it stays, the next one empties it.
            let _ = self.journal.io.unlink(&self.journal.path_new);
            writer.is_compacting = false;
            self.journal.counters.not_compacted();
        }
    }
}

impl Target {
    pub(super) fn new(log: Log) -> Self {
        Self { log, buffer: Vec::new(), failed: None }
    }

    /// Writes what waits if it is more than `most`.
    fn flush(&mut self, io: &dyn Io, most: usize) -> Result<(), CompactionFailed> {
        if self.buffer.len() > most {
            frame::stamp(&mut self.buffer, &mut self.log.chain);
            self.log.write(io, &self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Copies checked frames behind what is there; returns the CRC of the last.
    fn copy(
        &mut self,
        io: &dyn Io,
        old: &File,
        from: u64,
        to: u64,
        chain: u32,
    ) -> Result<u32, CompactionFailed> {
        let mut frames = Frames::new(old, from, to, chain);
        let broken = |_: Broken| CompactionFailed::Damaged;
        while let Some(frame) = frames.next().map_err(broken)? {
            self.buffer.extend_from_slice(frame.whole);
            self.flush(io, BUFFER)?;
        }
        if frames.at() != to {
            return Err(CompactionFailed::Damaged);
        }
        self.flush(io, 0)?;
        Ok(frames.chain())
    }
}
