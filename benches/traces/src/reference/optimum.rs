//! The optimum: keep what is asked for again soonest, and do not even store what comes back later than all that is kept.

use std::collections::BTreeSet;

use super::{Ratio, Tally};
use crate::trace::Trace;

const NEVER: u32 = u32::MAX;

pub(super) fn run(trace: &Trace, capacity: u64) -> Ratio {
    let mut next = vec![NEVER; trace.requests.len()];
    let mut seen = vec![NEVER; trace.sizes.len()];
    for (moment, &entry) in trace.requests.iter().enumerate().rev() {
        next[moment] = std::mem::replace(&mut seen[entry as usize], moment as u32);
    }
    // When each resident entry is asked for next, latest last.
    let mut order = BTreeSet::new();
    let (mut bytes, mut tally) = (0, Tally::default());
    for (moment, &entry) in trace.requests.iter().enumerate() {
        let size = trace.size(entry);
        let is_hit = order.remove(&(moment as u32, entry));
        tally.count(size, is_hit);
        if is_hit {
            bytes -= size;
        }
        if next[moment] == NEVER {
            continue;
        }
        order.insert((next[moment], entry));
        bytes += size;
        while bytes > capacity {
            let Some((_, victim)) = order.pop_last() else { break };
            bytes -= trace.size(victim);
        }
    }
    tally.ratio()
}
