//! The store: segments under numbers that are never used twice, in files of a directory.
//!
//! A segment is written once, read whole or an entry at a time, and forgotten. The store may lose one at any time, and says so; what it gives back is
//! what was written, checked, or nothing.

mod engine;
mod error;
mod files;
mod flights;
mod places;
mod reads;
pub(crate) mod shape;
pub(crate) mod spans;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::engine::Engine;
pub(crate) use self::error::{OpenError, ReadError, Refused};
use self::files::{Pusher, Weight};
use self::flights::Flights;
use self::places::{Named, Places};
use self::reads::{Outcome, Reads, Turn};
use self::shape::{ENVELOPE, PACKED_SEALED, PAGE, READ_UNIT, Shape, footprint};
use self::spans::{Got, Reading, Readings};
use super::keys::{Keys, SEAL, Unopened};
use crate::layout::Span;

/// Threads that wait for the disk.
const THREADS: usize = 4;
/// Bytes that may be written before they are pushed out of the page cache.
const UNPUSHED_MAX: u64 = 4 << 20;
/// How many buffers what is rescued from blocks that have to be emptied may take.
const RESCUED_BUFFERS: usize = 4;
/// Of the directory, how much may be written before somebody settles: far less than what reclaims the first of it.
const UNSETTLED_SHARE: usize = 4;

/// Called with the number of every segment in a block that is reclaimed, from a thread of the store. It may be the number of
/// one that was removed, or of none at all; it must not wait.
pub(crate) type Reclaimed = Box<dyn Fn(u64) + Send + Sync>;

/// How much a byte of a segment that is found counts, by its number; nothing if it does not any more.
pub(crate) type Counts = Box<dyn Fn(u64) -> u64 + Send>;

/// Where and how segments are kept.
pub(crate) struct StoreOptions {
    pub(crate) directory: PathBuf,
    /// Bytes of all files together, at least [`shape::BYTES_MIN`].
    pub(crate) bytes: u64,
    /// Bytes of memory that the process may take, of which the store takes a sixteenth for buffers.
    pub(crate) memory: usize,
    /// Segments of another incarnation are not found.
    pub(crate) incarnation: u64,
    /// Whether to begin without what is in the directory.
    pub(crate) wipe: bool,
    /// What counts of what is in the directory, where that is known: what has to go is that of which least does.
    pub(crate) counts: Option<Counts>,
    /// Seals segments at rest.
    pub(crate) keys: Option<Arc<Keys>>,
    /// Hears what was lost to make room.
    pub(crate) reclaimed: Reclaimed,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("directory", &self.directory)
            .field("bytes", &self.bytes)
            .field("memory", &self.memory)
            .field("wipe", &self.wipe)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// What the store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Bytes written to files, headers and rounding included.
    pub(crate) bytes_written: u64,
    /// Bytes read from files.
    pub(crate) bytes_read: u64,
    /// Segments that were taken and did not arrive.
    pub(crate) writes_failed: u64,
    /// Reads that failed, as [`ReadError::ALL`] has them.
    pub(crate) reads_failed: [u64; ReadError::ALL.len()],
    /// Segments in blocks that were reclaimed, removed ones included.
    pub(crate) reclaimed: u64,
}

/// Segments in files.
#[derive(Debug)]
pub(crate) struct Store {
    incarnation: u64,
    shape: Shape,
    keys: Option<Arc<Keys>>,
    flights: Arc<Flights>,
    reads: Reads,
    readings: Arc<Readings>,
    read_permits: Semaphore,
    places: Arc<Places>,
    pusher: Arc<Mutex<Pusher>>,
    /// Bytes written when files were last pushed out.
    pushed: AtomicU64,
    /// The push that is under way, or was the last.
    pushing: Mutex<Option<JoinHandle<io::Result<()>>>>,
    writes_failed: AtomicU64,
    has_stopped: AtomicBool,
    reads_failed: [AtomicU64; ReadError::ALL.len()],
    /// Blocks that held something when the store was opened, the one first that was written longest ago.
    found: Vec<u32>,
    engine: Arc<Engine>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { bytes_written, bytes_read, writes_failed, reads_failed, reclaimed } = other;
        self.bytes_written += bytes_written;
        self.bytes_read += bytes_read;
        self.writes_failed += writes_failed;
        self.reads_failed.iter_mut().zip(reads_failed).for_each(|(sum, count)| *sum += count);
        self.reclaimed += reclaimed;
    }
}

/// Bytes of the pages that an entry lies on, about.
fn pages_of(span: Span) -> usize {
    let from = span.from as usize;
    (from + span.bytes as usize).next_multiple_of(PAGE) - from / PAGE * PAGE
}

/// What is known of the segments in blocks when the store is opened.
struct Found {
    shape: Shape,
    incarnation: u64,
    counts: Option<Counts>,
}

impl files::Content for Found {
    /// Foyer writes to one at once, and while no other is left it reclaims.
    fn empty_min(&self) -> usize {
        if self.counts.is_some() { 2 } else { 1 }
    }

    fn weigh(&self, file: &File) -> Weight {
        let mut weight = Weight::default();
        let read = places::each_name(
            file,
            self.shape,
            self.incarnation,
            |Named { number, sequence, bytes, .. }| {
                weight.written = weight.written.max(sequence);
                weight.worth += self.counts.as_ref().map_or(0, |counts| counts(number) * u64::from(bytes));
            },
        );
        // One that cannot be read is not worth less than others.
        if self.counts.is_none() || read.is_err() {
            weight.worth = u64::MAX;
        }
        weight
    }

    fn rescue(&self, file: &File) -> Vec<(u64, Bytes)> {
        let Some(counts) = &self.counts else { return Vec::new() };
        let (mut rescued, mut room) = (Vec::new(), RESCUED_BUFFERS * self.shape.buffer);
        // What cannot be read is lost, as it would be with its block.
        let _ = places::each_name(
            file,
            self.shape,
            self.incarnation,
            |Named { number, at, bytes: length, .. }| {
                if counts(number) == 0 || length as usize > room {
                    return;
                }
                if let Some(stored) = places::read_from(file, self.incarnation, number, at, length) {
                    room -= length as usize;
                    rescued.push((number, stored));
                }
            },
        );
        rescued
    }
}

impl Store {
    /// Opens the directory, made ready and reserved in full.
    ///
    /// # Errors
    /// If the directory is in memory or has not enough room, in which case nothing is left behind; or cannot be used.
    pub(crate) async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let StoreOptions { directory, bytes, memory, incarnation, wipe, counts, keys, reclaimed } = options;
        let shape = Shape::new(bytes, memory).ok_or(OpenError::Size)?;
        // A runtime of its own: what foyer does in the background takes no turn of a worker.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS)
            .thread_name("larder-disk")
            .build()?;
        let prepared = {
            let directory = directory.clone();
            let found = Found { shape, incarnation, counts };
            runtime.spawn_blocking(move || files::prepare(&directory, shape, wipe, &found)).await
        };
        let mut blocks = match prepared.map_err(io::Error::from) {
            Ok(Ok(blocks)) => blocks,
            Ok(Err(error)) => {
                runtime.shutdown_background();
                return Err(error);
            }
            Err(error) => {
                runtime.shutdown_background();
                return Err(error.into());
            }
        };
        let places = Arc::new(Places::new(incarnation, shape, blocks.files.clone()));
        let lost = places.clone();
        let reclaimed = Box::new(move |number| {
            lost.forget(number);
            reclaimed(number);
        });
        let (found, rescued) = (blocks.by_age.clone(), std::mem::take(&mut blocks.rescued));
        let engine = Engine::open(&directory, shape, &blocks, incarnation, reclaimed, runtime).await?;
        let store = Self {
            incarnation,
            shape,
            keys,
            flights: Flights::new(shape.buffer, shape.bytes() / UNSETTLED_SHARE),
            reads: Reads::default(),
            readings: Arc::default(),
            read_permits: Semaphore::new(shape.reads),
            places,
            pusher: Arc::new(Mutex::new(Pusher::new(blocks.files))),
            pushed: AtomicU64::new(0),
            pushing: Mutex::default(),
            writes_failed: AtomicU64::new(0),
            has_stopped: AtomicBool::new(false),
            reads_failed: Default::default(),
            found,
            engine: Arc::new(engine),
        };
        store.learn().await;
        store.write_rescued(rescued).await;
        Ok(store)
    }

    /// Writes what lay in blocks that had to be emptied.
    async fn write_rescued(&self, rescued: Vec<(u64, Bytes)>) {
        let is_any = !rescued.is_empty();
        for (number, stored) in rescued {
            let takes = footprint(stored.len());
            let flight = match self.flights.board(number, takes) {
                Some(flight) => Some(flight),
                None => {
                    self.settle().await;
                    self.flights.board(number, takes)
                }
            };
            if let Some(flight) = flight {
                self.engine.write(number, stored, flight);
            }
        }
        if is_any {
            self.settle().await;
        }
    }

    /// Finds out where segments lie.
    async fn learn(&self) {
        let (engine, places) = (Arc::downgrade(&self.engine), self.places.clone());
        let learn = move || places.learn(|number| engine.upgrade().is_some_and(|engine| engine.has(number)));
        // If it fails, foyer reads them.
        let _ = self.engine.blocking(learn).await;
    }

    /// Hands a segment over to be written. It is read back from memory until it is on disk.
    ///
    /// # Errors
    /// If it is too long, too much is under way, or a write has failed before.
    pub(crate) fn write(&self, number: u64, bytes: Bytes) -> Result<(), Refused> {
        if self.has_stopped() {
            return Err(Refused::Stopped);
        }
        if bytes.len() > self.largest() {
            return Err(Refused::TooLong);
        }
        let flight =
            self.flights.board(number, footprint(bytes.len() + self.seal_bytes())).ok_or(Refused::Busy)?;
        let stored = match &self.keys {
            Some(keys) => keys.seal(self.incarnation, number, &bytes).map_err(|_| {
                self.flights.settle(number);
                Refused::Seal
            })?,
            None => bytes,
        };
        self.engine.write(number, stored, flight);
        Ok(())
    }

    /// Waits until everything that was written before is on disk, or failed: [`Store::holds`] tells.
    pub(crate) async fn settle(&self) {
        let written = self.flights.unsettled();
        self.engine.wait().await;
        // Not what was removed meanwhile. What is still under way by now is held by a writer that has ended.
        let written = written.into_iter().filter(|number| self.flights.settle(*number));
        let failed = written.filter(|number| !self.holds(*number)).count();
        if failed > 0 {
            self.writes_failed.fetch_add(failed as u64, Ordering::Relaxed);
            self.has_stopped.store(true, Ordering::Relaxed);
        }
        self.learn().await;
        self.push_out().await;
    }

    /// Whether writing has come to an end, as it does when a write fails: foyer's writer may be gone then, or begin its block
    /// anew over what lies there. What is there can be read; to write again, close the store and open it.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Relaxed)
    }

    /// Keeps the page cache, which counts against the same limit as memory, from filling with what was written.
    async fn push_out(&self) {
        let written = self.engine.transferred().0;
        let pushed = self.pushed.load(Ordering::Relaxed);
        let is_due = written.saturating_sub(pushed) >= UNPUSHED_MAX;
        // Whoever comes first does it for all.
        if !is_due
            || self.pushed.compare_exchange(pushed, written, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        // Writing goes on meanwhile, since a device takes its time to sync: who waited for that would have to drop what leaves
        // memory. Only who is a whole push ahead of the device waits.
        let before = self.pushing.lock().take();
        if let Some(before) = before {
            // If it fails, the kernel writes when it sees fit, and reads find out what is wrong with the disk.
            let _ = before.await;
        }
        let pusher = self.pusher.clone();
        *self.pushing.lock() = self.engine.begin_blocking(move || pusher.lock().push());
    }

    /// Whether the segment was seen on disk.
    pub(crate) fn holds(&self, number: u64) -> bool {
        !self.flights.contains(number) && self.engine.has(number)
    }

    /// Whether there is anything under this number, on disk or under way.
    pub(crate) fn knows(&self, number: u64) -> bool {
        self.flights.contains(number) || self.engine.has(number)
    }

    /// Reads a segment; nothing if it is not there. Who asks while it is being read gets the same bytes.
    ///
    /// # Errors
    /// If it should be there and cannot be had.
    pub(crate) async fn read(&self, number: u64) -> Outcome {
        if let Some(bytes) = self.read_at_once(number) {
            return Ok(Some(bytes));
        }
        loop {
            match self.reads.join(number) {
                Turn::Ours(reading) => {
                    let outcome = self.read_alone(number).await;
                    reading.finish(&outcome);
                    return outcome;
                }
                Turn::Theirs(outcome) => {
                    if let Ok(outcome) = outcome.await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Reads a segment if it lies in the page cache, without waiting for anything.
    pub(crate) fn read_at_once(&self, number: u64) -> Option<Bytes> {
        // The engine knows what is there, also when it lies elsewhere now.
        if !self.holds(number) {
            return None;
        }
        let stored = self.places.read(number)?;
        self.engine.note_read(footprint(stored.len()));
        match &self.keys {
            // What does not open is found again, and counted, by the other way.
            Some(keys) => keys.open(self.incarnation, number, stored).ok(),
            None => Some(stored),
        }
    }

    /// Whether an entry can be read by itself: not where segments are sealed as a whole.
    pub(crate) fn reads_spans(&self) -> bool {
        self.keys.is_none()
    }

    /// An entry of a segment if it lies in the page cache, without waiting for anything; else the kernel begins to read it.
    pub(crate) fn read_span_at_once(&self, number: u64, span: Span) -> Option<Bytes> {
        let bytes = self.places.read_span_cached(number, span)?;
        self.engine.note_read(pages_of(span));
        Some(bytes)
    }

    /// Reads entries of segments that were not in the page cache, until a deadline.
    pub(crate) fn read_spans(&self, wanted: Vec<(u64, Span)>, until: Instant) -> Reading {
        let count = wanted.len();
        let (places, engine) = (Arc::clone(&self.places), Arc::downgrade(&self.engine));
        if count > 1 {
            wanted.iter().for_each(|(number, span)| places.announce(*number, *span));
        }
        let read = move |place: usize| {
            let (number, span) = wanted[place];
            match places.read_span(number, span) {
                Some(bytes) => {
                    engine.upgrade().into_iter().for_each(|engine| engine.note_read(pages_of(span)));
                    Got::Bytes(bytes)
                }
                None => Got::Nothing,
            }
        };
        self.readings.read(count, until, read, |work| drop(self.engine.begin_blocking(work)))
    }

    async fn read_alone(&self, number: u64) -> Outcome {
        // A long one counts as several, all of them at most.
        let bytes = self.places.bytes_of(number).unwrap_or(READ_UNIT);
        let units = bytes.div_ceil(READ_UNIT).min(self.shape.reads) as u32;
        // It is never closed.
        let _permit = self.read_permits.acquire_many(units).await.map_err(|_| ReadError::Io)?;
        let outcome = match (self.engine.read(number).await, &self.keys) {
            (Ok(Some(sealed)), Some(keys)) => match keys.open(self.incarnation, number, sealed) {
                Ok(plain) => Ok(Some(plain)),
                Err(Unopened::Key) => Err(ReadError::Key),
                Err(Unopened::Seal) => Err(ReadError::Seal),
            },
            (outcome, _) => outcome,
        };
        if let Err(error) = outcome {
            let counts = ReadError::ALL.iter().zip(&self.reads_failed);
            counts.filter(|(other, _)| **other == error).for_each(|(_, count)| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        outcome
    }

    /// Forgets a segment. A start that comes later may find it again.
    pub(crate) fn remove(&self, number: u64) {
        self.flights.settle(number);
        self.places.forget(number);
        self.engine.remove(number);
    }

    /// The longest segment that is taken.
    pub(crate) fn largest(&self) -> usize {
        self.shape.largest_stored() - ENVELOPE - self.seal_bytes()
    }

    /// Bytes of a packed segment.
    pub(crate) fn packed(&self) -> usize {
        if self.keys.is_some() { PACKED_SEALED } else { self.shape.packed_stored() - ENVELOPE }
    }

    /// Bytes on disk that a segment takes.
    pub(crate) fn footprint(&self, segment: usize) -> usize {
        footprint(segment + self.seal_bytes())
    }

    /// Where a segment lies that was there when the store was opened: behind so many bytes of disk, in the order in which blocks
    /// are taken again.
    pub(crate) fn position(&self, number: u64) -> Option<u64> {
        let (block, at) = self.places.of(number)?;
        let rank = self.found.iter().position(|found| *found as usize == block)?;
        Some((rank * self.shape.block + at) as u64)
    }

    /// Behind so many bytes writing began, since it began with a block of its own.
    pub(crate) fn begun_at(&self) -> u64 {
        (self.found.len() * self.shape.block) as u64
    }

    /// How the directory is divided.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    fn seal_bytes(&self) -> usize {
        if self.keys.is_some() { SEAL } else { 0 }
    }

    /// What was done so far.
    pub(crate) fn figures(&self) -> Figures {
        let (bytes_written, bytes_read) = self.engine.transferred();
        Figures {
            bytes_written,
            bytes_read,
            writes_failed: self.writes_failed.load(Ordering::Relaxed),
            reads_failed: self.reads_failed.each_ref().map(|count| count.load(Ordering::Relaxed)),
            reclaimed: self.engine.reclaimed(),
        }
    }

    /// Waits for what is under way and closes the files. Dropped without this, a store loses what is under way.
    pub(crate) async fn close(self) {
        self.settle().await;
        self.engine.close().await;
    }
}
