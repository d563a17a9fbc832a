//! History: what lately became of keys, from rings that forget; whoever asks is told what is known and no more.

use crate::clock::Millis;

/// Events of all shards together that each ring remembers.
pub(crate) const EVENTS_MAX: usize = 1 << 14;

/// Why an entry is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It made room for others.
    Evicted,
    /// It made room for others, and the disk did not take it.
    Refused,
    /// Its time was over.
    Expired,
    /// Somebody deleted it.
    Deleted,
    /// The invalidation with this number reached it.
    Invalidated(u64),
    /// What somebody stored had been loaded before the invalidation with this number, and was not kept.
    FillRefused(u64),
}

/// How an entry came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Millis,
    /// By which connection.
    pub by: u64,
}

/// The last so many events, oldest first.
#[derive(Debug)]
struct Ring<T> {
    events: Vec<(u64, T)>,
    next: usize,
    max: usize,
}

impl<T: Copy> Ring<T> {
    /// Says whether that took memory.
    fn push(&mut self, hash: u64, event: T) -> bool {
        if self.events.len() < self.max {
            let before = self.events.capacity();
            self.events.push((hash, event));
            self.events.capacity() != before
        } else {
            self.events[self.next] = (hash, event);
            self.next = if self.next + 1 == self.max { 0 } else { self.next + 1 };
            false
        }
    }

    fn last(&self, hash: u64) -> Option<T> {
        let (behind, ahead) = self.events.split_at(self.next);
        behind
            .iter()
            .rev()
            .chain(ahead.iter().rev())
            .find(|(known, _)| *known == hash)
            .map(|(_, event)| *event)
    }

    fn has_forgotten(&self) -> bool {
        self.events.len() >= self.max
    }

    fn bytes(&self) -> usize {
        self.events.capacity() * size_of::<(u64, T)>()
    }
}

/// What lately became of the keys of one shard.
#[derive(Debug)]
pub(crate) struct History {
    departures: Ring<(Departure, Millis)>,
    arrivals: Ring<Arrival>,
    /// When all entries left at once, and why.
    all: Option<(Departure, Millis)>,
}

impl History {
    /// What an event takes in each of the rings together.
    pub(crate) const EVENT_BYTES: usize =
        size_of::<(u64, (Departure, Millis))>() + size_of::<(u64, Arrival)>();

    /// A history of so many events of each kind.
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(64);
        Self {
            departures: Ring { events: Vec::new(), next: 0, max },
            arrivals: Ring { events: Vec::new(), next: 0, max },
            all: None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.departures.bytes() + self.arrivals.bytes()
    }

    /// Says whether that took memory.
    pub(crate) fn left(&mut self, hash: u64, departure: Departure, now: Millis) -> bool {
        self.departures.push(hash, (departure, now))
    }

    /// All entries left at once.
    pub(crate) fn all_left(&mut self, departure: Departure, now: Millis) {
        self.departures.events.clear();
        self.departures.next = 0;
        self.all = Some((departure, now));
    }

    /// Says whether that took memory.
    #[inline]
    pub(crate) fn came(&mut self, hash: u64, arrival: Arrival) -> bool {
        self.arrivals.push(hash, arrival)
    }

    /// Why a key's entry is gone and since when, if that is known.
    pub(crate) fn departure(&self, hash: u64) -> Option<(Departure, Millis)> {
        self.departures.last(hash).or_else(|| self.all.filter(|_| self.arrivals.last(hash).is_some()))
    }

    /// How a key's entry came, if that is known.
    pub(crate) fn arrival(&self, hash: u64) -> Option<Arrival> {
        self.arrivals.last(hash)
    }

    /// Whether a key of which nothing is known may yet have been there.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.departures.has_forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_of_a_key_is_told_until_it_is_forgotten() {
        let mut history = History::new(64);
        history.left(1, Departure::Expired, Millis(1));
        history.left(1, Departure::Deleted, Millis(2));
        assert_eq!(history.departure(1), Some((Departure::Deleted, Millis(2))));
        assert!(!history.has_forgotten());
        for hash in 2..66 {
            history.left(hash, Departure::Evicted, Millis(3));
            assert_eq!(history.departure(hash), Some((Departure::Evicted, Millis(3))));
        }
        assert_eq!(history.departure(1), None);
        assert!(history.has_forgotten());
    }
}
