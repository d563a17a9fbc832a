//! An atomic section: the locks of the shards that some keys live in, taken in order, and what can be done under them.

use std::sync::Arc;

use bytes::BytesMut;

use crate::cache::figures::DiskFigures;
use crate::cache::load::{Fetches, Wanted};
use crate::cache::{Cache, Cursor};
use crate::clock::Millis;
use crate::fills::{Actor, FillBook};
use crate::held::Held;
use crate::journal::What;
use crate::key::{Database, Key};
use crate::shard::disk::Lent;
use crate::shard::history::{Arrival, Departure};
use crate::shard::purge::Fill;
use crate::shard::{Count, Shard, Written};
use crate::tags::Tags;
use crate::validity::{Invalidation, Noted, Purge};
use crate::value::{Deadline, NewTags, NewValue, View};
use crate::watch::{Watch, Watched};

/// A key's database was flushed or exchanged after the key was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key's database was flushed or exchanged meanwhile; hash the key again")]
pub struct Moved;

/// Memory is full, and the policy lets nothing go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory is full, and the policy lets nothing go")]
pub struct Full;

/// What became of a value that a client stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is in the cache.
    Kept,
    /// It had been loaded before an invalidation of its key, and is not.
    Refused,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Its entry, if there is one.
    pub entry: Option<Facts>,
    /// How its entry came, or the last one that there was, if that is still known.
    pub arrival: Option<Arrival>,
    /// Why there is none and since when, if that is still known.
    pub departure: Option<(Departure, Millis)>,
    /// The last invalidation that reached the key, if that is still known.
    pub invalidation: Option<Invalidation>,
    /// Whether there may have been more than is still known.
    pub has_forgotten: bool,
}

/// An entry in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Bytes of its value.
    pub value_bytes: usize,
    /// Bytes of its record and value, without its share of the index.
    pub bytes: usize,
    /// When it expires, if ever.
    pub deadline: Option<Millis>,
    /// What it carries.
    pub tags: Tags,
    /// How often it was read since it last moved, counted up to three.
    pub reads: u8,
    /// Whether a copy of it lies on disk, and not only on its way there.
    pub is_on_disk: bool,
}

/// What a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFigures {
    /// Entries, those that are past their deadline but not reclaimed included.
    pub entries: u64,
    /// Entries with a TTL among them.
    pub with_deadline: u64,
}

impl DatabaseFigures {
    pub(crate) fn add(&mut self, count: Count) {
        self.entries += count.entries;
        self.with_deadline += count.with_deadline;
    }
}

/// Exclusive access to the shards of some keys, or of all.
///
/// Nothing here waits: room is made before ([`Cache::make_room`]). A write that needs much more than was foreseen evicts here
/// what it needs, and fails if that cannot be.
#[derive(Debug)]
pub struct Section<'c> {
    cache: &'c Cache,
    guards: Guards<'c>,
    now: Millis,
    remembers_reads: bool,
    actor: Actor,
    governs: bool,
}

#[derive(Debug)]
enum Guards<'c> {
    None,
    One(Held<'c>),
    /// In the order of shard numbers.
    Some(Vec<(usize, Held<'c>)>),
    All(Vec<Held<'c>>),
}

impl Guards<'_> {
    /// Does something with every shard that is held.
    #[inline]
    fn each(&mut self, mut work: impl FnMut(&mut Shard)) {
        match self {
            Self::None => {}
            Self::One(guard) => work(guard),
            Self::Some(guards) => guards.iter_mut().for_each(|(_, guard)| work(guard)),
            Self::All(guards) => guards.iter_mut().for_each(|guard| work(guard)),
        }
    }
}

impl<'c> Section<'c> {
    #[inline]
    pub(crate) fn over_keys(cache: &'c Cache, keys: &[Key<'_>], now: Millis) -> Result<Self, Moved> {
        let guards = match keys {
            [] => Guards::None,
            [key] => Guards::One(Held::lock(&cache.shards[cache.shard_of(key)])),
            _ if cache.shards.len() == 1 => Guards::One(Held::lock(&cache.shards[0])),
            keys => {
                let mut numbers: Vec<_> = keys.iter().map(|key| cache.shard_of(key)).collect();
                numbers.sort_unstable();
                numbers.dedup();
                Guards::Some(numbers.into_iter().map(|n| (n, Held::lock(&cache.shards[n]))).collect())
            }
        };
        if keys.iter().any(|key| cache.databases.incarnation(key.database) != key.incarnation) {
            return Err(Moved);
        }
        Ok(Self { cache, guards, now, remembers_reads: true, actor: Actor::NOBODY, governs: false })
    }

    /// A section over one key, under its shard's lock.
    #[inline]
    pub(crate) fn under(cache: &'c Cache, held: Held<'c>, key: &Key<'_>, now: Millis) -> Result<Self, Moved> {
        if cache.databases.incarnation(key.database) != key.incarnation {
            return Err(Moved);
        }
        Ok(Self {
            cache,
            guards: Guards::One(held),
            now,
            remembers_reads: true,
            actor: Actor::NOBODY,
            governs: false,
        })
    }

    /// Ends the section and hands over its lock, if it has a single one.
    #[inline]
    pub(crate) fn leave(mut self) -> Option<Held<'c>> {
        match std::mem::replace(&mut self.guards, Guards::None) {
            Guards::One(mut held) => {
                self.cache.publish(&mut held);
                Some(held)
            }
            _ => None,
        }
    }

    /// A section without any key, for what needs none.
    #[inline]
    #[must_use]
    pub fn over_nothing(cache: &'c Cache, now: Millis) -> Self {
        Self { cache, guards: Guards::None, now, remembers_reads: true, actor: Actor::NOBODY, governs: false }
    }

    pub(crate) fn over_all(cache: &'c Cache, now: Millis) -> Self {
        let guards = Guards::All(cache.lock_all());
        Self { cache, guards, now, remembers_reads: true, actor: Actor::NOBODY, governs: false }
    }

    /// The moment that this section takes for the present.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// Whether reads count for eviction (they do unless told otherwise).
    pub fn remember_reads(&mut self, remembers: bool) {
        self.remembers_reads = remembers;
    }

    /// Who does what is done here; nobody unless told.
    #[inline]
    pub fn on_behalf_of(&mut self, actor: Actor) {
        self.actor = actor;
    }

    /// Whether what is written here from now on governs other entries, as a counter does whose value is part of their names.
    /// Losing it while they survive would bring back what they were under an earlier value: so it is kept with more care.
    #[inline]
    pub fn governs(&mut self, governs: bool) {
        self.governs = governs;
    }

    fn written(&self) -> Written {
        Written { by: self.actor.connection, is_control: self.governs }
    }

    /// Has the section use what was fetched for it.
    pub fn lend(&mut self, fetched: &Fetches) {
        if fetched.is_empty() {
            return;
        }
        self.guards.each(|shard| shard.lend(&fetched.segments, fetched.is_last));
    }

    /// Whether something has to be fetched before what was asked for here can be answered.
    #[inline]
    #[must_use]
    pub fn wants(&self) -> bool {
        match &self.guards {
            Guards::None => false,
            Guards::One(guard) => guard.wants(),
            Guards::Some(guards) => guards.iter().any(|(_, guard)| guard.wants()),
            Guards::All(guards) => guards.iter().any(|guard| guard.wants()),
        }
    }

    /// What has to be fetched before what was asked for here can be answered; nothing as a rule.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        let mut add = |shard: &Shard| wanted.now.extend_from_slice(shard.wanted());
        match &self.guards {
            Guards::None => {}
            Guards::One(guard) => add(guard),
            Guards::Some(guards) => guards.iter().for_each(|(_, guard)| add(guard)),
            Guards::All(guards) => guards.iter().for_each(|guard| add(guard)),
        }
        wanted
    }

    /// Brings the entry of a key to hand, for a command that reads it or, if `writes`, changes it. False if something has to be
    /// fetched first. What could not be fetched in time is dropped if it is to be changed, else it is missed.
    pub fn prepare(&mut self, key: &Key<'_>, writes: bool) -> bool {
        let (now, cache) = (self.now, self.cache);
        let shard = self.shard(key);
        let is_ready = shard.prepare(key, now, writes);
        cache.note_used(shard);
        is_ready
    }

    /// The same for a command that asks no more than whether there is an entry.
    pub fn prepare_presence(&mut self, key: &Key<'_>) -> bool {
        let now = self.now;
        self.shard(key).prepare_presence(key, now)
    }

    /// Whether a key has an entry; it is not read.
    #[inline]
    pub fn exists(&mut self, key: &Key<'_>) -> bool {
        let now = self.now;
        self.shard(key).exists(key, now)
    }

    /// Hashes a key for use inside this section, which must cover it.
    #[must_use]
    pub fn key<'a>(&self, database: Database, bytes: &'a [u8]) -> Key<'a> {
        self.cache.key(database, bytes)
    }

    #[inline]
    fn shard(&mut self, key: &Key<'_>) -> &mut Shard {
        let number = self.cache.shard_of(key);
        match &mut self.guards {
            Guards::One(guard) => guard,
            Guards::Some(guards) => {
                let place = guards.binary_search_by_key(&number, |(n, _)| *n);
                &mut guards[place.expect("the section was entered with this key")].1
            }
            Guards::All(guards) => &mut guards[number],
            Guards::None => unreachable!("the section was entered without keys"),
        }
    }

    /// Reads an entry; counts a hit or a miss.
    #[inline]
    pub fn get(&mut self, key: &Key<'_>) -> Option<View<'_>> {
        let (now, remembers, actor) = (self.now, self.remembers_reads, self.actor);
        self.shard(key).get(key, now, remembers, actor)
    }

    /// Looks at an entry; counts nothing.
    pub fn peek(&mut self, key: &Key<'_>) -> Option<View<'_>> {
        let now = self.now;
        self.shard(key).peek(key, now)
    }

    /// Counts an entry as read for eviction; false if there is none.
    pub fn touch(&mut self, key: &Key<'_>) -> bool {
        let now = self.now;
        self.shard(key).touch(key, now)
    }

    /// Makes sure that so many more bytes fit, evicting from the shards of this section if need be.
    ///
    /// # Errors
    /// [`Full`] if they do not.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Full> {
        if self.cache.has_room_at_once(bytes) { Ok(()) } else { self.evict_here(bytes) }
    }

    #[cold]
    fn evict_here(&mut self, bytes: usize) -> Result<(), Full> {
        if !self.cache.could_ever_hold(bytes) {
            return Err(Full);
        }
        let (cache, now) = (self.cache, self.now);
        let evict_from = |shard: &mut Shard| {
            while !cache.has_room_at_once(bytes) {
                let progress = shard.evict_one(now, true);
                cache.publish(shard);
                if matches!(progress, crate::shard::Eviction::Nothing | crate::shard::Eviction::Later) {
                    return;
                }
            }
        };
        self.guards.each(evict_from);
        if cache.has_room_at_once(bytes) { Ok(()) } else { Err(Full) }
    }

    /// Stores a value, whatever was there.
    ///
    /// # Errors
    /// [`Full`] if there is no room; what was there stays.
    #[inline]
    pub fn set(&mut self, key: &Key<'_>, value: NewValue<'_>, deadline: Deadline) -> Result<(), Full> {
        self.set_tagged(key, value, deadline, NewTags::None)
    }

    /// Stores a value with tags, whatever was there.
    ///
    /// # Errors
    /// [`Full`] if there is no room; what was there stays.
    #[inline]
    pub fn set_tagged(
        &mut self,
        key: &Key<'_>,
        value: NewValue<'_>,
        deadline: Deadline,
        tags: NewTags<'_>,
    ) -> Result<(), Full> {
        self.reserve(value.len() + key.bytes.len())?;
        let (now, cache, written) = (self.now, self.cache, self.written());
        let shard = self.shard(key);
        shard.set(key, value, deadline, tags, now, written);
        cache.publish(shard);
        Ok(())
    }

    /// Stores a value that a client may have loaded after a miss, unless an invalidation has overtaken it.
    ///
    /// # Errors
    /// [`Full`] if there is no room; what was there stays.
    #[inline]
    pub fn fill(
        &mut self,
        key: &Key<'_>,
        value: NewValue<'_>,
        deadline: Deadline,
        tags: NewTags<'_>,
    ) -> Result<Stored, Full> {
        let (now, actor) = (self.now, self.actor);
        let carried = if let NewTags::These(tags) = tags { tags.encoded() } else { &[] };
        let deadline = match self.shard(key).judge_fill(key, carried, now, actor) {
            Fill::Stored => deadline,
            Fill::Refused => return Ok(Stored::Refused),
            Fill::StoredUntil(latest) => match deadline {
                Deadline::At(at) => Deadline::At(at.min(latest)),
                _ => Deadline::At(latest),
            },
        };
        self.set_tagged(key, value, deadline, tags).map(|()| Stored::Kept)
    }

    /// Adds tags to a live entry; false if there is none.
    ///
    /// # Errors
    /// [`Full`] if there is no room; the entry is as it was.
    pub fn tag(&mut self, key: &Key<'_>, tags: &Tags) -> Result<bool, Full> {
        let Some(view) = self.peek(key) else { return Ok(false) };
        let (value, is_control) = (view.value.to_bytes(), view.is_control());
        let governs = std::mem::replace(&mut self.governs, is_control);
        let done = self.set_tagged(key, NewValue::Shared(value), Deadline::Keep, NewTags::These(tags));
        self.governs = governs;
        done.map(|()| true)
    }

    /// Gives an entry another deadline or none; false if there is no entry.
    pub fn set_deadline(&mut self, key: &Key<'_>, deadline: Option<Millis>) -> bool {
        let now = self.now;
        self.shard(key).set_deadline(key, deadline, now)
    }

    /// Changes a value in place, keeping its TTL; an absent entry starts from nothing. `length` is how long it will be.
    ///
    /// # Errors
    /// [`Full`] if there is no room; the value is as it was.
    pub fn edit(
        &mut self,
        key: &Key<'_>,
        length: usize,
        change: impl FnOnce(&mut BytesMut),
    ) -> Result<(), Full> {
        // A value that grows is given room ahead, and one that a reply refers to is copied.
        self.reserve(length.saturating_mul(2) + key.bytes.len())?;
        let (now, cache, written) = (self.now, self.cache, self.written());
        let shard = self.shard(key);
        shard.edit(key, now, written, change);
        cache.publish(shard);
        Ok(())
    }

    /// As [`edit`](Self::edit), but who watches the key sees no change unless `change` says that there was one.
    ///
    /// # Errors
    /// [`Full`] if there is no room; the value is as it was.
    pub fn edit_quietly(
        &mut self,
        key: &Key<'_>,
        length: usize,
        change: impl FnOnce(&mut BytesMut) -> bool,
    ) -> Result<(), Full> {
        self.reserve(length.saturating_mul(2) + key.bytes.len())?;
        let (now, cache, written) = (self.now, self.cache, self.written());
        let shard = self.shard(key);
        // An entry that turns out to be past its deadline is a change of its own.
        let _ = shard.exists(key, now);
        let watches = std::mem::take(&mut shard.watches);
        let mut has_changed = false;
        shard.edit(key, now, written, |value| has_changed = change(value));
        shard.watches = watches;
        if has_changed {
            shard.watches.touch(key.hash);
        }
        cache.publish(shard);
        Ok(())
    }

    /// Deletes an entry; false if there was none.
    #[inline]
    pub fn remove(&mut self, key: &Key<'_>) -> bool {
        let now = self.now;
        self.shard(key).remove(key, now)
    }

    /// What is known of a key; a look without a trace.
    pub fn why(&mut self, key: &Key<'_>) -> Why {
        // Of what was in a database before it was emptied nothing is known.
        let (now, is_later) = (self.now, key.incarnation >= u32::from(self.cache.databases()));
        let shard = self.shard(key);
        let is_on_disk = shard.is_sealed(key);
        let entry = shard.peek(key, now).map(|view| Facts {
            value_bytes: view.value.len(),
            bytes: view.bytes(),
            deadline: view.deadline,
            tags: view.tags(),
            reads: view.reads(),
            is_on_disk,
        });
        let tags = entry.as_ref().map(|facts| facts.tags.clone()).unwrap_or_default();
        Why {
            arrival: shard.history.arrival(key.hash),
            departure: if entry.is_none() { shard.history.departure(key.hash) } else { None },
            invalidation: shard.last_invalidation(key, tags.encoded()),
            has_forgotten: is_later || shard.history.has_forgotten(),
            entry,
        }
    }

    /// Has the watch raised when the key changes, until [`Cache::unwatch`].
    pub fn watch(&mut self, key: &Key<'_>, watch: &Arc<Watch>) {
        let now = self.now;
        let shard = self.shard(key);
        // What is already past its deadline shall not look like a change later.
        let _ = shard.exists(key, now);
        shard.watches.add(key, watch);
    }

    fn every_shard(&mut self) -> &mut [Held<'c>] {
        match &mut self.guards {
            Guards::All(guards) => guards,
            _ => unreachable!("only a section over the whole cache does this"),
        }
    }

    /// Empties a database. Needs a section over the whole cache.
    pub fn flush(&mut self, database: Database) {
        let old = self.cache.databases.renew(database);
        self.cache.say_database(database);
        let watched = self.take_watched(old);
        self.every_shard().iter_mut().for_each(|shard| shard.flush(old));
        self.watch_anew(watched);
    }

    /// Invalidates entries of a database. Needs a section over the whole cache.
    pub fn purge(&mut self, database: Database, purge: Purge<'_>) -> Invalidation {
        let (cache, now, by) = (self.cache, self.now, self.actor.connection);
        let key = cache.key(database, if let Purge::Key(name) = purge { name } else { b"" });
        let say = |ordinal, incarnation, what: What<&[u8]>| cache.say_invalidated(ordinal, incarnation, what);
        match cache.validity.note(key.incarnation, key.hash, purge, (now, by), say) {
            Noted::Merged(record) => self.drop_everything(record),
            Noted::Alone(record) => {
                self.every_shard().iter_mut().for_each(|shard| shard.heed(record));
                if matches!(purge, Purge::Key(_)) {
                    self.shard(&key).purge(&key, record.sequence, now);
                }
                record
            }
        }
    }

    /// Invalidates all entries of all databases. Needs a section over the whole cache.
    pub fn purge_everything(&mut self) -> Invalidation {
        let cache = self.cache;
        let say = |ordinal, incarnation, what: What<&[u8]>| cache.say_invalidated(ordinal, incarnation, what);
        let record = cache.validity.note_everything((self.now, self.actor.connection), say);
        self.drop_everything(record)
    }

    fn drop_everything(&mut self, record: Invalidation) -> Invalidation {
        self.every_shard().iter_mut().for_each(|shard| shard.drop_everything(record));
        record
    }

    /// Exchanges two databases. Needs a section over the whole cache.
    pub fn swap(&mut self, one: Database, other: Database) {
        if one == other {
            return;
        }
        let incarnations = [one, other].map(|database| self.cache.databases.incarnation(database));
        let watched: Vec<_> = incarnations.into_iter().flat_map(|i| self.take_watched(i)).collect();
        self.cache.databases.swap(one, other);
        self.cache.say_exchanged(one, other);
        self.watch_anew(watched);
    }

    /// Takes out the watches under an incarnation, raising those whose key has an entry, even one that has expired since.
    fn take_watched(&mut self, incarnation: u32) -> Vec<Watched> {
        let mut taken = Vec::new();
        for shard in self.every_shard() {
            for (hash, watched) in shard.watches.take_of(incarnation) {
                if shard.entry(hash, incarnation, &watched.name).is_some() {
                    watched.raise_all();
                }
                taken.push(watched);
            }
        }
        taken
    }

    /// Puts watches in under their databases' incarnations now, raising those whose key has a live entry there.
    fn watch_anew(&mut self, watched: Vec<Watched>) {
        let now = self.now;
        for mut watched in watched {
            let key = self.cache.key(watched.database, &watched.name);
            let (hash, incarnation) = (key.hash, key.incarnation);
            let number = self.cache.shard_of(&key);
            let shard = &mut self.every_shard()[number];
            if shard.drop_if_expired(hash, incarnation, &watched.name, now) {
                watched.raise_all();
            }
            watched.incarnation = incarnation;
            shard.watches.put(hash, watched);
        }
    }

    /// What happened so far. Needs a section over the whole cache.
    pub fn stats(&mut self) -> crate::stats::Stats {
        let mut sum = crate::stats::Stats::default();
        self.every_shard().iter().for_each(|shard| sum.add(&shard.stats));
        sum
    }

    /// What the disk tier holds and did, if there is one. Needs a section over the whole cache.
    pub fn disk_figures(&mut self) -> Option<DiskFigures> {
        let mut figures = DiskFigures::of(self.cache.tier.as_ref()?);
        self.every_shard().iter().for_each(|shard| figures.add(shard));
        Some(figures)
    }

    /// The misses that may yet be filled, in figures. Needs a section over the whole cache.
    pub fn fill_book(&mut self) -> FillBook {
        let mut sum = FillBook::default();
        self.every_shard().iter().for_each(|shard| sum.add(shard.fill_book()));
        sum
    }

    /// Starts all counts anew. Needs a section over the whole cache.
    pub fn reset_stats(&mut self) {
        self.every_shard().iter_mut().for_each(|shard| shard.stats = crate::stats::Stats::default());
    }

    /// Changes what may be evicted. Needs a section over the whole cache.
    pub fn set_policy(&mut self, policy: crate::policy::Policy) {
        self.every_shard().iter_mut().for_each(|shard| shard.set_policy(policy));
    }

    /// What the cache holds now. Needs a section over the whole cache.
    pub fn figures(&mut self) -> crate::cache::Figures {
        let mut figures = crate::cache::Figures { limit: self.cache.limit(), ..Default::default() };
        for database in 0..self.cache.databases() {
            let held = self.database(database);
            figures.entries += held.entries;
            figures.with_deadline += held.with_deadline;
        }
        for shard in self.every_shard() {
            figures.used += shard.used();
            figures.live += shard.live_bytes();
        }
        figures
    }

    /// What a database holds. Needs a section over the whole cache.
    pub fn database(&mut self, database: Database) -> DatabaseFigures {
        let incarnation = self.cache.databases.incarnation(database);
        let mut figures = DatabaseFigures::default();
        self.every_shard().iter().for_each(|shard| figures.add(shard.count(incarnation)));
        figures
    }

    /// A cursor at a place that a random number picks. Needs a section over the whole cache.
    pub fn random_cursor(&mut self, random: u64) -> Cursor {
        let shards = self.every_shard().len() as u64;
        Cursor(((random >> 32) % shards) << 32 | (random & 0xFFFF_FFFF))
    }

    /// Shows about `wanted` keys from a cursor on; see [`Cache::scan`]. Needs a section over the whole cache.
    pub fn scan(
        &mut self,
        database: Database,
        cursor: Cursor,
        wanted: usize,
        show: impl FnMut(&[u8]),
    ) -> Cursor {
        let now = self.now;
        let incarnation = self.cache.databases.incarnation(database);
        let shards = self.every_shard();
        scan(shards.len(), cursor, wanted, show, |number, from, wanted, show| {
            // Nothing waits here: of what lies on disk, what is not at hand is not shown.
            shards[number].lend(&Lent::default(), true);
            shards[number].scan_everywhere(incarnation, from, wanted, now, 0, show).0
        })
    }
}

impl Drop for Section<'_> {
    #[inline]
    fn drop(&mut self) {
        self.guards.each(|shard| self.cache.publish(shard));
    }
}

/// Slots looked at for one scan call when hardly any belongs to the database.
const SCAN_STEPS_MAX: usize = 64;

/// Walks shard after shard; a cursor is a shard's number and a hash within it.
pub(crate) fn scan(
    shards: usize,
    cursor: Cursor,
    wanted: usize,
    mut show: impl FnMut(&[u8]),
    mut walk: impl FnMut(usize, u32, usize, &mut dyn FnMut(&[u8])) -> Option<u32>,
) -> Cursor {
    let (mut number, mut from) = ((cursor.0 >> 32) as usize, cursor.0 as u32);
    let wanted = wanted.max(1);
    let mut shown = 0;
    for _ in 0..SCAN_STEPS_MAX.max(wanted / 8) {
        if number >= shards {
            return Cursor(0);
        }
        let next = walk(number, from, wanted - shown, &mut |key| {
            shown += 1;
            show(key);
        });
        match next {
            Some(hash) => from = hash,
            None => (number, from) = (number + 1, 0),
        }
        if shown >= wanted {
            break;
        }
    }
    if number >= shards { Cursor(0) } else { Cursor(((number as u64) << 32) | u64::from(from)) }
}
