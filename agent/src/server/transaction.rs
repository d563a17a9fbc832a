//! A transaction in the making: the commands that wait for EXEC, and the keys that must not change until then.

use std::collections::HashSet;
use std::sync::Arc;

use larder_cache::{Cache, Database, Watch};

use crate::command::Queued;

/// What MULTI began.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Commands in the order they came.
    pub queue: Vec<Queued>,
    /// Whether one of them was refused, so that EXEC will refuse all.
    pub is_dirty: bool,
    /// Heap bytes that the queue holds.
    pub bytes: usize,
}

/// Bytes that a watched key takes here and in its shard, beside its name.
const WATCH_OVERHEAD: usize = 192;

/// What WATCH watches.
#[derive(Debug, Default)]
pub struct Watching {
    /// Raised when a watched key changes.
    pub watch: Arc<Watch>,
    /// The keys.
    pub keys: HashSet<Watched>,
    /// Heap bytes that they hold.
    pub bytes: usize,
}

/// One watched key.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    /// The database it is watched in.
    pub database: Database,
    /// Its name.
    pub name: Box<[u8]>,
}

impl Watching {
    /// Enters a key, once.
    pub fn add(&mut self, key: Watched) {
        let bytes = key.name.len() + WATCH_OVERHEAD;
        if self.keys.insert(key) {
            self.bytes += bytes;
        }
    }

    /// Takes all watches off.
    pub fn end(&self, cache: &Cache) {
        for key in &self.keys {
            cache.unwatch(key.database, &key.name, &self.watch);
        }
    }
}
