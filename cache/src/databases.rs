//! Databases: numbers that clients select, each standing for an incarnation that entries belong to.
//!
//! Emptying a database gives its number a fresh incarnation, exchanging two exchanges their incarnations; the entries
//! themselves are not touched. The mapping changes only under every shard's lock, so whoever holds one sees it stand still.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::key::Database;

#[derive(Debug)]
pub(crate) struct Databases {
    incarnations: Box<[AtomicU32]>,
    next: AtomicU32,
}

impl Databases {
    /// Databases whose numbers stand for these incarnations, the first for the first.
    pub(crate) fn standing_for(incarnations: impl Iterator<Item = u32>, next: u32) -> Self {
        Self { incarnations: incarnations.map(AtomicU32::new).collect(), next: AtomicU32::new(next) }
    }

    pub(crate) fn count(&self) -> Database {
        self.incarnations.len() as Database
    }

    #[inline]
    pub(crate) fn incarnation(&self, database: Database) -> u32 {
        self.incarnations[database as usize].load(Ordering::Relaxed)
    }

    /// Gives a database a fresh incarnation; returns the old one.
    pub(crate) fn renew(&self, database: Database) -> u32 {
        let fresh = self.next.fetch_add(1, Ordering::Relaxed);
        self.incarnations[database as usize].swap(fresh, Ordering::Relaxed)
    }

    pub(crate) fn swap(&self, one: Database, other: Database) {
        let (a, b) = (self.incarnation(one), self.incarnation(other));
        self.incarnations[one as usize].store(b, Ordering::Relaxed);
        self.incarnations[other as usize].store(a, Ordering::Relaxed);
    }
}
