//! The door: everything that enters or leaves the engine passes through [`Cache`].

pub(crate) mod figures;
pub(crate) mod load;
mod open;
mod scan;
pub(crate) mod seal;
pub(crate) mod tend;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::budget::Budget;
use crate::clock::{Millis, boot_nanos};
use crate::databases::Databases;
use crate::held::{Guarded, Held};
use crate::journal::{Record, Roots, What};
use crate::key::{Database, Key, Seed};
use crate::memory::segment::Geometry;
use crate::policy::Policy;
use crate::section::{Moved, Section};
use crate::shard::{Eviction, Jury, Shard};
use crate::stats::Stats;
use crate::stay::Stay;
use crate::tier::{Pace, Tier};
use crate::validity::{Invalidation, Validity};
use crate::watch::Watch;

/// The smallest memory limit that leaves room for segments to turn over: 4 MiB.
pub const MEMORY_MIN: usize = 4 << 20;
/// A shard's locations in memory reach 8 GiB; shards are made smaller than half of that.
const SHARD_BYTES_MAX: usize = 4 << 30;
/// Segments that a shard may open beyond the limit between two looks at it: one for each queue.
const OPEN_SEGMENTS: usize = 3;
/// How long one call makes room before it lets others go on.
const MAKE_ROOM_NANOS: u64 = 1_000_000;
/// Evictions between two looks at the clock.
const EVICTIONS_A_BATCH: usize = 64;

/// How a cache is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Limit in bytes of everything the engine holds, overhead included; at least [`MEMORY_MIN`].
    pub memory: usize,
    /// Databases that can be selected, at least one.
    pub databases: Database,
    /// Parts with a lock each, rounded up to a power of two: one serves a single thread best. Over a directory that was used
    /// before there are as many as there were.
    pub shards: usize,
    /// What may be evicted.
    pub policy: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self { memory: 64 << 20, databases: 16, shards: 1, policy: Policy::AllKeys }
    }
}

impl Config {
    fn shard_count(&self) -> usize {
        let needed = self.memory.max(MEMORY_MIN).div_ceil(SHARD_BYTES_MAX);
        self.shards.max(needed).next_power_of_two()
    }
}

/// Whether there is room for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Made,
    /// Evicting took its share of time: let others go on, then ask again.
    Busy,
    /// There is none, and the policy lets nothing go.
    Full,
}

/// Where a scan goes on. Zero both starts and ends one; cursors stay below 2^42, so any client's number holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cursor(pub u64);

/// What the cache holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Heap bytes held, overhead included.
    pub used: usize,
    /// Bytes of living entries among them.
    pub live: usize,
    /// The limit.
    pub limit: usize,
    /// Entries in all databases.
    pub entries: u64,
    /// Entries with a TTL among them.
    pub with_deadline: u64,
}

/// A cache of byte strings under byte strings, in numbered databases.
#[derive(Debug)]
pub struct Cache {
    pub(crate) shards: Box<[Guarded]>,
    pub(crate) databases: Databases,
    pub(crate) validity: Arc<Validity>,
    pub(crate) tier: Option<Arc<Tier>>,
    seed: Seed,
    budget: Arc<Budget>,
    /// The shard that evicts next.
    turn: AtomicUsize,
}

impl Cache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let count = u32::from(config.databases.max(1));
        let roots = Roots {
            databases: (0..config.databases.max(1)).map(|number| (number, u32::from(number))).collect(),
            next_incarnation: count,
            ..Roots::default()
        };
        Self::seeded(config, Seed::random(), &roots)
    }

    /// Makes an empty cache whose keys are hashed with a seed and whose databases stand for what is known of them.
    fn seeded(config: Config, seed: Seed, roots: &Roots) -> Self {
        let memory = config.memory.max(MEMORY_MIN);
        let count = config.shard_count();
        let geometry = Geometry::for_budget(memory / count);
        let validity = Arc::<Validity>::default();
        let jury = Arc::<Jury>::default();
        let shard = || {
            let (validity, jury) = (Arc::clone(&validity), Arc::clone(&jury));
            Shard::new(seed, geometry, config.policy, validity, jury, (count, memory))
        };
        let shards: Box<[_]> = (0..count).map(|_| Guarded::new(shard())).collect();
        let cache = Self {
            shards,
            databases: Databases::standing_for(
                (0..config.databases.max(1))
                    .map(|number| roots.databases.get(&number).copied().unwrap_or_default()),
                roots.next_incarnation,
            ),
            validity,
            tier: None,
            seed,
            budget: Arc::new(Budget::new(memory)),
            turn: AtomicUsize::new(0),
        };
        for number in 0..count {
            let mut shard = Held::lock(&cache.shards[number]);
            cache.publish(&mut shard);
        }
        cache
    }

    /// Hashes a key of a database, once.
    ///
    /// # Panics
    /// If there is no such database: see [`databases`](Self::databases).
    #[inline]
    #[must_use]
    pub fn key<'a>(&self, database: Database, bytes: &'a [u8]) -> Key<'a> {
        let incarnation = self.databases.incarnation(database);
        Key { hash: self.seed.hash(incarnation, bytes), incarnation, database, bytes }
    }

    /// How many databases there are.
    #[must_use]
    pub fn databases(&self) -> Database {
        self.databases.count()
    }

    #[inline]
    pub(crate) fn shard_of(&self, key: &Key<'_>) -> usize {
        key.hash as usize & (self.shards.len() - 1)
    }

    /// Enters an atomic section over some keys: nobody else sees a state between two of its steps.
    ///
    /// # Errors
    /// [`Moved`] if a key's database was flushed or exchanged since the key was hashed: hash the keys again.
    #[inline]
    pub fn section<'c>(&'c self, keys: &[Key<'_>], now: Millis) -> Result<Section<'c>, Moved> {
        Section::over_keys(self, keys, now)
    }

    /// Begins a batch of sections over one key each.
    #[must_use]
    pub fn stay(&self) -> Stay<'_> {
        Stay::new(self)
    }

    /// Enters an atomic section over the whole cache.
    #[must_use]
    pub fn section_over_all(&self, now: Millis) -> Section<'_> {
        Section::over_all(self, now)
    }

    pub(crate) fn lock_all(&self) -> Vec<Held<'_>> {
        self.shards.iter().map(Held::lock).collect()
    }

    /// Tells everybody what a shard uses now.
    #[inline]
    pub(crate) fn publish(&self, shard: &mut Shard) {
        if !std::mem::take(&mut shard.changed) {
            return;
        }
        shard.publish(&self.budget);
    }

    /// The same in the midst of a section.
    pub(crate) fn note_used(&self, shard: &mut Shard) {
        shard.publish_used(&self.budget);
    }

    /// Makes room for a write of so many bytes, for at most a millisecond.
    ///
    /// Room is not reserved: two writers may both be told that there is some, and then exceed the limit by the smaller
    /// of the two writes until the next call.
    #[inline]
    pub fn make_room(&self, bytes: usize, now: Millis) -> Room {
        if self.has_room(bytes) { Room::Made } else { self.evict_until_room(bytes, now) }
    }

    /// Whether so many bytes need no room to be made.
    #[inline]
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.budget.has_room(bytes)
    }

    /// Whether so many more bytes fit under the limit itself.
    #[inline]
    pub(crate) fn has_room_at_once(&self, bytes: usize) -> bool {
        self.budget.has_room_at_once(bytes)
    }

    /// Whether so many bytes would fit if all else were gone.
    pub(crate) fn could_ever_hold(&self, bytes: usize) -> bool {
        bytes <= self.budget.target()
    }

    #[cold]
    fn evict_until_room(&self, bytes: usize, now: Millis) -> Room {
        if !self.could_ever_hold(bytes) {
            return Room::Full;
        }
        let pace = self.tier.as_ref().map_or(Pace::Dropping, |tier| tier.pace());
        if pace == Pace::Slowed {
            return Room::Busy;
        }
        let is_crowded = || pace == Pace::Free && self.tier.as_ref().is_some_and(|tier| tier.is_busy());
        let until = boot_nanos() + MAKE_ROOM_NANOS;
        let (mut empty_handed, mut sent_on, mut turn) = (0, 0, 0);
        loop {
            // Several workers share the turns: who finds nothing goes on by himself, so that he has seen all shards in the end.
            turn = if empty_handed == 0 {
                self.turn.fetch_add(1, Ordering::Relaxed)
            } else {
                turn.wrapping_add(1)
            };
            let mut shard = Held::lock(&self.shards[turn & (self.shards.len() - 1)]);
            if shard.has_remains() {
                shard.reclaim(now, until);
            }
            let mut progress = Eviction::Nothing;
            for _ in 0..EVICTIONS_A_BATCH {
                if self.has_room(bytes) {
                    return Room::Made;
                }
                if is_crowded() {
                    self.publish(&mut shard);
                    return Room::Busy;
                }
                match shard.evict_one(now, sent_on + 1 >= self.shards.len()) {
                    Eviction::Nothing => break,
                    Eviction::Elsewhere => {
                        (progress, sent_on) = (Eviction::Elsewhere, sent_on + 1);
                        break;
                    }
                    Eviction::Later => return Room::Busy,
                    Eviction::Progress => (progress, sent_on) = (Eviction::Progress, 0),
                }
                self.publish(&mut shard);
            }
            self.publish(&mut shard);
            empty_handed = if progress == Eviction::Nothing { empty_handed + 1 } else { 0 };
            if self.has_room(bytes) {
                return Room::Made;
            }
            if empty_handed >= self.shards.len() {
                return Room::Full;
            }
            if boot_nanos() >= until {
                return Room::Busy;
            }
        }
    }

    /// Frees what is expired or flushed, for at most `nanos` nanoseconds.
    ///
    /// Returns when to call again: at once if the time was not enough, `None` if nothing here ever expires.
    pub fn reclaim(&self, now: Millis, nanos: u64) -> Option<Millis> {
        let until = boot_nanos() + nanos;
        let mut next: Option<Millis> = None;
        let mut swept = u32::MAX;
        if self.make_room(0, now) == Room::Busy {
            return Some(now);
        }
        for shard in &self.shards {
            let mut shard = Held::lock(shard);
            if shard.next_due().is_some_and(|due| due <= now) {
                let more = shard.reclaim(now, until);
                self.publish(&mut shard);
                if more {
                    return Some(now);
                }
            }
            swept = swept.min(shard.swept());
            next = [next, shard.next_due()].into_iter().flatten().min();
        }
        self.validity.forget(swept, now);
        next
    }

    /// The last invalidation, how many are remembered, and how often too many became one of everything.
    #[must_use]
    pub fn invalidations(&self) -> (Option<Invalidation>, usize, u64) {
        (self.validity.latest(), self.validity.records(), self.validity.merged())
    }

    /// Sets the memory limit; a lower one takes effect as room is made.
    pub fn set_limit(&self, bytes: usize) {
        self.budget.set_limit(bytes.max(MEMORY_MIN));
    }

    /// Heap bytes that all shards hold, as last told by each.
    #[must_use]
    pub fn used(&self) -> usize {
        self.budget.used()
    }

    /// The memory limit in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.budget.limit()
    }

    /// Bytes of the limit that somebody else holds, such as connection buffers: the cache makes do with the rest.
    pub fn lend(&self, bytes: usize) {
        self.budget.lend(bytes);
    }

    /// Changes what may be evicted.
    pub fn set_policy(&self, policy: Policy) {
        self.section_over_all(Millis(0)).set_policy(policy);
    }

    /// Takes a watch off a name.
    pub fn unwatch(&self, database: Database, name: &[u8], watch: &Arc<Watch>) {
        loop {
            let key = self.key(database, name);
            let mut shard = Held::lock(&self.shards[self.shard_of(&key)]);
            // The database may be flushed or exchanged between hashing and locking.
            if self.databases.incarnation(database) == key.incarnation {
                shard.watches.remove(key.hash, watch);
                return;
            }
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        self.shards.iter().for_each(|shard| sum.add(&Held::lock(shard).stats));
        sum
    }

    /// What the cache holds now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.section_over_all(Millis(0)).figures()
    }

    /// What one database holds, shard after shard.
    #[must_use]
    pub fn database(&self, database: Database) -> crate::section::DatabaseFigures {
        let incarnation = self.databases.incarnation(database);
        let mut figures = crate::section::DatabaseFigures::default();
        for shard in &self.shards {
            figures.add(Held::lock(shard).count(incarnation));
        }
        figures
    }

    /// Says in the journal that entries were invalidated; returns the number that this has there.
    pub(crate) fn say_invalidated(&self, ordinal: u32, incarnation: Option<u32>, what: What<&[u8]>) -> u64 {
        let record = Record::Invalidated { ordinal, incarnation, what };
        self.tier.as_ref().map_or(0, |tier| tier.journal.append(&record))
    }

    /// Bytes that all shards together may hold beyond the limit for a moment.
    #[must_use]
    pub fn overshoot(&self) -> usize {
        Held::lock(&self.shards[0]).segment_bytes() * OPEN_SEGMENTS * self.shards.len()
    }
}
