//! The fill book: misses that somebody may be about to fill, so that a fill which began before an invalidation is told from
//! one that began after it.
//!
//! A client that misses loads the value from its source and stores it. If the source changes and an invalidation arrives in
//! between, what it stores is old. The book remembers each miss with the number of the last invalidation then; a write is
//! matched with the oldest miss of its key by the same connection, else the same process, else the same user. Taking the
//! oldest can only refuse a fill that was fresh, never admit one that was not.

use crate::clock::Millis;
use crate::validity::FILL_WINDOW_MS;

/// Who asks: what fills are matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The connection's number; zero for nobody.
    pub connection: u64,
    /// A number that its process alone has, where that is known; zero otherwise.
    pub process: u64,
    /// Its user, where that is known.
    pub uid: Option<u32>,
}

impl Actor {
    /// Somebody of whom nothing is known.
    pub const NOBODY: Self = Self { connection: 0, process: 0, uid: None };
}

/// Rows that share a place; the oldest gives way.
const WAYS: usize = 8;
/// Places to begin with.
const PLACES_MIN: usize = 16;
/// Rows of all shards together.
pub(crate) const ROWS_MAX: usize = 1 << 16;

/// A miss. One without a hash stands for none.
#[derive(Clone, Copy, Debug)]
struct Row {
    hash: u64,
    /// The last invalidation when it happened.
    sequence: u64,
    at: Millis,
    actor: Actor,
}

/// The misses of one shard.
#[derive(Debug)]
pub(crate) struct Fills {
    /// In places of [`WAYS`]; empty until there was a miss.
    rows: Vec<Option<Row>>,
    rows_max: usize,
    /// Rows that gave way before their time.
    pub(crate) forgotten: u64,
}

impl Fills {
    /// What a row takes.
    pub(crate) const ROW_BYTES: usize = size_of::<Option<Row>>();

    /// A book with room for so many rows.
    pub(crate) fn new(rows_max: usize) -> Self {
        Self { rows: Vec::new(), rows_max: rows_max.max(WAYS * PLACES_MIN), forgotten: 0 }
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * Self::ROW_BYTES
    }

    fn place(&mut self, hash: u64) -> &mut [Option<Row>] {
        let place = (hash >> 20) as usize % (self.rows.len() / WAYS);
        &mut self.rows[place * WAYS..(place + 1) * WAYS]
    }

    /// Remembers a miss; says whether that took memory.
    pub(crate) fn missed(&mut self, hash: u64, sequence: u64, actor: Actor, now: Millis) -> bool {
        if self.rows.is_empty() {
            self.rows.resize(PLACES_MIN * WAYS, None);
            self.missed(hash, sequence, actor, now);
            return true;
        }
        let row = Row { hash, sequence, at: now, actor };
        if let Some(free) = self.place(hash).iter_mut().find(|row| is_free(row, now)) {
            *free = Some(row);
            return false;
        }
        if self.rows.len() * 2 <= self.rows_max {
            self.grow(now);
            self.missed(hash, sequence, actor, now);
            return true;
        }
        self.forgotten += 1;
        if let Some(oldest) = self.place(hash).iter_mut().min_by_key(|row| row.map(|row| row.at)) {
            *oldest = Some(row);
        }
        false
    }

    fn grow(&mut self, now: Millis) {
        let larger = vec![None; self.rows.len() * 2];
        let old = std::mem::replace(&mut self.rows, larger);
        for row in old.into_iter().flatten() {
            // Half of a full place finds room for certain; a row that finds none is a miss that is not known.
            if let Some(free) = self.place(row.hash).iter_mut().find(|row| is_free(row, now)) {
                *free = Some(row);
            }
        }
    }

    /// Takes the oldest miss that a write by this actor may be the fill of; returns the last invalidation then.
    pub(crate) fn take(&mut self, hash: u64, actor: Actor, now: Millis) -> Option<u64> {
        if self.rows.is_empty() {
            return None;
        }
        let nearness = |row: &Row| match row.actor {
            other if other.connection == actor.connection => Some(0),
            other if actor.process != 0 && other.process == actor.process => Some(1),
            other if actor.uid.is_some() && other.uid == actor.uid => Some(2),
            _ => None,
        };
        let open = self.place(hash).iter_mut().filter(|row| !is_free(row, now));
        let matching = open.filter_map(|slot| {
            let row = (*slot)?;
            let nearness = if row.hash == hash { nearness(&row) } else { None };
            nearness.map(|near| (near, row.at, row.sequence, slot))
        });
        let (_, _, sequence, slot) = matching.min_by_key(|&(near, at, sequence, _)| (near, at, sequence))?;
        *slot = None;
        Some(sequence)
    }
}

fn is_free(row: &Option<Row>, now: Millis) -> bool {
    row.is_none_or(|row| row.at.0 + FILL_WINDOW_MS < now.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(connection: u64, process: u64, uid: u32) -> Actor {
        Actor { connection, process, uid: Some(uid) }
    }

    #[test]
    fn the_nearest_actor_s_oldest_miss_is_taken() {
        let mut fills = Fills::new(ROWS_MAX);
        let now = Millis(1000);
        fills.missed(5, 10, actor(1, 1, 1), now);
        fills.missed(5, 11, actor(2, 2, 1), Millis(1001));
        fills.missed(5, 12, actor(2, 2, 1), Millis(1002));
        assert_eq!(fills.take(5, actor(2, 2, 1), now), Some(11));
        assert_eq!(fills.take(5, actor(3, 2, 1), now), Some(12), "the same process");
        assert_eq!(fills.take(5, actor(4, 4, 1), now), Some(10), "the same user");
        assert_eq!(fills.take(5, actor(4, 4, 1), now), None);
    }

    #[test]
    fn over_tcp_only_the_connection_counts() {
        let mut fills = Fills::new(ROWS_MAX);
        let tcp = |connection| Actor { connection, process: 0, uid: None };
        fills.missed(5, 10, tcp(1), Millis(0));
        assert_eq!(fills.take(5, tcp(2), Millis(0)), None);
        assert_eq!(fills.take(5, tcp(1), Millis(0)), Some(10));
    }

    #[test]
    fn misses_grow_old_and_the_book_stays_bounded() {
        let mut fills = Fills::new(1024);
        for hash in 0..100_000_u64 {
            fills.missed(hash.wrapping_mul(0x9E37_79B9_7F4A_7C15), hash, Actor::NOBODY, Millis(5));
        }
        assert!(fills.rows.len() <= 1024 && fills.forgotten > 90_000);
        fills.missed(1, 1, Actor::NOBODY, Millis(5));
        assert_eq!(fills.take(1, Actor::NOBODY, Millis(5 + FILL_WINDOW_MS + 1)), None);
    }
}
