//! The end of a cache: memory is written to disk, so that the next start has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Cache;
use crate::cache::tend::Tending;
use crate::clock::now;
use crate::held::Held;
use crate::journal::Record;
use crate::shard::demote::Sealing;
use crate::tier::Tier;

/// What sealing has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Entries of memory that are on disk.
    pub entries: u64,
    /// Entries that may not be dropped, and for which there is no room.
    pub left: u64,
    /// Whether that is all that may lie there.
    pub is_complete: bool,
}

/// A segment that makes room leaves to memory alone what lay in both; memory is looked through again so often at most.
const PASSES: usize = 8;
/// What is on its way may take so long, however little time is left.
const SETTLE_MIN: Duration = Duration::from_secs(2);

impl Cache {
    /// Moves what lies in memory to disk, without waiting; says whether all that may lie there was taken. Not for the use of
    /// any application: eviction does that when it is worth it.
    pub fn demote(&self) -> bool {
        let mut is_complete = self.has_disk();
        for guarded in &self.shards {
            let mut from = self.tier.as_ref().map(|_| 0);
            while let Some(hash) = from {
                let mut shard = Held::lock(guarded);
                let sealing = shard.seal_from(hash, true, now());
                self.publish(&mut shard);
                is_complete &= !sealing.waits && sealing.left == 0;
                from = sealing.next.filter(|_| !sealing.waits);
            }
        }
        is_complete
    }

    /// Writes memory to disk for so long at most, and closes the journal. Nobody may use the cache any more, nor
    /// [tend](Self::tend) it. A device that does not answer is not waited for.
    pub async fn seal(&self, memory_too: bool, at_most: Duration) -> Sealed {
        let Some(tier) = &self.tier else { return Sealed::default() };
        let before = self.stats();
        let writing = self.write_all(tier, memory_too, Instant::now() + at_most);
        let written = tokio::time::timeout(at_most.max(SETTLE_MIN), writing).await;
        let mut sealed = written.unwrap_or_default();
        if sealed.is_complete {
            // Else it is a stop like any other: what governs others and could not be told may be lost.
            tier.journal.append(&Record::Closed);
        }
        sealed.is_complete &= tier.journal.commit().is_ok() && sealed.left == 0;
        if let Some(store) = tier.exchange_store(None).and_then(Arc::into_inner) {
            // What has not ended by then ends with the process.
            let _ = tokio::time::timeout(SETTLE_MIN, store.close()).await;
        }
        let after = self.stats();
        sealed.entries += after.demoted - before.demoted;
        sealed
    }

    /// Writes what is being filled, and memory too if asked to, until then; returns whether all that governs
    /// others does, which entries lay there before, and which found no room.
    async fn write_all(&self, tier: &Arc<Tier>, memory_too: bool, until: Instant) -> Sealed {
        let mut tending = Tending::default();
        // Else it would take up room among what is on its way for ever.
        self.settle_left_behind(tier).await;
        let mut sealed = Sealed { is_complete: memory_too, ..Sealed::default() };
        if memory_too {
            tier.begin_sealing();
            self.tend_once(tier, &mut tending).await;
            for _ in 0..PASSES {
                let Some(sealing) = self.write_memory(tier, &mut tending, until).await else {
                    sealed.is_complete = false;
                    break;
                };
                sealed.is_complete = !sealing.lost_control;
                (sealed.entries, sealed.left) = (sealing.linked, sealing.left);
                self.finish_every_segment();
                self.tend_once(tier, &mut tending).await;
                if sealing.packed == 0 {
                    break;
                }
            }
        }
        self.finish_every_segment();
        self.tend_once(tier, &mut tending).await;
        sealed
    }

    /// Writes what lies in memory alone; nothing comes of it if time runs out or the disk fails.
    async fn write_memory(&self, tier: &Arc<Tier>, tending: &mut Tending, until: Instant) -> Option<Sealing> {
        let mut sum = Sealing::default();
        for guarded in &self.shards {
            let mut from = Some(0);
            while let Some(hash) = from {
                if Instant::now() >= until || tier.is_down() {
                    return None;
                }
                let mut shard = Held::lock(guarded);
                let sealing = shard.seal_from(hash, false, now());
                self.publish(&mut shard);
                drop(shard);
                sum.add(&sealing);
                from = sealing.next;
                if sealing.waits {
                    self.tend_once(tier, tending).await;
                }
            }
        }
        Some(sum)
    }

    fn finish_every_segment(&self) {
        for guarded in &self.shards {
            let mut shard = Held::lock(guarded);
            shard.finish_all();
            self.publish(&mut shard);
        }
    }
}
