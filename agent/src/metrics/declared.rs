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

macro_rules! declare {
    ($($constant:ident = $metric:expr;)*) => {
        $(#[doc = "See its help text."] pub const $constant: Metric = $metric;)*
        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

declare! {
    BUILD_INFO = gauge("larder_build_info", "Always 1; the version of this agent is in the label.");
    HITS = counter("larder_cache_hits_total", "Reads that found a live entry.");
    MISSES = counter("larder_cache_misses_total", "Reads that found none.");
    FILLS = counter("larder_cache_fills_total", "Entries stored under a key that had none.");
    OVERWRITES = counter("larder_cache_overwrites_total", "Entries that replaced another under the same key.");
    GHOST_ADMISSIONS = counter("larder_cache_ghost_admissions_total",
        "Fills whose key had been evicted lately, which therefore skip probation.");
    EVICTIONS = counter("larder_cache_evictions_total",
        "Entries evicted for room, by reason: probation (hardly read since they came) or capacity (read, but not lately).");
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
    ENTRIES = gauge("larder_cache_entries", "Entries in all databases.");
    ENTRIES_WITH_TTL = gauge("larder_cache_entries_with_ttl", "Entries that will expire.");
    MEMORY_USED = gauge("larder_cache_memory_used_bytes", "Bytes that the cache holds, overhead included.");
    MEMORY_LIVE = gauge("larder_cache_memory_live_bytes", "Bytes of living entries among those held.");
    MEMORY_LIMIT = gauge("larder_cache_memory_limit_bytes", "The limit of what the cache and the client buffers may hold.");
    BUFFERS = gauge("larder_client_buffers_bytes",
        "Bytes of torn commands, queued transactions, and replies that clients have not read, here or in the kernel.");
    BUFFERS_LIMIT = gauge("larder_client_buffers_limit_bytes", "The limit of client buffers: past it the biggest holder is closed.");
    COMMANDS = counter("larder_commands_total", "Commands run, by name.");
    COMMAND_FAILURES = counter("larder_command_failures_total", "Error replies, by command name.");
    COMMAND_DURATION = Metric { name: "larder_command_duration_seconds", kind: Kind::Histogram,
        help: "How long commands took, from the end of the one before in the same batch, by name." };
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
