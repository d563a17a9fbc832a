//! A cache over a directory, used as the agent does: what waits for room or for the disk waits, and is tried again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use larder_cache::clock::now;
use larder_cache::{
    Cache, Config, Cursor, Deadline, DiskOptions, Fetches, Key, NewTags, NewValue, Policy, Room, Section,
    Tags, Warmth,
};

/// How a subject is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) memory: usize,
    pub(crate) disk: u64,
    pub(crate) shards: usize,
    pub(crate) policy: Policy,
}

impl Default for Shape {
    fn default() -> Self {
        Self { memory: 8 << 20, disk: 64 << 20, shards: 1, policy: Policy::AllKeys }
    }
}

pub(crate) struct Subject {
    pub(crate) cache: Arc<Cache>,
    pub(crate) tending: tokio::task::JoinHandle<()>,
}

impl Subject {
    pub(crate) async fn open(directory: &Path, shards: usize) -> (Self, Warmth) {
        Self::shaped(directory, Shape { shards, ..Shape::default() }).await
    }

    pub(crate) async fn shaped(directory: &Path, shape: Shape) -> (Self, Warmth) {
        let Shape { memory, disk, shards, policy } = shape;
        let config = Config { memory, shards, policy, ..Config::default() };
        let options = DiskOptions {
            directory: directory.to_owned(),
            bytes: disk,
            write_rate: 0,
            min_ttl_ms: 1000,
            timeout: Duration::from_secs(5),
            keys: None,
        };
        let (cache, warmth) = Cache::with_disk(config, options).await.expect("a cache over a directory");
        let cache = Arc::new(cache);
        let tended = Arc::clone(&cache);
        (Self { cache, tending: tokio::spawn(async move { tended.tend().await }) }, warmth)
    }

    /// Does something in a section over one key, waiting for room and for the disk as the agent does.
    pub(crate) async fn with<T>(
        &self,
        name: &[u8],
        writes: bool,
        work: impl FnMut(&mut Section<'_>, &Key<'_>) -> T,
    ) -> T {
        self.within(0, name, writes, work).await
    }

    /// The same in any database.
    pub(crate) async fn within<T>(
        &self,
        database: u16,
        name: &[u8],
        writes: bool,
        mut work: impl FnMut(&mut Section<'_>, &Key<'_>) -> T,
    ) -> T {
        let mut fetched = Fetches::default();
        loop {
            if writes {
                while self.cache.make_room(4096, now()) != Room::Made {
                    tokio::task::yield_now().await;
                }
            }
            let wanted = {
                let key = self.cache.key(database, name);
                let Ok(mut section) = self.cache.section(&[key], now()) else { continue };
                section.lend(&fetched);
                let is_ready = !writes || section.prepare(&key, true);
                let done = is_ready.then(|| work(&mut section, &key));
                let wanted = section.wanted();
                match done {
                    Some(done) if wanted.is_empty() => {
                        drop(section);
                        self.cache.commit().expect("a journal");
                        return done;
                    }
                    _ => wanted,
                }
            };
            fetched = self.cache.fetch(wanted, 1, fetched).await;
        }
    }

    pub(crate) async fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.with(name, false, |section, key| section.get(key).map(|view| view.value.to_vec())).await
    }

    pub(crate) async fn set(&self, name: &[u8], value: &[u8], deadline: Deadline, tags: &Tags) {
        self.with(name, true, |section, key| {
            section.set_tagged(key, NewValue::Copied(value), deadline, NewTags::These(tags)).expect("room");
        })
        .await;
    }

    pub(crate) async fn names(&self, count: usize) -> Vec<Vec<u8>> {
        let (mut cursor, mut found, mut fetched) = (Cursor(0), Vec::new(), Fetches::default());
        loop {
            let (next, wanted) =
                self.cache.scan(0, cursor, count, now(), &fetched, |name| found.push(name.to_vec()));
            fetched = if wanted.is_empty() {
                if next == Cursor(0) {
                    return found;
                }
                Fetches::default()
            } else {
                self.cache.fetch(wanted, 1, fetched).await
            };
            cursor = next;
        }
    }

    pub(crate) fn kill(self) {
        self.tending.abort();
    }

    pub(crate) async fn stop(self) {
        self.tending.abort();
        let _ = self.tending.await;
        let sealed = self.cache.seal(true, Duration::from_secs(60)).await;
        assert!(sealed.is_complete);
    }
}
