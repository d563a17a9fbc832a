//! S3-FIFO: a small queue of a tenth, a main queue in which what was read goes round, and a ghost as large as the main queue.

use super::Reference;
use super::lists::{Lists, NOWHERE};

const SMALL: u8 = 1;
const MAIN: u8 = 2;
const GHOST: u8 = 3;
/// Reads that lead from the small queue to the main one.
const READS_TO_MAIN: u8 = 2;

pub(super) struct S3Fifo {
    lists: Lists,
    reads: Vec<u8>,
    small: u64,
    main: u64,
}

impl S3Fifo {
    pub(super) fn new(entries: usize, capacity: u64) -> Self {
        let small = (capacity / 10).max(1);
        Self { lists: Lists::new(entries, 3), reads: vec![0; entries], small, main: capacity - small }
    }

    fn evict_small(&mut self) {
        while let Some(entry) = self.lists.head(SMALL) {
            if self.reads[entry as usize] >= READS_TO_MAIN {
                self.reads[entry as usize] = 0;
                self.lists.move_to(MAIN, entry);
                if self.lists.bytes(MAIN) > self.main {
                    return self.evict_main();
                }
            } else {
                self.lists.move_to(GHOST, entry);
                while self.lists.bytes(GHOST) > self.main {
                    self.lists.pop(GHOST);
                }
                return;
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(entry) = self.lists.head(MAIN) {
            let reads = &mut self.reads[entry as usize];
            if *reads == 0 {
                self.lists.remove(entry);
                return;
            }
            *reads -= 1;
            self.lists.move_to(MAIN, entry);
        }
    }
}

impl Reference for S3Fifo {
    fn access(&mut self, entry: u32, size: u64) -> bool {
        let list = self.lists.list_of(entry);
        if list == SMALL || list == MAIN {
            let reads = &mut self.reads[entry as usize];
            *reads = (*reads + 1).min(3);
            return true;
        }
        if list == GHOST {
            self.lists.remove(entry);
        }
        while self.lists.bytes(SMALL) + self.lists.bytes(MAIN) + size > self.small + self.main {
            if self.lists.bytes(MAIN) > self.main || self.lists.head(SMALL).is_none() {
                self.evict_main();
            } else {
                self.evict_small();
            }
        }
        self.reads[entry as usize] = 0;
        // What alone is larger than the small queue would only push everything through it.
        let queue = if list == NOWHERE { SMALL } else { MAIN };
        self.lists.push(queue, entry, size);
        false
    }
}
