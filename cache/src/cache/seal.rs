//! The end of a cache: memory is written to disk, so that the next start has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Cache;
use crate::cache::tend::Tending;
use crate::clock::now;
use crate::held::Held;
use crate::journal::Record;
use crate::tier::Tier;

/// What sealing has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Entries that were in memory and are on disk.
    pub entries: u64,
    /// Whether that is all that may lie there.
    pub is_complete: bool,
}

/// What is on its way may take so long, however little time is left.
const SETTLE_MIN: Duration = Duration::from_secs(2);

impl Cache {
    /// Writes memory to disk for so long at most, and closes the journal. Nobody may use the cache any more, nor
    /// [tend](Self::tend) it. A device that does not answer is not waited for.
    pub async fn seal(&self, memory_too: bool, at_most: Duration) -> Sealed {
        let Some(tier) = &self.tier else { return Sealed::default() };
        let before = self.stats();
        let writing = self.write_all(tier, memory_too, Instant::now() + at_most);
        let is_written = tokio::time::timeout(at_most.max(SETTLE_MIN), writing).await.unwrap_or(false);
        if is_written {
            // Else it is a stop like any other: what governs others and could not be told may be lost.
            tier.journal.append(&Record::Closed);
        }
        let is_complete = tier.journal.commit().is_ok() && is_written;
        if let Some(store) = tier.exchange_store(None).and_then(Arc::into_inner) {
            // What has not ended by then ends with the process.
            let _ = tokio::time::timeout(SETTLE_MIN, store.close()).await;
        }
        let after = self.stats();
        let written = |stats: &crate::Stats| stats.demoted + stats.demoted_unchanged;
        Sealed { entries: written(&after) - written(&before), is_complete }
    }

    /// Writes what is being filled, and memory too if asked to, until then; returns whether all of memory that may lie there does.
    async fn write_all(&self, tier: &Arc<Tier>, memory_too: bool, until: Instant) -> bool {
        let mut tending = Tending::default();
        let mut is_complete = memory_too;
        if memory_too {
            tier.begin_sealing();
            'shards: for guarded in &self.shards {
                let mut from = Some(0);
                while let Some(hash) = from {
                    if Instant::now() >= until || tier.is_down() {
                        is_complete = false;
                        break 'shards;
                    }
                    let mut shard = Held::lock(guarded);
                    let sealing = shard.seal_from(hash, now());
                    self.publish(&mut shard);
                    drop(shard);
                    is_complete &= !sealing.lost_control;
                    from = sealing.next;
                    if sealing.waits {
                        self.tend_once(tier, &mut tending).await;
                    }
                }
            }
        }
        for guarded in &self.shards {
            let mut shard = Held::lock(guarded);
            shard.finish_all();
            self.publish(&mut shard);
        }
        self.tend_once(tier, &mut tending).await;
        is_complete
    }
}
