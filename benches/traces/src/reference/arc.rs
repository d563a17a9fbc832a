//! ARC: what was read once and what was read again, their ghosts, and a target between them that the ghosts' hits move.

use super::Reference;
use super::lists::Lists;

const RECENT: u8 = 1;
const FREQUENT: u8 = 2;
const RECENT_GHOST: u8 = 3;
const FREQUENT_GHOST: u8 = 4;

pub(super) struct Arc {
    lists: Lists,
    /// Bytes meant for what was read once.
    target: u64,
    capacity: u64,
}

impl Arc {
    pub(super) fn new(entries: usize, capacity: u64) -> Self {
        Self { lists: Lists::new(entries, 4), target: 0, capacity }
    }

    fn replace(&mut self, is_frequent_ghost: bool) {
        let recent = self.lists.bytes(RECENT);
        let from_recent =
            recent > 0 && (recent > self.target || (is_frequent_ghost && recent == self.target));
        let (from, to) = if from_recent || self.lists.bytes(FREQUENT) == 0 {
            (RECENT, RECENT_GHOST)
        } else {
            (FREQUENT, FREQUENT_GHOST)
        };
        if let Some(entry) = self.lists.head(from) {
            self.lists.move_to(to, entry);
        }
    }

    fn make_room(&mut self, size: u64, is_frequent_ghost: bool) {
        while self.lists.bytes(RECENT) + self.lists.bytes(FREQUENT) + size > self.capacity {
            self.replace(is_frequent_ghost);
        }
    }
}

impl Reference for Arc {
    fn access(&mut self, entry: u32, size: u64) -> bool {
        let list = self.lists.list_of(entry);
        let (recent, frequent) = (self.lists.bytes(RECENT_GHOST), self.lists.bytes(FREQUENT_GHOST));
        match list {
            RECENT | FREQUENT => {
                self.lists.move_to(FREQUENT, entry);
                return true;
            }
            RECENT_GHOST => {
                let step = (frequent / recent.max(1)).max(1) * size;
                self.target = (self.target + step).min(self.capacity);
            }
            FREQUENT_GHOST => {
                let step = (recent / frequent.max(1)).max(1) * size;
                self.target = self.target.saturating_sub(step);
            }
            _ => {
                while self.lists.bytes(RECENT) + self.lists.bytes(RECENT_GHOST) + size > self.capacity {
                    if self.lists.pop(RECENT_GHOST).is_none() {
                        self.lists.pop(RECENT);
                    }
                }
                self.make_room(size, false);
                let all =
                    |lists: &Lists| (RECENT..=FREQUENT_GHOST).map(|list| lists.bytes(list)).sum::<u64>();
                while all(&self.lists) + size > 2 * self.capacity && self.lists.pop(FREQUENT_GHOST).is_some()
                {
                }
                self.lists.push(RECENT, entry, size);
                return false;
            }
        }
        self.lists.remove(entry);
        self.make_room(size, list == FREQUENT_GHOST);
        self.lists.push(FREQUENT, entry, size);
        false
    }
}
