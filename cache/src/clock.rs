//! Time as the cache knows it: milliseconds on `CLOCK_BOOTTIME`, which counts suspended time and never steps.
//!
//! A wall-clock deadline (`EXPIREAT`) is converted once, when it arrives; a later step of the wall clock changes no TTL.

use std::sync::atomic::{AtomicI64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds on `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

/// The latest deadline: what a signed number of milliseconds holds.
pub const DEADLINE_MAX: Millis = Millis(i64::MAX as u64);

/// How far the two clocks may drift apart before the conversion between them is renewed.
///
/// Two reads of two clocks differ by a little each time; a fixed offset makes `EXPIRETIME` answer the very number that
/// `EXPIREAT` was given.
const OFFSET_TOLERANCE_MS: i64 = 5;

/// Nanoseconds on `CLOCK_BOOTTIME`: one read serves a command's TTL checks and its latency figure.
#[must_use]
pub fn boot_nanos() -> u64 {
    let t = clock_gettime(ClockId::Boottime);
    (t.tv_sec as u64) * 1_000_000_000 + t.tv_nsec as u64
}

/// The present on `CLOCK_BOOTTIME`.
#[must_use]
pub fn now() -> Millis {
    Millis(boot_nanos() / 1_000_000)
}

/// Nanoseconds since the Unix epoch by the wall clock.
#[must_use]
pub fn wall_nanos() -> i128 {
    let t = clock_gettime(ClockId::Realtime);
    i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec)
}

/// Converts between deadlines on the wall clock and on `CLOCK_BOOTTIME`.
#[derive(Debug)]
pub struct WallClock {
    offset_ms: AtomicI64,
}

impl WallClock {
    /// Reads both clocks once.
    #[must_use]
    pub fn new() -> Self {
        Self { offset_ms: AtomicI64::new(measure_offset_ms()) }
    }

    /// Milliseconds to add to a boot time to get Unix time.
    fn offset_ms(&self) -> i64 {
        let measured = measure_offset_ms();
        let held = self.offset_ms.load(Ordering::Relaxed);
        if (measured - held).abs() <= OFFSET_TOLERANCE_MS {
            return held;
        }
        self.offset_ms.store(measured, Ordering::Relaxed);
        measured
    }

    /// The boot-time deadline for a Unix time in milliseconds; a time before boot becomes zero, which is always past.
    #[must_use]
    pub fn deadline(&self, unix_ms: i64) -> Millis {
        let boot = i128::from(unix_ms) - i128::from(self.offset_ms());
        Millis(boot.clamp(0, i128::from(DEADLINE_MAX.0)) as u64)
    }

    /// The Unix time in milliseconds of a boot-time deadline.
    #[must_use]
    pub fn unix_ms(&self, deadline: Millis) -> i64 {
        (deadline.0 as i64).saturating_add(self.offset_ms())
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

fn measure_offset_ms() -> i64 {
    let wall = wall_nanos();
    let boot = i128::from(boot_nanos());
    ((wall - boot) / 1_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_deadline_comes_back_unchanged() {
        let wall = WallClock::new();
        let unix_ms = (wall_nanos() / 1_000_000) as i64 + 123_457;
        assert_eq!(wall.unix_ms(wall.deadline(unix_ms)), unix_ms);
    }

    #[test]
    fn a_time_before_boot_is_past() {
        assert_eq!(WallClock::new().deadline(1), Millis(0));
    }
}
