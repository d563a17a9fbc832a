//! `CLIENT PAUSE`: a time until which commands wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Until when commands wait, and which.
#[derive(Debug, Default)]
pub struct Pause {
    /// Milliseconds on the boot clock; zero when nothing is paused.
    until_ms: AtomicU64,
    all: AtomicBool,
}

impl Pause {
    /// Makes commands wait: all of them, or only those that write.
    pub fn begin(&self, until_ms: u64, all: bool) {
        self.all.store(all, Ordering::Relaxed);
        self.until_ms.store(until_ms.max(1), Ordering::Release);
    }

    /// Lets everything go on.
    pub fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
    }

    /// Milliseconds that a command still has to wait; `None` if it may run.
    #[inline]
    #[must_use]
    pub fn remaining_ms(&self, now_ms: u64, writes: bool) -> Option<u64> {
        let until = self.until_ms.load(Ordering::Acquire);
        if until == 0 || until <= now_ms || !(writes || self.all.load(Ordering::Relaxed)) {
            return None;
        }
        Some(until - now_ms)
    }
}
