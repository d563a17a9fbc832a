//! What an entry costs beside its key and value. `benches/peers memory` measures the same as resident memory.

use larder_cache::clock::Millis;
use larder_cache::{Cache, Config, Deadline, NewValue, Room};

/// A 16-byte key and a 64-byte value, at most: `ARCHITECTURE.md` says where each byte goes.
const BYTES_MAX: usize = 100;
const BYTES_WITH_DEADLINE_MAX: usize = 108;
/// The index doubles between powers of two: it is looked at where it is emptiest and fullest.
const COUNTS: [u32; 4] = [1_000_000, 1_300_000, 1_600_000, 1_900_000];

fn worst(deadline: Deadline) -> usize {
    let cache = Cache::new(Config { memory: 1 << 30, ..Config::default() });
    let (empty, now) = (cache.used(), Millis(1));
    let mut stored = 0;
    let mut worst = 0;
    for count in COUNTS {
        for number in stored..count {
            let name = format!("key:{number:012}");
            let key = cache.key(0, name.as_bytes());
            let mut section = cache.section(&[key], now).expect("single thread");
            section.set(&key, NewValue::Copied(&[b'v'; 64]), deadline).expect("there is room");
        }
        stored = count;
        assert_eq!(cache.figures().entries, u64::from(count));
        worst = worst.max((cache.used() - empty).div_ceil(count as usize));
    }
    worst
}

#[test]
fn an_entry_costs_at_most_what_is_promised() {
    let (without, with) = (worst(Deadline::None), worst(Deadline::At(Millis(1 << 40))));
    assert!(without <= BYTES_MAX, "{without} bytes an entry without a TTL");
    assert!(with <= BYTES_WITH_DEADLINE_MAX, "{with} bytes an entry with one");
}

/// What is accounted for an entry of a full cache that evicts: what eviction remembers and learns is part of it.
const BYTES_WHEN_FULL_MAX: usize = 105;

#[test]
fn what_eviction_remembers_is_within_the_promise() {
    let cache = Cache::new(Config { memory: 128 << 20, ..Config::default() });
    let now = Millis(1);
    let mut worst = 0;
    // Newcomers only, then a loop larger than the cache: both kinds of memory of what is not there any more.
    let loops = (0..10).flat_map(|_| 0..2_000_000);
    for (count, number) in (2_000_000..5_000_000_u32).chain(loops).enumerate() {
        let name = format!("key:{number:012}");
        let key = cache.key(0, name.as_bytes());
        let is_there = cache.section(&[key], now).expect("single thread").get(&key).is_some();
        if is_there {
            continue;
        }
        while cache.make_room(128, now) == Room::Busy {}
        let mut section = cache.section(&[key], now).expect("single thread");
        section.set(&key, NewValue::Copied(&[b'v'; 64]), Deadline::None).expect("room was made");
        drop(section);
        if count > 2_000_000 && count % 65_536 == 0 {
            let figures = cache.figures();
            worst = worst.max(figures.used.div_ceil(figures.entries as usize));
        }
    }
    assert!(worst <= BYTES_WHEN_FULL_MAX, "{worst} bytes an entry");
    assert!(cache.stats().rule_changes > 0, "a loop was to change the rule");
}
