//! The disk tier in figures.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::Cache;
use crate::disk::store::ReadError;
use crate::held::Held;
use crate::journal::Statistics;
use crate::shard::Shard;
use crate::tier::{LATENCY_BOUNDS_US, Latency, Tier};

/// How long a device took: counts for each bound of [`LATENCY_BOUNDS_US`] and above, and the sum in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyFigures {
    /// How many took longer than the bound before and not longer than this one.
    pub buckets: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// All together.
    pub sum_us: u64,
}

impl LatencyFigures {
    fn of(latency: &Latency) -> Self {
        Self {
            buckets: latency.buckets.each_ref().map(|bucket| bucket.load(Relaxed)),
            sum_us: latency.sum_us.load(Relaxed),
        }
    }
}

/// What the disk tier holds and did since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFigures {
    /// Entries that lie on disk only.
    pub entries: u64,
    /// Sealed segments,
    pub segments: u64,
    /// and the bytes that they take.
    pub bytes: u64,
    /// Bytes that may be written before the first of them is given up.
    pub capacity: u64,
    /// Segments that are on their way,
    pub flush_queue_segments: u64,
    /// and their bytes.
    pub flush_queue_bytes: u64,
    /// Heap bytes that say what lies where.
    pub ledger_bytes: u64,
    /// Bytes of entries that were admitted,
    pub bytes_admitted: u64,
    /// bytes written to the device,
    pub bytes_written: u64,
    /// and read from it.
    pub bytes_read: u64,
    /// Segments that arrived,
    pub segments_written: u64,
    /// that were lost,
    pub segments_lost: u64,
    /// and that made room.
    pub segments_reclaimed: u64,
    /// Segments that could not be read, by reason.
    pub reads_failed: Vec<(&'static str, u64)>,
    /// Writes that failed.
    pub writes_failed: u64,
    /// Answers that did not wait any longer.
    pub timeouts: u64,
    /// How long callers waited for reads,
    pub reads: LatencyFigures,
    /// and how long a round of writes took.
    pub writes: LatencyFigures,
    /// Whether nothing can be written.
    pub is_down: bool,
    /// How often the store was opened again.
    pub reopened: u64,
    /// The journal.
    pub journal: Statistics,
    /// Whether a later start would not believe it.
    pub is_journal_poisoned: bool,
    /// How often it was begun anew,
    pub journal_restarts: u64,
    /// and how often a snapshot of it failed.
    pub compactions_failed: u64,
}

impl DiskFigures {
    /// All but what the shards know.
    pub(crate) fn of(tier: &Tier) -> Self {
        let counts = &tier.counts;
        let read = |count: &AtomicU64| count.load(Relaxed);
        let (flush_queue_segments, flush_queue_bytes) = tier.outgoing();
        let store = tier.store_figures();
        Self {
            capacity: tier.limits.capacity,
            flush_queue_segments: flush_queue_segments as u64,
            flush_queue_bytes: flush_queue_bytes as u64,
            bytes_admitted: read(&counts.bytes_admitted),
            bytes_written: store.bytes_written,
            bytes_read: store.bytes_read,
            segments_written: read(&counts.segments_written),
            segments_lost: read(&counts.segments_lost),
            segments_reclaimed: read(&counts.segments_reclaimed),
            reads_failed: ReadError::ALL.iter().map(|error| error.label()).zip(store.reads_failed).collect(),
            writes_failed: store.writes_failed,
            timeouts: read(&counts.timeouts),
            reads: LatencyFigures::of(&counts.reads),
            writes: LatencyFigures::of(&counts.writes),
            is_down: tier.is_down(),
            reopened: read(&counts.reopened),
            journal: tier.journal.statistics(),
            is_journal_poisoned: tier.journal.is_poisoned(),
            journal_restarts: read(&counts.journal_restarts),
            compactions_failed: read(&counts.compactions_failed),
            ..Self::default()
        }
    }

    /// Adds what a shard knows.
    pub(crate) fn add(&mut self, shard: &Shard) {
        let Some(disk) = &shard.disk else { return };
        self.entries += disk.ledger.live() as u64;
        self.segments += disk.ledger.segments() as u64;
        self.bytes += disk.ledger.sealed_bytes();
        self.ledger_bytes += disk.ledger.bytes() as u64;
    }
}

impl Cache {
    /// What the disk tier holds and did, if there is one.
    #[must_use]
    pub fn disk_figures(&self) -> Option<DiskFigures> {
        let mut figures = DiskFigures::of(self.tier.as_ref()?);
        self.shards.iter().for_each(|shard| figures.add(&Held::lock(shard)));
        Some(figures)
    }
}
