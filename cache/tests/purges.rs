//! Invalidations while entries are evicted, carried and compacted: nothing that one has reached is ever served again, and
//! what was stored after it is.

use larder_cache::clock::Millis;
use larder_cache::{Cache, Config, Deadline, NewTags, NewValue, Purge, Room, Tags};

const TAGS: u64 = 16;
const KEYS: u64 = 12_000;

/// A small generator, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// Values say how often their tag and the prefix of their key had been purged when they were stored.
fn churn(shards: usize, sweeps: bool, seed: u64) -> (u64, u64) {
    let cache = Cache::new(Config { memory: 4 << 20, shards, ..Config::default() });
    let mut random = Random(seed);
    let mut purged_tags = [0u8; TAGS as usize];
    let mut purged_prefixes = [0u8; 8];
    let (mut hits, mut fresh) = (0, 0);
    for turn in 0..400_000u64 {
        let now = Millis(1_000_000 + turn / 100);
        let number = random.below(KEYS) * random.below(KEYS) / KEYS;
        let (tag, prefix) = (number % TAGS, number % 8);
        let name = format!("{prefix}:{number}");
        let stamp = [purged_tags[tag as usize], purged_prefixes[prefix as usize]];
        match random.below(100) {
            0..30 => {
                let length = 100 + random.below(900) as usize;
                while cache.make_room(2000, now) == Room::Busy {}
                let key = cache.key(0, name.as_bytes());
                let mut section = cache.section(&[key], now).expect("nothing moves");
                let mut tags = Tags::default();
                tags.add(format!("tag {tag}").as_bytes()).expect("short");
                let mut value = vec![0; length];
                value[..2].copy_from_slice(&stamp);
                let new = NewValue::Copied(&value);
                section.set_tagged(&key, new, Deadline::None, NewTags::These(&tags)).expect("there is room");
                let stored = section.get(&key).expect("what was stored after every purge is there");
                assert_eq!(stored.value[..2], stamp);
                fresh += 1;
            }
            30..98 => {
                let key = cache.key(0, name.as_bytes());
                let mut section = cache.section(&[key], now).expect("nothing moves");
                if let Some(view) = section.get(&key) {
                    assert_eq!(view.value[..2], stamp, "turn {turn}: {name} was purged since it was stored");
                    hits += 1;
                }
            }
            98 if random.below(20) == 0 => {
                let tag = random.below(TAGS);
                purged_tags[tag as usize] = purged_tags[tag as usize].wrapping_add(1);
                let name = format!("tag {tag}");
                cache.section_over_all(now).purge(0, Purge::Tag(name.as_bytes()));
            }
            99 if random.below(40) == 0 => {
                let prefix = random.below(8);
                purged_prefixes[prefix as usize] = purged_prefixes[prefix as usize].wrapping_add(1);
                let name = format!("{prefix}:");
                cache.section_over_all(now).purge(0, Purge::Prefix(name.as_bytes()));
            }
            _ if sweeps => {
                cache.reclaim(now, 50_000);
            }
            _ => {}
        }
    }
    (hits, fresh)
}

#[test]
fn what_was_purged_is_not_served_and_what_came_later_is() {
    for (shards, sweeps, seed) in [(1, false, 11), (1, true, 22), (4, true, 33), (4, false, 44)] {
        let (hits, fresh) = churn(shards, sweeps, seed);
        assert!(hits > 5_000 && fresh > 50_000, "{hits} hits and {fresh} fills do not show much");
    }
}
