//! The bytes that connections hold: torn commands, unsent replies, queued transactions, and replies that the kernel holds
//! because nobody reads them. Together they stay under a quarter of memory; past that the connection that holds most is closed.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The sum over all connections.
#[derive(Debug, Default)]
pub struct Buffers {
    held: AtomicUsize,
    in_kernel: AtomicUsize,
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

    /// Corrects what the kernel holds, which is part of the sum; returns the new sum.
    pub fn change_in_kernel(&self, from: usize, to: usize) -> usize {
        // Wrapping is as good as a signed difference.
        self.in_kernel.fetch_add(to.wrapping_sub(from), Relaxed);
        self.change(from, to)
    }

    /// Bytes held by the kernel, as far as it is known.
    #[must_use]
    pub fn in_kernel(&self) -> usize {
        self.in_kernel.load(Relaxed)
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
