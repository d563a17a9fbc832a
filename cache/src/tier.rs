//! The disk tier as all shards share it: the store, the journal, and the segments on their way from one to the other.
//!
//! A shard fills a segment under its own lock and hands it over finished. From then on its bytes are read from here, until
//! the one task that tends the tier has seen it on disk and told the shard and the journal. Nothing
//! here waits for the disk while a shard is locked.

pub(crate) mod options;
mod outgoing;
mod rate;
mod scans;

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::clock::boot_nanos;
use crate::disk::keys::Keys;
use crate::disk::segment::Identity;
use crate::disk::segment::packer::Packer;
use crate::disk::store::{self, Store, StoreOptions};
use crate::journal::{CompactionFailed, Journal, Record};
pub(crate) use outgoing::Flight;
use outgoing::Outgoing;
use rate::Rate;
use scans::Scans;

/// Blocks that stay free between the oldest segment and where is written: the store takes whole blocks.
const FREE_BLOCKS: usize = 3;
/// Of what may be written before anything is given up, the part that stays free of entries which may never be dropped: while it
/// does, making room wins some.
const KEPT_SHARE: u64 = 5;
/// While what lives takes less than this part of that, nothing of it is dropped to make room: as much is won as is written.
const ROOMY_SHARE: u64 = 2;
/// For how long writers that outrun the disk wait while nothing arrives there, in nanoseconds: a healthy device takes less.
const PATIENCE_NANOS: u64 = 50_000_000;
/// After that a writer is slowed for so long, and what it evicts then is dropped: room for some more.
const SLOWED_NANOS: u64 = 5_000_000;
/// After so long without an arrival none is slowed.
const STALLED_NANOS: u64 = 1_000_000_000;
/// Segments that the store has given up and nobody has heard of yet.
const LOST_MAX: usize = 1 << 16;

/// What lies on disk, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Tier {
    /// None while it is being opened anew.
    store: RwLock<Option<Arc<Store>>>,
    pub(crate) journal: Arc<Journal>,
    /// Tokens from here on were given by this process, and ordinals beside them are its own.
    pub(crate) began: u64,
    pub(crate) budget: Arc<Budget>,
    pub(crate) limits: Limits,
    /// The number that the next finished segment gets.
    next_number: AtomicU64,
    outgoing: Mutex<Outgoing>,
    /// Bytes that were written to files before the first store was opened.
    written_before: u64,
    /// Segments that nothing is left of, to be removed from the store.
    doomed: Mutex<Vec<u64>>,
    /// Segments that the store took to make room.
    lost: Arc<Mutex<Vec<u64>>>,
    reopening: Reopening,
    /// Holds the directory for this process alone.
    _lock: OwnedFd,
    /// Incarnations of which the journal knows that they start cold after an unclean stop.
    cold: Mutex<HashSet<u32>>,
    /// Incarnations of which an entry was lost that governs others, to be emptied before anybody is told,
    ungoverned: Mutex<Vec<u32>>,
    /// and whether there are any.
    has_ungoverned: AtomicBool,
    pub(crate) rate: Mutex<Rate>,
    pub(crate) scans: Mutex<Scans>,
    /// There is something to do.
    work: Notify,
    /// When too much was on its way first, or something of it arrived since, in nanoseconds on the boot clock; zero if it is not,
    busy_since: AtomicU64,
    /// and since when a writer is slowed.
    slowed_since: AtomicU64,
    /// Nothing is written: the store has failed.
    is_down: AtomicBool,
    /// The oldest segments make room for new ones.
    is_turning: AtomicBool,
    /// There is room for all that lives.
    is_roomy: AtomicBool,
    /// Nothing more fits that may not be dropped.
    is_full: AtomicBool,
    /// Memory is being sealed: no room has to be left for it.
    is_sealing: AtomicBool,
    /// There has been an entry that governs others.
    has_controls: AtomicBool,
    /// Bytes that may be written again where segments make room.
    readmissible: AtomicI64,
    pub(crate) counts: Counts,
}

/// What opening has left.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Where the store says which segments it took to make room.
    pub(crate) lost: Arc<Mutex<Vec<u64>>>,
    /// How the store is opened.
    pub(crate) reopening: Reopening,
    /// Holds the directory for this process alone.
    pub(crate) lock: OwnedFd,
    /// Incarnations of which the journal knows that they start cold after an unclean stop.
    pub(crate) cold: HashSet<u32>,
}

/// How the store is opened, and opened again.
#[derive(Clone, Debug)]
pub(crate) struct Reopening {
    pub(crate) directory: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) memory: usize,
    pub(crate) incarnation: u64,
    pub(crate) keys: Option<Arc<Keys>>,
    pub(crate) lost: Arc<Mutex<Vec<u64>>>,
}

impl Reopening {
    /// Options of a store that goes on with what is there.
    pub(crate) fn options(&self) -> StoreOptions {
        let lost = Arc::clone(&self.lost);
        StoreOptions {
            directory: self.directory.clone(),
            bytes: self.bytes,
            memory: self.memory,
            incarnation: self.incarnation,
            wipe: false,
            counts: None,
            keys: self.keys.clone(),
            reclaimed: Box::new(move |number| {
                let mut lost = lost.lock();
                if lost.len() < LOST_MAX {
                    lost.push(number);
                }
            }),
        }
    }
}

/// How a writer that needs room goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As it likes, as long as there is room on the way to the disk.
    Free,
    /// A little later.
    Slowed,
    /// It has waited for as long as any does: what the disk does not take is dropped.
    Dropping,
}

/// What the tier takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a packed segment.
    pub(crate) packed: usize,
    /// Bytes of the longest segment.
    pub(crate) largest: usize,
    /// Whether an entry can be read by itself.
    pub(crate) reads_spans: bool,
    /// Bytes that may be written before the first of them has to be given up.
    pub(crate) capacity: u64,
    /// Bytes of segments that may be on their way.
    pub(crate) outgoing: usize,
    /// Entries with less left to live stay away, in milliseconds.
    pub(crate) min_ttl_ms: u64,
    /// How long one answer waits for the disk.
    pub(crate) timeout: Duration,
}

/// What happened outside the shards.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) timeouts: AtomicU64,
    pub(crate) segments_written: AtomicU64,
    pub(crate) segments_lost: AtomicU64,
    pub(crate) segments_reclaimed: AtomicU64,
    pub(crate) journal_restarts: AtomicU64,
    pub(crate) reopened: AtomicU64,
    /// Bytes of entries that were admitted.
    pub(crate) bytes_admitted: AtomicU64,
    pub(crate) compactions_failed: AtomicU64,
    /// What stores did that have failed.
    past_stores: Mutex<store::Figures>,
    pub(crate) reads: Latency,
    pub(crate) writes: Latency,
}

impl Counts {
    pub(crate) fn note_compaction_failed(&self, error: &CompactionFailed) {
        if !matches!(error, CompactionFailed::Busy) {
            self.compactions_failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How long the device took: counts up to each bound of [`LATENCY_BOUNDS_US`] and above, and the sum.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) buckets: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    pub(crate) sum_us: AtomicU64,
}

/// Upper bounds of the buckets of device latencies, in microseconds.
pub const LATENCY_BOUNDS_US: [u64; 12] =
    [10, 25, 50, 100, 250, 500, 1_000, 5_000, 25_000, 100_000, 500_000, 2_000_000];

impl Latency {
    pub(crate) fn note(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}

impl Tier {
    /// A tier over what was opened. Segments are numbered on from `number`, and written behind `position`.
    pub(crate) fn new(
        store: Arc<Store>,
        journal: Arc<Journal>,
        budget: Arc<Budget>,
        options: &options::DiskOptions,
        (number, position): (u64, u64),
        opened: Opened,
    ) -> Self {
        let Opened { lost, reopening, lock, cold } = opened;
        let shape = store.shape();
        let limits = Limits {
            packed: store.packed(),
            largest: store.largest(),
            reads_spans: store.reads_spans(),
            capacity: shape.bytes().saturating_sub(FREE_BLOCKS * shape.block) as u64,
            outgoing: shape.buffer,
            min_ttl_ms: options.min_ttl_ms,
            timeout: options.timeout,
        };
        Self {
            store: RwLock::new(Some(store)),
            began: journal.next_sequence(),
            journal,
            budget,
            limits,
            next_number: AtomicU64::new(number),
            outgoing: Mutex::default(),
            written_before: position,
            doomed: Mutex::default(),
            lost,
            reopening,
            _lock: lock,
            cold: Mutex::new(cold),
            ungoverned: Mutex::default(),
            has_ungoverned: AtomicBool::new(false),
            rate: Mutex::new(Rate::new(options.write_rate, crate::clock::now())),
            scans: Mutex::default(),
            work: Notify::new(),
            busy_since: AtomicU64::new(0),
            slowed_since: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            is_turning: AtomicBool::new(false),
            is_roomy: AtomicBool::new(true),
            is_full: AtomicBool::new(false),
            is_sealing: AtomicBool::new(false),
            has_controls: AtomicBool::new(false),
            readmissible: AtomicI64::new(0),
            counts: Counts::default(),
        }
    }

    /// The store, unless it is being opened anew.
    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        self.store.read().clone()
    }

    /// Whether there may be entries that govern others.
    pub(crate) fn has_controls(&self) -> bool {
        self.has_controls.load(Ordering::Relaxed)
    }

    pub(crate) fn note_controls(&self) {
        self.has_controls.store(true, Ordering::Relaxed);
    }

    /// Opens the store anew, which has failed.
    pub(crate) async fn reopen(&self) {
        self.set_down(true);
        if let Some(store) = self.take_store() {
            store.close().await;
            self.open_again().await;
        }
    }

    /// The store, unless somebody still reads: its files are read then, and another round tries again.
    fn take_store(&self) -> Option<Store> {
        let mut past = self.counts.past_stores.lock();
        match Arc::try_unwrap(self.exchange_store(None)?) {
            Ok(store) => {
                past.add(&store.figures());
                Some(store)
            }
            Err(store) => {
                self.exchange_store(Some(store));
                None
            }
        }
    }

    /// What this store did, and those before it.
    pub(crate) fn store_figures(&self) -> store::Figures {
        let past = self.counts.past_stores.lock();
        let mut figures = *past;
        if let Some(store) = self.store() {
            figures.add(&store.figures());
        }
        figures
    }

    /// Whether there is no store, since the one that was there could not be opened again.
    pub(crate) fn has_no_store(&self) -> bool {
        self.store.read().is_none()
    }

    /// Opens a store where none could be opened before.
    pub(crate) async fn open_again(&self) {
        if let Ok(store) = Store::open(self.reopening.options()).await {
            self.exchange_store(Some(Arc::new(store)));
            self.counts.reopened.fetch_add(1, Ordering::Relaxed);
            self.set_down(false);
        }
    }

    /// Whether nothing can be written.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    pub(crate) fn is_turning(&self) -> bool {
        self.is_turning.load(Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(crate) fn is_roomy(&self) -> bool {
        self.is_roomy.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_sealing(&self) {
        self.is_sealing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Notes how many bytes on disk live, how many of them may not be dropped, and whether the oldest segments have to go.
    pub(crate) fn note_fill(&self, living_bytes: u64, kept_bytes: u64, is_turning: bool) {
        let capacity = self.limits.capacity;
        let kept_max = capacity - capacity / KEPT_SHARE;
        // A stop has to find room for memory.
        let is_sealing = self.is_sealing.load(Ordering::Relaxed);
        let for_memory = if is_sealing { 0 } else { (self.budget.limit() as u64).min(kept_max / 2) };
        let coming = self.outgoing.lock().bytes() as u64;
        self.is_full.store(kept_bytes + coming > kept_max - for_memory, Ordering::Relaxed);
        let is_roomy = living_bytes <= capacity / ROOMY_SHARE;
        self.is_roomy.store(is_roomy, Ordering::Relaxed);
        self.is_turning.store(is_turning && !is_roomy, Ordering::Relaxed);
    }

    /// Has another store take the place of the one that failed; none while it is being opened.
    pub(crate) fn exchange_store(&self, store: Option<Arc<Store>>) -> Option<Arc<Store>> {
        std::mem::replace(&mut self.store.write(), store)
    }

    pub(crate) fn note_admitted(&self, bytes: usize) {
        self.counts.bytes_admitted.fetch_add(bytes as u64, Ordering::Relaxed);
        self.readmissible.fetch_add(bytes as i64, Ordering::Relaxed);
    }

    /// Whether an entry of so many bytes may be written again. As much is as was new, or the disk would do nothing else.
    pub(crate) fn may_readmit(&self, bytes: usize) -> bool {
        let is_enough = self.readmissible.load(Ordering::Relaxed) > 0;
        if is_enough {
            self.readmissible.fetch_sub(bytes as i64, Ordering::Relaxed);
        }
        is_enough
    }

    /// Waits until there is something to do, or time has passed.
    pub(crate) async fn rest(&self, at_most: Duration) {
        // Elapsed or woken, both are reasons to look.
        let _ = tokio::time::timeout(at_most, self.work.notified()).await;
    }

    /// Has the task look that tends the tier.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// The next segment to be written.
    pub(crate) fn next_flight(&self) -> Option<Flight> {
        self.outgoing.lock().next()
    }

    /// Segments that whoever wrote them has left: those that the store knows. The others are written by the next round.
    pub(crate) fn left_behind(&self, store: &Store) -> Vec<Flight> {
        let mut outgoing = self.outgoing.lock();
        let (known, unknown) = outgoing.taken().into_iter().partition(|flight| store.knows(flight.number));
        let unknown: Vec<Flight> = unknown;
        unknown.into_iter().rev().for_each(|flight| outgoing.put_back(flight));
        known
    }

    /// Forgets a segment that has arrived, or never will.
    pub(crate) fn landed(&self, number: u64) {
        self.outgoing.lock().remove(number);
        if self.busy_since.load(Ordering::Relaxed) != 0 {
            self.busy_since.store(boot_nanos(), Ordering::Relaxed);
        }
    }

    /// Bytes that were written to files up to now, with all that the store writes around segments, since the first segment
    /// that was found at the start.
    pub(crate) fn written(&self) -> u64 {
        self.written_before + self.store_figures().bytes_written
    }

    /// What is to be removed from the store, and what the store has taken by itself.
    pub(crate) fn chores(&self) -> (Vec<u64>, Vec<u64>) {
        (std::mem::take(&mut self.doomed.lock()), std::mem::take(&mut self.lost.lock()))
    }

    /// Whether more is on its way than may be: what was packed anew, which nobody asks whether there is room.
    pub(crate) fn is_crowded(&self) -> bool {
        self.outgoing.lock().bytes() > self.limits.outgoing
    }

    /// Whether a segment of so many bytes may be sent; if not, whoever has time waits.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        !self.is_down() && self.outgoing.lock().bytes() + bytes <= self.limits.outgoing
    }

    /// Whether what is on its way leaves nothing more in.
    pub(crate) fn is_busy(&self) -> bool {
        !self.has_room(self.limits.packed) && !self.is_down()
    }

    /// How a writer that needs room goes on.
    pub(crate) fn pace(&self) -> Pace {
        if !self.is_busy() {
            self.busy_since.store(0, Ordering::Relaxed);
            self.slowed_since.store(0, Ordering::Relaxed);
            return Pace::Free;
        }
        let now = boot_nanos();
        if self.busy_since.load(Ordering::Relaxed) == 0 {
            self.busy_since.store(now, Ordering::Relaxed);
            self.slowed_since.store(now, Ordering::Relaxed);
            return Pace::Slowed;
        }
        let nothing_for = now.saturating_sub(self.busy_since.load(Ordering::Relaxed));
        let slowed_for = now.saturating_sub(self.slowed_since.load(Ordering::Relaxed));
        if nothing_for < PATIENCE_NANOS || (nothing_for < STALLED_NANOS && slowed_for < SLOWED_NANOS) {
            return Pace::Slowed;
        }
        self.slowed_since.store(now, Ordering::Relaxed);
        Pace::Dropping
    }

    /// Takes a finished segment of a shard; returns its number.
    pub(crate) fn send(&self, shard: usize, row: u32, packer: Packer) -> u64 {
        let mut outgoing = self.outgoing.lock();
        // What a crash has left unsealed in the store has a number, too.
        let store = self.store();
        let is_taken = |number| store.as_ref().is_some_and(|store| store.knows(number));
        let mut number = self.next_number.fetch_add(1, Ordering::Relaxed);
        while is_taken(number) {
            number = self.next_number.fetch_add(1, Ordering::Relaxed);
        }
        let bytes = packer.seal(Identity { incarnation: self.reopening.incarnation, number });
        let takes = store.map_or(bytes.len(), |store| store.footprint(bytes.len()));
        outgoing.push(number, shard, row, bytes, takes);
        drop(outgoing);
        self.work.notify_one();
        number
    }

    /// The bytes of a segment that is on its way.
    pub(crate) fn on_its_way(&self, number: u64) -> Option<Bytes> {
        self.outgoing.lock().get(number)
    }

    /// The greatest number that a finished segment has.
    pub(crate) fn last_number(&self) -> u64 {
        self.next_number.load(Ordering::Relaxed) - 1
    }

    /// Says that no copy of a key on disk counts any more. Under the lock of the key's shard.
    pub(crate) fn gone(&self, hash: u64) {
        if cfg!(feature = "mutant-no-journal") {
            return;
        }
        self.journal.append(&Record::Gone { hash });
    }

    /// Says that nothing in a sealed segment counts, and has it removed.
    pub(crate) fn retire(&self, number: u64) {
        self.journal.append(&Record::Retired { segment: number });
        self.doom(number);
    }

    /// Has a segment removed of which nothing counts anyway.
    pub(crate) fn doom(&self, number: u64) {
        self.doomed.lock().push(number);
        self.work.notify_one();
    }

    /// Says what a control key's value is; one that is too long, or carries tags, makes its database start cold after an
    /// unclean stop, since it could not be told then.
    pub(crate) fn control(&self, record: &Record<'_>, has_tags: bool) {
        if cfg!(feature = "mutant-no-controls") {
            return;
        }
        let Record::Control { incarnation, hash, .. } = *record else { return };
        self.note_controls();
        if record.fits() && !has_tags {
            self.journal.append(record);
        } else {
            // What was said before is not true any more.
            self.control_gone(incarnation, hash);
            self.start_cold(incarnation);
        }
    }

    /// After an unclean stop nothing of an incarnation counts.
    pub(crate) fn start_cold(&self, incarnation: u32) {
        if self.cold.lock().insert(incarnation) {
            self.journal.append(&Record::ColdDatabase { incarnation });
        }
    }

    /// Notes that an entry is lost which governs others of an incarnation.
    pub(crate) fn note_ungoverned(&self, incarnation: u32) {
        let mut ungoverned = self.ungoverned.lock();
        if !ungoverned.contains(&incarnation) {
            ungoverned.push(incarnation);
        }
        self.has_ungoverned.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn has_ungoverned(&self) -> bool {
        self.has_ungoverned.load(Ordering::Acquire)
    }

    /// The incarnations that are to be emptied, asked for under every shard's lock; [`note_governed`](Self::note_governed) is to
    /// follow under the same.
    pub(crate) fn take_ungoverned(&self) -> Vec<u32> {
        std::mem::take(&mut self.ungoverned.lock())
    }

    /// Notes that what was lost governs nothing any more. Only once it is appended to the journal: until then whoever was told
    /// that it is lost has to wait.
    pub(crate) fn note_governed(&self) {
        let ungoverned = self.ungoverned.lock();
        self.has_ungoverned.store(!ungoverned.is_empty(), Ordering::Release);
    }

    /// Says that a key is no control key any more.
    pub(crate) fn control_gone(&self, incarnation: u32, hash: u64) {
        self.journal.append(&Record::ControlGone { incarnation, hash });
    }

    /// Segments on their way, and their bytes.
    pub(crate) fn outgoing(&self) -> (usize, usize) {
        let outgoing = self.outgoing.lock();
        (outgoing.len(), outgoing.bytes())
    }
}
