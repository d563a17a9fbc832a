//! What happened, counted under each shard's lock and summed when somebody asks.

/// Counts since the cache was made, or since [`Cache::reset_stats`](crate::Cache::reset_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stats {
    /// Reads that found a live entry.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Entries stored under a key that had none.
    pub fills: u64,
    /// Entries that replaced another.
    pub overwrites: u64,
    /// Fills whose key had been evicted lately, admitted to the main queue at once.
    pub ghost_admissions: u64,
    /// Entries evicted from the small queue: hardly read since they came.
    pub evicted_on_probation: u64,
    /// Entries evicted from the main queue: read once, but not lately.
    pub evicted_from_main: u64,
    /// Entries that were found past their deadline when somebody asked for them.
    pub expired_on_access: u64,
    /// Entries that active reclaim found past their deadline.
    pub expired_by_reclaim: u64,
    /// Entries deleted by command.
    pub deletions: u64,
    /// Entries dropped because an invalidation reached them.
    pub invalidated: u64,
    /// Values that were not stored, since they had been loaded before an invalidation of their key.
    pub fills_refused: u64,
    /// Values stored for a short time only: a recent invalidation reaches them, and nobody saw the miss they fill.
    pub fills_unmatched: u64,
    /// Entries dropped with their database.
    pub flushed: u64,
    /// Segments rewritten to win back the room of dead records.
    pub compactions: u64,
    /// Changes of the rule of eviction to another that would have missed less.
    pub rule_changes: u64,
    /// Shards emptied because of a fault of ours while they were held.
    pub abandoned: u64,
}

impl Stats {
    /// All evictions.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evicted_on_probation + self.evicted_from_main
    }

    /// All expiries.
    #[must_use]
    pub fn expiries(&self) -> u64 {
        self.expired_on_access + self.expired_by_reclaim
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            hits,
            misses,
            fills,
            overwrites,
            ghost_admissions,
            evicted_on_probation,
            evicted_from_main,
            expired_on_access,
            expired_by_reclaim,
            deletions,
            invalidated,
            fills_refused,
            fills_unmatched,
            flushed,
            compactions,
            rule_changes,
            abandoned,
        } = other;
        self.hits += hits;
        self.misses += misses;
        self.fills += fills;
        self.overwrites += overwrites;
        self.ghost_admissions += ghost_admissions;
        self.evicted_on_probation += evicted_on_probation;
        self.evicted_from_main += evicted_from_main;
        self.expired_on_access += expired_on_access;
        self.expired_by_reclaim += expired_by_reclaim;
        self.deletions += deletions;
        self.invalidated += invalidated;
        self.fills_refused += fills_refused;
        self.fills_unmatched += fills_unmatched;
        self.flushed += flushed;
        self.compactions += compactions;
        self.rule_changes += rule_changes;
        self.abandoned += abandoned;
    }
}
