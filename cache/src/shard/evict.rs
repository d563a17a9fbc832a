//! Eviction: S3-FIFO over the log's queues, one record at a time, and compaction of what died in place.

use super::Shard;
use super::history::Departure;
use crate::clock::Millis;
use crate::memory::segment::QueueName;
use crate::policy::Policy;

/// The small queue's share of living bytes: a tenth.
const SMALL_SHARE: usize = 10;
/// Reads on probation that lead to the main queue.
const READS_TO_STAY: u8 = 2;
/// Waste below this many segments is never compacted.
const WASTE_SEGMENTS_MIN: usize = 4;
/// Waste above one part in so many of living bytes is compacted.
const WASTE_SHARE: usize = 8;

/// What one step of eviction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// A record was evicted, moved or passed: go on if more room is needed.
    Progress,
    /// The policy allows nothing more.
    Nothing,
}

impl Shard {
    /// Takes one record at the head of a queue and evicts it, or moves it where it has earned a place.
    pub(crate) fn evict_one(&mut self, now: Millis) -> Eviction {
        self.changed = true;
        if self.policy == Policy::NoEviction || (self.policy == Policy::Volatile && !self.holds_deadlines()) {
            return self.compact_once(now);
        }
        let (small, main) = (self.log.queue(QueueName::Small).live, self.log.queue(QueueName::Main).live);
        let first = if small * SMALL_SHARE > small + main { QueueName::Small } else { QueueName::Main };
        let second = if first == QueueName::Small { QueueName::Main } else { QueueName::Small };
        for queue in [first, second] {
            if let Some(location) = self.log.take(queue) {
                self.judge(location, queue, now);
                return Eviction::Progress;
            }
        }
        Eviction::Nothing
    }

    fn judge(&mut self, location: u32, queue: QueueName, now: Millis) {
        let hash = self.hash_at(location);
        if !self.is_live(hash, location) {
            return;
        }
        let record = self.log.record(location);
        let (deadline, reads) = (record.deadline(), record.frequency());
        if self.dead.contains(&record.incarnation()) {
            self.stats.flushed += 1;
            self.drop_entry(hash, location);
        } else if let Some(against) = self.condemned_if_unchecked(location) {
            self.drop_invalidated(hash, location, against, now);
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            self.stats.expired_by_reclaim += 1;
            self.changed |= self.history.left(hash, Departure::Expired, now);
            self.drop_entry(hash, location);
        } else if self.policy == Policy::Volatile && deadline.is_none() {
            self.carry(hash, location, QueueName::Kept, reads, now);
        } else if queue == QueueName::Main && reads > 0 {
            self.carry(hash, location, QueueName::Main, reads - 1, now);
        } else if queue == QueueName::Small && reads >= READS_TO_STAY {
            self.carry(hash, location, QueueName::Main, 0, now);
        } else {
            if queue == QueueName::Small {
                self.stats.evicted_on_probation += 1;
                self.ghost.remember(hash, self.index.len());
            } else {
                self.stats.evicted_from_main += 1;
            }
            self.changed |= self.history.left(hash, Departure::Evicted, now);
            self.drop_entry(hash, location);
        }
    }

    fn carry(&mut self, hash: u64, location: u32, queue: QueueName, reads: u8, now: Millis) {
        let to = self.log.carry(location, queue, reads, now);
        self.index.relocate(crate::key::index_hash(hash), location, to);
    }

    /// Rewrites one wasteful segment whenever as much has died as that will win back.
    pub(super) fn compact_if_wasteful(&mut self) {
        let segment = self.log.segment_bytes();
        if self.died < segment / WASTE_SHARE {
            return;
        }
        self.died = 0;
        if self.log.waste() > (self.log.live() / WASTE_SHARE).max(segment * WASTE_SEGMENTS_MIN) {
            self.compact_once(crate::clock::now());
        }
    }

    /// Moves the living records of one wasteful segment together.
    fn compact_once(&mut self, now: Millis) -> Eviction {
        if self.log.waste() < self.log.segment_bytes() * 2 {
            return Eviction::Nothing;
        }
        for queue in [QueueName::Main, QueueName::Kept, QueueName::Small] {
            let Some(number) = self.log.wasteful_segment(queue) else { continue };
            for location in self.log.locations(number) {
                let hash = self.hash_at(location);
                let is_live = self.is_live(hash, location);
                if is_live && let Some(against) = self.condemned_if_unchecked(location) {
                    self.walking = true;
                    self.drop_invalidated(hash, location, against, now);
                    self.walking = false;
                } else if is_live {
                    let to = self.log.compact(location, now);
                    self.index.relocate(crate::key::index_hash(hash), location, to);
                }
                // With its last living record the segment is gone, and what it held with it.
                if !self.log.is_segment(number as usize) {
                    break;
                }
            }
            self.stats.compactions += 1;
            return Eviction::Progress;
        }
        Eviction::Nothing
    }

    /// Changes the policy; what the volatile policy kept becomes evictable, or the reverse as eviction comes by.
    pub(crate) fn set_policy(&mut self, policy: Policy) {
        if policy == Policy::AllKeys {
            self.log.release_kept();
        }
        self.policy = policy;
    }
}
