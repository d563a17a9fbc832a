//! The end of a cache: memory is written to disk, so that the next start has it.

use std::time::{Duration, Instant};

use super::Cache;
use crate::cache::tend::Tending;
use crate::clock::now;
use crate::held::Held;
use crate::journal::Record;

/// What sealing has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Entries that were in memory and are on disk.
    pub entries: u64,
    /// Whether that is all that may lie there.
    pub is_complete: bool,
}

impl Cache {
    /// Moves what lies in memory to disk, without waiting; says whether all that may lie there was taken. Not for the use of
    /// any application: eviction does that when it is worth it.
    pub fn demote(&self) -> bool {
        let mut is_complete = self.has_disk();
        for guarded in &self.shards {
            let mut from = self.tier.as_ref().map(|_| 0);
            while let Some(hash) = from {
                let mut shard = Held::lock(guarded);
                let (next, waits) = shard.seal_from(hash, now());
                self.publish(&mut shard);
                is_complete &= !waits;
                from = next.filter(|_| !waits);
            }
        }
        is_complete
    }

    /// Writes memory to disk for so long at most, and closes the journal. Nobody may use the cache any more, nor
    /// [tend](Self::tend) it.
    pub async fn seal(&self, memory_too: bool, at_most: Duration) -> Sealed {
        let Some(tier) = &self.tier else { return Sealed::default() };
        let until = Instant::now() + at_most;
        let before = self.stats();
        let mut tending = Tending::default();
        let mut is_complete = memory_too;
        // Else it would take up room among what is on its way for ever.
        self.settle_left_behind(tier).await;
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
                    let (next, waits) = shard.seal_from(hash, now());
                    self.publish(&mut shard);
                    drop(shard);
                    from = next;
                    if waits {
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
        tier.journal.append(&Record::Closed);
        is_complete &= tier.journal.commit().is_ok();
        if let Some(store) = tier.exchange_store(None).and_then(std::sync::Arc::into_inner) {
            store.close().await;
        }
        let after = self.stats();
        let written = |stats: &crate::Stats| stats.demoted + stats.demoted_unchanged;
        Sealed { entries: written(&after) - written(&before), is_complete }
    }
}
