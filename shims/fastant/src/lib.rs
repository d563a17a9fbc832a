//! A clock for foyer's device statistics, in place of the crate `fastant`.
//!
//! That one reads the processor's time stamp counter, and calibrates it before `main` for about twenty milliseconds in every
//! process that links it: longer than the agent takes from exec to its first answer. foyer reads this clock once an I/O, so
//! the system's own does as well. `[patch.crates-io]` in the workspace's manifest puts it in its place; only what foyer calls
//! is here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A moment, in nanoseconds since the first was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        static FIRST: OnceLock<std::time::Instant> = OnceLock::new();
        Self(FIRST.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64)
    }

    /// Time since an earlier moment; nothing if it was later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Time since this moment.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }
}

/// A moment that several threads may move.
#[derive(Debug)]
pub struct Atomic(AtomicU64);

impl Atomic {
    /// Begins with a moment.
    #[must_use]
    pub fn new(moment: Instant) -> Self {
        Self(AtomicU64::new(moment.0))
    }

    /// The moment.
    #[must_use]
    pub fn load(&self, order: Ordering) -> Instant {
        Instant(self.0.load(order))
    }

    /// Sets the moment.
    pub fn store(&self, moment: Instant, order: Ordering) {
        self.0.store(moment.0, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let (atomic, begun) = (Atomic::new(Instant::now()), Instant::now());
        std::thread::sleep(Duration::from_millis(2));
        assert!(begun.elapsed() >= Duration::from_millis(2));
        atomic.store(Instant::now(), Ordering::Relaxed);
        assert!(atomic.load(Ordering::Relaxed).duration_since(begun) >= Duration::from_millis(2));
        assert_eq!(begun.duration_since(Instant::now()), Duration::ZERO);
    }
}
