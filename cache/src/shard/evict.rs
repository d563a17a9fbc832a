//! Eviction: one record at a time at a queue's head, by the rule in force, and compaction of what died in place.

use super::Shard;
use super::demote::Demotion;
use super::disk::is_on_disk;
use super::history::Departure;
use super::rule::{Rule, Turn};
use crate::clock::Millis;
use crate::key::index_hash;
use crate::memory::ghost::Ghost;
use crate::memory::record::take_touches;
use crate::memory::segment::QueueName;
use crate::memory::sketch::Sketch;
use crate::policy::Policy;

/// Waste below this many segments is never compacted.
const WASTE_SEGMENTS_MIN: usize = 4;
/// Waste above one part in so many of living bytes is compacted.
const WASTE_SHARE: usize = 8;
/// Records at the main queue's head that one duel looks at before it is lost.
pub(super) const RIVALS_MAX: usize = 64;

/// Entries that govern others and are spared one after the other, though the disk does not take them: where there are more in
/// a row, hardly anything else is left.
const SPARED_MAX: u32 = 32;

/// What one step of eviction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// A record was evicted, moved or passed: go on if more room is needed.
    Progress,
    /// There is no newcomer here to judge: better one of another shard leaves than what has proved itself here.
    Elsewhere,
    /// What has to be kept is taken by the disk a little later.
    Later,
    /// The policy allows nothing more.
    Nothing,
}

/// What becomes of a record that a hand has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It had died before.
    Passed,
    Flushed,
    Expired,
    /// The invalidation with this number reached it.
    Invalidated(u64),
    /// To a queue's tail, counting as read so often.
    Carried(QueueName, u8),
    Evicted,
}

impl Shard {
    /// Takes one record at the head of a queue and evicts it, or moves it where it has earned a place. Unless `insists`,
    /// another shard may be asked first.
    pub(crate) fn evict_one(&mut self, now: Millis, insists: bool) -> Eviction {
        self.changed = true;
        if self.policy == Policy::NoEviction || (self.policy == Policy::Volatile && !self.holds_deadlines()) {
            let compacted = self.compact_once(now);
            return match compacted {
                Eviction::Nothing if self.may_move() => self.move_one(now),
                compacted => compacted,
            };
        }
        self.follow_rule();
        let (small, main) = self.weights();
        let rule = self.trial.rule();
        self.trial.fit(self.resident(), small + main);
        let is_over = rule.is_over(small, main);
        if !is_over && !insists && rule == Rule::Frequency {
            return Eviction::Elsewhere;
        }
        let first = if is_over { QueueName::Small } else { QueueName::Main };
        let second = if is_over { QueueName::Main } else { QueueName::Small };
        for queue in [first, second] {
            if let Some(location) = self.log.take(queue) {
                let outcome = self.judge(location, queue, now);
                return self.settle(location, queue, outcome, now);
            }
        }
        if self.may_move() { self.move_one(now) } else { Eviction::Nothing }
    }

    /// Bytes of what lives in the small and in the main queue, large values included.
    fn weights(&self) -> (usize, usize) {
        let weight = |queue| self.log.queue(queue).live + self.large.standing(queue);
        (weight(QueueName::Small), weight(QueueName::Main))
    }

    /// Decides about a record that a hand has reached. A duel moves its rival on or evicts it on the way.
    fn judge(&mut self, location: u32, queue: QueueName, now: Millis) -> Outcome {
        if let Some(outcome) = self.judge_life(location, now) {
            return outcome;
        }
        let hash = self.hash_at(location);
        let record = self.log.record(location);
        let (deadline, reads) = (record.deadline(), record.frequency());
        if self.policy == Policy::Volatile && deadline.is_none() {
            return Outcome::Carried(QueueName::Kept, reads);
        }
        let rule = self.trial.rule();
        let turn = if queue == QueueName::Main {
            rule.in_main(reads)
        } else {
            self.sketch.add(hash, reads);
            let ((small, main), weight) = (self.weights(), self.weight_at(location));
            rule.on_probation(reads, small - weight, main + weight, &mut self.grew)
        };
        match turn {
            Turn::Stay(reads) => Outcome::Carried(QueueName::Main, reads),
            Turn::Leave => Outcome::Evicted,
            Turn::Duel if self.wins_duel(hash, self.weight_at(location), now) => {
                Outcome::Carried(QueueName::Main, 0)
            }
            Turn::Duel => Outcome::Evicted,
        }
    }

    /// What becomes of a record that counts no more, whatever the policy; none if it lives.
    fn judge_life(&self, location: u32, now: Millis) -> Option<Outcome> {
        let hash = self.hash_at(location);
        if !self.is_live(hash, location) {
            return Some(Outcome::Passed);
        }
        let record = self.log.record(location);
        if self.dead.contains(&record.incarnation()) {
            return Some(Outcome::Flushed);
        }
        if let Some(against) = self.condemned_if_unchecked(location) {
            return Some(Outcome::Invalidated(against));
        }
        record.deadline().is_some_and(|deadline| deadline <= now).then_some(Outcome::Expired)
    }

    /// Decides about a record that may be moved, and not dropped while its time is not over.
    pub(super) fn judge_kept(&self, location: u32, now: Millis) -> Outcome {
        self.judge_life(location, now).unwrap_or(Outcome::Evicted)
    }

    /// Whether a newcomer was seen more often than the next records of the main queue, as many as it takes to make room for
    /// it, which then leave. One that was read since its last turn stays whoever comes, and goes on to the tail: that is all
    /// that moves in the main queue while a loop larger than the cache goes by.
    fn wins_duel(&mut self, hash: u64, bytes: usize, now: Millis) -> bool {
        let mut freed = 0;
        for _ in 0..RIVALS_MAX {
            let Some(rival) = self.log.head(QueueName::Main) else { return true };
            let outcome = self.judge(rival, QueueName::Main, now);
            if outcome == Outcome::Evicted
                && self.sketch.count(hash) <= self.sketch.count(self.hash_at(rival))
            {
                return false;
            }
            let weight = self.weight_at(rival);
            self.log.take(QueueName::Main);
            self.settle(rival, QueueName::Main, outcome, now);
            match outcome {
                Outcome::Carried(QueueName::Main, _) => return false,
                Outcome::Flushed | Outcome::Expired | Outcome::Invalidated(_) | Outcome::Evicted => {
                    freed += weight;
                }
                Outcome::Passed | Outcome::Carried(..) => {}
            }
            if freed >= bytes {
                return true;
            }
        }
        false
    }

    /// Does what was decided.
    pub(super) fn settle(
        &mut self,
        location: u32,
        queue: QueueName,
        outcome: Outcome,
        now: Millis,
    ) -> Eviction {
        if outcome == Outcome::Passed {
            return Eviction::Progress;
        }
        let hash = self.hash_at(location);
        match outcome {
            Outcome::Passed => {}
            Outcome::Flushed => {
                self.stats.flushed += 1;
                self.drop_entry(hash, location);
            }
            Outcome::Expired => {
                self.stats.expired_by_reclaim += 1;
                self.changed |= self.history.left(hash, Departure::Expired, now);
                self.drop_entry(hash, location);
            }
            Outcome::Invalidated(against) => self.drop_invalidated(hash, location, against, now),
            Outcome::Carried(to, reads) => {
                if queue == QueueName::Main {
                    self.sketch.add(hash, 1);
                }
                self.carry(hash, location, to, reads, now);
            }
            Outcome::Evicted => return self.leave(hash, location, queue, now),
        }
        Eviction::Progress
    }

    /// Moves an entry that is evicted to disk, or drops it.
    fn leave(&mut self, hash: u64, location: u32, queue: QueueName, now: Millis) -> Eviction {
        if queue == QueueName::Small && self.trial.rule().welcomes_back() {
            self.ghost.remember(hash, self.resident());
        }
        self.tell_touches(index_hash(hash), location);
        let departure = match self.demote(hash, location, queue, now) {
            Demotion::Done => return Eviction::Progress,
            Demotion::Later => {
                let queue = if queue == QueueName::Kept { queue } else { QueueName::Main };
                self.carry(hash, location, queue, 0, now);
                return Eviction::Later;
            }
            Demotion::Refused => Departure::Refused,
            Demotion::Nowhere => Departure::Evicted,
        };
        let record = self.log.record(location);
        if queue == QueueName::Kept || self.policy == Policy::NoEviction {
            self.carry(hash, location, queue, 0, now);
            return Eviction::Nothing;
        }
        if record.is_control() && self.disk.is_some() {
            if self.spared < SPARED_MAX {
                self.spared += 1;
                self.carry(hash, location, QueueName::Main, 0, now);
                return Eviction::Progress;
            }
            self.drop_control(location);
        }
        self.spared = 0;
        if queue == QueueName::Small {
            self.stats.evicted_on_probation += 1;
        } else {
            self.stats.evicted_from_main += 1;
        }
        self.changed |= self.history.left(hash, departure, now);
        self.drop_entry(hash, location);
        Eviction::Progress
    }

    fn carry(&mut self, hash: u64, location: u32, queue: QueueName, reads: u8, now: Millis) {
        let to = self.log.carry(location, queue, reads, now);
        if let Some(number) = self.log.record(to).large() {
            self.large.stand(number, queue);
        }
        self.index.relocate(index_hash(hash), location, to);
    }

    /// Tells the trial of a fill, and a little of what was read since it was last told.
    pub(super) fn tell_fill(&mut self, hash: u32, bytes: usize) {
        if !self.trial.samples(hash) {
            return;
        }
        let (index, log) = (&self.index, &mut self.log);
        let mut touches =
            |hash| index.find(hash, |at| !is_on_disk(at)).map_or(0, |at| take_touches(log.record_mut(at)));
        self.trial.fill(hash, bytes, &mut touches);
        let (from, last) = self.trial.walk_from();
        let mut touched = [(0, 0); super::trial::WALK * 2];
        let mut count = 0;
        let next = self.index.walk(from, super::trial::WALK, |slot| {
            let is_touched = slot.hash <= last
                && !is_on_disk(slot.location)
                && self.log.record(slot.location).touches() > 0;
            if is_touched && count < touched.len() {
                touched[count] = (slot.hash, slot.location);
                count += 1;
            }
        });
        for &(hash, location) in &touched[..count] {
            if self.log.queue_of(location) != QueueName::Kept {
                self.tell_touches(hash, location);
            }
        }
        if self.trial.walked(next) {
            self.stats.rule_changes += 1;
        }
    }

    /// Goes by the rule in force.
    fn follow_rule(&mut self) {
        if !self.trial.follow() {
            return;
        }
        // What the new rule does not remember by would only take room.
        if self.trial.rule().welcomes_back() {
            self.sketch = Sketch::default();
        } else {
            self.ghost = Ghost::default();
        }
    }

    /// Tells the trial how often a record of the sample was read since it was last told.
    fn tell_touches(&mut self, hash: u32, location: u32) {
        if !self.trial.samples(hash) {
            return;
        }
        let bytes = self.weight_at(location);
        let times = take_touches(self.log.record_mut(location));
        if times > 0 {
            let (index, log) = (&self.index, &mut self.log);
            let mut touches = |hash| {
                index.find(hash, |at| !is_on_disk(at)).map_or(0, |at| take_touches(log.record_mut(at)))
            };
            self.trial.touched(hash, bytes, times, &mut touches);
        }
    }

    /// Bytes of a record and its large value.
    pub(super) fn weight_at(&self, location: u32) -> usize {
        let record = self.log.record(location);
        crate::memory::bytes_of(record, self.large_of(record))
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
                    self.index.relocate(index_hash(hash), location, to);
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
            self.large.release_kept();
        }
        self.policy = policy;
    }
}
