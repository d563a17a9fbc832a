//! Every metric, declared in this one file: name, kind, help.

/// What a metric counts like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// One declared metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, unit last; a counter's ends in `_total`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it tells.
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

macro_rules! declare {
    ($($constant:ident = $metric:expr;)*) => {
        $(#[doc = "See its help text."] pub const $constant: Metric = $metric;)*
        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

declare! {
    BUILD_INFO = gauge("larder_build_info", "Always 1; the version of this agent is in the label.");
    HITS = counter("larder_cache_hits_total", "Reads that found a live entry, in memory or on disk.");
    MISSES = counter("larder_cache_misses_total", "Reads that found none.");
    FILLS = counter("larder_cache_fills_total", "Entries stored under a key that had none.");
    OVERWRITES = counter("larder_cache_overwrites_total", "Entries that replaced another under the same key.");
    GHOST_ADMISSIONS = counter("larder_cache_ghost_admissions_total",
        "Fills whose key had been evicted lately, which therefore skip probation.");
    EVICTIONS = counter("larder_cache_evictions_total",
        "Entries evicted from memory for room and not kept on disk, by reason: probation (hardly read since they came) or capacity (read, but not lately).");
    RULE_CHANGES = counter("larder_cache_rule_changes_total",
        "How often eviction went over to another of its rules, since that would have had more hits lately.");
    EXPIRIES = counter("larder_cache_expiries_total",
        "Entries past their deadline, by how they were found: access (somebody asked for them) or reclaim (in the background).");
    DELETIONS = counter("larder_cache_deletions_total", "Entries deleted by command.");
    INVALIDATED = counter("larder_cache_invalidated_total", "Entries dropped because an invalidation reached them.");
    FILLS_REFUSED = counter("larder_cache_fills_refused_total",
        "Values that were not stored, since they had been loaded before an invalidation of their key.");
    FILLS_UNMATCHED = counter("larder_cache_fills_unmatched_total",
        "Values stored for five seconds at most: an invalidation reached them lately, and no miss was seen that they fill.");
    INVALIDATIONS = counter("larder_invalidations_total", "Invalidations of keys, tags, prefixes or everything.");
    INVALIDATIONS_MERGED = counter("larder_invalidations_merged_total",
        "Invalidations that became one of everything, since too many had to be remembered.");
    FLUSHED = counter("larder_cache_flushed_total", "Entries dropped with their whole database.");
    COMPACTIONS = counter("larder_cache_compactions_total", "Memory segments rewritten to win back the room of dead entries.");
    ENTRIES = gauge("larder_cache_entries", "Entries in all databases, in memory or on disk.");
    ENTRIES_WITH_TTL = gauge("larder_cache_entries_with_ttl", "Entries that will expire.");
    MEMORY_USED = gauge("larder_cache_memory_used_bytes", "Bytes that the cache holds, overhead included.");
    MEMORY_LIVE = gauge("larder_cache_memory_live_bytes", "Bytes of living entries among those held.");
    MEMORY_LIMIT = gauge("larder_cache_memory_limit_bytes", "The limit of what the cache and the client buffers may hold.");
    BUFFERS = gauge("larder_client_buffers_bytes",
        "Bytes of torn commands, queued transactions, and replies that clients have not read, here or in the kernel.");
    BUFFERS_LIMIT = gauge("larder_client_buffers_limit_bytes", "The limit of client buffers: past it the biggest holder is closed.");
    COMMANDS = counter("larder_commands_total", "Commands run, by name.");
    COMMAND_FAILURES = counter("larder_command_failures_total", "Error replies, by command name.");
    COMMAND_DURATION = histogram("larder_command_duration_seconds",
        "How long commands took, from the end of the one before in the same batch, by name.");
    UNKNOWN_COMMANDS = counter("larder_unknown_commands_total", "Requests for a command that does not exist here.");
    OUT_OF_MEMORY = counter("larder_out_of_memory_total", "Writes refused because memory was full and the policy let nothing go.");
    CONNECTIONS = counter("larder_connections_total", "Connections accepted.");
    CLIENTS = gauge("larder_clients", "Connections open now.");
    CLIENTS_LINGERING = gauge("larder_clients_lingering",
        "Connections that ended, but whose clients have neither read what they were sent nor closed their end.");
    CLIENTS_LIMIT = gauge("larder_clients_limit", "Connections that may be open or linger at a time.");
    CLIENTS_REJECTED = counter("larder_clients_rejected_total",
        "Connections refused, by reason: limit (too many clients), buffers (ended ones left too much unread) or files (no descriptor is left).");
    CLIENTS_CLOSED = counter("larder_clients_closed_total",
        "Connections that the agent closed, by reason: buffers (it held the most when buffers were full), idle, protocol.");
    WRONG_PASSWORDS = counter("larder_wrong_passwords_total", "Passwords that were refused.");
    BYTES_IN = counter("larder_network_received_bytes_total", "Bytes received from clients.");
    BYTES_OUT = counter("larder_network_sent_bytes_total", "Bytes of replies to clients.");
    METRICS_FAILURES = counter("larder_metrics_open_failures_total",
        "How often the address of this page was taken when the agent tried to open it; it tries again every ten seconds.");
    ABANDONED = counter("larder_cache_abandoned_total",
        "Times that a part of the cache was emptied because of a fault in the agent: please report it.");
    WORKERS = gauge("larder_workers", "Worker threads.");
    DISK_STATE = gauge("larder_disk_state",
        "1 for the state that the disk tier is in, 0 for others: off (nobody asked for one), on, down (nothing can be written now) or degraded (it could not be opened at the start).");
    DISK_DEGRADED = gauge("larder_disk_degraded",
        "Whether the disk tier is not there or takes nothing, although it was asked for: 1 in the states down and degraded.");
    DISK_HITS = counter("larder_disk_hits_total",
        "Reads that found a live entry on disk or on its way there; larder_cache_hits_total counts them, too.");
    DISK_PROMOTIONS = counter("larder_disk_promotions_total", "Entries brought back from disk into memory.");
    DISK_DEMOTIONS = counter("larder_disk_demotions_total",
        "Entries that left memory for the disk, by kind: written, or unchanged (an equal copy lay there already).");
    DISK_REFUSALS = counter("larder_disk_refusals_total",
        "Times that an entry which had to leave memory was not admitted to the disk, by reason: ttl (too little left to live), size (too long), unread (not read, while the disk is full), rate (the limit of writes), busy (too much on its way), full (no place found) or down (nothing can be written).");
    DISK_READMISSIONS = counter("larder_disk_readmissions_total",
        "Entries written to disk again when the segment that they lay in made room.");
    DISK_EVICTIONS = counter("larder_disk_evictions_total", "Entries evicted from disk for room.");
    DISK_ENTRIES_LOST = counter("larder_disk_entries_lost_total", "Entries lost with a segment that could not be written or read.");
    DISK_DROPPED_LATE = counter("larder_disk_dropped_late_total",
        "Entries dropped because they were to be changed and could not be read from disk in time.");
    DISK_ENTRIES = gauge("larder_disk_entries", "Entries on disk or on their way there, and not in memory.");
    DISK_SEGMENTS = gauge("larder_disk_segments", "Segments that entries on disk lie in, those on their way included.");
    DISK_USED = gauge("larder_disk_used_bytes", "Bytes of disk that segments take which have arrived.");
    DISK_CAPACITY = gauge("larder_disk_capacity_bytes", "Bytes of disk that segments may take before the oldest makes room.");
    DISK_LEDGER = gauge("larder_disk_ledger_bytes", "Bytes of memory that tell what lies where on disk; a part of larder_cache_memory_used_bytes.");
    DISK_BYTES_ADMITTED = counter("larder_disk_admitted_bytes_total",
        "Bytes of keys, values and tags admitted to the disk. Write amplification is the rate of larder_disk_written_bytes_total divided by that of this.");
    DISK_BYTES_WRITTEN = counter("larder_disk_written_bytes_total",
        "Bytes of segments written to disk, readmissions, headers and rounding included; larder_journal_appended_bytes_total comes on top.");
    DISK_BYTES_READ = counter("larder_disk_read_bytes_total", "Bytes of segments read from disk, from the page cache or the device.");
    DISK_FLUSH_SEGMENTS = gauge("larder_disk_flush_queue_segments", "Segments that are on their way to disk.");
    DISK_FLUSH_BYTES = gauge("larder_disk_flush_queue_bytes", "Bytes of segments that are on their way to disk.");
    DISK_SEGMENTS_WRITTEN = counter("larder_disk_segments_written_total", "Segments that arrived on disk.");
    DISK_SEGMENTS_LOST = counter("larder_disk_segments_lost_total", "Segments that did not arrive on disk, or could not be read.");
    DISK_SEGMENTS_RECLAIMED = counter("larder_disk_segments_reclaimed_total", "Segments that made room on disk for new ones.");
    DISK_READ_FAILURES = counter("larder_disk_read_failures_total",
        "Reads of a segment that failed, by reason: io, damaged (not what was written), key (sealed with another) or seal (broken).");
    DISK_WRITE_FAILURES = counter("larder_disk_write_failures_total", "Writes of a segment that failed.");
    DISK_TIMEOUTS = counter("larder_disk_timeouts_total", "Segments that an answer waited for until the time limit, and went without.");
    DISK_READ_DURATION = histogram("larder_disk_read_duration_seconds",
        "How long reads from disk were waited for: by a command, all segments that it wanted together, or to make room. What the page cache gave at once does not count.");
    DISK_WRITE_DURATION = histogram("larder_disk_write_duration_seconds", "How long rounds of writes to disk took.");
    DISK_REOPENED = counter("larder_disk_reopened_total", "How often the files on disk were opened again after a failure.");
    DISK_RECOVERIES = counter("larder_disk_recoveries_total",
        "1 for how this process found the disk at its start: warm, or the reason of a cold start.");
    DISK_RECOVERED_ENTRIES = gauge("larder_disk_recovered_entries", "Entries found on disk at the start.");
    DISK_RECOVERED_SEGMENTS = gauge("larder_disk_recovered_segments", "Segments found on disk at the start.");
    DISK_RECOVERED_CONTROLS = gauge("larder_disk_recovered_controls",
        "Keys that govern other entries and came back from the journal at the start.");
    DISK_RECOVERY_LOST = gauge("larder_disk_recovery_lost_segments", "Segments that the journal knew at the start and the disk had not.");
    JOURNAL_APPENDS = counter("larder_journal_appends_total", "Records appended to the journal.");
    JOURNAL_BYTES = counter("larder_journal_appended_bytes_total", "Bytes of records appended to the journal.");
    JOURNAL_COMMITS = counter("larder_journal_commits_total", "Writes of the journal, of many records each.");
    JOURNAL_COMPACTIONS = counter("larder_journal_compactions_total", "Snapshots that took the journal's place.");
    JOURNAL_COMPACTION_FAILURES = counter("larder_journal_compaction_failures_total", "Snapshots of the journal that failed.");
    JOURNAL_FAILURES = counter("larder_journal_failures_total", "Failures to write the journal, or a snapshot of it.");
    JOURNAL_RESTARTS = counter("larder_journal_restarts_total", "How often the journal was begun anew after a failure.");
    JOURNAL_POISONED = gauge("larder_journal_poisoned",
        "1 while the journal takes nothing after a failure: a start would be cold.");
    JOURNAL_SIZE = gauge("larder_journal_size_bytes", "Bytes of the journal's file that are in use.");
    PROCESS_CPU = counter("process_cpu_seconds_total", "User and system CPU time spent.");
    PROCESS_RESIDENT = gauge("process_resident_memory_bytes", "Resident memory.");
    PROCESS_VIRTUAL = gauge("process_virtual_memory_bytes", "Virtual memory.");
    PROCESS_FILES = gauge("process_open_fds", "Open file descriptors.");
    PROCESS_FILES_MAX = gauge("process_max_fds", "File descriptors that may be open.");
    PROCESS_START = gauge("process_start_time_seconds", "When the process started, in Unix seconds.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_end_as_their_kind_asks() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for metric in ALL {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
