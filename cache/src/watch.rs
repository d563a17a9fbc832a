//! Watches: who wants to know that a key changed (`WATCH`).
//!
//! A watch is on a name in a numbered database, so it outlives the incarnation that it was made under: when a database is
//! flushed or exchanged, its watches move on to the new one. Two names that share a 64-bit hash share their watches; the
//! worst that comes of it is a transaction that is retried.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::key::{Database, Key};

/// A flag that is raised when any watched key changes, expires, is evicted or flushed.
#[derive(Debug, Default)]
pub struct Watch(AtomicBool);

impl Watch {
    /// Whether a watched key changed since.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A watched name.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) incarnation: u32,
    pub(crate) database: Database,
    pub(crate) name: Box<[u8]>,
    pub(crate) watches: Vec<Arc<Watch>>,
}

impl Watched {
    pub(crate) fn raise_all(&self) {
        self.watches.iter().for_each(|watch| watch.raise());
    }
}

/// All watches on one shard's keys.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_hash: HashMap<u64, Watched>,
}

impl Watches {
    pub(crate) fn add(&mut self, key: &Key<'_>, watch: &Arc<Watch>) {
        let watched = self.by_hash.entry(key.hash).or_insert_with(|| Watched {
            incarnation: key.incarnation,
            database: key.database,
            name: key.bytes.into(),
            watches: Vec::new(),
        });
        if !watched.watches.iter().any(|known| Arc::ptr_eq(known, watch)) {
            watched.watches.push(Arc::clone(watch));
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, watch: &Arc<Watch>) {
        if let Some(watched) = self.by_hash.get_mut(&hash) {
            watched.watches.retain(|known| !Arc::ptr_eq(known, watch));
            if watched.watches.is_empty() {
                self.by_hash.remove(&hash);
            }
        }
    }

    /// Tells that a key changed.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) {
        if self.by_hash.is_empty() {
            return;
        }
        if let Some(watched) = self.by_hash.get(&hash) {
            watched.raise_all();
        }
    }

    /// All watched names, with their hashes and incarnations.
    pub(crate) fn names(&self) -> Vec<(u64, u32, Box<[u8]>)> {
        self.by_hash
            .iter()
            .map(|(&hash, watched)| (hash, watched.incarnation, watched.name.clone()))
            .collect()
    }

    /// Tells that every key may have changed.
    pub(crate) fn touch_all(&self) {
        self.by_hash.values().for_each(Watched::raise_all);
    }

    /// Takes out all watches under an incarnation.
    pub(crate) fn take_of(&mut self, incarnation: u32) -> Vec<(u64, Watched)> {
        self.by_hash.extract_if(|_, watched| watched.incarnation == incarnation).collect()
    }

    /// Puts a watched name in under the hash that it has now.
    pub(crate) fn put(&mut self, hash: u64, watched: Watched) {
        match self.by_hash.get_mut(&hash) {
            Some(known) => known.watches.extend(watched.watches),
            None => {
                self.by_hash.insert(hash, watched);
            }
        }
    }
}
