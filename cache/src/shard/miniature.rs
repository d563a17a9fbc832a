//! A miniature: the two queues of one rule over a sample of keys, without their values.

use std::collections::{HashMap, VecDeque};

use super::evict::RIVALS_MAX;
use super::rule::{Rule, Turn};
use super::trial::{Access, Cell};
use crate::memory::ghost::Ghost;
use crate::memory::sketch::Sketch;

/// A mark is zero for a key that is not held, else one of these and the reads, up to three.
const IN_SMALL: u8 = 0b0100;
const IN_MAIN: u8 = 0b1000;
const READS: u8 = 0b0011;

/// Counts reads in a mark.
pub(super) fn read(mark: &mut u8, times: u8) {
    *mark = (*mark & !READS) | ((*mark & READS) + times).min(READS);
}

#[derive(Debug)]
pub(super) struct Miniature {
    rule: Rule,
    /// Hashes of what is held, oldest first.
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    pub(super) small_bytes: usize,
    main_bytes: usize,
    ghost: Ghost,
    sketch: Sketch,
    grew: bool,
    /// Misses since the jury was last told.
    pub(super) misses: u32,
}

/// The ghost and the sketch take their places from both halves of a hash.
fn spread(hash: u32) -> u64 {
    let mixed = (u64::from(hash) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

impl Miniature {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            small: VecDeque::new(),
            main: VecDeque::new(),
            small_bytes: 0,
            main_bytes: 0,
            ghost: Ghost::default(),
            sketch: Sketch::default(),
            grew: false,
            misses: 0,
        }
    }

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        let queues = (self.small.capacity() + self.main.capacity()) * size_of::<u32>();
        queues + self.ghost.bytes() + self.sketch.bytes()
    }

    /// Bytes of the entries that this would be a cache of.
    pub(super) fn held(&self) -> usize {
        self.small_bytes + self.main_bytes
    }

    /// What the next step may judge.
    pub(super) fn heads(&self) -> [Option<u32>; 2] {
        [self.small.front().copied(), self.main.front().copied()]
    }

    /// Takes a key in that is not held; returns its mark.
    pub(super) fn enter(&mut self, access: Access) -> u8 {
        let hash = spread(access.hash);
        let bytes = access.bytes as usize;
        let returns = if self.rule.welcomes_back() {
            self.ghost.recall(hash)
        } else {
            self.sketch.fit(self.small.len() + self.main.len());
            self.sketch.add(hash, 1);
            false
        };
        let mark = if returns {
            self.main.push_back(access.hash);
            self.main_bytes += bytes;
            IN_MAIN
        } else {
            self.small.push_back(access.hash);
            self.small_bytes += bytes;
            IN_SMALL
        };
        mark | (access.times - 1).min(READS)
    }

    /// Judges the next key; false if nothing is held.
    pub(super) fn step(&mut self, number: usize, cells: &mut HashMap<u32, Cell>) -> bool {
        let (small, main) = (self.small_bytes, self.main_bytes);
        if self.rule.is_over(small, main) || self.main.is_empty() {
            let Some(hash) = self.small.pop_front() else { return false };
            let Some(cell) = cells.get_mut(&hash) else { return true };
            let reads = cell.marks[number] & READS;
            let bytes = cell.bytes as usize;
            self.small_bytes -= bytes;
            self.sketch.add(spread(hash), reads);
            let turn = self.rule.on_probation(reads, small - bytes, main + bytes, &mut self.grew);
            if let Turn::Stay(reads) =
                if turn == Turn::Duel { self.duel(hash, bytes, number, cells) } else { turn }
            {
                if let Some(cell) = cells.get_mut(&hash) {
                    cell.marks[number] = IN_MAIN | reads;
                }
                self.main.push_back(hash);
                self.main_bytes += bytes;
            } else {
                if self.rule.welcomes_back() {
                    self.ghost.remember(spread(hash), self.small.len() + self.main.len());
                }
                drop_mark(hash, number, cells);
            }
        } else if let Some(hash) = self.main.front().copied() {
            let reads = cells.get(&hash).map_or(0, |cell| cell.marks[number] & READS);
            self.turn_in_main(hash, self.rule.in_main(reads), number, cells);
        }
        true
    }

    fn duel(&mut self, hash: u32, bytes: usize, number: usize, cells: &mut HashMap<u32, Cell>) -> Turn {
        let before = self.main_bytes;
        for _ in 0..RIVALS_MAX {
            let Some(rival) = self.main.front().copied() else { return Turn::Stay(0) };
            let reads = cells.get(&rival).map_or(0, |cell| cell.marks[number] & READS);
            let is_beaten = self.sketch.count(spread(hash)) > self.sketch.count(spread(rival));
            if reads > 0 || is_beaten {
                self.turn_in_main(rival, self.rule.in_main(reads), number, cells);
            }
            if reads > 0 || !is_beaten {
                return Turn::Leave;
            }
            if before - self.main_bytes >= bytes {
                return Turn::Stay(0);
            }
        }
        Turn::Leave
    }

    fn turn_in_main(&mut self, hash: u32, turn: Turn, number: usize, cells: &mut HashMap<u32, Cell>) {
        self.main.pop_front();
        match (turn, cells.get_mut(&hash)) {
            (Turn::Stay(reads), Some(cell)) => {
                cell.marks[number] = IN_MAIN | reads;
                self.sketch.add(spread(hash), 1);
                self.main.push_back(hash);
            }
            (_, Some(cell)) => {
                self.main_bytes -= cell.bytes as usize;
                drop_mark(hash, number, cells);
            }
            _ => {}
        }
    }
}

fn drop_mark(hash: u32, number: usize, cells: &mut HashMap<u32, Cell>) {
    if let Some(cell) = cells.get_mut(&hash) {
        cell.marks[number] = 0;
        if cell.marks.iter().all(|&mark| mark == 0) {
            cells.remove(&hash);
        }
    }
}
