//! Larder beside extstore: hits on disk, and a load of GETs by Zipf's law that fills what it misses.

use std::time::{Duration, Instant};

use super::side::{Found, Room, Side};
use super::zipf::{Sizes, Zipf, shuffled};
use super::{MIB, NAME};
use crate::bench::Bench;
use crate::keys::KEY_BYTES;
use crate::report::{Figure, progress};
use crate::stats::{Interval, median_interval, percentile};

/// Values up to a kilobyte are packed with others, longer ones stand by themselves or nearly so.
const CLASSES: [(&str, Sizes); 2] =
    [("100 to 1024 B", Sizes { least: 100, most: 1024 }), ("4 KiB", Sizes { least: 4096, most: 4096 })];
const EXPONENTS: [f64; 3] = [0.9, 1.0, 1.1];
/// Keys set before the other side has its turn.
const CHUNK: usize = 64;
/// Data is this many times memory.
const TIMES_MEMORY: u64 = 4;
/// No faster than this both are filled: extstore moves a page of memory from values to their headers once a second, and evicts
/// what it has no header for.
const FILL_BYTES_A_SECOND: (f64, f64) = (5.0 * MIB as f64, 10.0 * MIB as f64);

/// Compares for both classes of values.
pub(super) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let memory = bench.choose(64, 32) * MIB;
    let room = Room { memory, cgroup: memory + 32 * MIB, disk: 16 * memory };
    let mut figures = Vec::new();
    for (name, sizes) in CLASSES {
        if bench.wanted(name) {
            figures.extend(bench.on_load_core(|| class(bench, name, room, sizes))?);
        }
    }
    Ok(figures)
}

/// The interval of a ratio, and the medians of both parts.
struct Ratio {
    ratio: Interval,
    larder: f64,
    memcached: f64,
}

impl Ratio {
    fn of(pairs: &[[f64; 2]]) -> Self {
        let median = |side: usize| {
            median_interval(&mut pairs.iter().map(|pair| pair[side]).collect::<Vec<_>>()).median
        };
        let mut ratios: Vec<f64> = pairs.iter().map(|pair| pair[0] / pair[1]).collect();
        Self { ratio: median_interval(&mut ratios), larder: median(0), memcached: median(1) }
    }

    fn figure(&self, title: String, unit: &'static str) -> Figure {
        Figure::noisy(NAME, title, self.ratio, "of extstore's")
            .at_most(1.0)
            .beside("larder", self.larder, unit)
            .beside("memcached", self.memcached, unit)
    }
}

fn class(bench: &Bench<'_>, name: &str, room: Room, sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
    let entry = sizes.mean() + KEY_BYTES as f64;
    let count = (TIMES_MEMORY as f64 * room.memory as f64 / entry) as u64;
    progress(&format!("disk: filling both with {count} values of {name}"));
    let mut sides = [Side::larder(bench, room, sizes)?, Side::memcached(bench, room, sizes)?];
    let (full, short) = FILL_BYTES_A_SECOND;
    let written = fill(&mut sides, count, entry / bench.choose(full, short))?;
    let mut figures = Vec::new();
    let (hits, on_disk) = probe_all(bench, name, &mut sides, count)?;
    figures.extend(hits);
    let admitted = |side: usize| on_disk[side] * count as f64 * entry;
    let amplification = [0, 1].map(|side| written[side] as f64 / admitted(side));
    figures.push(
        Figure::new(
            NAME,
            format!("{name}, bytes written for a byte on disk"),
            amplification[0] / amplification[1],
            "of extstore's",
        )
        .at_most(1.0)
        .beside("larder", amplification[0], "")
        .beside("memcached", amplification[1], ""),
    );
    for exponent in EXPONENTS {
        figures.extend(zipf(bench, name, &mut sides, count, exponent)?);
    }
    Ok(figures)
}

/// Stores every key once, one each `pace_s` seconds; returns the bytes that each side wrote to files.
fn fill(sides: &mut [Side; 2], count: u64, pace_s: f64) -> anyhow::Result<[u64; 2]> {
    let (keys, begun) = (shuffled(count, 1), Instant::now());
    let mut written = [0; 2];
    for (step, keys) in keys.chunks(CHUNK).enumerate() {
        for side in &mut *sides {
            side.client.set_all(keys)?;
        }
        let due = Duration::from_secs_f64((step * CHUNK) as f64 * pace_s);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    for (side, written) in sides.iter_mut().zip(&mut written) {
        *written = side.used_until_quiet()?.written;
    }
    Ok(written)
}

/// How long hits on disk take; and which part of all keys is there.
fn probe_all(
    bench: &Bench<'_>,
    name: &str,
    sides: &mut [Side; 2],
    count: u64,
) -> anyhow::Result<(Vec<Figure>, [f64; 2])> {
    let blocks = bench.choose(15, 11);
    let mut keys = shuffled(count, 2).into_iter();
    let mut figures = Vec::new();
    let mut found = [[0_u64; 3]; 2];
    let states = [("in page cache", true, 800), ("not in page cache", false, bench.choose(400, 150))];
    for (state, is_warm, asked) in states {
        progress(&format!("disk: hits on disk, {name}, {state}"));
        for side in &mut *sides {
            side.page_cache(is_warm)?;
        }
        let mut pairs = [Vec::new(), Vec::new(), Vec::new()];
        for side in &mut *sides {
            side.used()?;
        }
        for _ in 0..blocks {
            let mut waits = [Vec::new(), Vec::new()];
            for (turn, key) in keys.by_ref().take(asked).enumerate() {
                for place in [turn % 2, 1 - turn % 2] {
                    let (place_found, took) = sides[place].probe(key)?;
                    found[place][place_found as usize] += 1;
                    if place_found == Found::OnDisk {
                        waits[place].push(took);
                    }
                }
            }
            anyhow::ensure!(
                waits.iter().all(|waits| waits.len() > 20),
                "{name}: hardly anything is on disk: {found:?}"
            );
            waits.iter_mut().for_each(|waits| waits.sort_unstable());
            for (share, pairs) in [0.5, 0.99].iter().zip(&mut pairs) {
                pairs.push([0, 1].map(|side| percentile(&waits[side], *share) as f64 / 1e3));
            }
            let mut cpu = [0.0; 2];
            for (side, cpu) in sides.iter_mut().zip(&mut cpu) {
                *cpu = side.used()?.cpu_ns as f64 / 1e3 / asked as f64;
            }
            pairs[2].push(cpu);
        }
        for (what, pairs) in ["p50", "p99", "CPU a GET"].iter().zip(&pairs) {
            figures.push(Ratio::of(pairs).figure(format!("{name}, hit on disk, {state}, {what}"), "us"));
        }
    }
    let share = |side: usize, place: Found| {
        found[side][place as usize] as f64 / found[side].iter().sum::<u64>() as f64
    };
    let kept = [0, 1].map(|side| 100.0 * (1.0 - share(side, Found::Nowhere)));
    figures.push(
        Figure::new(NAME, format!("{name}, kept of what was stored"), kept[0], "%")
            .beside("memcached", kept[1], "%")
            .beside("on disk", 100.0 * share(0, Found::OnDisk), "%")
            .beside("memcached's", 100.0 * share(1, Found::OnDisk), "%")
            .beside("RSS", sides[0].rss_bytes()? as f64 / MIB as f64, "MiB")
            .beside("memcached's", sides[1].rss_bytes()? as f64 / MIB as f64, "MiB"),
    );
    Ok((figures, [0, 1].map(|side| share(side, Found::OnDisk))))
}

/// GETs of keys by Zipf's law, and SETs of what they miss.
fn zipf(
    bench: &Bench<'_>,
    name: &str,
    sides: &mut [Side; 2],
    count: u64,
    exponent: f64,
) -> anyhow::Result<Vec<Figure>> {
    progress(&format!("disk: {name}, Zipf {exponent}"));
    let (pairs, ops) = (bench.options.pairs.unwrap_or(bench.choose(15, 7)), bench.choose(20_000, 2_000));
    let mut keys = Zipf::new(count, exponent, exponent.to_bits());
    for _ in 0..bench.choose(5, 2) {
        let mut again = keys.clone();
        run(&mut sides[0], &mut keys, ops)?;
        run(&mut sides[1], &mut again, ops)?;
    }
    for side in &mut *sides {
        side.used_until_quiet()?;
    }
    let (mut times, mut cpus, mut hits) = (Vec::new(), Vec::new(), [0; 2]);
    for pair in 0..usize::from(pairs) {
        let begin = keys.clone();
        let (mut time, mut cpu) = ([0.0; 2], [0.0; 2]);
        for place in [pair % 2, 1 - pair % 2] {
            keys = begin.clone();
            let asked = Instant::now();
            hits[place] += run(&mut sides[place], &mut keys, ops)?;
            time[place] = asked.elapsed().as_secs_f64() * 1e6 / f64::from(ops);
            // What it began in the background belongs to it.
            std::thread::sleep(Duration::from_millis(20));
            cpu[place] = sides[place].used()?.cpu_ns as f64 / 1e3 / f64::from(ops);
        }
        times.push(time);
        cpus.push(cpu);
    }
    let asked = f64::from(ops) * f64::from(pairs);
    let hit = hits.map(|hits| 100.0 * f64::from(hits) / asked);
    let (time, cpu) = (Ratio::of(&times), Ratio::of(&cpus));
    let title = |what: &str| format!("{name}, Zipf {exponent:.1}, {what}");
    Ok(vec![
        time.figure(title("time a GET"), "us").beside("operations", 1e6 / time.larder, "/s").beside(
            "memcached",
            1e6 / time.memcached,
            "/s",
        ),
        cpu.figure(title("CPU a GET"), "us"),
        Figure::new(NAME, title("hits"), hit[0], "%").beside("memcached", hit[1], "%"),
    ])
}

fn run(side: &mut Side, keys: &mut Zipf, ops: u32) -> anyhow::Result<u32> {
    let mut hits = 0;
    for _ in 0..ops {
        let key = keys.next();
        if side.client.get(key)? {
            hits += 1;
        } else {
            side.client.set(key)?;
        }
    }
    Ok(hits)
}
