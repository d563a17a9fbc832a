//! Long churn with values of changing lengths: compaction, eviction, the ghost and expiry all work at once, and every value
//! read is the one that was stored last.

use std::collections::HashMap;

use larder_cache::clock::Millis;
use larder_cache::{Cache, Config, Deadline, NewValue, Policy, Room};

/// A small generator of repeatable numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn value(version: u64, length: usize) -> Vec<u8> {
    version.to_le_bytes().into_iter().cycle().take(length.max(8)).collect()
}

struct Churn {
    cache: Cache,
    numbers: Numbers,
    stored: HashMap<u64, (u64, usize, u64)>,
    now: Millis,
    refused: usize,
}

impl Churn {
    fn new(shards: usize, policy: Policy) -> Self {
        let cache = Cache::new(Config { memory: 16 << 20, shards, policy, ..Config::default() });
        Self {
            cache,
            numbers: Numbers(88_172_645_463_325_252),
            stored: HashMap::new(),
            now: Millis(1_000),
            refused: 0,
        }
    }

    fn step(&mut self, version: u64, keys: u64, lengths: std::ops::Range<u64>) {
        let number = self.numbers.next(keys).min(self.numbers.next(keys));
        let name = format!("key-{number}");
        let key = self.cache.key(0, name.as_bytes());
        if self.numbers.next(2) == 0 {
            let mut section = self.cache.section(&[key], self.now).expect("single thread");
            if let Some(view) = section.get(&key) {
                let (version, length, deadline) = self.stored[&number];
                assert!(*view.value == *value(version, length), "{name}");
                assert!(deadline > self.now.0, "{name} is past its deadline");
            }
            return;
        }
        let length = lengths.start + self.numbers.next(lengths.end - lengths.start);
        let bytes = value(version, length as usize);
        let room = loop {
            match self.cache.make_room(bytes.len() + 64, self.now) {
                Room::Busy => {}
                room => break room,
            }
        };
        let deadline = self.now.0 + 1 + self.numbers.next(20_000);
        let mut section = self.cache.section(&[key], self.now).expect("single thread");
        let stored = room == Room::Made
            && section.set(&key, NewValue::Copied(&bytes), Deadline::At(Millis(deadline))).is_ok();
        drop(section);
        if stored {
            self.stored.insert(number, (version, length as usize, deadline));
        } else {
            self.refused += 1;
        }
        if version.is_multiple_of(50) {
            self.now.0 += 10;
            while self.cache.reclaim(self.now, 1_000_000).is_some_and(|due| due <= self.now) {}
        }
        let figures = self.cache.figures();
        assert!(figures.used <= figures.limit + self.cache.overshoot(), "{figures:?}");
    }
}

#[test]
fn values_of_changing_lengths_under_eviction() {
    for shards in [1, 4] {
        let mut churn = Churn::new(shards, Policy::AllKeys);
        for (phase, lengths) in [270..900, 10..100, 900..3_000, 8..1_200].into_iter().enumerate() {
            for version in 0..100_000 {
                churn.step(phase as u64 * 100_000 + version, 60_000, lengths.clone());
            }
        }
        let stats = churn.cache.stats();
        assert!(
            stats.compactions > 10 && stats.evictions() > 1_000 && stats.expired_by_reclaim > 1_000,
            "{stats:?}"
        );
        assert!(stats.ghost_admissions > 100 && stats.hits > 10_000, "{stats:?}");
        assert_eq!(stats.abandoned, 0);
    }
}

#[test]
fn compaction_alone_keeps_a_full_cache_writable() {
    // Four thousand keys of up to 900 bytes fit; what their old versions leave behind has to be won back.
    let mut churn = Churn::new(1, Policy::NoEviction);
    for version in 0..200_000 {
        churn.step(version, 4_000, 270..900);
    }
    let stats = churn.cache.stats();
    assert!(stats.compactions > 100, "{stats:?}");
    assert_eq!(stats.evictions(), 0);
    assert_eq!(churn.refused, 0);
}
