//! Active reclaim: expired entries and flushed databases, a slice at a time.

use super::disk::is_on_disk;
use super::history::Departure;
use super::{Remains, Shard};
use crate::clock::{Millis, boot_nanos};
use crate::index::Index;
use crate::memory::ghost::Ghost;
use crate::memory::log::Log;
use crate::memory::sketch::Sketch;

/// A segment that held something due is not walked again for so long,
const WALK_AGAIN_MS: u64 = 1_000;
/// and for longer if the walk was hardly worth it.
const WALK_AGAIN_SPARSE_MS: u64 = 5_000;
/// Pages, segments and large values of a flushed shard freed between two looks at the clock.
const DISMANTLE_PAGES: usize = 32;
const DISMANTLE_SEGMENTS: usize = 1;
const DISMANTLE_LARGE: usize = 16;
const DISMANTLE_ROWS: usize = 1024;

impl Shard {
    /// Forgets an incarnation: nothing of it is found from here on; its memory is freed by [`reclaim`](Self::reclaim).
    pub(crate) fn flush(&mut self, incarnation: u32) {
        let Some(count) = self.counts.remove(&incarnation) else { return };
        self.changed = true;
        self.stats.flushed += count.entries;
        if self.counts.is_empty() {
            self.bury_everything(true);
        } else {
            self.dead.insert(incarnation);
            self.sweep_from = Some(0);
            if let Some(disk) = &mut self.disk {
                disk.bury(incarnation);
            }
        }
    }

    /// Where the entry of a name lies under an incarnation, whether it has expired or not.
    pub(crate) fn entry(&self, hash: u64, incarnation: u32, name: &[u8]) -> Option<u32> {
        let is_it = |location: u32| {
            if is_on_disk(location) {
                return self.holds_on_disk(location, hash, incarnation);
            }
            self.log.record(location).incarnation() == incarnation && self.key_at(location) == name
        };
        self.index.find(crate::key::index_hash(hash), is_it)
    }

    /// Whether a name has a live entry under an incarnation; one that has expired goes, which is no change to anybody.
    pub(crate) fn drop_if_expired(&mut self, hash: u64, incarnation: u32, name: &[u8], now: Millis) -> bool {
        let Some(location) = self.entry(hash, incarnation, name) else { return false };
        if is_on_disk(location) {
            return self.find_on_disk(hash, location, now).is_some();
        }
        let is_expired = self.log.record(location).deadline().is_some_and(|deadline| deadline <= now);
        if is_expired {
            self.stats.expired_on_access += 1;
            self.changed |= self.history.left(hash, Departure::Expired, now);
            self.drop_entry(hash, location);
        }
        !is_expired
    }

    /// Loses all entries after a fault of ours, since none can be trusted any more.
    pub(crate) fn abandon(&mut self) {
        self.watches.touch_all();
        self.stats.abandoned += 1;
        self.ghost = Ghost::default();
        self.sketch = Sketch::default();
        self.walking = false;
        self.bury_everything(false);
    }

    /// Leaves all entries to be freed bit by bit. The journal hears of each segment on disk unless it knows better already.
    pub(super) fn bury_everything(&mut self, journal_knows: bool) {
        self.changed = true;
        self.died = 0;
        self.counts.clear();
        let geometry = self.log.geometry();
        let newest = self.log.newest();
        self.graveyard.push(Remains {
            index: std::mem::replace(&mut self.index, Index::new()),
            log: std::mem::replace(&mut self.log, Log::new(geometry)),
            large: std::mem::take(&mut self.large),
            ledger: self.disk.as_mut().map(|disk| disk.bury_everything(journal_knows)).unwrap_or_default(),
        });
        self.log.set_newest(newest);
        self.end_sweep(newest);
        // The rule in force has proved itself on what was flushed, and stays until another does.
        self.trial.begin_anew();
        self.dead.clear();
        self.sweep_from = None;
    }

    /// Whether memory of flushed databases waits to be freed.
    pub(crate) fn has_remains(&self) -> bool {
        !self.graveyard.is_empty() || self.sweep_from.is_some()
    }

    /// Whether slots in the index stand for nothing since their segments are gone.
    fn has_orphans(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.tidy_from.is_some() || disk.ledger.orphans() > 0)
    }

    /// When [`reclaim`](Self::reclaim) has something to do next; `None` if nothing here ever expires.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        if self.has_remains() || self.swept != self.log.newest() || self.has_orphans() {
            return Some(Millis(0));
        }
        if !self.holds_deadlines() {
            return None;
        }
        let on_disk = self.disk.as_ref().filter(|disk| disk.ledger.live() > 0).map(|disk| disk.tidy_at);
        let in_memory = (0..self.log.segment_count()).filter_map(|number| self.log.soonest(number)).min();
        [on_disk, in_memory].into_iter().flatten().min()
    }

    /// Frees what is flushed or expired until `until_nanos` on the boot clock; true if there is more to do now.
    pub(crate) fn reclaim(&mut self, now: Millis, until_nanos: u64) -> bool {
        self.changed = true;
        while let Some(remains) = self.graveyard.last_mut() {
            let index_done = remains.index.dismantle(DISMANTLE_PAGES);
            let large_done = remains.large.dismantle(DISMANTLE_LARGE);
            let ledger_done = remains.ledger.dismantle(DISMANTLE_ROWS);
            if remains.log.dismantle(DISMANTLE_SEGMENTS) && index_done && large_done && ledger_done {
                self.graveyard.pop();
            }
            if boot_nanos() >= until_nanos {
                return true;
            }
        }
        if let Some(from) = self.sweep_from {
            for number in from..self.log.segment_count() {
                self.walk(number, now);
                if boot_nanos() >= until_nanos {
                    self.sweep_from = Some(number + 1);
                    return true;
                }
            }
            self.sweep_from = None;
            self.dead.clear();
        }
        let newest = self.log.newest();
        if self.swept != newest {
            for number in 0..self.log.segment_count() {
                if self.log.ordinal_of(number).is_some_and(|ordinal| ordinal != newest) {
                    self.walk(number, now);
                    if boot_nanos() >= until_nanos {
                        return true;
                    }
                }
            }
            self.end_sweep(newest);
        }
        if self.tidy(now, until_nanos) {
            return true;
        }
        if !self.holds_deadlines() {
            return false;
        }
        for number in 0..self.log.segment_count() {
            if self.log.soonest(number).is_some_and(|soonest| soonest <= now) {
                self.walk(number, now);
                if boot_nanos() >= until_nanos {
                    return true;
                }
            }
        }
        false
    }

    /// Removes what is expired, flushed or invalidated in one segment.
    fn walk(&mut self, number: usize, now: Millis) {
        if !self.log.is_segment(number) {
            return;
        }
        let locations = self.log.locations(number as u32);
        let (mut removed, mut soonest) = (0, None::<Millis>);
        self.walking = true;
        for &location in &locations {
            let record = self.log.record(location);
            let (deadline, is_flushed) = (record.deadline(), self.dead.contains(&record.incarnation()));
            let is_due = deadline.is_some_and(|deadline| deadline <= now);
            let against = self.condemned_if_unchecked(location);
            if !is_flushed && !is_due && against.is_none() {
                soonest = [soonest, deadline].into_iter().flatten().min();
                continue;
            }
            let hash = self.hash_at(location);
            if !self.is_live(hash, location) {
                continue;
            }
            removed += 1;
            match against {
                Some(sequence) if !is_flushed => self.drop_invalidated(hash, location, sequence, now),
                _ => {
                    self.stats.expired_by_reclaim += u64::from(!is_flushed);
                    self.changed |= self.history.left(hash, Departure::Expired, now);
                    self.drop_entry(hash, location);
                }
            }
            if !self.log.is_segment(number) {
                break;
            }
        }
        self.walking = false;
        self.log.lift_ordinal(number, self.log.newest());
        let pause = if removed * 16 < locations.len() { WALK_AGAIN_SPARSE_MS } else { WALK_AGAIN_MS };
        self.log.set_soonest(number, soonest.map(|soonest| soonest.max(Millis(now.0 + pause))));
    }
}
