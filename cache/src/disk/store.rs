//! The store: segments under numbers that are never used twice, in files of a directory.
//!
//! A segment is written once, read whole, and forgotten. The store may lose one at any time, and says so; what it gives back is
//! what was written, checked, or nothing.

mod engine;
mod files;
mod flights;
mod reads;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::engine::Engine;
use self::files::Pusher;
use self::flights::Flights;
use self::reads::{Outcome, Reads, Turn};
use self::shape::{ENVELOPE, PACKED, PACKED_SEALED, Shape, footprint};
use super::keys::{Keys, SEAL, Unopened};

/// Threads that wait for the disk.
const THREADS: usize = 4;
/// Bytes that may be written before they are pushed out of the page cache.
const UNPUSHED_MAX: u64 = 4 << 20;

/// Called with the number of every segment in a block that is reclaimed, from a thread of the store. It may be the number of
/// one that was removed, or of none at all; it must not wait.
pub(crate) type Reclaimed = Box<dyn Fn(u64) + Send + Sync>;

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
    /// Seals segments at rest.
    pub(crate) keys: Option<Keys>,
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

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the directory is in memory: a disk tier there would take what the memory tier needs")]
    Tmpfs,
    #[error("the file system has no room for all files")]
    NoRoom,
    #[error("the disk tier needs at least {} MiB and at most 2 TiB", shape::BYTES_MIN >> 20)]
    Size,
    #[error("the directory cannot be used")]
    Io(#[from] io::Error),
    #[error("the block engine did not start: {0}")]
    Engine(String),
}

/// Why a segment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the segment is longer than the longest")]
    TooLong,
    /// Worth another try after [`Store::settle`].
    #[error("as much as may be is on its way to the disk")]
    Busy,
    #[error("the segment could not be sealed")]
    Seal,
}

/// Why a segment that should be there could not be read. It is to be treated as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("a file could not be read")]
    Io,
    #[error("the bytes on disk are not those that were written")]
    Damaged,
    #[error("the segment was sealed with a key that is not known")]
    Key,
    #[error("the segment's seal is broken")]
    Seal,
}

impl ReadError {
    /// All of them, in the order of [`Figures::reads_failed`].
    pub(crate) const ALL: [Self; 4] = [Self::Io, Self::Damaged, Self::Key, Self::Seal];

    /// A word for metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Damaged => "damaged",
            Self::Key => "key",
            Self::Seal => "seal",
        }
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
    keys: Option<Keys>,
    flights: Arc<Flights>,
    reads: Reads,
    read_permits: Semaphore,
    pusher: Arc<Mutex<Pusher>>,
    /// Bytes written when files were last pushed out.
    pushed: AtomicU64,
    writes_failed: AtomicU64,
    reads_failed: [AtomicU64; ReadError::ALL.len()],
    engine: Engine,
}

impl Store {
    /// Opens the directory, made ready and reserved in full.
    ///
    /// # Errors
    /// If the directory is in memory or has not enough room, in which case nothing is left behind; or cannot be used.
    pub(crate) async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let StoreOptions { directory, bytes, memory, incarnation, wipe, keys, reclaimed } = options;
        let shape = Shape::new(bytes, memory).ok_or(OpenError::Size)?;
        // A runtime of its own: what foyer does in the background takes no turn of a worker.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS)
            .thread_name("larder-disk")
            .build()?;
        let pusher = Arc::new(Mutex::new(Pusher::new(&directory, shape)));
        let prepared = {
            let directory = directory.clone();
            runtime.spawn_blocking(move || files::prepare(&directory, shape, wipe)).await
        };
        let blocks = match prepared.map_err(io::Error::from) {
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
        let engine = Engine::open(&directory, shape, blocks, incarnation, reclaimed, runtime).await?;
        Ok(Self {
            incarnation,
            shape,
            keys,
            flights: Flights::new(shape.buffer),
            reads: Reads::default(),
            read_permits: Semaphore::new(shape.reads),
            pusher,
            pushed: AtomicU64::new(0),
            writes_failed: AtomicU64::new(0),
            reads_failed: Default::default(),
            engine,
        })
    }

    /// Hands a segment over to be written. It is read back from memory until it is on disk.
    ///
    /// # Errors
    /// If it is too long, or too much is under way.
    pub(crate) fn write(&self, number: u64, bytes: Bytes) -> Result<(), Refused> {
        if bytes.len() > self.largest() {
            return Err(Refused::TooLong);
        }
        let flight =
            self.flights.board(number, footprint(bytes.len() + self.seal_bytes())).ok_or(Refused::Busy)?;
        let stored = match &self.keys {
            Some(keys) => keys.seal(self.incarnation, number, &bytes).map_err(|_| {
                self.flights.forget(number);
                Refused::Seal
            })?,
            None => bytes,
        };
        self.engine.write(number, stored, flight);
        Ok(())
    }

    /// Waits until everything that was written before is on disk, or failed: [`Store::holds`] tells.
    pub(crate) async fn settle(&self) {
        let written = self.flights.take_unsettled();
        self.engine.wait().await;
        let failed = written.into_iter().filter(|number| !self.engine.has(*number)).count();
        self.writes_failed.fetch_add(failed as u64, Ordering::Relaxed);
        self.push_out().await;
    }

    /// Keeps the page cache, which counts against the same limit as memory, from filling with what was written.
    async fn push_out(&self) {
        let written = self.engine.transferred().0;
        let pushed = self.pushed.load(Ordering::Relaxed);
        let is_due = written - pushed >= UNPUSHED_MAX;
        // Whoever comes first does it for all.
        if !is_due
            || self.pushed.compare_exchange(pushed, written, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let pusher = self.pusher.clone();
        // If it fails, the kernel writes when it sees fit, and reads find out what is wrong with the disk.
        let _ = self.engine.blocking(move || pusher.lock().push()).await;
    }

    /// Whether the segment was seen on disk.
    pub(crate) fn holds(&self, number: u64) -> bool {
        !self.flights.contains(number) && self.engine.has(number)
    }

    /// Reads a segment; nothing if it is not there. Who asks while it is being read gets the same bytes.
    ///
    /// # Errors
    /// If it should be there and cannot be had.
    pub(crate) async fn read(&self, number: u64) -> Outcome {
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

    async fn read_alone(&self, number: u64) -> Outcome {
        // It is never closed.
        let _permit = self.read_permits.acquire().await.map_err(|_| ReadError::Io)?;
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
        self.flights.forget(number);
        self.engine.remove(number);
    }

    /// The longest segment that is taken.
    pub(crate) fn largest(&self) -> usize {
        self.shape.largest_stored() - ENVELOPE - self.seal_bytes()
    }

    /// Bytes of a packed segment.
    pub(crate) fn packed(&self) -> usize {
        if self.keys.is_some() { PACKED_SEALED } else { PACKED }
    }

    /// Bytes on disk that a segment takes.
    pub(crate) fn footprint(&self, segment: usize) -> usize {
        footprint(segment + self.seal_bytes())
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
