//! What is collected of the disk tier: its state always, the rest where one was asked for.

use larder_cache::{DiskFigures, LATENCY_BOUNDS_US, LatencyFigures, Stats, journal};

use super::{Sample, by, histogram, number};
use crate::metrics::declared::{self, Metric};
use crate::server::node::Node;
use crate::server::storage::{DiskState, WARM};

pub(super) fn disk(node: &Node, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let figures = node.cache.disk_figures();
    let state = node.disk.label(figures.as_ref().is_some_and(|figures| figures.is_down));
    let states = DiskState::LABELS.map(|label| (label, u64::from(label == state)));
    add(declared::DISK_STATE, by(declared::DISK_STATE, "state", &states));
    if node.disk == DiskState::Off {
        return;
    }
    let degraded = if state == "on" { 0.0 } else { 1.0 };
    add(declared::DISK_DEGRADED, vec![number(declared::DISK_DEGRADED, degraded, &[])]);
    if let Some(figures) = figures {
        entries(&node.cache.stats(), &figures, add);
        device(&figures, add);
        found(node, add);
        written_down(&figures, add);
    }
}

fn entries(stats: &Stats, figures: &DiskFigures, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let mut one = |metric: Metric, value: u64| add(metric, vec![number(metric, value as f64, &[])]);
    one(declared::DISK_HITS, stats.disk_hits);
    one(declared::DISK_PROMOTIONS, stats.promotions);
    one(declared::DISK_READMISSIONS, stats.readmissions);
    one(declared::DISK_EVICTIONS, stats.evicted_from_disk);
    one(declared::DISK_ENTRIES_LOST, stats.lost);
    one(declared::DISK_DROPPED_LATE, stats.dropped_late);
    one(declared::DISK_ENTRIES, figures.entries);
    one(declared::DISK_LEDGER, figures.ledger_bytes);
    let demoted = [("written", stats.demoted), ("unchanged", stats.demoted_unchanged)];
    add(declared::DISK_DEMOTIONS, by(declared::DISK_DEMOTIONS, "kind", &demoted));
    add(declared::DISK_REFUSALS, by(declared::DISK_REFUSALS, "reason", &stats.refusals()));
}

fn device(figures: &DiskFigures, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let mut one = |metric: Metric, value: u64| add(metric, vec![number(metric, value as f64, &[])]);
    one(declared::DISK_SEGMENTS, figures.segments);
    one(declared::DISK_USED, figures.bytes);
    one(declared::DISK_CAPACITY, figures.capacity);
    one(declared::DISK_BYTES_ADMITTED, figures.bytes_admitted);
    one(declared::DISK_BYTES_WRITTEN, figures.bytes_written);
    one(declared::DISK_BYTES_READ, figures.bytes_read);
    one(declared::DISK_FLUSH_SEGMENTS, figures.flush_queue_segments);
    one(declared::DISK_FLUSH_BYTES, figures.flush_queue_bytes);
    one(declared::DISK_SEGMENTS_WRITTEN, figures.segments_written);
    one(declared::DISK_SEGMENTS_LOST, figures.segments_lost);
    one(declared::DISK_SEGMENTS_RECLAIMED, figures.segments_reclaimed);
    one(declared::DISK_WRITE_FAILURES, figures.writes_failed);
    one(declared::DISK_TIMEOUTS, figures.timeouts);
    one(declared::DISK_REOPENED, figures.reopened);
    add(declared::DISK_READ_FAILURES, by(declared::DISK_READ_FAILURES, "reason", &figures.reads_failed));
    add(declared::DISK_READ_DURATION, vec![duration(&figures.reads)]);
    add(declared::DISK_WRITE_DURATION, vec![duration(&figures.writes)]);
}

fn duration(latency: &LatencyFigures) -> Sample {
    let bounds = LATENCY_BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6);
    let buckets = bounds.zip(latency.buckets);
    histogram(buckets, latency.buckets.iter().sum(), latency.sum_us as f64 / 1e6, &[])
}

/// How the start found the disk.
fn found(node: &Node, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let Some(warmth) = node.disk.warmth() else { return };
    let reason = warmth.cold.map_or(WARM, journal::Reason::label);
    let reasons: Vec<_> = std::iter::once(WARM)
        .chain(journal::Reason::ALL.map(journal::Reason::label))
        .map(|label| (label, u64::from(label == reason)))
        .collect();
    add(declared::DISK_RECOVERIES, by(declared::DISK_RECOVERIES, "reason", &reasons));
    let mut one = |metric: Metric, value: u64| add(metric, vec![number(metric, value as f64, &[])]);
    one(declared::DISK_RECOVERED_ENTRIES, warmth.entries);
    one(declared::DISK_RECOVERED_SEGMENTS, warmth.segments);
    one(declared::DISK_RECOVERED_CONTROLS, warmth.controls);
    one(declared::DISK_RECOVERY_LOST, warmth.segments_lost);
}

fn written_down(figures: &DiskFigures, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let mut one = |metric: Metric, value: u64| add(metric, vec![number(metric, value as f64, &[])]);
    one(declared::JOURNAL_APPENDS, figures.journal.appends);
    one(declared::JOURNAL_BYTES, figures.journal.bytes);
    one(declared::JOURNAL_COMMITS, figures.journal.commits);
    one(declared::JOURNAL_COMPACTIONS, figures.journal.compactions);
    one(declared::JOURNAL_COMPACTION_FAILURES, figures.compactions_failed);
    one(declared::JOURNAL_FAILURES, figures.journal.failures);
    one(declared::JOURNAL_RESTARTS, figures.journal_restarts);
    one(declared::JOURNAL_POISONED, u64::from(figures.is_journal_poisoned));
    one(declared::JOURNAL_SIZE, figures.journal.size);
}
