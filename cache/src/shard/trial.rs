//! The trial: all rules side by side in miniature, on a sample of the keys, to tell which of them misses least.
//!
//! The sample is a range of hashes, so it is also a range of the index, and each miniature is a cache of the sample's part of
//! the memory. Misses reach it as they happen. Hits do not, since a hit has no time for this: records count their touches, and
//! those of the sample are collected when a miniature's hand comes to the key, when the record is evicted, and by a walk over
//! the sample that goes on a little with every miss.

use std::collections::HashMap;
use std::sync::Arc;

use super::jury::{Jury, Misses};
use super::miniature::{self, Miniature};
use super::rule::Rule;

/// Entries in the sample: between half of this and twice this.
const SAMPLE: usize = 1024;
/// Slots walked over with every miss in the sample.
pub(super) const WALK: usize = 64;
/// A key of the sample.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) bytes: u32,
    /// For each rule where its miniature holds the key, and how often it was read there.
    pub(super) marks: [u8; Rule::ALL.len()],
}

/// A read or a miss of a key of the sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) hash: u32,
    pub(super) bytes: u32,
    pub(super) times: u8,
}

#[derive(Debug)]
pub(super) struct Trial {
    jury: Arc<Jury>,
    /// The rule that this shard goes by.
    rule: Rule,
    /// The sample is all hashes up to this.
    last: u32,
    halvings: u32,
    is_awake: bool,
    /// Bytes that each miniature may hold.
    room: usize,
    cells: HashMap<u32, Cell>,
    miniatures: [Miniature; Rule::ALL.len()],
    /// Where the walk over the sample goes on.
    cursor: u32,
    /// Reads of keys that a miniature has dropped, to be counted as misses there.
    late: Vec<(usize, Access)>,
}

impl Trial {
    pub(super) fn new(jury: Arc<Jury>) -> Self {
        Self {
            rule: jury.rule(),
            jury,
            last: u32::MAX,
            halvings: 0,
            is_awake: false,
            room: 0,
            cells: HashMap::new(),
            miniatures: Rule::ALL.map(Miniature::new),
            cursor: 0,
            late: Vec::new(),
        }
    }

    /// The rule that this shard goes by.
    pub(super) fn rule(&self) -> Rule {
        self.rule
    }

    /// Goes by the rule in force; true if that is another one than before.
    pub(super) fn follow(&mut self) -> bool {
        let rule = self.jury.rule();
        std::mem::replace(&mut self.rule, rule) != rule
    }

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        let cells = self.cells.capacity() * (size_of::<(u32, Cell)>() + 1) * 8 / 7;
        cells + self.miniatures.iter().map(Miniature::bytes).sum::<usize>()
    }

    /// Whether a key belongs to the sample of a trial that is on.
    pub(super) fn samples(&self, hash: u32) -> bool {
        self.is_awake && hash <= self.last
    }

    /// Forgets the sample: the next eviction begins anew.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { rule: self.rule, ..Self::new(Arc::clone(&self.jury)) };
    }

    /// Tells the trial how much the cache holds; it begins with the first eviction, and anew when its sample fits no longer.
    pub(super) fn fit(&mut self, entries: usize, bytes: usize) {
        let sampled = entries >> self.halvings;
        let fits = sampled <= SAMPLE * 2 && (sampled >= SAMPLE / 2 || self.halvings == 0);
        if !self.is_awake || !fits {
            let halvings = (entries / SAMPLE).max(1).ilog2();
            self.begin_anew();
            self.last = u32::MAX >> halvings;
            self.halvings = halvings;
            self.is_awake = true;
        }
        self.room = bytes >> self.halvings;
    }

    /// Takes part in a miss: the key was not there, and is stored now.
    pub(super) fn fill(&mut self, hash: u32, bytes: usize, touches: &mut dyn FnMut(u32) -> u8) {
        self.read(Access { hash, bytes: bytes.min(u32::MAX as usize) as u32, times: 1 }, touches);
    }

    /// Counts reads of a key of the sample.
    pub(super) fn touched(&mut self, hash: u32, bytes: usize, times: u8, touches: &mut dyn FnMut(u32) -> u8) {
        self.read(Access { hash, bytes: bytes.min(u32::MAX as usize) as u32, times }, touches);
    }

    fn read(&mut self, access: Access, touches: &mut dyn FnMut(u32) -> u8) {
        self.note(access);
        // Making room for what came back may find more that was read meanwhile.
        while let Some((number, access)) = self.late.pop() {
            self.miss(number, access, touches);
        }
    }

    /// Counts reads in the miniatures that hold the key; for the others they are late.
    fn note(&mut self, access: Access) {
        let absent = [0; Rule::ALL.len()];
        let marks = self.cells.get_mut(&access.hash).map_or(absent, |cell| {
            cell.marks
                .iter_mut()
                .filter(|mark| **mark != 0)
                .for_each(|mark| miniature::read(mark, access.times));
            cell.marks
        });
        self.late
            .extend((0..marks.len()).filter(|&number| marks[number] == 0).map(|number| (number, access)));
    }

    fn miss(&mut self, number: usize, access: Access, touches: &mut dyn FnMut(u32) -> u8) {
        if self.cells.get(&access.hash).is_some_and(|cell| cell.marks[number] != 0) {
            return self.note_in(number, access);
        }
        self.miniatures[number].misses += 1;
        if access.bytes as usize > self.room {
            return;
        }
        while self.miniatures[number].held() + access.bytes as usize > self.room {
            // What was read since the hand last came by is to be known before it judges.
            for hash in self.miniatures[number].heads().into_iter().flatten() {
                let times = touches(hash);
                if times > 0
                    && let Some(cell) = self.cells.get(&hash)
                {
                    self.note(Access { hash, bytes: cell.bytes, times });
                }
            }
            if !self.miniatures[number].step(number, &mut self.cells) {
                break;
            }
        }
        // While another miniature holds the key it counts for as much in all of them, or it would leave with more than it took.
        let cell = self.cells.entry(access.hash).or_insert(Cell { bytes: access.bytes, marks: [0; 3] });
        cell.marks[number] = self.miniatures[number].enter(Access { bytes: cell.bytes, ..access });
    }

    fn note_in(&mut self, number: usize, access: Access) {
        if let Some(cell) = self.cells.get_mut(&access.hash) {
            miniature::read(&mut cell.marks[number], access.times);
        }
    }

    /// Where to walk on, at most up to the second hash.
    pub(super) fn walk_from(&self) -> (u32, u32) {
        (self.cursor, self.last)
    }

    /// Notes how far the walk has come; at its end the jury is told what was missed since the last one. True if another rule
    /// is in force now.
    pub(super) fn walked(&mut self, next: Option<u32>) -> bool {
        self.cursor = next.filter(|&next| next <= self.last).unwrap_or(0);
        if self.cursor > 0 {
            return false;
        }
        let mut seen = Misses::default();
        seen.iter_mut().zip(&mut self.miniatures).for_each(|(seen, miniature)| {
            *seen = std::mem::take(&mut miniature.misses);
        });
        self.jury.hear(seen)
    }
}
