//! Access patterns made up here, seeded: each is one thing that an eviction policy can be bad at.

use crate::random::{Random, Zipf};
use crate::trace::Trace;

/// Entries that a cache for these traces holds.
pub(crate) const CAPACITY: u64 = 2_000;
const REQUESTS: usize = 1_000_000;
/// Keys of the Zipf patterns.
const RANKS: usize = 50_000;
/// Requests of one phase where there are phases.
const PHASE: usize = 200_000;

/// Independent draws.
pub(crate) fn zipf(alpha: f64) -> Trace {
    let (zipf, mut random) = (Zipf::new(RANKS, alpha), Random(1));
    Trace::uniform((0..REQUESTS).map(|_| zipf.draw(&mut random)))
}

/// Draws with runs of keys in between that are asked for once and never again, three times the cache.
pub(crate) fn zipf_and_scans() -> Trace {
    let (zipf, mut random) = (Zipf::new(RANKS, 0.9), Random(2));
    let (mut left, mut fresh) = (0, 1 << 32);
    Trace::uniform((0..REQUESTS).map(|_| {
        if left == 0 && random.below(4 * CAPACITY * 3) == 0 {
            left = CAPACITY * 3;
        }
        if left == 0 {
            return zipf.draw(&mut random);
        }
        left -= 1;
        fresh += 1;
        fresh
    }))
}

/// Half of the requests drawn, half going round a loop of twice the cache.
pub(crate) fn zipf_and_loop() -> Trace {
    let (zipf, mut random) = (Zipf::new(RANKS, 0.9), Random(3));
    let mut at = 0;
    Trace::uniform((0..REQUESTS).map(|_| {
        if random.below(2) == 0 {
            return zipf.draw(&mut random);
        }
        at = (at + 1) % (2 * CAPACITY);
        (1 << 32) | at
    }))
}

/// A loop over so many keys for each hundred that the cache holds.
pub(crate) fn a_loop(percent: u64) -> Trace {
    let keys = CAPACITY * percent / 100;
    Trace::uniform((0..REQUESTS as u64).map(|moment| moment % keys))
}

/// Draws from keys of which every phase has its own.
pub(crate) fn shifting_sets() -> Trace {
    let (zipf, mut random) = (Zipf::new(RANKS / 5, 0.8), Random(4));
    Trace::uniform(
        (0..REQUESTS).map(|moment| (((moment / (PHASE / 4)) as u64) << 32) | zipf.draw(&mut random)),
    )
}

/// Draws whose ranks drift: a key becomes more popular until it is gone at once, or is new, popular, and fades.
pub(crate) fn drift(fades: bool) -> Trace {
    let (zipf, mut random) = (Zipf::new(RANKS, 1.0), Random(5));
    Trace::uniform((0..REQUESTS).map(|moment| {
        let (rank, shift) = (zipf.draw(&mut random), moment as u64 / 20);
        if fades { RANKS as u64 + shift - rank } else { shift + rank }
    }))
}

/// Every key is asked for twice within a tenth of the cache, half of them never again, the others now and then.
pub(crate) fn short_recency() -> Trace {
    let mut random = Random(6);
    let mut soon = std::collections::VecDeque::new();
    let mut fresh = 1 << 32;
    Trace::uniform((0..REQUESTS).map(|_| {
        if soon.len() as u64 > random.below(CAPACITY / 10) {
            return soon.pop_front().unwrap_or_default();
        }
        fresh += 1;
        let key = if random.below(2) == 0 { fresh } else { random.below(8 * CAPACITY) };
        soon.push_back(key);
        key
    }))
}

/// A loop, then draws, and back; each phase of draws may have its own keys.
pub(crate) fn phases(shifts: bool) -> Trace {
    let (zipf, mut random) = (Zipf::new(RANKS, 0.9), Random(7));
    let keys = CAPACITY * 3 / 2;
    Trace::uniform((0..REQUESTS).map(|moment| {
        let phase = (moment / PHASE) as u64;
        if phase.is_multiple_of(2) {
            return (1 << 32) | (moment as u64 % keys);
        }
        zipf.draw(&mut random) + if shifts { phase << 33 } else { 0 }
    }))
}

type Make = fn() -> Trace;

/// Every pattern with its name.
pub(crate) const ALL: [(&str, Make); 14] = [
    ("Zipf 0.7", || zipf(0.7)),
    ("Zipf 0.9", || zipf(0.9)),
    ("Zipf 1.1", || zipf(1.1)),
    ("Zipf 0.9 and scans", zipf_and_scans),
    ("Zipf 0.9 and a loop", zipf_and_loop),
    ("loop of 1.1 caches", || a_loop(110)),
    ("loop of 2 caches", || a_loop(200)),
    ("loop of 10 caches", || a_loop(1000)),
    ("shifting sets", shifting_sets),
    ("drift, rising", || drift(false)),
    ("drift, fading", || drift(true)),
    ("short recency", short_recency),
    ("phases: loop, Zipf", || phases(false)),
    ("phases: loop, sets", || phases(true)),
];
