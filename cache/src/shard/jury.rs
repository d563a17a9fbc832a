//! The jury: what the trials of all shards saw, taken together, and the rule in force that follows from it.
//!
//! Keys are spread over shards by their hash, so every shard sees the same workload, and what one has seen counts for all. Were
//! each to choose for itself, those that hold on to what they have would take the room of those that make way, until these
//! were too small to see what they miss.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::rule::Rule;

/// After each walk of a trial over its sample misses count for a part less,
const FORGET: u32 = 128;
/// but for a few, without which the walks of a small cache would tell too little.
const MISSES_KEPT_MIN: u32 = 1500;
/// Misses of a rule in force before it is compared.
const MISSES_MIN: u32 = 64;
/// Another rule must miss less by so many of 256 parts. What the cache does colours what the trials see, so each change asks
/// for more of the next one, up to a limit; that wears off a part at a time.
const BETTER_BY: u32 = 12;
const BETTER_BY_FIRST: u32 = 24;
const BETTER_BY_MAX: u32 = 40;
/// Walks over the sample after which one part has worn off.
const WEAR: u32 = 128;

/// Misses of each rule.
pub(super) type Misses = [u32; Rule::ALL.len()];

/// Which rule of eviction is in force in all shards.
#[derive(Debug)]
pub(crate) struct Jury {
    /// Read by every shard; what led to it is behind the lock.
    in_force: AtomicUsize,
    heard: Mutex<Heard>,
}

#[derive(Debug)]
struct Heard {
    /// Those of long ago count for less.
    misses: Misses,
    /// By how many of 256 parts another rule must be better now.
    better_by: u32,
    walks: u32,
}

impl Default for Jury {
    fn default() -> Self {
        let balance = Rule::ALL.iter().position(|&rule| rule == Rule::Balance).unwrap_or_default();
        let heard = Heard { misses: Misses::default(), better_by: BETTER_BY_FIRST, walks: 0 };
        Self { in_force: AtomicUsize::new(balance), heard: Mutex::new(heard) }
    }
}

impl Jury {
    /// The rule in force.
    pub(super) fn rule(&self) -> Rule {
        Rule::ALL[self.in_force.load(Ordering::Relaxed)]
    }

    /// Hears what one trial has seen since it was last heard, and compares the rules. True if another one is in force now.
    pub(super) fn hear(&self, seen: Misses) -> bool {
        let mut heard = self.heard.lock();
        let in_force = self.in_force.load(Ordering::Relaxed);
        heard.misses.iter_mut().zip(seen).for_each(|(sum, more)| *sum += more);
        let misses = heard.misses;
        let best = (0..misses.len()).min_by_key(|&number| misses[number]).unwrap_or(in_force);
        let (least, now) = (misses[best], misses[in_force]);
        let is_better = now > MISSES_MIN && least + now * heard.better_by / 256 + now.isqrt() < now;
        if now >= MISSES_KEPT_MIN {
            heard.misses.iter_mut().for_each(|misses| *misses -= *misses / FORGET);
        }
        heard.walks = heard.walks.wrapping_add(1);
        if heard.walks.is_multiple_of(WEAR) {
            heard.better_by = (heard.better_by - 1).max(BETTER_BY);
        }
        if is_better {
            heard.better_by = (heard.better_by + BETTER_BY).min(BETTER_BY_MAX);
            self.in_force.store(best, Ordering::Relaxed);
        }
        is_better
    }
}
