//! A small cache with a disk tier, without the disk: it appends what it should and knows what may be served.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{Compaction, CompactionFailed, Journal, Record, State, What};
use crate::clock::Millis;

pub(super) const DATABASES: u8 = 3;
const SHARDS: usize = 2;

/// What happens in the world.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Write(u8, u8),
    Evict(u8, u8),
    Seal(usize),
    Retire(usize),
    Flush(u8),
    Swap(u8, u8),
    Invalidate(u8, Option<u8>),
    Control(u8, u8, u8),
    ControlGone(u8, u8),
    Cold(u8),
    Cursor(u8),
    /// The next step of a compaction: it begins, gathers a section, or finishes.
    Compact,
}

pub(super) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let key = 0..8u8;
    let database = 0..DATABASES;
    let op = prop_oneof![
        8 => (database.clone(), key.clone()).prop_map(|(d, k)| Op::Write(d, k)),
        12 => (database.clone(), key).prop_map(|(d, k)| Op::Evict(d, k)),
        5 => (0..SHARDS).prop_map(Op::Seal),
        1 => (0..SHARDS).prop_map(Op::Retire),
        1 => database.clone().prop_map(Op::Flush),
        1 => (database.clone(), database.clone()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => (0..7u8, proptest::option::of(database.clone())).prop_map(|(w, d)| Op::Invalidate(w, d)),
        3 => (database.clone(), 0..3u8, any::<u8>()).prop_map(|(d, k, v)| Op::Control(d, k, v)),
        1 => (database.clone(), 0..3u8).prop_map(|(d, k)| Op::ControlGone(d, k)),
        1 => database.prop_map(Op::Cold),
        1 => any::<u8>().prop_map(Op::Cursor),
        12 => Just(Op::Compact),
    ];
    proptest::collection::vec(op, 0..most)
}

/// Key, value and deadline by incarnation and hash.
type Controls = BTreeMap<(u32, u64), (Vec<u8>, Vec<u8>, Option<Millis>)>;

#[derive(Clone, Debug)]
struct Entry {
    key: u8,
    incarnation: u32,
    token: u64,
    is_dropped: bool,
}

#[derive(Clone, Debug)]
struct Packed {
    number: u64,
    shard: usize,
    is_sealed: bool,
    entries: Vec<Entry>,
}

/// What a restart should find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Truth {
    databases: Vec<u32>,
    is_next_free: bool,
    cold: Vec<u32>,
    cursor: Option<([u8; 16], u64)>,
    controls: Controls,
    segments: BTreeSet<u64>,
    /// Segment and place.
    servable: BTreeSet<(u64, usize)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct World {
    databases: Vec<u32>,
    next_incarnation: u32,
    cold: BTreeSet<u32>,
    cursor: Option<([u8; 16], u64)>,
    controls: Controls,
    /// Retired ones too: what becomes of them is to be asked as well.
    segments: Vec<Packed>,
    retired: BTreeSet<u64>,
    invalidations: Vec<(u64, u32, Option<u32>, u8)>,
}

fn hash(incarnation: u32, key: u8) -> u64 {
    u64::from(incarnation) << 8 | u64::from(key)
}

fn what(about: u8) -> What<&'static [u8]> {
    match about {
        0 => What::All,
        1 => What::Tag(b"one"),
        2 => What::Tag(b"two"),
        3 => What::Tag(b"three"),
        4 => What::Prefix(b""),
        5 => What::Prefix(b"lower"),
        _ => What::Prefix(b"upper"),
    }
}

fn matches(what: &What<&[u8]>, key: u8) -> bool {
    let tag: &[u8] = [&b"one"[..], b"two", b"three"][usize::from(key % 3)];
    let name: &[u8] = if key < 4 { b"lower key" } else { b"upper key" };
    match what {
        What::All => true,
        What::Tag(of) => *of == tag,
        What::Prefix(of) => name.starts_with(of),
    }
}

impl World {
    pub(super) fn new() -> Self {
        let databases = (0..u32::from(DATABASES)).collect();
        Self { databases, next_incarnation: u32::from(DATABASES), ..Self::default() }
    }

    fn incarnation(&self, database: u8) -> u32 {
        self.databases[usize::from(database)]
    }

    fn open_segment(&mut self, shard: usize) -> &mut Packed {
        if !self.segments.iter().any(|s| s.shard == shard && !s.is_sealed) {
            let number = self.segments.len() as u64 + 100;
            self.segments.push(Packed { number, shard, is_sealed: false, entries: Vec::new() });
        }
        self.segments.iter_mut().find(|s| s.shard == shard && !s.is_sealed).expect("it was just made")
    }

    fn copies(&mut self, incarnation: u32, key: u8) -> impl Iterator<Item = &mut Entry> {
        let entries = self.segments.iter_mut().flat_map(|segment| &mut segment.entries);
        entries.filter(move |entry| entry.key == key && entry.incarnation == incarnation && !entry.is_dropped)
    }

    /// Does what an operation says, but for compaction; true if it appended a record.
    pub(super) fn act(&mut self, op: Op, journal: &Journal) -> bool {
        let append = |record: Record<'_>| {
            journal.append(&record);
            true
        };
        match op {
            Op::Write(database, key) => {
                let incarnation = self.incarnation(database);
                let mut copies = self.copies(incarnation, key).peekable();
                if copies.peek().is_none() {
                    return false;
                }
                copies.for_each(|entry| entry.is_dropped = true);
                append(Record::Gone { hash: hash(incarnation, key) })
            }
            Op::Evict(database, key) => {
                let incarnation = self.incarnation(database);
                if self.copies(incarnation, key).next().is_none() {
                    let token = journal.next_sequence();
                    let entry = Entry { key, incarnation, token, is_dropped: false };
                    self.open_segment(usize::from(key) % SHARDS).entries.push(entry);
                }
                false
            }
            Op::Seal(shard) => {
                let segment = self.open_segment(shard);
                segment.is_sealed = true;
                let (number, entries) = (segment.number, segment.entries.len() as u16);
                let dead = bitmap(segment);
                append(Record::Sealed { segment: number, bytes: 77, entries, dead: &dead })
            }
            Op::Retire(shard) => {
                let oldest = |s: &&mut Packed| s.is_sealed && s.shard == shard;
                let retired = &self.retired;
                let mut standing = self.segments.iter_mut().filter(|s| !retired.contains(&s.number));
                let Some(segment) = standing.find(oldest) else { return false };
                segment.entries.iter_mut().for_each(|entry| entry.is_dropped = true);
                let number = segment.number;
                self.retired.insert(number);
                append(Record::Retired { segment: number })
            }
            Op::Flush(database) => {
                let incarnation = self.next_incarnation;
                self.next_incarnation += 1;
                self.databases[usize::from(database)] = incarnation;
                self.tidy();
                append(Record::Database { number: database.into(), incarnation })
            }
            Op::Swap(a, b) => {
                let (of_a, of_b) = (self.incarnation(a), self.incarnation(b));
                self.databases.swap(a.into(), b.into());
                append(Record::Exchanged { one: (a.into(), of_b), other: (b.into(), of_a) })
            }
            Op::Invalidate(about, database) => {
                let incarnation = database.map(|database| self.incarnation(database));
                let ordinal = self.invalidations.len() as u32;
                let record = Record::Invalidated { ordinal, incarnation, what: what(about) };
                let sequence = journal.append(&record);
                self.invalidations.push((sequence, ordinal, incarnation, about));
                true
            }
            Op::Control(database, key, value) => {
                let (incarnation, hash) = (self.incarnation(database), hash(self.incarnation(database), key));
                let deadline = (value % 2 == 0).then_some(Millis(value.into()));
                let (key, value) = (vec![key; 5], vec![value; usize::from(value)]);
                append(Record::Control { incarnation, hash, key: &key, value: &value, deadline });
                self.controls.insert((incarnation, hash), (key, value, deadline));
                true
            }
            Op::ControlGone(database, key) => {
                let (incarnation, hash) = (self.incarnation(database), hash(self.incarnation(database), key));
                self.controls.remove(&(incarnation, hash));
                append(Record::ControlGone { incarnation, hash })
            }
            Op::Cold(database) => {
                let incarnation = self.incarnation(database);
                self.cold.insert(incarnation);
                append(Record::ColdDatabase { incarnation })
            }
            Op::Cursor(at) => {
                self.cursor = Some(([at; 16], at.into()));
                append(Record::Cursor { epoch: [at; 16], sequence: at.into() })
            }
            Op::Compact => false,
        }
    }

    fn tidy(&mut self) {
        let Self { databases, controls, cold, .. } = self;
        controls.retain(|(incarnation, _), _| databases.contains(incarnation));
        cold.retain(|incarnation| databases.contains(incarnation));
    }

    /// How many sections a snapshot has.
    pub(super) const SECTIONS: usize = 1 + SHARDS;

    /// Gathers one section, as things are now.
    pub(super) fn gather(&self, section: usize, into: &Compaction) -> Result<(), CompactionFailed> {
        let Some(shard) = section.checked_sub(1) else {
            return self.invalidations.iter().try_for_each(|&(sequence, ordinal, incarnation, about)| {
                into.invalidation(sequence, ordinal, incarnation, what(about))
            });
        };
        let standing = |s: &&Packed| s.is_sealed && s.shard == shard && !self.retired.contains(&s.number);
        for segment in self.segments.iter().filter(standing) {
            into.segment(segment.number, 77, segment.entries.len() as u16, &bitmap(segment))?;
        }
        let here = |&(&(_, hash), _): &(&(u32, u64), &_)| hash as usize % SHARDS == shard;
        self.controls.iter().filter(here).try_for_each(|(&(incarnation, hash), (key, value, deadline))| {
            into.control(incarnation, hash, key, value, *deadline)
        })
    }

    pub(super) fn truth(&self) -> Truth {
        let standing = |s: &&Packed| s.is_sealed && !self.retired.contains(&s.number);
        let is_valid = |entry: &Entry| {
            !entry.is_dropped
                && self.databases.contains(&entry.incarnation)
                && !self.invalidations.iter().any(|&(sequence, _, incarnation, about)| {
                    sequence >= entry.token
                        && incarnation.is_none_or(|incarnation| incarnation == entry.incarnation)
                        && matches(&what(about), entry.key)
                })
        };
        let segments = self.segments.iter().filter(standing);
        let servable = segments.clone().flat_map(|segment| {
            let living = segment.entries.iter().enumerate().filter(|(_, entry)| is_valid(entry));
            living.map(|(place, _)| (segment.number, place)).collect::<Vec<_>>()
        });
        Truth {
            databases: self.databases.clone(),
            is_next_free: true,
            cold: self.cold.iter().copied().collect(),
            cursor: self.cursor,
            controls: self.controls.clone(),
            segments: segments.clone().map(|segment| segment.number).collect(),
            servable: servable.collect(),
        }
    }

    /// What a recovered state amounts to, by the rule of recovery; the world says what lies in the segments.
    pub(super) fn read(&self, state: &State) -> Truth {
        let mut servable = BTreeSet::new();
        for segment in &state.segments {
            let packed = self.segments.iter().find(|packed| packed.number == segment.number);
            let packed = packed.expect("a segment that was packed");
            for (place, entry) in packed.entries.iter().enumerate().take(segment.entries.into()) {
                let is_dead = segment.dead.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
                let gone = state.gone.get(&hash(entry.incarnation, entry.key));
                let is_invalid = state.invalidations.iter().any(|invalidation| {
                    let what = match &invalidation.what {
                        What::All => What::All,
                        What::Tag(name) => What::Tag(&name[..]),
                        What::Prefix(name) => What::Prefix(&name[..]),
                    };
                    invalidation.sequence >= entry.token
                        && invalidation.incarnation.is_none_or(|scope| scope == entry.incarnation)
                        && matches(&what, entry.key)
                });
                let is_alive = state.roots.is_alive(entry.incarnation);
                if !is_dead && !is_invalid && is_alive && gone.is_none_or(|&gone| gone < entry.token) {
                    servable.insert((segment.number, place));
                }
            }
        }
        let controls = state.controls.iter().flat_map(|(&incarnation, controls)| {
            controls.iter().map(move |(&hash, control)| {
                let told = (control.key.to_vec(), control.value.to_vec(), control.deadline);
                ((incarnation, hash), told)
            })
        });
        let databases: Vec<_> = state.roots.databases.values().copied().collect();
        Truth {
            is_next_free: databases.iter().all(|&used| used < state.roots.next_incarnation),
            databases,
            cold: state.roots.cold.iter().copied().collect(),
            cursor: state.roots.cursor,
            controls: controls.collect(),
            segments: state.segments.iter().map(|segment| segment.number).collect(),
            servable,
        }
    }
}

fn bitmap(segment: &Packed) -> Vec<u8> {
    let mut bits = vec![0; segment.entries.len().div_ceil(8)];
    for (place, _) in segment.entries.iter().enumerate().filter(|(_, entry)| entry.is_dropped) {
        bits[place / 8] |= 1 << (place % 8);
    }
    while bits.last() == Some(&0) {
        bits.pop();
    }
    bits
}
