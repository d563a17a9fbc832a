//! Collecting: one scrape's worth of all metrics, summed over the workers.

mod disk;

use std::sync::atomic::Ordering::Relaxed;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};

use super::declared::{self, Kind, Metric};
use super::tally::{LATENCY_BOUNDS_NS, Tally};
use crate::command::table::COMMANDS;
use crate::server::buffers::Buffers;
use crate::server::node::Node;

/// The page of all metrics in the text format.
#[must_use]
pub fn page(node: &Node) -> Vec<u8> {
    let mut families = Vec::with_capacity(declared::ALL.len());
    // The text format has no place for a family without samples.
    let mut add = |metric: Metric, samples: Vec<Sample>| {
        if !samples.is_empty() {
            families.push(family(metric, samples));
        }
    };

    add(
        declared::BUILD_INFO,
        vec![number(declared::BUILD_INFO, 1.0, &[("version", env!("CARGO_PKG_VERSION"))])],
    );
    cache(node, &mut add);
    disk::disk(node, &mut add);
    commands(node, &mut add);
    clients(node, &mut add);
    system(node, &mut add);

    let mut page = Vec::with_capacity(16 * 1024);
    if let Err(error) = TextEncoder::new().encode(&families, &mut page) {
        tracing::error!(%error, "the metrics page could not be written");
    }
    page
}

fn cache(node: &Node, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let (stats, figures) = (node.cache.stats(), node.cache.figures());
    let mut one = |metric: Metric, value: u64| add(metric, vec![number(metric, value as f64, &[])]);
    one(declared::HITS, stats.hits);
    one(declared::MISSES, stats.misses);
    one(declared::FILLS, stats.fills);
    one(declared::OVERWRITES, stats.overwrites);
    one(declared::GHOST_ADMISSIONS, stats.ghost_admissions);
    one(declared::DELETIONS, stats.deletions);
    one(declared::FLUSHED, stats.flushed);
    one(declared::RULE_CHANGES, stats.rule_changes);
    one(declared::INVALIDATED, stats.invalidated);
    one(declared::FILLS_REFUSED, stats.fills_refused);
    one(declared::FILLS_UNMATCHED, stats.fills_unmatched);
    let (latest, _, merged) = node.cache.invalidations();
    one(declared::INVALIDATIONS, latest.map_or(0, |latest| latest.sequence));
    one(declared::INVALIDATIONS_MERGED, merged);
    one(declared::COMPACTIONS, stats.compactions);
    one(declared::ABANDONED, stats.abandoned);
    one(declared::ENTRIES, figures.entries);
    one(declared::ENTRIES_WITH_TTL, figures.with_deadline);
    one(declared::MEMORY_USED, figures.used as u64);
    one(declared::MEMORY_LIVE, figures.live as u64);
    one(declared::MEMORY_LIMIT, figures.limit as u64);
    one(declared::BUFFERS, node.buffers.held() as u64);
    one(declared::BUFFERS_LIMIT, Buffers::limit(figures.limit) as u64);
    let evicted = [("probation", stats.evicted_on_probation), ("capacity", stats.evicted_from_main)];
    add(declared::EVICTIONS, by(declared::EVICTIONS, "reason", &evicted));
    let expired = [("access", stats.expired_on_access), ("reclaim", stats.expired_by_reclaim)];
    add(declared::EXPIRIES, by(declared::EXPIRIES, "found_by", &expired));
}

fn commands(node: &Node, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let (mut runs, mut failures, mut durations) = (Vec::new(), Vec::new(), Vec::new());
    for (row, command) in COMMANDS.iter().enumerate() {
        let label = [("command", command.name)];
        let failed = node.sum(|tally| tally.commands[row].failures.get());
        let calls = node.sum(|tally| tally.commands[row].calls());
        if failed > 0 {
            failures.push(number(declared::COMMAND_FAILURES, failed as f64, &label));
        }
        if calls > 0 {
            runs.push(number(declared::COMMANDS, calls as f64, &label));
            durations.push(duration(node, row, calls, &label));
        }
    }
    add(declared::COMMANDS, runs);
    add(declared::COMMAND_FAILURES, failures);
    add(declared::COMMAND_DURATION, durations);
    let mut one = |metric: Metric, figure: fn(&Tally) -> u64| {
        add(metric, vec![number(metric, node.sum(figure) as f64, &[])]);
    };
    one(declared::UNKNOWN_COMMANDS, |tally| tally.unknown_commands.get());
    one(declared::OUT_OF_MEMORY, |tally| tally.out_of_memory.get());
    one(declared::WRONG_PASSWORDS, |tally| tally.wrong_passwords.get());
    one(declared::BYTES_IN, |tally| tally.bytes_in.get());
    one(declared::BYTES_OUT, |tally| tally.bytes_out.get());
    one(declared::CONNECTIONS, |tally| tally.connections.get());
}

fn duration(node: &Node, row: usize, calls: u64, labels: &[(&str, &str)]) -> Sample {
    let buckets = LATENCY_BOUNDS_NS.iter().enumerate().map(|(place, bound)| {
        (*bound as f64 / 1e9, node.sum(|tally| tally.commands[row].buckets[place].get()))
    });
    let seconds = node.sum(|tally| tally.commands[row].nanos.get()) as f64 / 1e9;
    histogram(buckets, calls, seconds, labels)
}

/// Of buckets with their upper bounds and counts, of all counts together, and of the sum of what was counted.
fn histogram(
    buckets: impl Iterator<Item = (f64, u64)>,
    count: u64,
    sum: f64,
    labels: &[(&str, &str)],
) -> Sample {
    let mut so_far = 0;
    let buckets = buckets.map(|(bound, count)| {
        so_far += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(so_far);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    let mut sample = Sample::from_label(pairs(labels));
    sample.set_histogram(histogram);
    sample
}

/// One figure of a tally.
type Figure = fn(&Tally) -> u64;

fn clients(node: &Node, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let mut one = |metric: Metric, value: f64| add(metric, vec![number(metric, value, &[])]);
    one(declared::CLIENTS, node.clients.count() as f64);
    one(declared::CLIENTS_LINGERING, node.lingering.count() as f64);
    one(declared::CLIENTS_LIMIT, f64::from(node.settings.max_clients.load(Relaxed)));
    one(declared::METRICS_FAILURES, node.metrics_failures.get() as f64);
    one(declared::WORKERS, f64::from(node.config.workers));
    let by = |metric: Metric, values: &[(&str, Figure)]| {
        values
            .iter()
            .map(|(reason, figure)| number(metric, node.sum(figure) as f64, &[("reason", reason)]))
            .collect()
    };
    add(
        declared::CLIENTS_REJECTED,
        by(
            declared::CLIENTS_REJECTED,
            &[
                ("limit", |t| t.rejected_clients.get()),
                ("buffers", |t| t.rejected_for_buffers.get()),
                ("files", |t| t.rejected_for_files.get()),
            ],
        ),
    );
    add(
        declared::CLIENTS_CLOSED,
        by(
            declared::CLIENTS_CLOSED,
            &[
                ("buffers", |t| t.clients_closed_for_buffers.get()),
                ("idle", |t| t.clients_closed_idle.get()),
                ("protocol", |t| t.protocol_errors.get()),
            ],
        ),
    );
}

fn system(node: &Node, add: &mut impl FnMut(Metric, Vec<Sample>)) {
    let process = process();
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let mut one = |metric: Metric, value: f64| add(metric, vec![number(metric, value, &[])]);
    one(declared::PROCESS_CPU, process.user_seconds + process.system_seconds);
    one(declared::PROCESS_RESIDENT, process.resident_bytes as f64);
    one(declared::PROCESS_VIRTUAL, process.virtual_bytes as f64);
    one(declared::PROCESS_FILES, files as f64);
    one(declared::PROCESS_FILES_MAX, limit as f64);
    one(declared::PROCESS_START, node.started_unix_s as f64);
}

fn pairs(labels: &[(&str, &str)]) -> Vec<LabelPair> {
    labels
        .iter()
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect()
}

/// A sample for each value of one label.
fn by(metric: Metric, label: &str, values: &[(&str, u64)]) -> Vec<Sample> {
    values.iter().map(|(name, value)| number(metric, *value as f64, &[(label, name)])).collect()
}

fn number(metric: Metric, value: f64, labels: &[(&str, &str)]) -> Sample {
    let mut sample = Sample::from_label(pairs(labels));
    if metric.kind == Kind::Counter {
        let mut counter = Counter::default();
        counter.set_value(value);
        sample.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        sample.set_gauge(gauge);
    }
    sample
}

fn family(metric: Metric, samples: Vec<Sample>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(samples);
    family
}

/// What the system says of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Resident memory in bytes.
    pub resident_bytes: usize,
    /// The most it ever was.
    pub peak_resident_bytes: usize,
    /// Virtual memory in bytes.
    pub virtual_bytes: usize,
    /// CPU time in user space.
    pub user_seconds: f64,
    /// CPU time in the kernel.
    pub system_seconds: f64,
}

/// Resident memory alone, for those who ask often; zero where the system does not say.
#[must_use]
pub fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0);
    pages * rustix::param::page_size()
}

/// Reads what the system says of this process; zeros where it says nothing.
#[must_use]
pub fn process() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap_or(0) * 1024
    };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the name in parentheses, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Process {
        resident_bytes: kib("VmRSS:"),
        peak_resident_bytes: kib("VmHWM:"),
        virtual_bytes: kib("VmSize:"),
        user_seconds: ticks(11) / per_second,
        system_seconds: ticks(12) / per_second,
    }
}
