//! Where a compaction begins: the line between what its snapshot says and what is said behind it.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::compaction::{Compaction, CompactionFailed, Target};
use super::frame;
use super::header::Header;
use super::io::Io;
use super::log::Log;
use super::record::Entry;
use super::sealer::Secrecy;
use super::state::Roots;
use super::{HEALTHY, Journal, Writer};

/// Where the records that follow a snapshot begin.
struct Beginning {
    from: u64,
    chain: u32,
    old: File,
    sequence: u64,
    roots: Roots,
    header: Header,
}

impl Journal {
    /// Whether a compaction is worth its while.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        !self.is_poisoned() && self.counters.is_compaction_due(self.max)
    }

    /// Begins a snapshot: of the state as it is now or becomes while it is gathered.
    ///
    /// # Errors
    /// If another one goes on or the journal or the new file cannot be written.
    pub fn begin_compaction(self: &Arc<Self>) -> Result<Compaction, CompactionFailed> {
        let beginning = {
            let mut writer = self.writer.lock();
            if writer.is_compacting {
                return Err(CompactionFailed::Busy);
            }
            self.commit_with(&mut writer)?;
            self.beginning(&mut writer)?
        };
        self.begin(beginning)
    }

    /// Begins anew after a failed write: records count again from here on, and once the snapshot is finished a restart is warm.
    /// Until then it would be cold. Of a healthy journal it is a compaction like any other.
    ///
    /// # Errors
    /// As [`begin_compaction`](Self::begin_compaction), so one that is lost must be dropped first; if the new file cannot be
    /// written nothing has changed.
    pub fn restart(self: &Arc<Self>) -> Result<Compaction, CompactionFailed> {
        let beginning = {
            let mut writer = self.writer.lock();
            if writer.is_compacting {
                return Err(CompactionFailed::Busy);
            }
            if self.is_poisoned() {
                let header = self.next_header(&writer);
                let log = Log::create(&*self.io, &self.path_new, &header, self.max)?;
                self.io.rename(&self.path_new, &self.path)?;
                self.counters.restarted(log.tail);
                writer.log = log;
                let mut pending = self.pending.lock();
                pending.is_on = true;
                self.health.store(HEALTHY, Ordering::Relaxed);
                self.outstanding.store(false, Ordering::Relaxed);
            }
            self.beginning(&mut writer)?
        };
        self.begin(beginning)
    }

    /// Draws the line between what the snapshot says and what is said behind it.
    fn beginning(&self, writer: &mut Writer) -> Result<Beginning, CompactionFailed> {
        let mut pending = self.pending.lock();
        let mut batch = std::mem::take(&mut pending.buffer);
        // Others wait for this one write to append, or they would be before the line and behind it.
        let written = if pending.is_broken {
            Err(io::ErrorKind::InvalidInput.into())
        } else {
            self.write(&mut writer.log, &mut batch)
        };
        if let Err(error) = written {
            drop(pending);
            return Err(self.fail(writer, Some(error.kind())).into());
        }
        batch.clear();
        pending.buffer = batch;
        self.outstanding.store(false, Ordering::Relaxed);
        let old = writer.log.file.try_clone()?;
        writer.is_compacting = true;
        Ok(Beginning {
            from: writer.log.tail,
            chain: writer.log.chain,
            old,
            sequence: pending.next_sequence,
            roots: pending.roots.clone(),
            header: self.next_header(writer),
        })
    }

    /// As the journal's, but no frame of one file passes for one of the other.
    fn next_header(&self, writer: &Writer) -> Header {
        Header { chain: crc32c::crc32c_append(writer.log.chain, b"next"), ..self.header }
    }

    fn begin(self: &Arc<Self>, beginning: Beginning) -> Result<Compaction, CompactionFailed> {
        let Beginning { from, chain, old, sequence, roots, header } = beginning;
        let log = Log::create(&*self.io, &self.path_new, &header, self.max);
        let log = match log {
            Ok(log) => log,
            Err(error) => {
                self.writer.lock().is_compacting = false;
                self.counters.not_compacted();
                return Err(error.into());
            }
        };
        let compaction = Compaction {
            journal: Arc::clone(self),
            from,
            from_chain: chain,
            old,
            sequence,
            living_before: self.counters.living(),
            target: Mutex::new(Target::new(log)),
            is_finished: false,
        };
        roots.entries().try_for_each(|entry| compaction.put(&entry))?;
        Ok(compaction)
    }
}

/// A snapshot of a store that holds nothing yet.
pub(super) fn write_roots(io: &dyn Io, log: &mut Log, roots: &Roots, sequence: u64) -> io::Result<()> {
    let mut buffer = Vec::new();
    let plain = Secrecy { sealer: None, incarnation: 0 };
    for entry in roots.entries().chain([Entry::SnapshotEnd { sequence }]) {
        // None of them is sealed, and none too long.
        entry.put(&plain, &mut buffer);
    }
    frame::stamp(&mut buffer, &mut log.chain);
    log.write(io, &buffer)
}
