//! What a journal counts, and what follows for when it should be compacted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::header::BLOCK;
use super::record::{Record, sealed_bytes};

/// Garbage that is not worth a compaction.
const GARBAGE_MIN: u64 = 1 << 20;

/// What a journal did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records that were appended.
    pub appends: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Writes.
    pub commits: u64,
    /// Snapshots that took the journal's place.
    pub compactions: u64,
    /// Writes that failed, or compactions.
    pub failures: u64,
    /// Bytes of the file that are in use.
    pub size: u64,
    /// Bytes of it that a compaction would write again, as far as can be told.
    pub living: u64,
}

/// Appends are counted under the lock of what is pending, the rest under the writer's; both are read without.
#[derive(Debug)]
pub(super) struct Counters {
    appends: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
    compactions: AtomicU64,
    failures: AtomicU64,
    size: AtomicU64,
    living: AtomicU64,
    /// No compaction is due below this size: one has failed at less.
    floor: AtomicU64,
    /// The file has no snapshot yet.
    is_unfinished: AtomicBool,
}

fn add(counter: &AtomicU64, count: u64) {
    // Only one thread at a time adds.
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl Counters {
    pub(super) fn new(size: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            appends: zero(),
            bytes: zero(),
            commits: zero(),
            compactions: zero(),
            failures: zero(),
            size: AtomicU64::new(size),
            living: AtomicU64::new(BLOCK as u64),
            floor: zero(),
            is_unfinished: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn appended(&self, record: &Record<'_>, bytes: u64) {
        add(&self.appends, 1);
        add(&self.bytes, bytes);
        match record {
            Record::Sealed { .. } => _ = self.living.fetch_add(bytes, Relaxed),
            // Its bitmap is not at hand; too much is taken for living.
            Record::Retired { .. } => {
                let less = |living: u64| Some(living.saturating_sub(sealed_bytes(0)));
                _ = self.living.fetch_update(Relaxed, Relaxed, less);
            }
            _ => {}
        }
    }

    pub(super) fn committed(&self, size: u64) {
        add(&self.commits, 1);
        self.size.store(size, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn found_living(&self, bytes: u64) {
        self.living.fetch_add(bytes, Relaxed);
    }

    pub(super) fn living(&self) -> u64 {
        self.living.load(Relaxed)
    }

    pub(super) fn restarted(&self, size: u64) {
        self.is_unfinished.store(true, Relaxed);
        self.size.store(size, Relaxed);
        self.floor.store(0, Relaxed);
    }

    /// `snapshot`: bytes of it; `living_before`: what was taken for living when it was begun.
    pub(super) fn compacted(&self, size: u64, snapshot: u64, living_before: u64) {
        self.compactions.fetch_add(1, Relaxed);
        self.size.store(size, Relaxed);
        let since = |living: u64| Some(snapshot + living.saturating_sub(living_before));
        _ = self.living.fetch_update(Relaxed, Relaxed, since);
        self.floor.store(0, Relaxed);
        self.is_unfinished.store(false, Relaxed);
    }

    pub(super) fn not_compacted(&self) {
        self.failures.fetch_add(1, Relaxed);
        let size = self.size.load(Relaxed);
        self.floor.store(size + size / 8, Relaxed);
    }

    /// Whether a journal that may grow to `max` is worth compacting: garbage exceeds what lives, or the end is in sight.
    pub(super) fn is_compaction_due(&self, max: u64) -> bool {
        let (size, living) = (self.size.load(Relaxed), self.living());
        let garbage = size.saturating_sub(living);
        let is_due = garbage > living + GARBAGE_MIN || (size > max / 2 && garbage > max / 8);
        self.is_unfinished.load(Relaxed) || (is_due && size >= self.floor.load(Relaxed))
    }

    pub(super) fn read(&self) -> Statistics {
        Statistics {
            appends: self.appends.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            commits: self.commits.load(Relaxed),
            compactions: self.compactions.load(Relaxed),
            failures: self.failures.load(Relaxed),
            size: self.size.load(Relaxed),
            living: self.living(),
        }
    }
}
