//! A transaction in the making: the commands that wait for EXEC, and the keys that must not change until then.

use std::sync::Arc;

use larder_cache::{Cache, Database, Watch, WatchedKey};

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

/// What WATCH watches.
#[derive(Debug, Default)]
pub struct Watching {
    /// Raised when a watched key changes.
    pub watch: Arc<Watch>,
    /// The keys, to look at them once more and to take the watch off.
    pub keys: Vec<Watched>,
}

/// One watched key.
#[derive(Debug)]
pub struct Watched {
    /// The database it is watched in.
    pub database: Database,
    /// Its name.
    pub name: Box<[u8]>,
    /// What takes the watch off.
    pub handle: WatchedKey,
}

impl Watching {
    /// Takes all watches off.
    pub fn end(&self, cache: &Cache) {
        for key in &self.keys {
            cache.unwatch(key.handle, &self.watch);
        }
    }
}
