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
/// Misses of one key by one connection that are remembered.
const MISSES_OF_ONE: usize = 2;
/// Places to begin with.
const PLACES_MIN: usize = 16;
/// Rows of all shards together.
pub(crate) const ROWS_MAX: usize = 1 << 16;

/// A miss, as short as it can be said; one that never happened has no time.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    hash: u64,
    /// The last invalidation when it happened.
    sequence: u64,
    /// When, in ticks.
    at: u32,
    connection: u32,
    process: u32,
    uid: u32,
}

/// Milliseconds of a tick: 32 bits of them are two years.
const TICK_MS: u64 = 16;
const WINDOW_TICKS: u32 = (FILL_WINDOW_MS / TICK_MS) as u32;
const NO_UID: u32 = u32::MAX;

fn ticks(now: Millis) -> u32 {
    (now.0 / TICK_MS) as u32 | 1
}

/// The misses of one shard.
#[derive(Debug)]
pub(crate) struct Fills {
    /// In places of [`WAYS`]; empty until there was a miss.
    rows: Vec<Row>,
    rows_max: usize,
    /// Rows that gave way before their time.
    forgotten: u64,
}

/// The misses that may yet be filled, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillBook {
    /// Heap bytes that they take.
    pub bytes: usize,
    /// Misses that gave way to others before their time was over.
    pub forgotten: u64,
}

impl FillBook {
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.forgotten += other.forgotten;
    }
}

impl Fills {
    /// What a row takes.
    pub(crate) const ROW_BYTES: usize = size_of::<Row>();

    /// A book with room for so many rows.
    pub(crate) fn new(rows_max: usize) -> Self {
        Self { rows: Vec::new(), rows_max: rows_max.max(WAYS * PLACES_MIN), forgotten: 0 }
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * Self::ROW_BYTES
    }

    /// What is told of it.
    pub(crate) fn figures(&self) -> FillBook {
        FillBook { bytes: self.bytes(), forgotten: self.forgotten }
    }

    fn place(&mut self, hash: u64) -> &mut [Row] {
        let place = (hash >> 20) as usize % (self.rows.len() / WAYS);
        &mut self.rows[place * WAYS..(place + 1) * WAYS]
    }

    /// Remembers a miss; says whether that took memory.
    pub(crate) fn missed(&mut self, hash: u64, sequence: u64, actor: Actor, now: Millis) -> bool {
        let row = Row {
            hash,
            sequence,
            at: ticks(now),
            connection: actor.connection as u32,
            process: actor.process as u32,
            uid: actor.uid.unwrap_or(NO_UID),
        };
        let mut grew = self.rows.is_empty();
        if grew {
            self.rows.resize(PLACES_MIN * WAYS, Row::default());
        }
        // Who asks again and again for what is not there does not push out others' misses; a fill is matched with the oldest.
        let again =
            |known: &&Row| known.hash == hash && known.connection == row.connection && is_open(known, row.at);
        if self.place(hash).iter().filter(again).count() >= MISSES_OF_ONE {
            return grew;
        }
        while !self.enter(row) {
            if self.rows.len() * 2 > self.rows_max {
                self.forgotten += 1;
                if let Some(oldest) = self.place(hash).iter_mut().min_by_key(|row| row.at) {
                    *oldest = row;
                }
                break;
            }
            self.grow(row.at);
            grew = true;
        }
        grew
    }

    /// False if its place is full.
    fn enter(&mut self, row: Row) -> bool {
        let free = self.place(row.hash).iter_mut().find(|known| !is_open(known, row.at));
        free.map(|free| *free = row).is_some()
    }

    fn grow(&mut self, now: u32) {
        let larger = vec![Row::default(); self.rows.len() * 2];
        let old = std::mem::replace(&mut self.rows, larger);
        for row in old.into_iter().filter(|row| is_open(row, now)) {
            // A place is cut in two, so what was in it finds room.
            let free = self.place(row.hash).iter_mut().find(|known| known.at == 0);
            free.into_iter().for_each(|free| *free = row);
        }
    }

    /// Takes the oldest miss that a write by this actor may be the fill of; returns the last invalidation then.
    pub(crate) fn take(&mut self, hash: u64, actor: Actor, now: Millis) -> Option<u64> {
        if self.rows.is_empty() {
            return None;
        }
        // Numbers are cut to 32 bits: who is taken for another by that can only be refused.
        let (connection, process) = (actor.connection as u32, actor.process as u32);
        let nearness = |row: &Row| match () {
            () if row.connection == connection => Some(0),
            () if process != 0 && row.process == process => Some(1),
            () if actor.uid == Some(row.uid) => Some(2),
            () => None,
        };
        let now = ticks(now);
        let open = self.place(hash).iter_mut().filter(|row| row.hash == hash && is_open(row, now));
        let matching = open.filter_map(|row| nearness(row).map(|near| (near, row.at, row.sequence, row)));
        let (_, _, sequence, row) = matching.min_by_key(|&(near, at, sequence, _)| (near, at, sequence))?;
        *row = Row::default();
        Some(sequence)
    }
}

fn is_open(row: &Row, now: u32) -> bool {
    row.at != 0 && row.at.saturating_add(WINDOW_TICKS) >= now
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
        fills.missed(5, 12, actor(2, 2, 1), Millis(1100));
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
        assert_eq!(fills.take(1, Actor::NOBODY, Millis(5 + FILL_WINDOW_MS + 2 * TICK_MS)), None);
    }
}
