//! A shard: an index over a log of records, everything that one lock guards.
//!
//! Whatever changes a key passes through here, so here watches are raised, counts kept and waste paid back.

pub(crate) mod adopt;
pub(crate) mod demote;
pub(crate) mod disk;
mod evict;
mod gather;
pub(crate) mod history;
mod jury;
mod miniature;
pub(crate) mod names;
pub(crate) mod purge;
mod reclaim;
mod rule;
mod trial;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::BytesMut;

use disk::{Disk, is_on_disk};
pub(crate) use evict::Eviction;
pub(crate) use jury::Jury;
use trial::Trial;

use crate::budget::Budget;
use crate::clock::Millis;
use crate::fills::{Actor, FillBook, Fills, ROWS_MAX};
use crate::index::Index;
use crate::key::{Key, Seed, index_hash};
use crate::ledger::Ledger;
use crate::memory::ghost::Ghost;
use crate::memory::large::{Large, LargeValues};
use crate::memory::log::Log;
use crate::memory::record::{
    Draft, KEY_INLINE_MAX, Payload, Record, TAGS_INLINE_MAX, VALUE_INLINE_MAX, bump_frequency, set_control,
};
use crate::memory::segment::{Geometry, QueueName};
use crate::memory::sketch::Sketch;
use crate::policy::Policy;
use crate::shard::history::{Arrival, Departure, EVENTS_MAX, History};
use crate::stats::Stats;
use crate::validity::Validity;
use crate::value::{Deadline, NewTags, NewValue, Value, View};
use crate::watch::Watches;

/// The fields stand in the order in which operations write them: what a read or an overwrite counts shares the cache line
/// of the shard's lock, which has to travel between workers anyway.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shard {
    /// Whether what this shard uses may differ from what it last told the cache.
    pub(crate) changed: bool,
    /// Compaction moves records: not while somebody walks over them.
    walking: bool,
    pub(crate) policy: Policy,
    pub(crate) stats: Stats,
    /// What this shard last told the cache it uses.
    pub(crate) published: usize,
    seed: Seed,
    pub(crate) watches: Watches,
    index: Index,
    log: Log,
    large: LargeValues,
    pub(crate) history: History,
    fills: Fills,
    validity: Arc<Validity>,
    /// What lies on disk, where there is one.
    pub(crate) disk: Option<Box<Disk>>,
    /// The last invalidation of any kind, as the validity says it.
    sequence: u64,
    /// Until when a write may be the fill of a miss that an invalidation has overtaken.
    guarded_until: Millis,
    /// As of which invalidation every entry is known to be valid.
    swept: u32,
    /// Bytes that died since the last compaction step.
    died: usize,
    /// Entries of each living incarnation.
    counts: HashMap<u32, Count>,
    /// Kept by the rules that welcome back what was evicted lately,
    ghost: Ghost,
    /// and by the rule that compares how often keys were seen.
    sketch: Sketch,
    /// Which rule of eviction is in force.
    trial: Trial,
    /// Whether the main queue was let grow by the last that left the small one.
    grew: bool,
    /// Entries that govern others and were spared since something else left.
    spared: u32,
    /// Flushed incarnations of which records may still lie in the log.
    dead: HashSet<u32>,
    /// Where the sweep of dead incarnations goes on.
    sweep_from: Option<usize>,
    graveyard: Vec<Remains>,
    /// Carries a record from its old place to its new one.
    scratch: Vec<u8>,
}

/// The book of misses takes at most this part of memory,
const FILLS_SHARE: usize = 32;
/// and the history this.
const HISTORY_SHARE: usize = 512;

/// What a flush left to be freed bit by bit.
#[derive(Debug)]
struct Remains {
    index: Index,
    log: Log,
    large: LargeValues,
    ledger: Ledger,
}

/// Who writes what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// The connection.
    pub(crate) by: u64,
    /// Whether other entries are governed by it.
    pub(crate) is_control: bool,
}

/// Entries of one incarnation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) entries: u64,
    pub(crate) with_deadline: u64,
}

impl Shard {
    /// An empty shard of a cache of so many shards and bytes.
    pub(crate) fn new(
        seed: Seed,
        geometry: Geometry,
        policy: Policy,
        validity: Arc<Validity>,
        jury: Arc<Jury>,
        (count, memory): (usize, usize),
    ) -> Self {
        Self {
            history: History::new(EVENTS_MAX.min(memory / HISTORY_SHARE / History::EVENT_BYTES) / count),
            fills: Fills::new(ROWS_MAX.min(memory / FILLS_SHARE / Fills::ROW_BYTES) / count),
            validity,
            disk: None,
            sequence: 0,
            guarded_until: Millis(0),
            swept: 0,
            seed,
            index: Index::new(),
            log: Log::new(geometry),
            large: LargeValues::default(),
            ghost: Ghost::default(),
            sketch: Sketch::default(),
            trial: Trial::new(jury),
            grew: false,
            spared: 0,
            policy,
            counts: HashMap::new(),
            dead: HashSet::new(),
            sweep_from: None,
            graveyard: Vec::new(),
            watches: Watches::default(),
            stats: Stats::default(),
            died: 0,
            walking: false,
            scratch: Vec::new(),
            published: 0,
            changed: true,
        }
    }

    /// Heap bytes of everything this shard holds.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        let buried: usize =
            self.graveyard.iter().map(|r| r.index.bytes() + r.log.bytes() + r.large.bytes()).sum();
        let disk = self.disk.as_ref().map_or(0, |disk| disk.bytes());
        let lately = self.history.bytes() + self.fills.bytes();
        let learnt = self.ghost.bytes() + self.sketch.bytes() + self.trial.bytes();
        self.index.bytes() + self.log.bytes() + self.large.bytes() + learnt + lately + buried + disk
    }

    /// The misses that may yet be filled, in figures.
    pub(crate) fn fill_book(&self) -> FillBook {
        self.fills.figures()
    }

    /// Tells the budget what this shard holds now.
    #[inline]
    pub(crate) fn publish(&mut self, budget: &Budget) {
        self.publish_used(budget);
        if self.disk.is_some() {
            self.forget_section();
        }
    }

    /// The same in the midst of a section.
    pub(crate) fn publish_used(&mut self, budget: &Budget) {
        let used = self.used();
        budget.change(self.published, used);
        self.published = used;
    }

    /// Bytes of living records and large values: what used memory would be without any slack.
    pub(crate) fn live_bytes(&self) -> usize {
        self.log.live() + self.large.bytes()
    }

    pub(crate) fn segment_bytes(&self) -> usize {
        self.log.segment_bytes()
    }

    pub(crate) fn count(&self, incarnation: u32) -> Count {
        self.counts.get(&incarnation).copied().unwrap_or_default()
    }

    fn holds_deadlines(&self) -> bool {
        self.counts.values().any(|count| count.with_deadline > 0)
    }

    #[inline]
    fn holds(&self, location: u32, key: &Key<'_>) -> bool {
        if is_on_disk(location) {
            return self.holds_on_disk(location, key.hash, key.incarnation);
        }
        let record = self.log.record(location);
        if record.incarnation() != key.incarnation {
            return false;
        }
        if key.bytes.len() <= KEY_INLINE_MAX && !key.bytes.is_empty() {
            return record.key() == key.bytes;
        }
        record.key().is_empty() && self.outside_key(record.large()) == key.bytes
    }

    /// What lies outside the log for a record.
    fn large_of(&self, record: Record<'_>) -> Option<&Large> {
        record.large().and_then(|number| self.large.get(number))
    }

    fn outside_key(&self, large: Option<u32>) -> &[u8] {
        large.and_then(|number| self.large.get(number)).map_or(&[], |large| &large.key)
    }

    /// The key of a record, wherever it lies.
    fn key_at(&self, location: u32) -> &[u8] {
        let record = self.log.record(location);
        if record.key().is_empty() { self.outside_key(record.large()) } else { record.key() }
    }

    fn hash_at(&self, location: u32) -> u64 {
        self.seed.hash(self.log.record(location).incarnation(), self.key_at(location))
    }

    fn is_live(&self, hash: u64, location: u32) -> bool {
        self.index.find(index_hash(hash), |found| found == location).is_some()
    }

    /// Where the key's entry lies; one past its deadline is removed on the way. Of one on disk that is said to the second only.
    #[inline]
    fn find(&mut self, key: &Key<'_>, now: Millis) -> Option<u32> {
        let location = self.index.find(key.index_hash(), |location| self.holds(location, key))?;
        if is_on_disk(location) {
            return self.find_on_disk(key.hash, location, now);
        }
        match self.log.record(location).deadline() {
            Some(deadline) if deadline <= now => {
                self.stats.expired_on_access += 1;
                self.changed |= self.history.left(key.hash, Departure::Expired, now);
                self.drop_entry(key.hash, location);
                None
            }
            _ if self.log.ordinal(location) != self.log.newest() && !cfg!(feature = "mutant-no-validity") => {
                self.find_checked(key, location, now)
            }
            _ => Some(location),
        }
    }

    /// An entry that was not yet checked against the latest invalidations.
    #[cold]
    fn find_checked(&mut self, key: &Key<'_>, location: u32, now: Millis) -> Option<u32> {
        let Some(against) = self.condemned(location) else { return Some(location) };
        self.drop_invalidated(key.hash, location, against.sequence, now);
        None
    }

    #[inline]
    fn view(&self, location: u32) -> View<'_> {
        let record = self.log.record(location);
        let (value, large) = match record.payload() {
            Payload::Inline(bytes) => (Value::Copied(bytes), None),
            Payload::Large(number) => {
                let large = self.large.get(number);
                (large.map_or(Value::Copied(&[]), |large| Value::Shared(&large.value)), large)
            }
        };
        let placed_after = self.log.placed_after(location);
        View { value, deadline: record.deadline(), placed_after, record, large, visitor: None }
    }

    /// Reads an entry as a client does: counted, and remembered for eviction.
    #[inline]
    pub(crate) fn get(&mut self, key: &Key<'_>, now: Millis, touch: bool, by: Actor) -> Option<View<'_>> {
        let Some(location) = self.find(key, now) else {
            self.stats.misses += 1;
            self.changed |= self.fills.missed(key.hash, self.sequence, by, now);
            return None;
        };
        if is_on_disk(location) {
            return self.get_from_disk(key, location, now, touch, by);
        }
        self.stats.hits += 1;
        if touch {
            bump_frequency(self.log.record_mut(location));
        }
        Some(self.view(location))
    }

    /// Looks at an entry without a trace.
    #[inline]
    pub(crate) fn peek(&mut self, key: &Key<'_>, now: Millis) -> Option<View<'_>> {
        let location = self.find(key, now)?;
        if is_on_disk(location) { self.peek_on_disk(key, location, now) } else { Some(self.view(location)) }
    }

    /// Counts the entry as read; false if there is none.
    pub(crate) fn touch(&mut self, key: &Key<'_>, now: Millis) -> bool {
        let Some(location) = self.find(key, now) else { return false };
        if is_on_disk(location) {
            return self.touch_on_disk(key, location, now);
        }
        bump_frequency(self.log.record_mut(location));
        true
    }

    /// Stores a value under a key, whatever was there.
    pub(crate) fn set(
        &mut self,
        key: &Key<'_>,
        mut value: NewValue<'_>,
        deadline: Deadline,
        tags: NewTags<'_>,
        now: Millis,
        written: Written,
    ) {
        let keeps = deadline == Deadline::Keep || matches!(tags, NewTags::Keep);
        let mut old = if keeps { self.find_in_memory(key, now) } else { self.find(key, now) };
        if let Some(location) = old.filter(|&location| is_on_disk(location)) {
            // What is overwritten need not be read.
            self.erase(key.hash, location);
            old = None;
        }
        let old_deadline = old.and_then(|location| self.log.record(location).deadline());
        let deadline = match deadline {
            Deadline::None => None,
            Deadline::At(at) => Some(at),
            Deadline::Keep => old_deadline,
        };
        let kept = match (tags, old) {
            (NewTags::Keep, Some(location)) => self.tags_at(location).to_vec(),
            _ => Vec::new(),
        };
        let tags = if let NewTags::These(tags) = tags { tags.encoded() } else { &kept };
        let draft = self.draft(key, &mut value, deadline, tags, written.is_control);
        self.changed |= self.history.came(key.hash, Arrival { at: now, by: written.by });
        match old {
            None => self.fill(key, &draft, now),
            Some(location) => self.replace(key, location, draft, now),
        }
        self.watches.touch(key.hash);
    }

    /// What a value becomes in the log: in the record itself or, where that is too short for it, beside it.
    fn draft<'a>(
        &mut self,
        key: &Key<'a>,
        value: &'a mut NewValue<'_>,
        deadline: Option<Millis>,
        tags: &'a [u8],
        is_control: bool,
    ) -> Draft<'a> {
        let outside = key.bytes.len() > KEY_INLINE_MAX;
        let tags_outside = tags.len() > TAGS_INLINE_MAX;
        let payload = if outside || tags_outside || value.len() > VALUE_INLINE_MAX {
            let outside_key = if outside { key.bytes } else { &[] };
            let outside_tags = if tags_outside { tags } else { &[] };
            self.changed = true;
            let value = std::mem::replace(value, NewValue::Copied(&[])).into_bytes();
            Payload::Large(self.large.add(Large::new(outside_key, outside_tags, value)))
        } else {
            Payload::Inline(value.as_slice())
        };
        Draft {
            incarnation: key.incarnation,
            key: if outside { &[] } else { key.bytes },
            payload,
            deadline,
            tags: if tags_outside { &[] } else { tags },
            ordinal: None,
            frequency: 0,
            touches: 0,
            is_control,
            link: None,
        }
    }

    fn fill(&mut self, key: &Key<'_>, draft: &Draft<'_>, now: Millis) {
        self.changed = true;
        let queue = if self.policy != Policy::AllKeys && draft.deadline.is_none() {
            QueueName::Kept
        } else if !self.trial.rule().welcomes_back() {
            self.sketch.fit(self.resident());
            self.sketch.add(key.hash, 1);
            QueueName::Small
        } else if self.ghost.recall(key.hash) {
            self.stats.ghost_admissions += 1;
            QueueName::Main
        } else {
            QueueName::Small
        };
        let location = self.log.append(queue, draft, now);
        self.stand(draft, queue);
        self.index.insert(key.index_hash(), location);
        if queue != QueueName::Kept {
            self.tell_fill(key.index_hash(), self.weight_at(location));
        }
        let count = self.counts.entry(key.incarnation).or_default();
        count.entries += 1;
        count.with_deadline += u64::from(draft.deadline.is_some());
        self.stats.fills += 1;
        if draft.is_control {
            self.tell_control(key.hash, location, false);
        }
    }

    /// Notes where the record of a large value stands.
    fn stand(&mut self, draft: &Draft<'_>, queue: QueueName) {
        if let Payload::Large(number) = draft.payload {
            self.large.stand(number, queue);
        }
    }

    fn replace(&mut self, key: &Key<'_>, location: u32, mut draft: Draft<'_>, now: Millis) {
        self.stats.overwrites += 1;
        self.rewrite(key, location, &mut draft, now, true);
    }

    /// Writes a changed record over or beside the old one, which keeps its place in line.
    fn rewrite(
        &mut self,
        key: &Key<'_>,
        location: u32,
        draft: &mut Draft<'_>,
        now: Millis,
        drop_large: bool,
    ) {
        let old = self.log.record(location);
        let (old_len, old_large, had_deadline) = (old.len(), old.large(), old.deadline().is_some());
        let (was_control, was_linked) = (old.is_control(), old.link().is_some());
        draft.frequency = (old.frequency() + 1).min(3);
        draft.touches = (old.touches() + 1).min(3);
        if was_linked {
            self.cut_link(key.hash, location);
        }
        let queue = match self.log.queue_of(location) {
            QueueName::Kept if draft.deadline.is_some() => QueueName::Main,
            _ if self.policy != Policy::AllKeys && draft.deadline.is_none() => QueueName::Kept,
            queue => queue,
        };
        self.log.adapt(location, draft);
        let is_told = draft.is_control || was_control;
        if draft.len() == old_len && queue == self.log.queue_of(location) {
            self.log.overwrite(location, draft);
            if is_told {
                self.tell_control(key.hash, location, was_control);
            }
        } else {
            self.changed = true;
            let to = self.log.append(queue, draft, now);
            self.index.relocate(key.index_hash(), location, to);
            if is_told {
                self.tell_control(key.hash, to, was_control);
            }
            self.kill(location);
        }
        self.stand(draft, queue);
        if drop_large && let Some(number) = old_large {
            self.changed = true;
            self.large.remove(number);
        }
        if draft.deadline.is_some() != had_deadline {
            let count = self.counts.entry(key.incarnation).or_default();
            count.with_deadline += u64::from(draft.deadline.is_some());
            count.with_deadline -= u64::from(had_deadline);
        }
    }

    /// Gives a live entry another deadline or none; false if there is no entry.
    pub(crate) fn set_deadline(&mut self, key: &Key<'_>, deadline: Option<Millis>, now: Millis) -> bool {
        let Some(location) = self.find_in_memory(key, now) else { return false };
        let mut copy = std::mem::take(&mut self.scratch);
        copy.clear();
        let record = self.log.record(location);
        copy.extend_from_slice(&record.0[..record.len()]);
        let mut draft = Draft { deadline, link: None, ..Record(&copy).draft() };
        self.rewrite(key, location, &mut draft, now, false);
        self.scratch = copy;
        self.watches.touch(key.hash);
        true
    }

    /// Changes a value in place: longer ones without a copy. An absent entry is made from nothing, without a deadline.
    pub(crate) fn edit(
        &mut self,
        key: &Key<'_>,
        now: Millis,
        written: Written,
        change: impl FnOnce(&mut BytesMut),
    ) {
        let Some(location) = self.find_in_memory(key, now) else {
            let mut value = BytesMut::new();
            change(&mut value);
            self.set(key, NewValue::Shared(value.freeze()), Deadline::None, NewTags::None, now, written);
            return;
        };
        match self.log.record(location).payload() {
            Payload::Large(number) => {
                self.changed = true;
                self.cut_link(key.hash, location);
                self.large.alter(number, change);
                let record = self.log.record_mut(location);
                bump_frequency(record);
                let was_control = Record(record).is_control();
                if written.is_control {
                    set_control(record);
                }
                if written.is_control || was_control {
                    self.tell_control(key.hash, location, was_control);
                }
                self.stats.overwrites += 1;
                self.watches.touch(key.hash);
            }
            Payload::Inline(bytes) => {
                let mut value = BytesMut::with_capacity(bytes.len() + 64);
                value.extend_from_slice(bytes);
                change(&mut value);
                let value = if value.len() > VALUE_INLINE_MAX {
                    NewValue::Shared(value.freeze())
                } else {
                    NewValue::Copied(&value)
                };
                self.set(key, value, Deadline::Keep, NewTags::Keep, now, written);
            }
        }
    }

    /// Deletes an entry; false if there was none.
    pub(crate) fn remove(&mut self, key: &Key<'_>, now: Millis) -> bool {
        let Some(location) = self.find(key, now) else { return false };
        if is_on_disk(location) && self.is_over_on_disk(key, location, now) {
            return false;
        }
        self.stats.deletions += 1;
        self.changed |= self.history.left(key.hash, Departure::Deleted, now);
        self.erase(key.hash, location);
        true
    }

    /// Removes a live entry: slot, record, large value, count; and tells who watches. What the disk could still serve of it
    /// has to be [erased](Self::erase).
    fn drop_entry(&mut self, hash: u64, location: u32) {
        self.changed = true;
        if is_on_disk(location) {
            if let Some((incarnation, has_deadline)) = self.drop_slot(hash, location) {
                self.count_out(incarnation, 1, u64::from(has_deadline));
            }
            self.watches.touch(hash);
            return;
        }
        let record = self.log.record(location);
        let (incarnation, has_deadline) = (record.incarnation(), record.deadline().is_some());
        self.drop_link(location);
        self.index.remove(index_hash(hash), location);
        self.count_out(incarnation, 1, u64::from(has_deadline));
        self.drop_record(location);
        self.watches.touch(hash);
    }

    /// Takes entries out of their database's count.
    fn count_out(&mut self, incarnation: u32, entries: u64, with_deadline: u64) {
        if let Some(count) = self.counts.get_mut(&incarnation) {
            count.entries -= entries;
            count.with_deadline -= with_deadline;
            if count.entries == 0 {
                self.counts.remove(&incarnation);
            }
        }
    }

    /// Removes a record and what lies outside the log for it.
    fn drop_record(&mut self, location: u32) {
        if let Some(number) = self.log.record(location).large() {
            self.large.remove(number);
        }
        self.kill(location);
    }

    /// Marks a record dead and pays for the waste it leaves.
    fn kill(&mut self, location: u32) {
        self.died += self.log.record(location).len();
        self.log.kill(location);
        if !self.walking {
            self.compact_if_wasteful();
        }
    }

    /// Shows live entries of one incarnation in memory in hash order, and where each of those on disk lies; returns the hash to
    /// go on from.
    pub(crate) fn scan(
        &self,
        incarnation: u32,
        from: u32,
        wanted: usize,
        now: Millis,
        mut show: impl FnMut(&[u8]),
        mut on_disk: impl FnMut(u32, u32),
    ) -> Option<u32> {
        self.index.walk(from, wanted, |slot| {
            if is_on_disk(slot.location) {
                on_disk(slot.hash, slot.location);
                return;
            }
            let record = self.log.record(slot.location);
            let is_due = record.deadline().is_some_and(|deadline| deadline <= now);
            let may_show = record.incarnation() == incarnation && !is_due;
            if may_show && self.is_valid(slot.location) {
                show(self.key_at(slot.location));
            }
        })
    }
}
