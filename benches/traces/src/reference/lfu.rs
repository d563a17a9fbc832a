//! LFU: the least often read since it came goes first, among equals the one that came to its count first.

use std::collections::BTreeSet;

use super::Reference;

pub(super) struct Lfu {
    /// Reads, the moment of the last, and the entry.
    order: BTreeSet<(u64, u64, u32)>,
    /// Reads, the moment of the last, and the size of what is resident.
    rows: Vec<Option<(u64, u64, u64)>>,
    moment: u64,
    bytes: u64,
    capacity: u64,
}

impl Lfu {
    pub(super) fn new(entries: usize, capacity: u64) -> Self {
        Self { order: BTreeSet::new(), rows: vec![None; entries], moment: 0, bytes: 0, capacity }
    }
}

impl Reference for Lfu {
    fn access(&mut self, entry: u32, size: u64) -> bool {
        self.moment += 1;
        let moment = self.moment;
        if let Some((reads, last, size)) = self.rows[entry as usize] {
            self.order.remove(&(reads, last, entry));
            self.order.insert((reads + 1, moment, entry));
            self.rows[entry as usize] = Some((reads + 1, moment, size));
            return true;
        }
        while self.bytes + size > self.capacity {
            let Some((_, _, victim)) = self.order.pop_first() else { break };
            self.bytes -= self.rows[victim as usize].take().map_or(0, |(_, _, size)| size);
        }
        self.order.insert((1, moment, entry));
        self.rows[entry as usize] = Some((1, moment, size));
        self.bytes += size;
        false
    }
}
