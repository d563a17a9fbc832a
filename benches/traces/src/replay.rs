//! Runs a trace through the cache as it ships: GET, and on a miss room is made and the entry SET.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use larder_cache::clock::Millis;
use larder_cache::{Cache, Config, Deadline, NewValue, Room};

use crate::reference::{Ratio, Tally};
use crate::trace::Trace;

const NOW: Millis = Millis(1);
/// Requests between two looks at what is resident.
const LOOK_EVERY: usize = 4_096;
/// Values of uniform entries: so large that segments and sketches, all counted, are less than one entry,
const VALUE_MAX: u64 = 1 << 20;
/// and all together so small that one shard holds them.
const TOGETHER_MAX: u64 = 7 << 30;

/// What a run came to.
pub(crate) struct Replay {
    pub(crate) ratio: Ratio,
    /// The most entries, or bytes of living entries, that were ever seen resident.
    pub(crate) resident: u64,
    pub(crate) rule_changes: u64,
}

/// Entries of one size, under a limit that never lets more than `entries` be resident.
pub(crate) fn uniform(trace: &Trace, entries: u64, shards: usize) -> anyhow::Result<Replay> {
    let value = (TOGETHER_MAX / entries).min(VALUE_MAX);
    // Every entry refers to the same bytes, and is counted as if it had its own.
    let value = Bytes::from(vec![b'v'; 1 << value.ilog2()]);
    let each = entry_bytes(8, &value)?;
    let limit = limit_for((entries + 1) * each - 1);
    let replay =
        run(trace, limit, shards, |entry| (entry.to_be_bytes().to_vec(), value.clone()), |f| f.entries)?;
    ensure!(replay.resident <= entries, "{} entries were resident, {entries} allowed", replay.resident);
    Ok(replay)
}

/// Entries of the sizes that the trace tells, as key and value, under a limit in bytes.
pub(crate) fn sized(trace: &Trace, keys: &[u32], memory: u64) -> anyhow::Result<Replay> {
    let longest = trace.sizes.iter().copied().max().unwrap_or(0) as usize;
    let bytes = Bytes::from(vec![b'v'; longest]);
    let entry = |entry: u64| {
        let key_len = keys[entry as usize].max(8) as usize;
        let mut key = vec![b'k'; key_len];
        key[..8].copy_from_slice(&entry.to_be_bytes());
        (key, bytes.slice(..(trace.sizes[entry as usize] as usize).saturating_sub(key_len)))
    };
    run(trace, memory as usize, 1, entry, |figures| figures.live as u64)
}

/// What the cache accounts for each entry of a trace with sizes: the fixed policies weigh them by the same.
pub(crate) fn weights(trace: &Trace, keys: &[u32]) -> anyhow::Result<Vec<u32>> {
    let mut known = HashMap::new();
    let mut weights = Vec::new();
    for (&size, &key) in trace.sizes.iter().zip(keys) {
        let weight = match known.get(&size) {
            Some(&weight) => weight,
            None => {
                let value = Bytes::from(vec![b'v'; size.saturating_sub(key) as usize]);
                let weight = entry_bytes(key as usize, &value)? as u32;
                known.insert(size, weight);
                weight
            }
        };
        weights.push(weight);
    }
    Ok(weights)
}

fn limit_for(target: u64) -> usize {
    (target * 32).div_ceil(31) as usize
}

/// What the cache accounts for an entry, beside its place in the index.
fn entry_bytes(key: usize, value: &Bytes) -> anyhow::Result<u64> {
    let cache = Cache::new(Config { memory: 1 << 30, ..Config::default() });
    let name = vec![b'k'; key];
    let key = cache.key(0, &name);
    let mut section = cache.section(&[key], NOW)?;
    section.set(&key, NewValue::Shared(value.clone()), Deadline::None)?;
    drop(section);
    Ok(cache.figures().live as u64)
}

fn run(
    trace: &Trace,
    memory: usize,
    shards: usize,
    entry: impl Fn(u64) -> (Vec<u8>, Bytes),
    resident: impl Fn(larder_cache::Figures) -> u64,
) -> anyhow::Result<Replay> {
    let cache = Cache::new(Config { memory, shards, ..Config::default() });
    let (mut tally, mut most) = (Tally::default(), 0);
    for (moment, &number) in trace.requests.iter().enumerate() {
        let (name, value) = entry(u64::from(number));
        let key = cache.key(0, &name);
        let is_hit = cache.section(&[key], NOW)?.get(&key).is_some();
        tally.count(trace.size(number), is_hit);
        if !is_hit {
            let bytes = name.len() + value.len() + 64;
            while cache.make_room(bytes, NOW) == Room::Busy {}
            cache
                .section(&[key], NOW)?
                .set(&key, NewValue::Shared(value), Deadline::None)
                .context("no room")?;
        }
        if moment % LOOK_EVERY == 0 {
            most = most.max(resident(cache.figures()));
        }
    }
    let figures = cache.figures();
    most = most.max(resident(figures));
    ensure!(figures.used <= figures.limit, "{} bytes used of {}", figures.used, figures.limit);
    Ok(Replay { ratio: tally.ratio(), resident: most, rule_changes: cache.stats().rule_changes })
}
