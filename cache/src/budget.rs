//! The budget: how many bytes all shards together may hold, and how many they do.

use std::sync::atomic::{AtomicUsize, Ordering};

/// However much is lent, the cache keeps this part of the limit.
const LEFT_SHARE_MIN: usize = 4;

/// One limit for all shards.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes held by all shards, as last told by each.
    used: AtomicUsize,
    limit: AtomicUsize,
    /// Bytes that somebody else holds out of the same limit.
    lent: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit: AtomicUsize::new(limit), lent: AtomicUsize::new(0) }
    }

    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn lend(&self, bytes: usize) {
        self.lent.store(bytes, Ordering::Relaxed);
    }

    /// Notes that one shard holds `now` bytes where it held `before`.
    #[inline]
    pub(crate) fn change(&self, before: usize, now: usize) {
        if now > before {
            self.used.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Bytes to stay under so that an opened segment does not pass the limit.
    #[inline]
    pub(crate) fn target(&self) -> usize {
        let limit = self.limit_left();
        limit - limit / 32
    }

    #[inline]
    fn limit_left(&self) -> usize {
        let limit = self.limit();
        limit.saturating_sub(self.lent.load(Ordering::Relaxed)).max(limit / LEFT_SHARE_MIN)
    }

    /// Whether so many bytes need no room to be made.
    #[inline]
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used() + bytes <= self.target()
    }

    /// Whether so many more bytes fit under the limit itself.
    #[inline]
    pub(crate) fn has_room_at_once(&self, bytes: usize) -> bool {
        self.used() + bytes <= self.limit_left()
    }
}
