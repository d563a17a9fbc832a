//! A key on its way to the cache: its bytes, its database's incarnation, and their keyed hash.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip::SipHasher13;

/// Number of a database, as `SELECT` takes it.
pub type Database = u16;

/// A key, hashed once when it arrives. Made by [`Cache::key`](crate::Cache::key).
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub(crate) hash: u64,
    pub(crate) incarnation: u32,
    pub(crate) database: Database,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Key<'a> {
    /// The key's own bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The database it was hashed for.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database
    }

    /// Whether two keys name the same entry.
    #[must_use]
    pub fn is(&self, other: &Key<'_>) -> bool {
        self.incarnation == other.incarnation && self.bytes == other.bytes
    }

    pub(crate) fn index_hash(&self) -> u32 {
        index_hash(self.hash)
    }
}

/// The half of the hash that orders the index; the other half picks the shard and the ghost's bucket.
#[inline]
pub(crate) fn index_hash(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A secret that keeps clients from choosing keys that collide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    halves: (u64, u64),
}

impl Seed {
    pub(crate) fn random() -> Self {
        // RandomState takes its keys from the operating system once per thread and never repeats one.
        let draw = || RandomState::new().build_hasher().finish();
        Self { halves: (draw(), draw()) }
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let half = |bytes: &[u8]| bytes.iter().rev().fold(0, |half, &byte| half << 8 | u64::from(byte));
        Self { halves: (half(&bytes[..8]), half(&bytes[8..])) }
    }

    #[inline]
    pub(crate) fn hash(self, incarnation: u32, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.halves.0 ^ u64::from(incarnation), self.halves.1);
        hasher.write(key);
        hasher.finish()
    }
}
