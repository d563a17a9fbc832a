//! The cache engine of Larder: memory-bounded, scan-resistant, aware of TTLs, and usable without the rest of Larder.
//!
//! Entries live in a log of fixed segments under an ordered index; eviction is weighed by bytes and follows what would
//! have missed least lately: S3-FIFO, recency or frequency; every byte, overhead included, counts against one limit. All access goes through [`Cache`] and its atomic [`Section`]s.
//!
//! ```
//! use larder_cache::{Cache, Config, Deadline, NewValue, clock};
//!
//! let cache = Cache::new(Config { memory: 64 << 20, ..Config::default() });
//! let key = cache.key(0, b"greeting");
//! let now = clock::now();
//!
//! // Room is made before an atomic section is entered: only this can wait, never what happens inside.
//! while cache.make_room(64, now) == larder_cache::Room::Busy { /* yield to others here */ }
//!
//! let mut section = cache.section(&[key], now).expect("no database was exchanged meanwhile");
//! section.set(&key, NewValue::Copied(b"hello"), Deadline::At(clock::Millis(now.0 + 60_000))).expect("there is room");
//! assert_eq!(section.get(&key).map(|view| view.value.to_vec()), Some(b"hello".to_vec()));
//! assert!(section.remove(&key));
//! assert!(section.get(&key).is_none());
//! ```
//!
//! The cache may lose an entry at any time; what it answers is never deleted, overwritten or past its deadline.

mod budget;
mod cache;
pub mod clock;
mod databases;
mod disk;
mod fills;
mod held;
mod index;
pub mod journal;
mod key;
mod layout;
mod ledger;
mod memory;
mod policy;
mod section;
mod shard;
mod stats;
mod stay;
mod tags;
mod tier;
mod validity;
mod value;
mod watch;

pub use cache::figures::{DiskFigures, LatencyFigures};
pub use cache::load::{Fetches, Unsafe, Wanted};
pub use cache::seal::Sealed;
pub use cache::{Cache, Config, Cursor, Figures, MEMORY_MIN, Room};
pub use fills::{Actor, FillBook};
pub use key::{Database, Key};
pub use memory::record::VALUE_INLINE_MAX;
pub use policy::Policy;
pub use section::{DatabaseFigures, Full, Moved, Section, Stored, Why};
pub use shard::history::{Arrival, Departure};
pub use stats::Stats;
pub use stay::{Barred, Stay};
pub use tags::{TAG_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX, TagError, Tags};
pub use tier::LATENCY_BOUNDS_US;
pub use tier::options::{DiskError, DiskOptions, Warmth};
pub use validity::{Invalidation, Purge};
pub use value::{Deadline, NewTags, NewValue, Value, View};
pub use watch::Watch;

/// What must hold of any bytes offered as a segment; the fuzz target runs it.
///
/// # Panics
/// If something does not hold.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub fn scrutinize_segment(data: &[u8]) {
    disk::segment::scrutiny::run(data);
}
