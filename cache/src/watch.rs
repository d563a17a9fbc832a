//! Watches: who wants to know that a key changed (`WATCH`), by the key's hash.
//!
//! Two keys that share a 64-bit hash share their watches; the worst that comes of it is a transaction that is retried.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that is raised when any watched key changes, expires, is evicted or flushed.
#[derive(Debug, Default)]
pub struct Watch(AtomicBool);

impl Watch {
    /// Whether a watched key changed since.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What takes a watch off a key again: see [`Cache::unwatch`](crate::Cache::unwatch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedKey(pub(crate) u64);

#[derive(Debug)]
struct Watched {
    incarnation: u32,
    watches: Vec<Arc<Watch>>,
}

/// All watches on one shard's keys.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_hash: HashMap<u64, Watched>,
}

impl Watches {
    pub(crate) fn add(&mut self, hash: u64, incarnation: u32, watch: &Arc<Watch>) {
        let watched =
            self.by_hash.entry(hash).or_insert_with(|| Watched { incarnation, watches: Vec::new() });
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
            watched.watches.iter().for_each(|watch| watch.raise());
        }
    }

    /// Hashes of the watched keys of one incarnation.
    pub(crate) fn of_incarnation(&self, incarnation: u32) -> impl Iterator<Item = u64> {
        self.by_hash
            .iter()
            .filter(move |(_, watched)| watched.incarnation == incarnation)
            .map(|(&hash, _)| hash)
    }
}
