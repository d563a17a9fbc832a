//! The disk tier beside memcached's extstore, and what it costs to keep, to stop and to start again.
//!
//! Both get the same memory, a memory cgroup of the same size each (page cache counts there), a Unix socket, one worker, and the
//! same keys in the same order. Both write whatever leaves memory, however short or long: extstore is told to take small values,
//! neither has a limit of rate or age, nothing expires, and the disk has room for everything. Extstore is otherwise as shipped.

mod beside;
mod client;
mod restart;
mod scan;
mod side;
mod zipf;

use crate::bench::Bench;
use crate::program::installed;
use crate::report::{Figure, progress};

const NAME: &str = "disk";
const MIB: u64 = 1 << 20;

/// Compares with extstore, where that is installed.
pub(crate) fn beside(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    if !installed("memcached") {
        progress("no memcached found: nothing is compared with extstore");
        return Ok(Vec::new());
    }
    beside::measure(bench)
}

/// Takes the figures that concern Larder alone.
pub(crate) fn alone(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    restart::measure(bench)
}
