//! FIFO and LRU: one queue, and whether a hit moves to its tail.

use super::Reference;
use super::lists::{Lists, NOWHERE};

const ALL: u8 = 1;

pub(super) struct Queue {
    lists: Lists,
    capacity: u64,
    moves: bool,
}

impl Queue {
    pub(super) fn fifo(entries: usize, capacity: u64) -> Self {
        Self { lists: Lists::new(entries, 1), capacity, moves: false }
    }

    pub(super) fn lru(entries: usize, capacity: u64) -> Self {
        Self { lists: Lists::new(entries, 1), capacity, moves: true }
    }
}

impl Reference for Queue {
    fn access(&mut self, entry: u32, size: u64) -> bool {
        if self.lists.list_of(entry) != NOWHERE {
            if self.moves {
                self.lists.move_to(ALL, entry);
            }
            return true;
        }
        while self.lists.bytes(ALL) + size > self.capacity {
            self.lists.pop(ALL);
        }
        self.lists.push(ALL, entry, size);
        false
    }
}
