//! What `INFO` and `LARDER.INFO` tell of the tier on disk and its journal.

use larder_cache::{DiskFigures, Stats, journal};

use crate::server::storage::{DiskState, WARM};

/// What is told under a name.
pub(super) enum Told {
    Text(&'static str),
    Number(u64),
}

/// All that there is to tell; the state alone where there is no disk.
pub(super) fn fields(
    state: DiskState,
    stats: &Stats,
    figures: Option<&DiskFigures>,
) -> Vec<(&'static str, Told)> {
    let is_down = figures.is_some_and(|figures| figures.is_down);
    let mut told = vec![("disk_state", Told::Text(state.label(is_down)))];
    if let Some(warmth) = state.warmth() {
        let reason = warmth.cold.map_or(WARM, journal::Reason::label);
        told.push(("disk_recovery", Told::Text(reason)));
        told.extend(numbers([
            ("disk_recovery_was_clean", warmth.was_clean.into()),
            ("disk_recovered_entries", warmth.entries),
            ("disk_recovered_segments", warmth.segments),
            ("disk_recovered_controls", warmth.controls),
            ("disk_recovery_lost_segments", warmth.segments_lost),
        ]));
    }
    if let Some(figures) = figures {
        told.extend(numbers(entries(stats, figures)));
        told.extend(numbers(device(figures)));
        told.extend(numbers(journal_of(figures)));
    }
    told
}

fn numbers<const N: usize>(numbers: [(&'static str, u64); N]) -> [(&'static str, Told); N] {
    numbers.map(|(name, number)| (name, Told::Number(number)))
}

fn entries(stats: &Stats, figures: &DiskFigures) -> [(&'static str, u64); 17] {
    [
        ("disk_entries", figures.entries),
        ("disk_hits", stats.disk_hits),
        ("disk_promotions", stats.promotions),
        ("disk_demotions_written", stats.demoted),
        ("disk_demotions_unchanged", stats.demoted_unchanged),
        ("disk_refused_ttl", stats.refused_ttl),
        ("disk_refused_size", stats.refused_size),
        ("disk_refused_unread", stats.refused_unread),
        ("disk_refused_rate", stats.refused_rate),
        ("disk_refused_busy", stats.refused_busy),
        ("disk_refused_full", stats.refused_full),
        ("disk_refused_down", stats.refused_down),
        ("disk_readmissions", stats.readmissions),
        ("disk_evicted", stats.evicted_from_disk),
        ("disk_entries_lost", stats.lost),
        ("disk_dropped_late", stats.dropped_late),
        ("disk_ledger_bytes", figures.ledger_bytes),
    ]
}

fn device(figures: &DiskFigures) -> [(&'static str, u64); 16] {
    [
        ("disk_segments", figures.segments),
        ("disk_used_bytes", figures.bytes),
        ("disk_capacity_bytes", figures.capacity),
        ("disk_flush_queue_segments", figures.flush_queue_segments),
        ("disk_flush_queue_bytes", figures.flush_queue_bytes),
        ("disk_admitted_bytes", figures.bytes_admitted),
        ("disk_written_bytes", figures.bytes_written),
        ("disk_read_bytes", figures.bytes_read),
        ("disk_segments_written", figures.segments_written),
        ("disk_segments_lost", figures.segments_lost),
        ("disk_segments_reclaimed", figures.segments_reclaimed),
        ("disk_reads", figures.reads.buckets.iter().sum()),
        ("disk_read_failures", figures.reads_failed.iter().map(|(_, count)| count).sum()),
        ("disk_write_failures", figures.writes_failed),
        ("disk_timeouts", figures.timeouts),
        ("disk_reopened", figures.reopened),
    ]
}

fn journal_of(figures: &DiskFigures) -> [(&'static str, u64); 10] {
    [
        ("journal_size_bytes", figures.journal.size),
        ("journal_living_bytes", figures.journal.living),
        ("journal_appends", figures.journal.appends),
        ("journal_appended_bytes", figures.journal.bytes),
        ("journal_commits", figures.journal.commits),
        ("journal_compactions", figures.journal.compactions),
        ("journal_compaction_failures", figures.compactions_failed),
        ("journal_failures", figures.journal.failures),
        ("journal_restarts", figures.journal_restarts),
        ("journal_poisoned", figures.is_journal_poisoned.into()),
    ]
}
