//! SIEVE: a queue in which a hand passes what was read since it last came by.

use super::Reference;
use super::lists::{Lists, NOWHERE};

const ALL: u8 = 1;

pub(super) struct Sieve {
    lists: Lists,
    was_read: Vec<bool>,
    hand: Option<u32>,
    capacity: u64,
}

impl Sieve {
    pub(super) fn new(entries: usize, capacity: u64) -> Self {
        Self { lists: Lists::new(entries, 1), was_read: vec![false; entries], hand: None, capacity }
    }

    fn evict(&mut self) {
        let mut at = self.hand.or_else(|| self.lists.head(ALL));
        while let Some(entry) = at {
            let next = self.lists.after(entry);
            if !std::mem::take(&mut self.was_read[entry as usize]) {
                self.lists.remove(entry);
                self.hand = next;
                return;
            }
            at = next.or_else(|| self.lists.head(ALL));
        }
    }
}

impl Reference for Sieve {
    fn access(&mut self, entry: u32, size: u64) -> bool {
        if self.lists.list_of(entry) != NOWHERE {
            self.was_read[entry as usize] = true;
            return true;
        }
        while self.lists.bytes(ALL) + size > self.capacity {
            self.evict();
        }
        self.was_read[entry as usize] = false;
        self.lists.push(ALL, entry, size);
        false
    }
}
