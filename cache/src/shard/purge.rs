//! Invalidation: entries that a record of the past speaks against, fills that it overtook, and the sweep that settles both.

use super::Shard;
use super::disk::is_on_disk;
use super::history::Departure;
use crate::clock::Millis;
use crate::fills::Actor;
use crate::key::Key;
use crate::validity::{FILL_WINDOW_MS, Invalidation, Subject};

/// TTL of a value that came without a miss shortly after an invalidation of its key, in milliseconds.
const UNMATCHED_TTL_MS: u64 = 5_000;

/// What becomes of a value that is about to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// It is stored.
    Stored,
    /// It is stored, to expire then at the latest: nobody knows whether it is older than a recent invalidation.
    StoredUntil(Millis),
    /// It was loaded before an invalidation, and is not.
    Refused,
}

/// What a key is judged by, if it carries these tags.
fn subject<'a>(key: &Key<'a>, tags: &'a [u8]) -> Subject<'a> {
    Subject { incarnation: key.incarnation, hash: key.hash, key: key.bytes, tags }
}

impl Shard {
    /// The encoded tags of a record, wherever they lie.
    pub(super) fn tags_at(&self, location: u32) -> &[u8] {
        let record = self.log.record(location);
        crate::memory::tags_of(record, self.large_of(record))
    }

    /// The invalidation that speaks against an entry, if there is one.
    pub(super) fn condemned(&self, location: u32) -> Option<Invalidation> {
        let subject = Subject {
            incarnation: self.log.record(location).incarnation(),
            hash: 0,
            key: self.key_at(location),
            tags: self.tags_at(location),
        };
        self.validity.against_entry(subject, self.log.ordinal(location))
    }

    /// As [`condemned`](Self::condemned), without a look at the tables where none is needed. What is moved has to be asked
    /// about first: its new place may say that all which lies there is valid.
    #[inline]
    pub(super) fn condemned_if_unchecked(&self, location: u32) -> Option<u64> {
        if self.log.ordinal(location) == self.log.newest() {
            return None;
        }
        self.condemned(location).map(|against| against.sequence)
    }

    /// Whether an entry may be served as far as invalidations go.
    #[inline]
    pub(super) fn is_valid(&self, location: u32) -> bool {
        self.condemned_if_unchecked(location).is_none()
    }

    pub(super) fn drop_invalidated(&mut self, hash: u64, location: u32, sequence: u64, now: Millis) {
        self.stats.invalidated += 1;
        self.changed |= self.history.left(hash, Departure::Invalidated(sequence), now);
        self.tell_control_gone(hash, location);
        self.drop_entry(hash, location);
    }

    /// Takes note of an invalidation; every shard does before anybody works on.
    pub(crate) fn heed(&mut self, record: Invalidation) {
        self.log.set_newest(record.ordinal);
        self.sequence = record.sequence;
        self.guarded_until = Millis(record.at.0 + FILL_WINDOW_MS);
        if self.resident() == 0 {
            self.swept = record.ordinal;
        }
        if let Some(disk) = self.disk.as_mut().filter(|disk| disk.is_empty()) {
            disk.swept = record.ordinal;
        }
        // Whoever watches a key sees at once that it is gone.
        for (hash, incarnation, name) in self.watches.names() {
            match self.entry(hash, incarnation, &name) {
                // Whether it is reached is seen when it is read; a watch that is raised for nothing does no harm.
                Some(location) if is_on_disk(location) => self.watches.touch(hash),
                Some(location) => {
                    if let Some(against) = self.condemned(location) {
                        self.drop_invalidated(hash, location, against.sequence, record.at);
                    }
                }
                None => {}
            }
        }
    }

    /// Takes note of an invalidation of everything, and drops everything.
    pub(crate) fn drop_everything(&mut self, record: Invalidation) {
        self.heed(record);
        for (hash, incarnation, name) in self.watches.names() {
            if self.entry(hash, incarnation, &name).is_some() {
                self.watches.touch(hash);
            }
        }
        self.stats.invalidated += self.index.len() as u64;
        self.history.all_left(Departure::Invalidated(record.sequence), record.at);
        self.bury_everything(true);
    }

    /// The last invalidation that reached a key with these tags.
    pub(crate) fn last_invalidation(&self, key: &Key<'_>, tags: &[u8]) -> Option<Invalidation> {
        self.validity.against_fill(subject(key, tags))
    }

    /// Removes the entry of a key that was invalidated by itself.
    pub(crate) fn purge(&mut self, key: &Key<'_>, sequence: u64, now: Millis) {
        if let Some(location) = self.find(key, now) {
            self.stats.invalidated += 1;
            self.changed |= self.history.left(key.hash, Departure::Invalidated(sequence), now);
            self.erase(key.hash, location);
        }
    }

    /// Whether a value that an actor is about to store may be the fill of a miss that an invalidation has overtaken.
    #[inline]
    pub(crate) fn judge_fill(&mut self, key: &Key<'_>, tags: &[u8], now: Millis, by: Actor) -> Fill {
        if now > self.guarded_until || cfg!(feature = "mutant-no-fill-book") {
            Fill::Stored
        } else {
            self.judge_guarded(key, tags, now, by)
        }
    }

    #[cold]
    fn judge_guarded(&mut self, key: &Key<'_>, tags: &[u8], now: Millis, by: Actor) -> Fill {
        let missed_at = self.fills.take(key.hash, by, now);
        let is_recent = |record: &Invalidation| record.at.0 + FILL_WINDOW_MS >= now.0;
        let Some(against) = self.validity.against_fill(subject(key, tags)).filter(is_recent) else {
            return Fill::Stored;
        };
        if against.by == by.connection && by.connection != 0 {
            return Fill::Stored;
        }
        match missed_at {
            Some(sequence) if sequence >= against.sequence => Fill::Stored,
            Some(_) => {
                self.stats.fills_refused += 1;
                self.changed |= self.history.left(key.hash, Departure::FillRefused(against.sequence), now);
                Fill::Refused
            }
            None => {
                self.stats.fills_unmatched += 1;
                Fill::StoredUntil(Millis(now.0 + UNMATCHED_TTL_MS))
            }
        }
    }

    /// As of which invalidation every entry here is known to be valid.
    pub(crate) fn swept(&self) -> u32 {
        self.disk.as_ref().map_or(self.swept, |disk| disk.swept.min(self.swept))
    }

    /// Notes that a sweep over all segments that began at an ordinal has ended.
    pub(super) fn end_sweep(&mut self, ordinal: u32) {
        self.swept = self.swept.max(ordinal);
    }

    /// The same of a sweep over all segments on disk.
    pub(crate) fn end_sweep_of_disk(&mut self, ordinal: u32) {
        if let Some(disk) = &mut self.disk {
            disk.swept = disk.swept.max(ordinal);
        }
    }
}
