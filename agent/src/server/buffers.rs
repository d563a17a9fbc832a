//! The bytes that connections hold: torn commands, unsent replies, queued transactions. Together they stay under a quarter
//! of memory; past that the connection that holds most is closed.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The sum over all connections.
#[derive(Debug, Default)]
pub struct Buffers {
    held: AtomicUsize,
}

/// The share of memory that buffers may take: a quarter.
const SHARE: usize = 4;

impl Buffers {
    /// Corrects the sum by one connection's change; returns the new sum.
    pub fn change(&self, from: usize, to: usize) -> usize {
        if to >= from {
            self.held.fetch_add(to - from, Relaxed) + (to - from)
        } else {
            self.held.fetch_sub(from - to, Relaxed) - (from - to)
        }
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// The limit that a memory limit implies.
    #[must_use]
    pub fn limit(memory: usize) -> usize {
        memory / SHARE
    }
}
