//! W-TinyLFU: an LRU window before a segmented LRU, into which only what a sketch has seen more often than the victim comes.

use super::Reference;
use super::lists::Lists;
use crate::random::scramble;

const WINDOW: u8 = 1;
const PROBATION: u8 = 2;
const PROTECTED: u8 = 3;
/// The protected part of the main space, in percent.
const PROTECTED_PERCENT: u64 = 80;

pub(super) struct TinyLfu {
    lists: Lists,
    sketch: Sketch,
    window: u64,
    main: u64,
}

impl TinyLfu {
    pub(super) fn new(entries: usize, capacity: u64, window_percent: u64) -> Self {
        let window = (capacity * window_percent / 100).max(1);
        // The sketch counts entries, whatever their size.
        let resident = capacity.min(entries as u64).max(1) as usize;
        Self { lists: Lists::new(entries, 3), sketch: Sketch::new(resident), window, main: capacity - window }
    }

    fn main_bytes(&self) -> u64 {
        self.lists.bytes(PROBATION) + self.lists.bytes(PROTECTED)
    }

    /// Lets an entry that left the window into the main space, if it has been seen more often than all it displaces.
    fn admit(&mut self, entry: u32) {
        let size = self.lists.size_of(entry);
        if size > self.main {
            return self.lists.remove(entry);
        }
        while self.main_bytes() + size > self.main {
            let Some(victim) = self.lists.head(PROBATION).or_else(|| self.lists.head(PROTECTED)) else {
                break;
            };
            if self.sketch.count(entry) <= self.sketch.count(victim) {
                return self.lists.remove(entry);
            }
            self.lists.remove(victim);
        }
        self.lists.move_to(PROBATION, entry);
    }
}

impl Reference for TinyLfu {
    fn access(&mut self, entry: u32, size: u64) -> bool {
        self.sketch.add(entry);
        match self.lists.list_of(entry) {
            WINDOW => self.lists.move_to(WINDOW, entry),
            PROTECTED => self.lists.move_to(PROTECTED, entry),
            PROBATION => {
                self.lists.move_to(PROTECTED, entry);
                while self.lists.bytes(PROTECTED) > self.main * PROTECTED_PERCENT / 100 {
                    let Some(oldest) = self.lists.head(PROTECTED) else { break };
                    self.lists.move_to(PROBATION, oldest);
                }
            }
            _ => {
                self.lists.push(WINDOW, entry, size);
                while self.lists.bytes(WINDOW) > self.window {
                    let Some(oldest) = self.lists.head(WINDOW) else { break };
                    self.admit(oldest);
                }
                return false;
            }
        }
        true
    }
}

const ROWS: usize = 4;
/// Counts are halved after so many accesses for each resident entry.
const SAMPLE: u64 = 10;
const COUNT_MAX: u8 = 15;

/// A count-min sketch of four rows with conservative updates and halving.
struct Sketch {
    rows: [Vec<u8>; ROWS],
    added: u64,
    halve_at: u64,
}

impl Sketch {
    fn new(resident: usize) -> Self {
        let width = (resident * 4).next_power_of_two().max(64);
        Self { rows: std::array::from_fn(|_| vec![0; width]), added: 0, halve_at: SAMPLE * resident as u64 }
    }

    fn places(&self, entry: u32) -> [usize; ROWS] {
        let mask = self.rows[0].len() - 1;
        std::array::from_fn(|row| scramble(u64::from(entry) << 3 | row as u64) as usize & mask)
    }

    fn count(&self, entry: u32) -> u8 {
        let places = self.places(entry);
        (0..ROWS).map(|row| self.rows[row][places[row]]).min().unwrap_or(0)
    }

    fn add(&mut self, entry: u32) {
        let (count, places) = (self.count(entry), self.places(entry));
        if count < COUNT_MAX {
            for (row, place) in self.rows.iter_mut().zip(places) {
                row[place] = row[place].max(count + 1);
            }
        }
        self.added += 1;
        if self.added >= self.halve_at {
            self.added /= 2;
            self.rows.iter_mut().flatten().for_each(|count| *count /= 2);
        }
    }
}
