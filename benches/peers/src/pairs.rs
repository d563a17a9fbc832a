//! CPU time of two servers under the same load, in interleaved pairs.
//!
//! Absolute CPU times drift by tens of percent on a shared machine. Two slices next to each other drift together,
//! so only their ratio is kept, and the order alternates (A B, B A, A B ...) so that a steady drift favours neither.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use crate::keys::Keys;
use crate::load::Load;
use crate::procfs::CpuClock;
use crate::stats::{Interval, median_interval};

/// One side of a pair: its load and the clocks of the processes that serve it.
pub(crate) struct Side {
    /// The loads, connected; each runs in a thread of its own if there are several.
    pub(crate) loads: Vec<Load>,
    /// The servers' CPU clocks; usually one.
    pub(crate) clocks: Vec<CpuClock>,
}

impl Side {
    fn clock_ns(&self) -> u64 {
        self.clocks.iter().map(CpuClock::settled_ns).sum()
    }

    fn run(&mut self, rounds: u64, keys: Keys) -> anyhow::Result<u64> {
        if let [load] = self.loads.as_mut_slice() {
            return load.run(rounds, keys);
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .loads
                .iter_mut()
                .zip(1..)
                .map(|(load, thread)| scope.spawn(move || load.run(rounds, keys.apart(thread))))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a load thread panicked"))?)
                .sum()
        })
    }

    /// Nanoseconds of the servers' CPU per operation over so many rounds.
    fn slice(&mut self, rounds: u64, keys: Keys) -> anyhow::Result<f64> {
        let before = self.clock_ns();
        let ops = self.run(rounds, keys)?;
        Ok((self.clock_ns() - before) as f64 / ops as f64)
    }
}

/// What a comparison found.
pub(crate) struct Compared {
    /// CPU per operation of the first over that of the second.
    pub(crate) ratio: Interval,
    /// Median nanoseconds per operation of the first.
    pub(crate) first_ns: f64,
    /// Median nanoseconds per operation of the second.
    pub(crate) second_ns: f64,
}

/// Compares two sides in `pairs` pairs of slices of about `slice` each. Both get the same keys in each pair.
pub(crate) fn compare(
    first: &mut Side,
    second: &mut Side,
    keys: impl Fn(u64) -> Keys,
    pairs: u16,
    slice: Duration,
) -> anyhow::Result<Compared> {
    let rounds = calibrate(first, &keys, slice)?;
    // Both warm up the same way, so that no pair sees the first touch of a page.
    second.slice(rounds, keys(0)).context("warming up")?;
    let (mut ratios, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 1..=u64::from(pairs) {
        let (a, b);
        if pair % 2 == 1 {
            a = first.slice(rounds, keys(pair))?;
            b = second.slice(rounds, keys(pair))?;
        } else {
            b = second.slice(rounds, keys(pair))?;
            a = first.slice(rounds, keys(pair))?;
        }
        ratios.push(a / b);
        firsts.push(a);
        seconds.push(b);
    }
    Ok(Compared {
        ratio: median_interval(&mut ratios),
        first_ns: median_interval(&mut firsts).median,
        second_ns: median_interval(&mut seconds).median,
    })
}

/// How many rounds fill a slice; the rounds, not the time, are then the same for both.
fn calibrate(side: &mut Side, keys: &impl Fn(u64) -> Keys, slice: Duration) -> anyhow::Result<u64> {
    let mut rounds = 100;
    loop {
        let began = Instant::now();
        side.run(rounds, keys(0)).context("calibrating")?;
        let took = began.elapsed();
        if took > slice / 4 || rounds > 10_000_000 {
            return Ok(((rounds as f64 * slice.as_secs_f64() / took.as_secs_f64()) as u64).max(1));
        }
        rounds *= 2;
    }
}
