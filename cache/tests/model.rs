//! The engine against a plain map: whatever is done, what it answers is what was last stored, or nothing.

use std::collections::HashMap;

use bytes::Bytes;
use larder_cache::clock::Millis;
use larder_cache::{Cache, Config, Cursor, Deadline, Fetches, NewTags, NewValue, Policy, Purge, Room, Tags};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Set { db: u16, key: u8, len: usize, fill: u8, ttl: Option<u16>, shared: bool },
    Keep { db: u16, key: u8, len: usize, fill: u8 },
    Get { db: u16, key: u8 },
    Remove { db: u16, key: u8 },
    Expire { db: u16, key: u8, ttl: Option<u16> },
    Append { db: u16, key: u8, len: usize, fill: u8 },
    SetTagged { db: u16, key: u8, len: usize, tags: u8, long: bool },
    Tag { db: u16, key: u8, tag: u8 },
    PurgeTag { db: u16, tag: u8 },
    PurgePrefix { db: u16, length: usize, key: u8 },
    PurgeKey { db: u16, key: u8 },
    PurgeAll,
    Flush { db: u16 },
    Swap,
    Wait(u16),
    Reclaim,
    Scan { db: u16, count: usize },
    Policy(u8),
}

fn len() -> impl Strategy<Value = usize> {
    // A few lengths come often, so that values are overwritten in place; large ones fill a small cache.
    prop_oneof![4 => prop::sample::select(vec![10usize, 60, 120]), 2 => 0usize..200, 1 => 1000usize..1100, 4 => 2_000usize..40_000]
}

fn step() -> impl Strategy<Value = Step> {
    let db = 0u16..3;
    let ttl = || proptest::option::of(1u16..5_000);
    prop_oneof![
        8 => (db.clone(), any::<u8>(), len(), any::<u8>(), ttl(), any::<bool>())
            .prop_map(|(db, key, len, fill, ttl, shared)| Step::Set { db, key, len, fill, ttl, shared }),
        1 => (db.clone(), any::<u8>(), len(), any::<u8>()).prop_map(|(db, key, len, fill)| Step::Keep { db, key, len, fill }),
        8 => (db.clone(), any::<u8>()).prop_map(|(db, key)| Step::Get { db, key }),
        3 => (db.clone(), any::<u8>()).prop_map(|(db, key)| Step::Remove { db, key }),
        2 => (db.clone(), any::<u8>(), ttl()).prop_map(|(db, key, ttl)| Step::Expire { db, key, ttl }),
        3 => (db.clone(), any::<u8>(), len(), any::<u8>()).prop_map(|(db, key, len, fill)| Step::Append { db, key, len, fill }),
        4 => (db.clone(), any::<u8>(), len(), prop::sample::select(vec![0u8, 1, 2, 4, 8, 9, 255]), prop::bool::weighted(0.1))
            .prop_map(|(db, key, len, tags, long)| Step::SetTagged { db, key, len, tags, long }),
        1 => (db.clone(), any::<u8>(), 0u8..8).prop_map(|(db, key, tag)| Step::Tag { db, key, tag }),
        2 => (db.clone(), 0u8..4).prop_map(|(db, tag)| Step::PurgeTag { db, tag }),
        1 => (db.clone(), 3usize..8, any::<u8>()).prop_map(|(db, length, key)| Step::PurgePrefix { db, length, key }),
        1 => (db.clone(), any::<u8>()).prop_map(|(db, key)| Step::PurgeKey { db, key }),
        1 => prop::bool::weighted(0.2).prop_map(|all| if all { Step::PurgeAll } else { Step::Reclaim }),
        1 => db.clone().prop_map(|db| Step::Flush { db }),
        1 => Just(Step::Swap),
        2 => (0u16..2_000).prop_map(Step::Wait),
        1 => Just(Step::Reclaim),
        1 => (db, 1usize..50).prop_map(|(db, count)| Step::Scan { db, count }),
        1 => (0u8..3).prop_map(Step::Policy),
    ]
}

/// Some keys are long enough to lie outside their record, one is empty.
fn name(key: u8) -> Vec<u8> {
    match key {
        0 => Vec::new(),
        1..=20 => vec![key; 255 + usize::from(key)],
        _ => format!("key-{key}").into_bytes(),
    }
}

/// Tags by the bits of a number, the long ones too long to lie in a record.
fn tags_of(bits: u8, long: bool) -> Tags {
    let mut tags = Tags::default();
    for tag in (0..8).filter(|tag| bits & (1 << tag) != 0) {
        tags.add(&tag_name(tag)).expect("short enough");
        if long {
            tags.add(&[tag; 100]).expect("short enough");
        }
    }
    tags
}

fn tag_name(tag: u8) -> Vec<u8> {
    format!("tag {tag}").into_bytes()
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    value: Vec<u8>,
    deadline: Option<u64>,
    tags: Tags,
}

type Model = Vec<HashMap<u8, Entry>>;

struct Bench {
    cache: Cache,
    model: Model,
    now: Millis,
    /// Whether everything fits, so that nothing may be missing.
    roomy: bool,
}

impl Bench {
    fn live(&self, db: u16, key: u8) -> Option<&Entry> {
        self.model[db as usize].get(&key).filter(|entry| entry.deadline.is_none_or(|d| d > self.now.0))
    }

    fn make_room(&self, bytes: usize) -> bool {
        loop {
            match self.cache.make_room(bytes, self.now) {
                Room::Made => return true,
                Room::Full => return false,
                Room::Busy => {}
            }
        }
    }

    fn check(&mut self, db: u16, key: u8) {
        let bytes = name(key);
        let k = self.cache.key(db, &bytes);
        let mut section = self.cache.section(&[k], self.now).expect("single thread");
        let found = section.get(&k).map(|view| Entry {
            value: view.value.to_vec(),
            deadline: view.deadline.map(|d| d.0),
            tags: view.tags(),
        });
        drop(section);
        let expected = self.live(db, key).cloned();
        if found.is_some() || self.roomy {
            assert_eq!(found, expected, "db {db} key {key}");
        } else {
            self.model[db as usize].remove(&key);
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Set { db, key, len, fill, ttl, shared } => {
                if !self.make_room(len) {
                    return;
                }
                let value = vec![fill; len];
                let deadline = ttl.map(|ttl| Millis(self.now.0 + u64::from(ttl)));
                let bytes = name(key);
                let k = self.cache.key(db, &bytes);
                let new = if shared {
                    NewValue::Shared(Bytes::from(value.clone()))
                } else {
                    NewValue::Copied(&value)
                };
                let mut section = self.cache.section(&[k], self.now).expect("single thread");
                let stored = section.set(&k, new, deadline.map_or(Deadline::None, Deadline::At));
                drop(section);
                if stored.is_err() {
                    return;
                }
                let deadline = deadline.map(|d| d.0);
                self.model[db as usize].insert(key, Entry { value, deadline, tags: Tags::default() });
            }
            Step::SetTagged { db, key, len, tags, long } => {
                if !self.make_room(len + 2000) {
                    return;
                }
                let (value, bytes, tags) = (vec![tags; len], name(key), tags_of(tags, long));
                let k = self.cache.key(db, &bytes);
                let mut section = self.cache.section(&[k], self.now).expect("single thread");
                let new = NewValue::Copied(&value);
                let stored = section.set_tagged(&k, new, Deadline::None, NewTags::These(&tags));
                drop(section);
                if stored.is_ok() {
                    self.model[db as usize].insert(key, Entry { value, deadline: None, tags });
                }
            }
            Step::Tag { db, key, tag } => {
                if !self.make_room(50_000) {
                    return;
                }
                self.check(db, key);
                let Some(mut entry) = self.live(db, key).cloned() else { return };
                entry.tags.add(&tag_name(tag)).expect("not too many");
                let bytes = name(key);
                let k = self.cache.key(db, &bytes);
                let mut section = self.cache.section(&[k], self.now).expect("single thread");
                if section.tag(&k, &entry.tags).is_ok() {
                    drop(section);
                    self.model[db as usize].insert(key, entry);
                    self.check(db, key);
                }
            }
            Step::PurgeTag { db, tag } => {
                let tag = tag_name(tag);
                self.cache.section_over_all(self.now).purge(db, Purge::Tag(&tag));
                self.model[db as usize].retain(|_, entry| entry.tags.iter().all(|known| known != tag));
            }
            Step::PurgePrefix { db, length, key } => {
                let mut prefix = name(key);
                prefix.truncate(length);
                self.cache.section_over_all(self.now).purge(db, Purge::Prefix(&prefix));
                self.model[db as usize].retain(|&key, _| !name(key).starts_with(&prefix));
            }
            Step::PurgeKey { db, key } => {
                self.cache.section_over_all(self.now).purge(db, Purge::Key(&name(key)));
                self.model[db as usize].remove(&key);
                self.check(db, key);
            }
            Step::PurgeAll => {
                self.cache.section_over_all(self.now).purge_everything();
                self.model.iter_mut().for_each(HashMap::clear);
                assert_eq!(self.cache.figures().entries, 0);
            }
            Step::Keep { db, key, len, fill } => {
                self.check(db, key);
                if !self.make_room(len) {
                    return;
                }
                self.check(db, key);
                let value = vec![fill; len];
                let deadline = self.live(db, key).and_then(|entry| entry.deadline);
                let bytes = name(key);
                let k = self.cache.key(db, &bytes);
                let mut section = self.cache.section(&[k], self.now).expect("single thread");
                let stored = section.set(&k, NewValue::Copied(&value), Deadline::Keep);
                drop(section);
                if stored.is_err() {
                    return;
                }
                self.model[db as usize].insert(key, Entry { value, deadline, tags: Tags::default() });
            }
            Step::Get { db, key } => self.check(db, key),
            Step::Remove { db, key } => {
                let expected = self.live(db, key).is_some();
                let bytes = name(key);
                let k = self.cache.key(db, &bytes);
                let removed = self.cache.section(&[k], self.now).expect("single thread").remove(&k);
                assert!(removed == expected || (!removed && !self.roomy));
                self.model[db as usize].remove(&key);
                self.check(db, key);
            }
            Step::Expire { db, key, ttl } => {
                self.check(db, key);
                let deadline = ttl.map(|ttl| Millis(self.now.0 + u64::from(ttl)));
                let bytes = name(key);
                let k = self.cache.key(db, &bytes);
                let set =
                    self.cache.section(&[k], self.now).expect("single thread").set_deadline(&k, deadline);
                assert_eq!(set, self.live(db, key).is_some());
                if let Some(entry) = self.model[db as usize].get_mut(&key).filter(|_| set) {
                    entry.deadline = deadline.map(|d| d.0);
                }
            }
            Step::Append { db, key, len, fill } => {
                if !self.make_room(len * 2 + 50_000) {
                    return;
                }
                self.check(db, key);
                let bytes = name(key);
                let k = self.cache.key(db, &bytes);
                let mut section = self.cache.section(&[k], self.now).expect("single thread");
                let edited = section.edit(&k, 80_000, |value| value.extend_from_slice(&vec![fill; len]));
                drop(section);
                if edited.is_err() {
                    return;
                }
                let mut entry = self.live(db, key).cloned().unwrap_or_default();
                entry.value.extend(vec![fill; len]);
                self.model[db as usize].insert(key, entry);
                self.check(db, key);
            }
            Step::Flush { db } => {
                self.cache.section_over_all(self.now).flush(db);
                self.model[db as usize].clear();
                assert_eq!(self.cache.database(db).entries, 0);
            }
            Step::Swap => {
                self.cache.section_over_all(self.now).swap(0, 1);
                self.model.swap(0, 1);
            }
            Step::Wait(ms) => self.now.0 += u64::from(ms),
            Step::Reclaim => {
                while self.cache.reclaim(self.now, 200_000).is_some_and(|due| due <= self.now) {}
                // Nothing that cannot be served is left to be counted.
                if self.roomy {
                    for db in 0..3 {
                        let live = (0..=255).filter(|&key| self.live(db, key).is_some()).count() as u64;
                        let held = self.cache.database(db).entries;
                        assert!(held >= live, "{held} entries held of {live}");
                        if (0..=255).all(|key| {
                            self.model[db as usize].contains_key(&key) == self.live(db, key).is_some()
                        }) {
                            assert_eq!(held, live, "after the sweep");
                        }
                    }
                }
            }
            Step::Scan { db, count } => {
                let mut seen = Vec::new();
                let mut cursor = Cursor(0);
                loop {
                    let show = |key: &[u8]| seen.push(key.to_vec());
                    cursor = self.cache.scan(db, cursor, count, self.now, &Fetches::default(), show).0;
                    if cursor == Cursor(0) {
                        break;
                    }
                }
                seen.sort();
                let mut expected: Vec<_> =
                    (0..=255).filter(|&key| self.live(db, key).is_some()).map(name).collect();
                expected.sort();
                if self.roomy {
                    assert_eq!(seen, expected);
                } else {
                    assert!(seen.iter().all(|key| expected.contains(key)));
                }
            }
            Step::Policy(policy) => {
                let policy = [Policy::AllKeys, Policy::Volatile, Policy::NoEviction][usize::from(policy)];
                self.cache.set_policy(policy);
            }
        }
    }
}

fn replay(steps: Vec<Step>, memory: usize, shards: usize, roomy: bool) {
    let cache = Cache::new(Config { memory, shards, databases: 3, ..Config::default() });
    let mut bench = Bench { cache, model: vec![HashMap::new(); 3], now: Millis(1_000_000), roomy };
    for step in steps {
        bench.run(&step);
        let figures = bench.cache.figures();
        let most = figures.limit + bench.cache.overshoot() + 100_000;
        assert!(figures.used <= most, "{} bytes used, {most} at most", figures.used);
    }
    for db in 0..3 {
        for key in 0..=255 {
            bench.check(db, key);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_where_all_fits(steps in prop::collection::vec(step(), 1..400)) {
        replay(steps, 256 << 20, 1, true);
    }

    #[test]
    fn nothing_is_wrong_where_little_fits(steps in prop::collection::vec(step(), 1000..3000), shards in 1usize..5) {
        replay(steps, 4 << 20, shards, false);
    }
}
