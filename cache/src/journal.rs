//! The journal of the disk tier: after a crash nothing deleted, overwritten, due earlier or invalidated comes back from disk.
//!
//! It holds a [`Record`] for every acknowledged change that makes a disk copy less servable than its segment says. Its order
//! is its truth: a record gets its sequence number when it is appended, and is appended under the lock that guards what it is
//! about, in the same critical section as the change. Whoever acknowledges a change commits first.
//!
//! One file, `DIR/journal`: a header, a snapshot, and the records since. Nothing is synced: a process that is killed loses
//! nothing that it has written, and a journal of another boot is not believed. A write that fails poisons the file before
//! anything is acknowledged that it lacks.

mod begin;
mod codec;
mod compaction;
mod fold;
mod frame;
mod header;
#[doc(hidden)]
pub mod image;
mod io;
mod log;
mod open;
mod record;
mod recovery;
mod sealer;
mod state;
mod statistics;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;

pub use compaction::{Compaction, CompactionFailed};
pub use open::{NAME, OpenError, OpenOptions, SIZE_MIN};
pub use record::{CONTROL_VALUE_MAX, NAME_MAX, Record, What};
pub use recovery::{Reason, Recovery};
pub use sealer::{SEALER_OVERHEAD_MAX, Sealer};
pub use state::{AsIs, Control, Gone, Invalidation, Roots, Segment, State};
pub use statistics::Statistics;

use header::Header;
use io::Io;
use log::Log;
use record::Entry;
use sealer::Secrecy;
use statistics::Counters;

/// Encoded records that may wait for a commit; who finds it full commits.
const PENDING_MAX: usize = 128 << 10;
/// Why a commit did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// What was appended is not in the journal, and no later start will believe the journal: the disk tier is over until
    /// [`Journal::restart`], and whoever only acknowledges may go on.
    #[error("the journal cannot be written; the next start is cold")]
    Poisoned,
    /// As before, but a later start may believe it: what was appended must not be acknowledged.
    #[error("the journal can neither be written nor be invalidated")]
    Unsafe,
}

impl Failed {
    /// A word for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Poisoned => "poisoned",
            Self::Unsafe => "unsafe",
        }
    }
}

/// Takes records and writes them when asked to.
///
/// Locks are taken in this order: a shard's, the writer's, that of what is pending.
#[derive(Debug)]
pub struct Journal {
    io: Box<dyn Io>,
    path: PathBuf,
    path_new: PathBuf,
    header: Header,
    secrecy: Secrecy,
    max: u64,
    pending: Mutex<Pending>,
    /// Whether something was appended and is not written. Cleared only once it is, so that whoever has appended and sees
    /// nothing outstanding need not commit.
    outstanding: AtomicBool,
    health: AtomicU8,
    writer: Mutex<Writer>,
    counters: Counters,
}

/// What was appended and not yet taken by a writer.
#[derive(Debug)]
struct Pending {
    /// Frames without CRC.
    buffer: Vec<u8>,
    next_sequence: u64,
    roots: Roots,
    /// False while there is no file to write to: then records are only numbered.
    is_on: bool,
    /// A record could not be encoded; the commit after it fails.
    is_broken: bool,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    /// The buffer that is not pending.
    spare: Vec<u8>,
    /// One compaction at a time.
    is_compacting: bool,
    /// Why a write failed last.
    failure: Option<std::io::ErrorKind>,
}

const HEALTHY: u8 = 0;
const POISONED: u8 = 1;
const UNSAFE: u8 = 2;

impl Journal {
    /// Keys are to be hashed with this.
    #[must_use]
    pub fn seed(&self) -> [u8; 16] {
        self.header.seed
    }

    /// How many parts keys are divided among.
    #[must_use]
    pub fn parts(&self) -> u16 {
        self.header.parts
    }

    /// The store's: what it holds of another is nothing that this journal knows of.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.header.incarnation
    }

    /// What is known of databases and the feed now.
    #[must_use]
    pub fn roots(&self) -> Roots {
        self.pending.lock().roots.clone()
    }

    /// The number that the next record gets: the token of whatever is packed now, under the lock under which its `Gone`
    /// would be appended.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.pending.lock().next_sequence
    }

    /// Appends a record; returns its sequence number. Written it is by the commit that follows, or by this call if too much
    /// is pending.
    ///
    /// A record that does not [fit](Record::fits) fails the journal, since it cannot be left out.
    #[inline]
    pub fn append(&self, record: &Record<'_>) -> u64 {
        if self.secrecy.sealer.is_some() && record.is_secret() {
            // Sealing takes longer than others should wait.
            let mut sealed = Vec::new();
            let is_whole = Entry::Record(*record).put(&self.secrecy, &mut sealed);
            return self.append_with(record, |buffer| {
                buffer.extend_from_slice(&sealed);
                is_whole
            });
        }
        self.append_with(record, |buffer| Entry::Record(*record).put(&self.secrecy, buffer))
    }

    #[inline]
    fn append_with(&self, record: &Record<'_>, put: impl FnOnce(&mut Vec<u8>) -> bool) -> u64 {
        let mut pending = self.pending.lock();
        while pending.buffer.len() + frame::FRAME_MAX > PENDING_MAX {
            drop(pending);
            // If it fails nothing is pending any more, and the commit that acknowledges this record fails as well.
            let _ = self.commit();
            pending = self.pending.lock();
        }
        let sequence = pending.next_sequence;
        pending.next_sequence += 1;
        if !matches!(record, Record::Gone { .. }) {
            pending.roots.apply(record);
        }
        if pending.is_on {
            let before = pending.buffer.len();
            let is_whole = put(&mut pending.buffer);
            pending.is_broken |= !is_whole;
            self.counters.appended(record, (pending.buffer.len() - before) as u64);
            self.outstanding.store(true, Ordering::Relaxed);
        }
        sequence
    }

    /// Whether something that was appended may not be written yet. Whoever has appended and finds nothing pending may
    /// acknowledge without a commit.
    #[inline]
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Writes what is pending; when it returns, everything that was appended before is written, whoever wrote it.
    ///
    /// # Errors
    /// If anything that was appended since the journal was last healthy is not written.
    pub fn commit(&self) -> Result<(), Failed> {
        self.commit_with(&mut self.writer.lock())
    }

    fn commit_with(&self, writer: &mut Writer) -> Result<(), Failed> {
        match self.health.load(Ordering::Relaxed) {
            HEALTHY => {}
            POISONED => return Err(Failed::Poisoned),
            _ => return Err(self.fail(writer, None)),
        }
        let (mut batch, is_broken) = {
            let mut pending = self.pending.lock();
            let spare = std::mem::take(&mut writer.spare);
            (std::mem::replace(&mut pending.buffer, spare), pending.is_broken)
        };
        if is_broken {
            return Err(self.fail(writer, Some(std::io::ErrorKind::InvalidInput)));
        }
        let written = self.write(&mut writer.log, &mut batch);
        batch.clear();
        writer.spare = batch;
        if let Err(error) = written {
            return Err(self.fail(writer, Some(error.kind())));
        }
        let pending = self.pending.lock();
        if pending.buffer.is_empty() {
            self.outstanding.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn write(&self, log: &mut Log, batch: &mut [u8]) -> std::io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        frame::stamp(batch, &mut log.chain);
        log.write(&*self.io, batch)?;
        self.counters.committed(log.tail);
        Ok(())
    }

    /// Sees to it that no later start believes the file, then stops taking records.
    #[cold]
    fn fail(&self, writer: &mut Writer, kind: Option<std::io::ErrorKind>) -> Failed {
        if let Some(kind) = kind {
            self.counters.failed();
            writer.failure = Some(kind);
        }
        let is_safe = cfg!(feature = "mutant-no-poison")
            || writer.log.poison(&*self.io).or_else(|_| self.io.unlink(&self.path)).is_ok();
        // Only now: who sees nothing outstanding acknowledges what the file lacks.
        let mut pending = self.pending.lock();
        pending.is_on = false;
        pending.is_broken = false;
        pending.buffer = Vec::new();
        self.health.store(if is_safe { POISONED } else { UNSAFE }, Ordering::Relaxed);
        self.outstanding.store(!is_safe, Ordering::Relaxed);
        if is_safe { Failed::Poisoned } else { Failed::Unsafe }
    }

    /// Whether the journal takes no records, since a write has failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.health.load(Ordering::Relaxed) != HEALTHY
    }

    /// Why a write failed last.
    #[must_use]
    pub fn failure(&self) -> Option<std::io::ErrorKind> {
        self.writer.lock().failure
    }

    /// What was done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }
}
