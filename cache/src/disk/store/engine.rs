//! Foyer behind a few functions: no other file names it.
//!
//! Of foyer this uses the block engine alone: files of blocks, an index from segment to place, a writer, and reclaim of whole
//! blocks. Nothing is kept in its memory part. Its `clear` is not called: what it cleared comes back after a crash.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, Code, Compression, Device, DeviceBuilder, EvictionInfo, EvictionPicker, FifoConfig,
    FsDeviceBuilder, HybridCache, HybridCacheBuilder, HybridCachePolicy, Load, PsyncIoEngineConfig,
    RecoverMode, Spawner, Statistics, StorageFilter, StorageFilterCondition, StorageFilterResult,
};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::files::Blocks;
use super::flights::Flight;
use super::shape::{BLOB_INDEX, Shape};
use super::{OpenError, ReadError, Reclaimed};

/// How long a store that is dropped waits for what its threads do to files.
const SHUTDOWN_MAX: Duration = Duration::from_secs(30);
/// Blocks whose content is looked for at the same time.
const RECOVERIES: usize = 4;

/// What foyer calls a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id {
    incarnation: u64,
    number: u64,
}

/// Within an incarnation different segments have different hashes, which matters: foyer's index knows only those. And the
/// number can be had back from the hash, which is all that a filter sees.
impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.incarnation ^ self.number);
    }
}

impl Code for Id {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        self.incarnation.encode(writer)?;
        self.number.encode(writer)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        Ok(Self { incarnation: u64::decode(reader)?, number: u64::decode(reader)? })
    }

    fn estimated_size(&self) -> usize {
        2 * size_of::<u64>()
    }
}

/// Takes the hash of an [`Id`] as it is.
#[derive(Clone, Debug, Default)]
struct AsItIs(u64);

impl BuildHasher for AsItIs {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

impl Hasher for AsItIs {
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not what an `Id` does; anything that depends on all bytes will do.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A segment as foyer holds it: on its way to the disk with a [`Flight`], on its way back without.
struct Stored {
    bytes: Bytes,
    _flight: Option<Flight>,
}

impl Code for Stored {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        writer.write_all(&self.bytes).map_err(foyer::Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        // Foyer offers exactly the value's bytes, in one piece: this is one allocation and one copy.
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(foyer::Error::io_error)?;
        Ok(Self { bytes: bytes.into(), _flight: None })
    }

    fn estimated_size(&self) -> usize {
        self.bytes.len()
    }
}

/// Asked before a block is reclaimed which of its segments should be written again: none, but they are named.
struct Witness {
    incarnation: u64,
    reclaimed: Reclaimed,
    count: Arc<AtomicU64>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl StorageFilterCondition for Witness {
    fn filter(&self, _: &Arc<Statistics>, hash: u64, _: usize) -> StorageFilterResult {
        self.count.fetch_add(1, Ordering::Relaxed);
        (self.reclaimed)(hash ^ self.incarnation);
        StorageFilterResult::Reject
    }
}

/// Picks the block that was written longest ago.
///
/// Foyer's own picker knows no order among the blocks that it finds when it starts.
#[derive(Debug)]
struct Oldest {
    /// For each block its rank among those that are found at the start.
    found: Vec<usize>,
    has_started: Arc<AtomicBool>,
    queue: VecDeque<u32>,
}

impl EvictionPicker for Oldest {
    fn init(&mut self, _: &[u32], _: usize) {}

    fn pick(&mut self, _: EvictionInfo<'_>) -> Option<u32> {
        self.queue.front().copied()
    }

    fn on_block_evictable(&mut self, _: EvictionInfo<'_>, block: u32) {
        let rank = |block: u32| self.found.get(block as usize);
        let at = match self.has_started.load(Ordering::Relaxed) {
            true => self.queue.len(),
            false => self.queue.partition_point(|other| rank(*other) < rank(block)),
        };
        self.queue.insert(at, block);
    }

    fn on_block_evict(&mut self, _: EvictionInfo<'_>, block: u32) {
        self.queue.retain(|other| *other != block);
    }
}

/// The runtime, and the device whose files its threads read and write.
///
/// Foyer's reads and writes know a file by its number alone. Were the files closed before the last of these has ended, it
/// would write to whatever has that number next. So the threads go first.
#[derive(Debug)]
struct Backstage(Option<(Runtime, Arc<dyn Device>)>);

impl Drop for Backstage {
    fn drop(&mut self) {
        let Some((runtime, device)) = self.0.take() else { return };
        let shut_down = move || {
            let begun = Instant::now();
            runtime.shutdown_timeout(SHUTDOWN_MAX);
            if begun.elapsed() >= SHUTDOWN_MAX {
                // A device that does not answer: its files stay open.
                std::mem::forget(device);
            }
        };
        // A runtime may not be waited for on a thread of another one. Without a thread all of it stays as it is, files open.
        drop(std::thread::Builder::new().name("larder-disk".into()).spawn(shut_down));
    }
}

/// Foyer's block engine over the store's files.
#[derive(Debug)]
pub(super) struct Engine {
    incarnation: u64,
    cache: HybridCache<Id, Stored, AsItIs>,
    reclaimed: Arc<AtomicU64>,
    // After `cache`: what that leaves behind runs here.
    backstage: Backstage,
}

impl Engine {
    pub(super) async fn open(
        directory: &Path,
        shape: Shape,
        blocks: &Blocks,
        incarnation: u64,
        reclaimed: Reclaimed,
        runtime: Runtime,
    ) -> Result<Self, OpenError> {
        let foyer_failed = |error: foyer::Error| OpenError::Engine(error.to_string());
        let device =
            FsDeviceBuilder::new(directory).with_capacity(shape.bytes()).build().map_err(foyer_failed)?;
        let spawner = Spawner::from(runtime.handle().clone());
        let backstage = Backstage(Some((runtime, device.clone())));
        let count = Arc::new(AtomicU64::new(0));
        let witness = Witness { incarnation, reclaimed, count: count.clone() };
        let has_started = Arc::new(AtomicBool::new(false));
        let mut found = vec![0; shape.blocks];
        for (rank, block) in blocks.by_age.iter().enumerate() {
            found[*block as usize] = rank;
        }
        let oldest = Oldest { found, has_started: has_started.clone(), queue: VecDeque::new() };
        let engine = BlockEngineConfig::new(device)
            .with_block_size(shape.block)
            .with_blob_index_size(BLOB_INDEX)
            .with_indexer_shards(16)
            .with_recover_concurrency(RECOVERIES)
            .with_flushers(1)
            .with_reclaimers(1)
            .with_buffer_pool_size(shape.buffer)
            // Never reached: less than a buffer is under way.
            .with_submit_queue_size_threshold(shape.buffer)
            .with_eviction_pickers(vec![Box::new(oldest)])
            .with_reinsertion_filter(StorageFilter::new().with_condition(witness))
            .with_tombstone_log(false);
        let cache = HybridCacheBuilder::new()
            .with_name("larder")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(1)
            .with_shards(1)
            .with_eviction_config(FifoConfig::default())
            .with_hash_builder(AsItIs::default())
            .storage()
            .with_io_engine_config(PsyncIoEngineConfig::new())
            .with_engine_config(engine)
            .with_recover_mode(RecoverMode::Quiet)
            .with_compression(Compression::None)
            .with_spawner(spawner)
            .build()
            .await
            .map_err(foyer_failed)?;
        has_started.store(true, Ordering::Relaxed);
        Ok(Self { incarnation, cache, reclaimed: count, backstage })
    }

    fn id(&self, number: u64) -> Id {
        Id { incarnation: self.incarnation, number }
    }

    /// Hands a segment over to be written.
    pub(super) fn write(&self, number: u64, bytes: Bytes, flight: Flight) {
        let stored = Stored { bytes, _flight: Some(flight) };
        drop(self.cache.storage_writer(self.id(number)).force().insert(stored));
    }

    /// Waits until all that was handed over is written or dropped.
    pub(super) async fn wait(&self) {
        let cache = self.cache.clone();
        self.apart(async move { cache.storage().wait().await }).await;
    }

    /// Does something where foyer may panic, as it does after a write that failed, without bringing the caller down.
    async fn apart(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some((runtime, _)) = &self.backstage.0 {
            let _ = runtime.spawn(work).await;
        }
    }

    /// Whether the segment is on disk, or under way.
    pub(super) fn has(&self, number: u64) -> bool {
        self.cache.storage().may_contains(&self.id(number))
    }

    pub(super) async fn read(&self, number: u64) -> Result<Option<Bytes>, ReadError> {
        if !self.has(number) {
            return Ok(None);
        }
        let reclaimed = self.reclaimed();
        // Not `get`, which would go through the memory part and allocate more.
        match self.cache.storage().load(&self.id(number)).await {
            Ok(Load::Entry { value, .. }) => Ok(Some(value.bytes)),
            Ok(Load::Piece { piece, .. }) => Ok(Some(piece.value().bytes.clone())),
            // It was there, and its block was not taken meanwhile: then its bytes are not what they were.
            Ok(Load::Miss) if reclaimed == self.reclaimed() => Err(ReadError::Damaged),
            Ok(Load::Miss | Load::Throttled) => Ok(None),
            Err(_) => Err(ReadError::Io),
        }
    }

    /// Forgets a segment; its place is used again when its block is.
    pub(super) fn remove(&self, number: u64) {
        self.cache.storage().delete(&self.id(number));
    }

    /// How many segments lay in blocks that were reclaimed.
    pub(super) fn reclaimed(&self) -> u64 {
        self.reclaimed.load(Ordering::Relaxed)
    }

    /// Counts what was read without the engine.
    pub(super) fn note_read(&self, bytes: usize) {
        self.cache.statistics().record_disk_read(bytes);
    }

    /// Bytes written to and read from files.
    pub(super) fn transferred(&self) -> (u64, u64) {
        let statistics = self.cache.statistics();
        (statistics.disk_write_bytes() as u64, statistics.disk_read_bytes() as u64)
    }

    /// Runs something that waits for the disk on a thread that may.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.begin_blocking(work)?.await.ok()
    }

    /// Begins something that waits for the disk on a thread that may.
    pub(super) fn begin_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.backstage.0.as_ref().map(|(runtime, _)| runtime.spawn_blocking(work))
    }

    /// Takes no more, and waits for what is under way.
    pub(super) async fn close(&self) {
        let cache = self.cache.clone();
        // What it could fail with is that it was closed before.
        self.apart(async move { drop(cache.close().await) }).await;
    }
}
