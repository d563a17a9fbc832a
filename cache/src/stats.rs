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
    /// Hits that were read from disk.
    pub disk_hits: u64,
    /// Entries that were brought back from disk into memory.
    pub promotions: u64,
    /// Entries that were written to disk when they left memory.
    pub demoted: u64,
    /// Entries that left memory while an equal copy lay on disk.
    pub demoted_unchanged: u64,
    /// Entries that left memory and were not written: they had too little left to live,
    pub refused_ttl: u64,
    /// were longer than what is taken,
    pub refused_size: u64,
    /// had not been read, while the disk was full,
    pub refused_unread: u64,
    /// would have passed the limit of the write rate,
    pub refused_rate: u64,
    /// came while too much was on its way,
    pub refused_busy: u64,
    /// found no place in the ledger or in any segment,
    pub refused_full: u64,
    /// or while nothing could be written.
    pub refused_down: u64,
    /// Entries that left the disk to make room.
    pub evicted_from_disk: u64,
    /// Entries that were written again when the segment that they lay in made room.
    pub readmissions: u64,
    /// Entries lost with a segment that could not be read or written.
    pub lost: u64,
    /// Entries dropped since they were to be changed and could not be read in time.
    pub dropped_late: u64,
    /// Shards emptied because of a fault of ours while they were held.
    pub abandoned: u64,
}

impl Stats {
    /// All evictions: entries that left the cache to make room, from memory or from disk.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evicted_on_probation + self.evicted_from_main + self.evicted_from_disk
    }

    /// Entries that left memory and were not written to disk.
    #[must_use]
    pub fn refusals(&self) -> [(&'static str, u64); 7] {
        [
            ("ttl", self.refused_ttl),
            ("size", self.refused_size),
            ("unread", self.refused_unread),
            ("rate", self.refused_rate),
            ("busy", self.refused_busy),
            ("full", self.refused_full),
            ("down", self.refused_down),
        ]
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
            disk_hits,
            promotions,
            demoted,
            demoted_unchanged,
            refused_ttl,
            refused_size,
            refused_unread,
            refused_rate,
            refused_busy,
            refused_full,
            refused_down,
            evicted_from_disk,
            readmissions,
            lost,
            dropped_late,
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
        self.disk_hits += disk_hits;
        self.promotions += promotions;
        self.demoted += demoted;
        self.demoted_unchanged += demoted_unchanged;
        self.refused_ttl += refused_ttl;
        self.refused_size += refused_size;
        self.refused_unread += refused_unread;
        self.refused_rate += refused_rate;
        self.refused_busy += refused_busy;
        self.refused_full += refused_full;
        self.refused_down += refused_down;
        self.evicted_from_disk += evicted_from_disk;
        self.readmissions += readmissions;
        self.lost += lost;
        self.dropped_late += dropped_late;
        self.abandoned += abandoned;
    }
}
