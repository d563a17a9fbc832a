//! Opening a cache over a directory: whose it is, what its journal says, and what of it is served again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use zeroize::Zeroize;

use super::{Cache, Config};
use crate::clock::now;
use crate::disk::keys::Keys;
use crate::disk::segment::entry::Entry;
use crate::disk::segment::parse::Segment;
use crate::disk::store::{Counts, Store, StoreOptions};
use crate::held::Held;
use crate::journal::{self, Journal, Record, Recovery, Sealer, State, What};
use crate::key::Key;
use crate::shard::adopt::Known;
use crate::shard::disk::Disk;
use crate::tier::options::{DiskError, DiskOptions, Warmth};
use crate::tier::{Opened, Reopening, Tier};

/// The journal takes at most this part of what memory may take, since a start reads all of it,
const JOURNAL_SHARE: usize = 2;
/// and between these bounds.
const JOURNAL_BYTES: std::ops::RangeInclusive<u64> = (8 << 20)..=(256 << 20);
/// How much more than others a segment is worth without which a database starts cold.
const GOVERNOR_WORTH: u64 = 1 << 16;
/// Segments that are read ahead when they do not lie in the page cache.
const READ_AHEAD: usize = 16;

impl Cache {
    /// Makes a cache over a directory, with what is there and counts.
    ///
    /// Call [`tend`](Self::tend) from a task of its own then, and [`commit`](Self::commit) before anything is acknowledged.
    ///
    /// # Errors
    /// If the directory cannot be used; see [`DiskError::is_harmless`].
    pub async fn with_disk(config: Config, mut options: DiskOptions) -> Result<(Self, Warmth), DiskError> {
        let opened = match take(&options.directory) {
            Ok(lock) => open(&config, &mut options, lock).await,
            Err(error) => Err(error),
        };
        opened.map_err(|error| if error.is_harmless() { disown(&options.directory, error) } else { error })
    }

    /// Sees to it that no later start believes what a directory holds, for whoever serves without it.
    ///
    /// # Errors
    /// If another process uses it, or it cannot be seen to.
    pub fn without_disk(directory: &Path) -> Result<(), DiskError> {
        if matches!(directory.try_exists(), Ok(false)) {
            return Ok(());
        }
        let why = match take(directory) {
            Ok(_lock) => {
                return remove_journal(directory).map_err(|error| DiskError::Unsafe(error.to_string()));
            }
            Err(why) => why,
        };
        if !why.is_harmless() {
            return Err(why);
        }
        match disown(directory, why) {
            why if why.is_harmless() => Ok(()),
            why => Err(why),
        }
    }
}

/// What happens now is not written down: no later start may believe what was.
fn disown(directory: &Path, error: DiskError) -> DiskError {
    if remove_journal(directory).is_ok() { error } else { DiskError::Unsafe(error.to_string()) }
}

fn remove_journal(directory: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::remove_file(directory.join(journal::NAME)) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
        removed => removed,
    }
}

/// Makes the directory, and makes sure that nobody else uses it.
fn take(directory: &Path) -> Result<OwnedFd, DiskError> {
    let failed = |error: std::io::Error| {
        DiskError::Store(format!("the directory {} cannot be used: {error}", directory.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let lock =
        rustix::fs::open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed(error.into()))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DiskError::InUse(directory.to_owned())),
        Err(error) => Err(failed(error.into())),
    }
}

/// Seals what the journal says by the keys that seal segments.
#[derive(Debug)]
struct JournalSealer(Arc<Keys>);

/// What is sealed for the journal is no segment, whatever its number.
const FOR_JOURNAL: u64 = 1 << 63;

fn context_of(context: &[u8]) -> (u64, u64) {
    let (store, kind) = context.split_at(context.len().min(8));
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
    (number(store), number(kind) | FOR_JOURNAL)
}

impl Sealer for JournalSealer {
    fn seal(&self, context: &[u8], plain: &[u8], sealed: &mut Vec<u8>) {
        let (store, kind) = context_of(context);
        // What cannot be sealed does not open either, and then nothing is believed.
        sealed.extend_from_slice(&self.0.seal(store, kind, plain).unwrap_or_default());
    }

    fn open(&self, context: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> bool {
        let (store, kind) = context_of(context);
        let opened = self.0.open(store, kind, Bytes::copy_from_slice(sealed));
        opened.map(|opened| plain.extend_from_slice(&opened)).is_ok()
    }
}

async fn open(
    config: &Config,
    options: &mut DiskOptions,
    lock: OwnedFd,
) -> Result<(Cache, Warmth), DiskError> {
    let keys = options.keys.as_ref().map(|text| Keys::parse(text)).transpose();
    let keys = keys.map_err(|error| DiskError::Keys(error.to_string()))?.map(Arc::new);
    if let Some(text) = &mut options.keys {
        text.zeroize();
    }
    let share = (config.memory / JOURNAL_SHARE) as u64;
    let (journal, recovery) = Journal::open(
        &options.directory,
        journal::OpenOptions {
            max_bytes: share.clamp(*JOURNAL_BYTES.start(), *JOURNAL_BYTES.end()),
            databases: config.databases.max(1),
            parts: u16::try_from(config.shard_count()).unwrap_or(u16::MAX),
            sealer: keys.clone().map(|keys| Arc::new(JournalSealer(keys)) as Arc<dyn Sealer>),
        },
    )?;
    let journal = Arc::new(journal);
    let (cold, mut state) = match recovery {
        Recovery::Cold(reason) => (Some(reason), State { roots: journal.roots(), ..State::default() }),
        Recovery::Warm(state) => (None, *state),
    };
    let lost = Arc::new(Mutex::new(Vec::new()));
    let reopening = Reopening {
        directory: options.directory.clone(),
        bytes: options.bytes,
        memory: config.memory,
        incarnation: journal.incarnation(),
        keys: keys.clone(),
        lost: Arc::clone(&lost),
    };
    state.segments.sort_unstable_by_key(|segment| segment.number);
    let known: Vec<u64> = state.segments.iter().map(|segment| segment.number).collect();
    let governs = state.governs.clone();
    let counts: Counts = Box::new(move |number| match known.binary_search(&number) {
        Ok(_) if governs.contains_key(&number) => GOVERNOR_WORTH,
        found => u64::from(found.is_ok()),
    });
    let wipes = StoreOptions { wipe: cold.is_some(), counts: Some(counts), ..reopening.options() };
    let store = Arc::new(Store::open(wipes).await?);
    // Segments hold entries of one shard each.
    let config = &Config { shards: usize::from(journal.parts()).max(1), ..*config };
    let mut cache = Cache::seeded(*config, crate::key::Seed::from_bytes(journal.seed()), &state.roots);
    let position = store.begun_at();
    let number = state.segments.last().map_or(0, |segment| segment.number) + 1;
    let opened = Opened { lost, reopening, lock, cold: state.roots.cold.iter().copied().collect() };
    let budget = Arc::clone(&cache.budget);
    let tier = Arc::new(Tier::new(Arc::clone(&store), journal, budget, options, (number, position), opened));
    for (shard, guarded) in cache.shards.iter().enumerate() {
        Held::lock(guarded).disk = Some(Box::new(Disk::new(Arc::clone(&tier), shard)));
    }
    cache.tier = Some(Arc::clone(&tier));
    let mut warmth = Warmth { cold, was_clean: state.is_clean, ..Warmth::default() };
    if cold.is_none() {
        cache.start_cold_where_due(&state);
        let lost_governors = cache.adopt(&state, &store, &mut warmth).await;
        // What governs others is told by the journal; what is not may have been in what was lost.
        drop(tier.take_ungoverned());
        tier.note_governed();
        lost_governors.into_iter().for_each(|incarnation| tier.note_ungoverned(incarnation));
        if warmth.segments_lost > 0 {
            state.roots.cold.iter().for_each(|&incarnation| tier.note_ungoverned(incarnation));
        }
        cache.restore(&state, &mut warmth);
    }
    for guarded in &cache.shards {
        cache.publish(&mut Held::lock(guarded));
    }
    // What is not written cannot be acknowledged, and nothing was yet.
    let _ = tier.journal.commit();
    Ok((cache, warmth))
}

/// The invalidations that a journal has kept, by what they are looked for.
#[derive(Debug, Default)]
struct Past {
    everything: u64,
    databases: HashMap<u32, Scope>,
}

#[derive(Debug, Default)]
struct Scope {
    all: u64,
    tags: HashMap<Box<[u8]>, u64>,
    prefixes: BTreeMap<usize, HashMap<Box<[u8]>, u64>>,
}

impl Past {
    fn of(state: &State) -> Self {
        let mut past = Self::default();
        for invalidation in &state.invalidations {
            let sequence = invalidation.sequence;
            let Some(incarnation) = invalidation.incarnation else {
                // Only everything is invalidated everywhere; whatever else it was reaches more this way, never less.
                past.everything = past.everything.max(sequence);
                continue;
            };
            let scope = past.databases.entry(incarnation).or_default();
            match &invalidation.what {
                What::All => scope.all = scope.all.max(sequence),
                What::Tag(tag) => {
                    scope.tags.insert(tag.clone(), sequence);
                }
                What::Prefix(prefix) => {
                    scope.prefixes.entry(prefix.len()).or_default().insert(prefix.clone(), sequence);
                }
            }
        }
        past
    }

    /// The sequence number of the last invalidation that reaches an entry; zero if none does.
    fn against(&self, incarnation: u32, key: &[u8], tags: &[u8]) -> u64 {
        if cfg!(feature = "mutant-no-validity") {
            return 0;
        }
        let Some(scope) = self.databases.get(&incarnation) else { return self.everything };
        let by_tag = crate::tags::iter(tags).filter_map(|tag| scope.tags.get(tag).copied());
        let lengths = scope.prefixes.range(..=key.len());
        let by_prefix = lengths.filter_map(|(&length, known)| known.get(&key[..length]).copied());
        by_tag.chain(by_prefix).fold(self.everything.max(scope.all), u64::max)
    }
}

impl Cache {
    /// Gives databases a fresh incarnation that held what could not be told after an unclean stop.
    fn start_cold_where_due(&self, state: &State) {
        for database in 0..self.databases() {
            if state.starts_cold(self.databases.incarnation(database)) {
                self.databases.renew(database);
                self.say_database(database);
            }
        }
    }

    /// Enters what counts of the segments that the journal knows; returns the incarnations of those that are lost and held what
    /// governs others, told nowhere else.
    async fn adopt(&self, state: &State, store: &Arc<Store>, warmth: &mut Warmth) -> Vec<u32> {
        let mut lost_governors = Vec::new();
        let past = Past::of(state);
        let now = now();
        let living: Vec<u32> =
            (0..self.databases()).map(|number| self.databases.incarnation(number)).collect();
        let mut position = 0;
        let mut ahead = VecDeque::new();
        for (place, segment) in state.segments.iter().enumerate() {
            let number = segment.number;
            let bytes = if ahead.front().is_none() { store.read_at_once(number) } else { None };
            let bytes = match bytes {
                Some(bytes) => Some(bytes),
                None => {
                    if ahead.is_empty() {
                        for next in state.segments[place..].iter().take(READ_AHEAD) {
                            let (store, number) = (Arc::clone(store), next.number);
                            ahead.push_back(tokio::spawn(async move { store.read(number).await }));
                        }
                    }
                    match ahead.pop_front() {
                        Some(read) => read.await.ok().and_then(Result::ok).flatten(),
                        None => None,
                    }
                }
            };
            let parsed = bytes.and_then(|bytes| Segment::parse(bytes, number).ok());
            let shard = parsed.as_ref().and_then(|segment| self.shard_of_all(segment));
            // Those that were given to the store at the same time may lie the other way round.
            position = store.position(number).unwrap_or_default().max(position);
            let known = Known { number, position, bytes: segment.bytes, dead: &segment.dead };
            let (Some(parsed), Some(shard)) = (parsed, shard) else {
                warmth.segments_lost += 1;
                lost_governors.extend(state.governs.get(&number).copied());
                if let Some(tier) = &self.tier {
                    tier.retire(number);
                }
                continue;
            };
            let counts = |hash: u64, entry: &Entry<'_>| {
                living.contains(&entry.incarnation)
                    && entry.deadline.is_none_or(|deadline| deadline > now)
                    && state.gone.get(&hash).is_none_or(|&gone| gone < entry.token)
                    && past.against(entry.incarnation, entry.key, entry.tags) < entry.token
            };
            let entered = Held::lock(&self.shards[shard]).adopt(known, &parsed, counts);
            warmth.entries += entered;
            warmth.segments += u64::from(entered > 0);
        }
        lost_governors
    }

    /// The shard of all entries of a segment; none if there are several, as when memory has grown so much that more are needed.
    fn shard_of_all(&self, segment: &Segment) -> Option<usize> {
        let shard_of = |entry: Entry<'_>| {
            self.seed.hash(entry.incarnation, entry.key) as usize & (self.shards.len() - 1)
        };
        let first = shard_of(segment.entry(0)?);
        segment.entries().all(|entry| shard_of(entry) == first).then_some(first)
    }

    /// Puts back what governs other entries, as the journal says it was.
    fn restore(&self, state: &State, warmth: &mut Warmth) {
        let past = Past::of(state);
        let now = now();
        for database in 0..self.databases() {
            let incarnation = self.databases.incarnation(database);
            for (&hash, control) in state.controls.get(&incarnation).into_iter().flatten() {
                let is_over = control.deadline.is_some_and(|deadline| deadline <= now);
                if is_over || past.against(incarnation, &control.key, &[]) >= control.sequence {
                    continue;
                }
                while self.make_room(control.value.len(), now) == super::Room::Busy {}
                let key = Key { hash, incarnation, database, bytes: &control.key };
                let mut shard = Held::lock(&self.shards[self.shard_of(&key)]);
                shard.restore(&key, &control.value, control.deadline, now);
                self.publish(&mut shard);
                warmth.controls += 1;
            }
        }
    }

    /// Says in the journal what a database's number stands for now.
    pub(crate) fn say_database(&self, number: u16) {
        if let Some(tier) = &self.tier {
            let incarnation = self.databases.incarnation(number);
            tier.journal.append(&Record::Database { number, incarnation });
        }
    }

    /// Says in the journal that two databases were exchanged.
    pub(crate) fn say_exchanged(&self, one: u16, other: u16) {
        if let Some(tier) = &self.tier {
            let said = |number| (number, self.databases.incarnation(number));
            tier.journal.append(&Record::Exchanged { one: said(one), other: said(other) });
        }
    }
}
