//! Resident bytes per entry, everything included: keys, values, the index, the allocator's waste.

use std::time::Duration;

use crate::batch::{Op, VALUE_BYTES};
use crate::bench::Bench;
use crate::load::fill;
use crate::procfs;
use crate::program::Program;
use crate::report::{Figure, progress};
use crate::wire::Client;

const NAME: &str = "memory";
/// Tables double somewhere between these, so that one of them catches a table nearly empty.
const COUNTS: [u64; 4] = [1_000_000, 1_300_000, 1_600_000, 1_900_000];
/// How long pages may take to go back to the system (allocators wait about ten seconds).
const SETTLE: Duration = Duration::from_secs(15);

/// What one number of entries costs.
struct Sample {
    per_entry: f64,
    peak_per_entry: f64,
    lost: u64,
}

/// Fills all programs, without and with a TTL on every key.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let with_ttl = Op::SetWith("EX", "86400".to_owned());
    for (name, op, target) in [("without TTL", Op::Set, 118.0), ("with TTL", with_ttl, 124.0)] {
        let title = format!("16 + 64 bytes {name}, worst");
        if !bench.wanted(&title) {
            continue;
        }
        let mut figure: Option<Figure> = None;
        for program in bench.programs() {
            let mut samples = Vec::new();
            for &count in bench.choose(&COUNTS[..], &[250_000, 350_000]) {
                progress(&format!("memory: {count} entries {name} in {}", program.label));
                samples.push(sample(bench, program, &op, count)?);
            }
            let worst = samples.iter().map(|sample| sample.per_entry).fold(0.0, f64::max);
            figure = Some(match figure {
                None => subject(&title, worst, target, &samples),
                Some(figure) => figure.beside(program.label.clone(), worst, "B"),
            });
        }
        figures.extend(figure);
    }
    Ok(figures)
}

fn subject(title: &str, worst: f64, target: f64, samples: &[Sample]) -> Figure {
    let each: Vec<String> = samples.iter().map(|sample| format!("{:.1}", sample.per_entry)).collect();
    let peak = samples.iter().map(|sample| sample.peak_per_entry).fold(0.0, f64::max);
    let figure = Figure::new(NAME, title, worst, "B/entry")
        .at_most(target)
        .aim(100.0)
        .note(format!("at each size {}; at the worst moment {peak:.0}", each.join(", ")));
    match samples.iter().map(|sample| sample.lost).max() {
        Some(lost @ 1..) => figure.spoilt(format!("{lost} entries were evicted: raise --memory-limit")),
        _ => figure,
    }
}

/// A fresh server for each size: one that grew to it through others would have other gaps.
fn sample(bench: &Bench<'_>, program: &Program, op: &Op, count: u64) -> anyhow::Result<Sample> {
    let server = bench.start(program)?;
    let empty = procfs::settled_rss_bytes(server.pid(), Duration::from_secs(3))?;
    bench.on_load_core(|| {
        fill(server.socket(), op, 0, count, VALUE_BYTES)?;
        // Once more: what replacing every value leaves behind belongs to the price.
        fill(server.socket(), op, 0, count, VALUE_BYTES)
    })?;
    let full = procfs::settled_rss_bytes(server.pid(), SETTLE)?;
    let peak = procfs::rss_peak_bytes(server.pid())?;
    let kept = Client::connect(server.socket(), Duration::from_secs(10))?.dbsize()?;
    let per_entry = |bytes: u64| (bytes as f64 - empty as f64) / count as f64;
    Ok(Sample {
        per_entry: per_entry(full),
        peak_per_entry: per_entry(peak),
        lost: count.saturating_sub(kept),
    })
}
